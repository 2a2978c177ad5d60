import { useEffect, useRef } from "preact/hooks";

import type { Step } from "../judge";
import { useSpeech } from "../words";

/** A file on its way to a verdict. */
export function Working({ name, step, cancel }: { name: string; step: Step; cancel: () => void }) {
  const speech = useSpeech();
  const { working } = speech.words;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const texts = {
    sending: () => working.sending(speech.share("share" in step ? step.share : 0)),
    judging: () => working.judging,
    queued: () => working.queued,
    running: () => working.running(speech.share("share" in step ? step.share : 0)),
    lost: () => working.lost,
  };
  return (
    <section class="card" aria-labelledby="working">
      <h2 id="working" ref={heading} tabIndex={-1}>
        {working.title(name)}
      </h2>
      <progress aria-label={working.progress} max={1} value={"share" in step ? step.share : undefined} />
      <p class={step.at === "lost" ? "fault" : undefined}>{texts[step.at]()}</p>
      {/* Read aloud when the kind of work changes, not with every per cent. */}
      <p class="unseen" role="status">
        {"share" in step ? "" : texts[step.at]()}
      </p>
      <button type="button" class="button" onClick={cancel}>
        {working.cancel}
      </button>
    </section>
  );
}
