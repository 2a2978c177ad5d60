import { FACE_SIZE } from "./contract";

/** Laplacian responses of the 4x luma below this (one grey level) count as flat. */
const FLAT = 4;

/** Quality features of a crop, as `awarenet/quality.py` computes them. */
export interface Quality {
  /** Logarithm of 1 + the Laplacian's variance in squared grey levels; low means blurred. */
  sharpness: number;
  /** Share of pixels with a Laplacian under one grey level: it grows with lossy compression. */
  compression: number;
}

export function quality(pixels: Uint8Array): Quality {
  const luma = new Int16Array(FACE_SIZE * FACE_SIZE);
  for (let i = 0, j = 0; i < luma.length; i++, j += 3) luma[i] = pixels[j]! + 2 * pixels[j + 1]! + pixels[j + 2]!;
  let [sum, squares, flat] = [0, 0, 0];
  for (let y = 1; y < FACE_SIZE - 1; y++) {
    for (let i = y * FACE_SIZE + 1, end = i + FACE_SIZE - 2; i < end; i++) {
      const response = luma[i - FACE_SIZE]! + luma[i + FACE_SIZE]! + luma[i - 1]! + luma[i + 1]! - 4 * luma[i]!;
      sum += response;
      squares += response * response;
      if (Math.abs(response) < FLAT) flat++;
    }
  }
  const count = (FACE_SIZE - 2) ** 2;
  const variance = (squares - sum ** 2 / count) / count / 16;
  return { sharpness: Math.fround(Math.log1p(variance)), compression: Math.fround(flat / count) };
}
