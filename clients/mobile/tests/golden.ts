import { readFileSync } from "node:fs";

import type { Decision } from "../src/cascade/cascade";
import type { Network } from "../src/cascade/contract";
import type { Policy } from "../src/cascade/policy";
import type { Picture } from "../src/cascade/crop";
import type { Box, Word } from "../../web/src/gateway/types";

/** What `python -m tests.mobile_golden` wrote: cases of the Python cascade. */
export interface Golden {
  trees: { rows: (number | null)[][]; probability: number[] };
  cascade: {
    policy: Policy;
    full: boolean;
    faces: number[];
    face_px: (number | null)[];
    outputs: Record<Network, Record<string, number[][]>>;
    asked: number[][];
    probability: number[];
    exit_stage: Decision["exitStage"][];
    evidence: (number | null)[][];
  }[];
  words: { probability: number; word: Word }[];
  crops: { picture: string; size: [number, number]; box: Box; face: string; face_px: number }[];
  networks: Record<Network, Record<string, number[][]>>;
  portrait: { picture: string; box: Box };
}

const GOLDEN = new URL("../../../build/mobile-golden/", import.meta.url);
const MODELS = new URL("../public/models/", import.meta.url);

export const bytes = (name: string) => new Uint8Array(readFileSync(new URL(name, GOLDEN)));
export const golden = JSON.parse(readFileSync(new URL("golden.json", GOLDEN), "utf-8")) as Golden;
export const model = (name: string) => new Uint8Array(readFileSync(new URL(name, MODELS)));
export const modelText = (name: string) => readFileSync(new URL(name, MODELS), "utf-8");

/** A picture over RGB bytes. */
export function picture(name: string, [width, height]: [number, number]): Picture {
  const rgb = bytes(name);
  return {
    width,
    height,
    read(left, top, across, down) {
      const rgba = new Uint8Array(across * down * 4);
      for (let y = 0, out = 0; y < down; y++)
        for (let x = 0; x < across; x++, out += 4) {
          const start = ((top + y) * width + left + x) * 3;
          rgba.set(rgb.subarray(start, start + 3), out);
        }
      return rgba;
    },
  };
}
