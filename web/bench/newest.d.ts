// The package calls its types by the name that it is published under.
declare module "onnxruntime-web-newest/wasm" {
  export * from "onnxruntime-web";
}
