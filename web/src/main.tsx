import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Session } from "./session";
import { isolate } from "./site/isolate";
import { STANDALONE } from "./source";
import "./page.css";

const root = document.getElementById("root");
// A page without a service may have to be loaded once more before it is isolated.
if (root && (!STANDALONE || (await isolate()))) createRoot(root).render(<App session={new Session()} />);
