import type { Box, Face as Scored, Thresholds, Verdict } from "../../../web/src/gateway/types";
import { wordFor } from "../../../web/src/people";
import type { Decision } from "./cascade";
import { FACE_SIZE, POOR_PX } from "./contract";

/** A found face with what was decided about it. */
export interface Judged {
  box: Box;
  facePx: number;
  decision: Decision;
}

/** The part of a verdict that comes from the faces of a picture. */
export type Outcome = Pick<Verdict, "verdict" | "probability" | "faces" | "notes" | "tracks">;

/** The answer for a picture, as `awarenet/detector.py` gives it: the worst face decides; too small ones do not count. */
export function outcome(judged: Judged[], thresholds: Thresholds): Outcome {
  const good = judged.filter(({ facePx }) => facePx >= POOR_PX);
  const poor = judged.length - good.length;
  const counted = (good.length ? good : judged).map(({ decision }) => decision.probability);
  const probability = counted.length ? Math.max(...counted) : null;
  const small = judged.filter(({ facePx }) => facePx < FACE_SIZE).length;
  const notes: string[] = [];
  if (small) notes.push(`${some(small, judged.length)} fewer pixels than the ${FACE_SIZE} that the models look at`);
  if (good.length && poor) notes.push(`${some(poor, judged.length)} fewer than ${POOR_PX} pixels: too small to count`);
  if (!good.length && poor)
    notes.push(`no face has ${POOR_PX} pixels: too small to judge, so the verdict stays uncertain`);
  return {
    verdict: good.length ? wordFor(probability!, thresholds) : poor ? "uncertain" : "no_face",
    probability,
    faces: judged.map(scored),
    tracks: judged.map(({ decision }, track) => ({
      track,
      start_s: null,
      end_s: null,
      faces: 1,
      probability: decision.probability,
      low: null,
      high: null,
      temporal: {},
    })),
    notes,
  };
}

function scored({ box, facePx, decision }: Judged, track: number): Scored {
  const evidence = Object.entries(decision.evidence).map(([name, value]) => [name, Number.isFinite(value) ? value : null]);
  return {
    box: box.map((value) => Math.round(100 * value) / 100) as Box,
    track,
    probability: decision.probability,
    exit_stage: decision.exitStage,
    evidence: Object.fromEntries(evidence) as Record<string, number | null>,
    upscaled: facePx < FACE_SIZE,
    time_s: null,
  };
}

function some(part: number, whole: number): string {
  if (whole === 1) return "the face has";
  if (part === whole) return `all ${whole} faces have`;
  return `${part} of ${whole} faces ${part === 1 ? "has" : "have"}`;
}
