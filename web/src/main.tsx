import { createRoot } from "react-dom/client";
import { App } from "./app";
import { isolate } from "./pwa/isolate";
import { Session } from "./session/session";
import { STANDALONE } from "./shared/endpoints";
import { ErrorBoundary } from "./ui/error-boundary";
import "./ui/page.css";

const root = document.getElementById("root");
// A page without a service may have to be loaded once more before it is isolated.
if (root && (!STANDALONE || (await isolate()))) {
  createRoot(root).render(
    <ErrorBoundary>
      <App session={new Session()} />
    </ErrorBoundary>,
  );
}
