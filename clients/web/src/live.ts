import type { Problem } from "./gateway/problem";
import type { StreamMessage } from "./gateway/types";

export type Summary = Extract<StreamMessage, { type: "summary" }>;
export type LiveAnswer = Extract<StreamMessage, { type: "verdict" }>;

/** What a watcher of a live picture is told. */
export interface Told {
  /** A judged frame; boxes are in pixels of a frame of this size. */
  answer(answer: LiveAnswer, width: number, height: number): void;
  /** Whoever judges is lost and is asked again, or is there (again). */
  connected(isConnected: boolean): void;
  /** A frame was refused. */
  refused(problem: Problem): void;
}

/** Has the frames of a playing video judged until `signal`; gives what was counted, null where that is not known. */
export type Watch = (video: HTMLVideoElement, told: Told, signal: AbortSignal) => Promise<Summary | null>;
