/** What the gateway answers, as its OpenAPI document (`/openapi.json`) says. Every probability is P(fake), in [0, 1]. */

export type Word = "fake" | "real" | "uncertain" | "no_face";

/** Left, top, width, height in pixels of the oriented picture. */
export type Box = [number, number, number, number];

/** One scored face, in one frame of a clip. */
export interface Face {
  box: Box;
  track: number;
  probability: number;
  /** 1: the fast filter decided; 3: all models together. */
  exit_stage: 1 | 3;
  evidence: Record<string, number | null>;
  upscaled: boolean;
  /** Seconds; null in pictures. */
  time_s: number | null;
}

/** One person followed through a clip, with the 95 % interval of their probability. */
export interface Track {
  track: number;
  start_s: number | null;
  end_s: number | null;
  faces: number;
  probability: number;
  low: number | null;
  high: number | null;
  temporal: Record<string, number | null>;
}

/** The answer for one picture or clip (`awarenet/verdict.schema.json`); what older gateways lack is optional. */
export interface Verdict {
  path: string;
  verdict: Word | null;
  probability: number | null;
  faces: Face[];
  model_version: string;
  policy_version: string;
  face_engine: string;
  error: string | null;
  error_code: string | null;
  notes: string[];
  timings_ms: Record<string, number>;
  tracks?: Track[];
  duration_s?: number | null;
  scene_cuts_s?: number[];
  skipped?: Record<string, number>;
  /** Beside the verdict in the answer, and no part of it. */
  content_credentials?: Credentials | null;
}

/** What a file says about its own origin (C2PA); every text was written by the signer. */
export interface Credentials {
  state: "absent" | "trusted" | "valid" | "invalid" | "remote" | "unreadable" | "too_large";
  issuer: string | null;
  claim_generator: string | null;
  signed_at: string | null;
  actions: { action: string; source_type: string | null; software: string | null }[];
  says_ai: boolean;
  ingredients: number;
  problems: string[];
}

/** Where in a face its score comes from. */
export interface Heatmap {
  /** The square of the picture that the values cover. */
  region: Box;
  /** Rows from the top, in logits of P(fake). */
  values: number[][];
  logit: number;
  model_version: string;
}

/** Problem details (RFC 9457). */
export interface ProblemDetails {
  title: string;
  status?: number;
  detail: string;
  code: string;
  instance?: string;
}

export interface Job {
  id: string;
  state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  progress: number;
  verdict: Verdict | null;
  content_credentials?: Credentials | null;
  problem: ProblemDetails | null;
}

export interface Thresholds {
  /** The fast filter settles a face alone below this, */
  real_below: number;
  /** or from this on. */
  fake_above: number;
  decide_at: number;
  /** Closer to `decide_at` than this a verdict is `uncertain`. */
  uncertain_margin: number;
}

/** `GET /v1/model`. */
export interface Model {
  version: string;
  model_version: string;
  policy_version: string;
  face_engine: string;
  thresholds: Thresholds;
  leakage: { fakes: number; leaked: number; reals: number; settled: number; target: number; upper_95: number };
  data: string;
  models: Record<string, string>;
  limits: { picture_bytes: number; clip_bytes: number; frame_bytes: number; pixels: number; clip_seconds: number };
}

/** One person in a live stream. */
export interface LiveTrack {
  track: number;
  verdict: "fake" | "real" | "uncertain";
  probability: number | null;
  box: Box;
  seen_s: number;
}

/** What `WS /v1/stream` says. */
export type StreamMessage =
  | { type: "session"; session: string; resumed: boolean; frame_bytes: number; resume_s: number }
  | {
      type: "verdict";
      frame: number;
      time_s: number;
      verdict: Word;
      probability: number | null;
      tracks: LiveTrack[];
      error: string | null;
      dropped: number;
      latency_ms: number;
    }
  | { type: "error"; frame?: number; problem: ProblemDetails }
  | { type: "summary"; frames: number; judged: number; dropped: number }
  | { type: "ending"; detail: string };
