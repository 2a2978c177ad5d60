/** What the cascade is made of, as `awarenet/stages.py` and `awarenet/faces.py` say; golden cases hold both together. */

/** Side of the square face crop in pixels. */
export const FACE_SIZE = 256;
/** Bytes of a crop: RGB, row by row. */
export const FACE_BYTES = FACE_SIZE * FACE_SIZE * 3;
/** Side of the crop as a multiple of the longer side of the face box. */
export const CROP_SCALE = 1.3;
/** A crop with a smaller side in source pixels is too poor to judge: listed, but it does not carry the verdict. */
export const POOR_PX = FACE_SIZE / 4;

export const NETWORKS = ["fast_filter", "efficientnet", "genconvit"] as const;
export type Network = (typeof NETWORKS)[number];

/** Columns of the meta-model's input and of the evidence, in order. */
export const FEATURES = [
  "fast_filter_logit",
  "efficientnet_logit",
  "genconvit_autoencoder_logit",
  "genconvit_variational_logit",
  "genconvit_residual",
  "sharpness",
  "compression",
  "face_px",
] as const;
export type Feature = (typeof FEATURES)[number];

/** Feature to value; NaN where a stage did not run. */
export type Evidence = Record<Feature, number>;

/** A face as the stages take it: `FACE_BYTES` of RGB, and the side of the crop in source pixels (NaN: unknown). */
export interface Face {
  pixels: Uint8Array;
  facePx: number;
}

/** The outputs of a network for one face, by name. */
export type Outputs = Record<string, ArrayLike<number>>;
