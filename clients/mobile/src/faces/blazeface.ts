import type { Box } from "../../../web/src/gateway/types";

/** Side of the square picture that the detector looks at. */
export const SIDE = 256;
/** Name of the engine, as verdicts carry it. */
export const ENGINE = "blazeface";

/** A found face, in pixels of what was searched, in the geometry of YuNet. */
export interface Found {
  box: Box;
  /** The engine's confidence, in [0, 1]. */
  score: number;
}

/** The detector's outputs: for each anchor a logit, and 16 numbers of which the first four are the box. */
export interface Raw {
  logits: ArrayLike<number>;
  boxes: ArrayLike<number>;
}

/** Faces score 0.8 to 0.95. */
const LEAST_SCORE = 0.65;
/** Boxes with a higher intersection over union are one face. */
const SAME = 0.3;
const NUMBERS = 16;

/** Cells in a row and anchors in a cell of the two grids that the detector answers for. */
const GRIDS = [
  { cells: 16, anchors: 2 },
  { cells: 8, anchors: 6 },
];

// From BlazeFace's square (brow to chin) to YuNet's box, in units of its side: shift of the centre, width, height.
// Medians over pictures on which both find one face; `tests/browser/test_mobile_faces.py` prints what is left.
const SHIFT_Y = -0.1;
const WIDTH = 0.915;
const HEIGHT = 1.25;

/** RGBA of `SIDE` by `SIDE` as the detector takes it: RGB in [-1, 1]. */
export function prepare(rgba: ArrayLike<number>): Float32Array {
  const input = new Float32Array(SIDE * SIDE * 3);
  for (let i = 0, j = 0; j < input.length; i += 4) {
    input[j++] = rgba[i]! / 127.5 - 1;
    input[j++] = rgba[i + 1]! / 127.5 - 1;
    input[j++] = rgba[i + 2]! / 127.5 - 1;
  }
  return input;
}

/** The faces in what the detector says, the surest first; one output for each grid, the finer first. */
export function read(grids: readonly Raw[]): Found[] {
  const candidates: Found[] = [];
  grids.forEach(({ logits, boxes }, grid) => {
    const { cells, anchors } = GRIDS[grid]!;
    for (let index = 0; index < cells * cells * anchors; index++) {
      const score = 1 / (1 + Math.exp(-logits[index]!));
      if (!(score >= LEAST_SCORE)) continue;
      const cell = Math.floor(index / anchors);
      const [x, y, width, height] = [0, 1, 2, 3].map((offset) => boxes[index * NUMBERS + offset]!) as Box;
      const centre = (position: number) => ((position + 0.5) * SIDE) / cells;
      const [middle, level] = [centre(cell % cells) + x, centre(Math.floor(cell / cells)) + y];
      candidates.push({ box: [middle - width / 2, level - height / 2, width, height], score });
    }
  });
  return blend(candidates).map(({ box, score }) => ({ box: geometry(box), score }));
}

/** Intersection over union, and intersection over the smaller box. */
export function overlap([x, y, width, height]: Box, [left, top, across, down]: Box): [number, number] {
  const shared =
    Math.max(0, Math.min(x + width, left + across) - Math.max(x, left)) *
    Math.max(0, Math.min(y + height, top + down) - Math.max(y, top));
  const areas = [width * height, across * down] as const;
  return [shared / (areas[0] + areas[1] - shared), shared / Math.min(...areas)];
}

/** One face for all candidates that overlap: their mean, weighted by score, which shakes less than the best alone. */
function blend(candidates: Found[]): Found[] {
  const faces: Found[] = [];
  let left = candidates.sort((one, other) => other.score - one.score);
  while (left[0]) {
    const { box: best, score } = left[0];
    const same = left.filter(({ box }) => overlap(best, box)[0] > SAME);
    left = left.filter(({ box }) => overlap(best, box)[0] <= SAME);
    const weight = same.reduce((sum, one) => sum + one.score, 0);
    const mean = best.map((_, side) => same.reduce((sum, one) => sum + one.score * one.box[side]!, 0) / weight);
    faces.push({ box: mean as Box, score });
    if (!same.length) break; // A box without an area overlaps nothing, itself included.
  }
  return faces;
}

function geometry([x, y, width, height]: Box): Box {
  const side = Math.max(width, height);
  const [middle, level] = [x + width / 2, y + height / 2 + SHIFT_Y * side];
  return [middle - (WIDTH * side) / 2, level - (HEIGHT * side) / 2, WIDTH * side, HEIGHT * side];
}
