import type { Box, Word } from "../gateway/types";

/** One marked face. */
export interface Mark {
  number: number;
  word: Word;
  box: Box;
}

/** Marks faces over a picture of `width` by `height`, whatever its size on the screen. */
export function Boxes({ marks, width, height }: { marks: Mark[]; width: number; height: number }) {
  if (!width || !height) return null;
  const share = (part: number, whole: number) => `${(100 * part) / whole}%`;
  return (
    <div class="boxes" aria-hidden="true">
      {marks.map(({ number, word, box: [left, top, across, down] }) => (
        <div
          key={number}
          class={`box ${word}`}
          data-number={number}
          style={{
            left: share(left, width),
            top: share(top, height),
            width: share(across, width),
            height: share(down, height),
          }}
        >
          <span>{number}</span>
        </div>
      ))}
    </div>
  );
}
