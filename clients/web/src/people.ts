import type { Face, Thresholds, Track, Verdict, Word } from "./gateway/types";

/** Faces of a clip below which nobody is judged (`awarenet/video/sampling.py`). */
const FEW = 3;
/** Seconds by which a frame on the screen may be off the frame that was looked at. */
const NEAR_S = 0.2;
/** Faces of a person that are named, the most suspicious. */
const WORST = 3;

/** One face of a picture, or one person followed through a clip. */
export interface Person {
  /** As written beside the box, from 1. */
  number: number;
  word: Exclude<Word, "no_face">;
  probability: number;
  /** The 95 % interval; null where there is none. */
  interval: [number, number] | null;
  /** In time order. */
  faces: Face[];
  /** The most suspicious first; never empty. */
  worst: [Face, ...Face[]];
  /** What the gateway says of the whole track; null where it says nothing. */
  track: Track | null;
}

/** Everybody in a verdict, the most suspicious first. */
export function people(verdict: Verdict, thresholds: Thresholds): Person[] {
  const byTrack = new Map<number, Face[]>();
  for (const face of verdict.faces) byTrack.set(face.track, [...(byTrack.get(face.track) ?? []), face]);
  const found = [...byTrack].map(([number, unordered]): Person => {
    const faces = [...unordered].sort((one, other) => (one.time_s ?? 0) - (other.time_s ?? 0));
    const track = verdict.tracks?.find((one) => one.track === number) ?? null;
    const probability = track?.probability ?? middle(faces);
    const few = faces[0]!.time_s !== null && faces.length < FEW;
    const worst = [...faces].sort((one, other) => other.probability - one.probability).slice(0, WORST);
    return {
      number: number + 1,
      word: few ? "uncertain" : wordFor(probability, thresholds),
      probability,
      interval: track && track.low !== null && track.high !== null ? [track.low, track.high] : null,
      faces,
      worst: worst as [Face, ...Face[]],
      track,
    };
  });
  return found.sort((one, other) => other.probability - one.probability || one.number - other.number);
}

/** The word for a probability under the thresholds in force. */
export function wordFor(probability: number, { decide_at, uncertain_margin }: Thresholds): Person["word"] {
  if (Math.abs(probability - decide_at) < uncertain_margin) return "uncertain";
  return probability >= decide_at ? "fake" : "real";
}

/** The score of a track whose own the gateway does not say: that of the mean of its logits. */
function middle(faces: Face[]): number {
  if (faces.length === 1) return faces[0]!.probability;
  const logits = faces.map(({ probability }) => logit(Math.min(1 - 1e-6, Math.max(1e-6, probability))));
  return sigmoid(logits.reduce((sum, value) => sum + value, 0) / logits.length);
}

/** The face of a person that was looked at nearest to an instant; null where none is near. */
export function faceAt(person: Person, time: number): Face | null {
  let best: Face | null = null;
  let distance = NEAR_S;
  for (const face of person.faces) {
    if (face.time_s === null) return face;
    if (Math.abs(face.time_s - time) <= distance) [best, distance] = [face, Math.abs(face.time_s - time)];
  }
  return best;
}

export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

export function logit(probability: number): number {
  return Math.log(probability / (1 - probability));
}
