import { Problem } from "../../web/src/gateway/problem";
import type { Model } from "../../web/src/gateway/types";

/**
 * Decodes a picture, held upright as its metadata say.
 *
 * @throws Problem
 */
export async function decode(file: File, limits: Model["limits"]): Promise<ImageBitmap> {
  if (file.size > limits.picture_bytes) throw new Problem("media_too_large");
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new Problem("unsupported_media");
  });
  if (bitmap.width * bitmap.height > limits.pixels) {
    bitmap.close();
    throw new Problem("media_too_large");
  }
  return bitmap;
}
