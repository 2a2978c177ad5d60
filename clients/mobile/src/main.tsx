import { render } from "preact";

import "../../web/src/style.css";
import { App } from "./views/app";

render(<App />, document.getElementById("app")!);
