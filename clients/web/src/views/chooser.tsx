import type { Model } from "../gateway/types";
import { useSpeech } from "../words";

interface Props {
  limits: Model["limits"];
  /** What the browser offers, as `accept` of an input has it. */
  accept: string;
  open: (files: FileList) => void;
}

/** Where a picture or clip is chosen. */
export function Chooser({ limits, accept, open }: Props) {
  const speech = useSpeech();
  const { choose } = speech.words;
  const { picture_bytes, clip_bytes, clip_seconds } = limits;
  return (
    <section class="card chooser" aria-labelledby="choose">
      <svg class="emblem" viewBox="0 0 48 48" aria-hidden="true">
        <path d="M6 16V9a3 3 0 0 1 3-3h7M32 6h7a3 3 0 0 1 3 3v7M42 32v7a3 3 0 0 1-3 3h-7M16 42H9a3 3 0 0 1-3-3v-7" />
        <path d="M24 33V16m-7 7 7-7 7 7" />
      </svg>
      <h2 id="choose">{choose.title}</h2>
      <label class="button primary">
        {choose.button}
        <input
          type="file"
          class="unseen"
          accept={accept}
          onChange={(event) => {
            const { files } = event.currentTarget;
            if (files?.length) open(files);
          }}
        />
      </label>
      <p class="soft">
        {choose.limits(
          speech.megabytes(picture_bytes),
          speech.megabytes(clip_bytes),
          speech.number(clip_seconds / 60, 0),
        )}
      </p>
      <p class="soft">{choose.privacy}</p>
    </section>
  );
}
