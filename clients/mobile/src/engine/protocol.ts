import type { Model, Verdict } from "../../../web/src/gateway/types";
import type { Effort } from "./detector";
import type { Backend } from "./networks";

/** What the page asks of the worker; a bitmap belongs to the worker from then on. */
export type Question = { id: number } & (
  | { ask: "start"; models: string; manifest: string; fresh: boolean }
  | { ask: "judge"; bitmap: ImageBitmap; name: string; effort: Effort }
);

/** What a started worker says of itself. */
export interface Started {
  model: Model;
  backend: Backend;
}

/** The worker's answer to the question of the same id. */
export type Answer = { id: number } & ({ value: Started | Verdict } | { code: string; detail: string });
