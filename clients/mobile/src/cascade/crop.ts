import type { Box } from "../../../web/src/gateway/types";
import { CROP_SCALE, type Face, FACE_BYTES, FACE_SIZE } from "./contract";

/** A picture that is read in parts, so that no full-size copy of a large one is made. */
export interface Picture {
  width: number;
  height: number;
  /** RGBA of a rectangle that lies inside. */
  read(left: number, top: number, width: number, height: number): ArrayLike<number>;
}

/**
 * Cuts the square around a face as `awarenet.faces.crop_face` does: 1.3 times the longer side of the box, border
 * replicated, area-filtered down (small faces: interpolated up).
 */
export function cropFace(picture: Picture, [x, y, width, height]: Box): Face {
  const side = Math.max(2, round(Math.max(width, height) * CROP_SCALE));
  const left = round(x + width / 2 - side / 2);
  const top = round(y + height / 2 - side / 2);
  // The columns and rows of the square that exist; the rest repeats the nearest edge.
  const [x0, x1] = inside(left, side, picture.width);
  const [y0, y1] = inside(top, side, picture.height);
  const cut = picture.read(x0, y0, x1 - x0, y1 - y0);
  const weights = (side > FACE_SIZE ? areas : neighbours)(side);
  const columns = weights.map((parts) => merge(parts, left, x0, x1));
  const rows = weights.map((parts) => merge(parts, top, y0, y1));
  return { pixels: resize(cut, x1 - x0, columns, y1 - y0, rows), facePx: side };
}

/** Parts of a source line that make one output pixel: position and weight. */
type Parts = [number, number][];

/** OpenCV's area filter: each output pixel is the mean of the source that it covers. */
function areas(side: number): Parts[] {
  const scale = side / FACE_SIZE;
  return Array.from({ length: FACE_SIZE }, (_, index) => {
    const [from, to] = [index * scale, Math.min(side, (index + 1) * scale)];
    const parts: Parts = [];
    for (let at = Math.floor(from); at < to; at++) {
      const share = (Math.min(at + 1, to) - Math.max(at, from)) / (to - from);
      if (share > 1e-9) parts.push([at, share]);
    }
    return parts;
  });
}

/** OpenCV's bilinear filter: the two nearest pixels, counted from their centres. */
function neighbours(side: number): Parts[] {
  const scale = side / FACE_SIZE;
  return Array.from({ length: FACE_SIZE }, (_, index) => {
    const at = Math.min(side - 1, Math.max(0, (index + 0.5) * scale - 0.5));
    const first = Math.min(side - 2, Math.floor(at));
    return [
      [first, 1 - (at - first)],
      [first + 1, at - first],
    ];
  });
}

/** Positions in the square to positions in the part of it that exists. */
function merge(parts: Parts, start: number, from: number, to: number): Parts {
  return parts.map(([at, weight]) => [Math.min(to - 1, Math.max(from, at + start)) - from, weight]);
}

function resize(cut: ArrayLike<number>, width: number, columns: Parts[], height: number, rows: Parts[]): Uint8Array {
  const narrow = new Float32Array(height * FACE_SIZE * 3);
  for (let y = 0, out = 0; y < height; y++) {
    for (const parts of columns) {
      let [red, green, blue] = [0, 0, 0];
      for (const [at, weight] of parts) {
        const i = (y * width + at) * 4;
        red += weight * cut[i]!;
        green += weight * cut[i + 1]!;
        blue += weight * cut[i + 2]!;
      }
      narrow[out++] = red;
      narrow[out++] = green;
      narrow[out++] = blue;
    }
  }
  const pixels = new Uint8Array(FACE_BYTES);
  const line = new Float64Array(FACE_SIZE * 3);
  rows.forEach((parts, y) => {
    line.fill(0);
    for (const [at, weight] of parts) {
      const start = at * line.length;
      for (let i = 0; i < line.length; i++) line[i]! += weight * narrow[start + i]!;
    }
    for (let i = 0; i < line.length; i++) pixels[y * line.length + i] = Math.round(line[i]!);
  });
  return pixels;
}

function inside(start: number, side: number, length: number): [number, number] {
  return [Math.min(length - 1, Math.max(0, start)), Math.min(length, Math.max(1, start + side))];
}

/** Python's rounding: a half goes to the even neighbour. */
function round(value: number): number {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down & 1) : Math.round(value);
}
