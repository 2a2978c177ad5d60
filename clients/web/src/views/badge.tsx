import type { Word } from "../gateway/types";
import { useSpeech } from "../words";

const GLYPHS: Record<Word, string> = { fake: "▲", real: "●", uncertain: "◆", no_face: "○" };

/** A verdict's word with a sign, so that colour is not all that tells. */
export function Badge({ word }: { word: Word }) {
  const { words } = useSpeech();
  return (
    <span class={`badge ${word}`}>
      <span class="glyph" aria-hidden="true">
        {GLYPHS[word]}
      </span>{" "}
      {words.word[word]}
    </span>
  );
}
