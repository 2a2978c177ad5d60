import type { Box } from "../../../web/src/gateway/types";
import { type Found, overlap } from "./blazeface";

/** Looks at one square of a picture (which may hang over its edges); boxes are in pixels of the picture. */
export type Look = (left: number, top: number, side: number) => Promise<Found[]>;

/** The second look is left out where the square of the first was no larger than this: it would invent pixels. */
const LEAST_SIDE = 512;
/** Faces with a longer side below this share of the square are missed now and then. */
const SMALL = 0.2;
/** Larger boxes than this share of a tile are parts of faces more often than faces that the first look missed. */
const LARGE = 0.6;
const SAME = 0.4;
const INSIDE = 0.7;

/**
 * Finds the faces of a picture, the largest first.
 *
 * The detector looks at the whole picture. Where it found none, or small ones, it looks again at overlapping tiles of
 * half the size.
 *
 * @param thorough Whether to look again; off for frames of a live stream.
 */
export async function search(width: number, height: number, look: Look, thorough: boolean): Promise<Box[]> {
  const side = Math.max(width, height);
  let found = await look((width - side) / 2, (height - side) / 2, side);
  const smallest = Math.min(...found.map(({ box }) => longer(box)));
  if (thorough && side > LEAST_SIDE && (!found.length || smallest < SMALL * side)) {
    const tile = side / 2;
    for (const top of starts(height, tile))
      for (const left of starts(width, tile))
        found.push(...(await look(left, top, tile)).filter(({ box }) => longer(box) < LARGE * tile));
    found = suppress(found);
  }
  return found.map(({ box }) => box).sort((one, other) => longer(other) - longer(one));
}

/** Where tiles begin so that neighbours overlap by half, as far as the picture goes. */
function starts(length: number, tile: number): number[] {
  if (length <= tile) return [(length - tile) / 2];
  const count = Math.ceil((length - tile) / (tile / 2)) + 1;
  return Array.from({ length: count }, (_, index) => ((length - tile) * index) / (count - 1));
}

/** Keeps the surest of boxes that show one face. */
function suppress(found: Found[]): Found[] {
  const kept: Found[] = [];
  for (const face of [...found].sort((one, other) => other.score - one.score)) {
    const shares = kept.map(({ box }) => overlap(face.box, box));
    if (shares.every(([union, smaller]) => union <= SAME && smaller <= INSIDE)) kept.push(face);
  }
  return kept;
}

function longer([, , width, height]: Box): number {
  return Math.max(width, height);
}
