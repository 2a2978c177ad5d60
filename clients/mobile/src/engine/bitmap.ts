import type { Picture } from "../cascade/crop";
import { SIDE } from "../faces/blazeface";

/** A decoded picture: parts at full size for crops, and squares scaled down for the face detector. */
export class BitmapPicture implements Picture {
  constructor(private readonly bitmap: ImageBitmap) {}

  get width(): number {
    return this.bitmap.width;
  }

  get height(): number {
    return this.bitmap.height;
  }

  read(left: number, top: number, width: number, height: number): Uint8ClampedArray {
    const context = canvas(width, height);
    context.drawImage(this.bitmap, left, top, width, height, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  }

  /** A square of the picture at the detector's size; what hangs over the edges is black. */
  square(left: number, top: number, side: number): Uint8ClampedArray {
    const context = canvas(SIDE, SIDE);
    const ratio = SIDE / side;
    context.fillRect(0, 0, SIDE, SIDE);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, -left * ratio, -top * ratio, this.width * ratio, this.height * ratio);
    return context.getImageData(0, 0, SIDE, SIDE).data;
  }
}

function canvas(width: number, height: number): OffscreenCanvasRenderingContext2D {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
}
