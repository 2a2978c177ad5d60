import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import type { Model } from "../gateway/types";
import { useSpeech } from "../words";

/** What the models can and cannot do, by the thresholds and figures in force. */
export function Limits({ model }: { model: Model }) {
  const speech = useSpeech();
  const { limits, result } = speech.words;
  const { decide_at, uncertain_margin, real_below, fake_above } = model.thresholds;
  const { leaked, fakes, upper_95 } = model.leakage;
  const [low, high] = uncertainRange(model.thresholds);
  return (
    <>
      <ul>
        {limits.points.map((point) => (
          <li key={point}>{point}</li>
        ))}
        <li>
          {limits.thresholds(
            speech.percent(Math.min(1, decide_at + uncertain_margin)),
            speech.percent(low),
            speech.percent(high),
          )}
        </li>
        <li>
          {limits.fast(speech.percent(real_below), speech.percent(fake_above))}{" "}
          {limits.leakage(leaked, fakes, speech.percent(upper_95))}
        </li>
      </ul>
      <dl>
        <div>
          <dt>{result.models}</dt>
          <dd>
            <code>{model.model_version}</code>
          </dd>
        </div>
        <div>
          <dt>{result.policy}</dt>
          <dd>
            <code>{model.policy_version}</code>
          </dd>
        </div>
        <div>
          <dt>{result.engine}</dt>
          <dd>{model.face_engine}</dd>
        </div>
        <div>
          <dt>{limits.data}</dt>
          <dd lang="en">{model.data}</dd>
        </div>
        <div>
          <dt>{limits.version}</dt>
          <dd>{model.version}</dd>
        </div>
      </dl>
    </>
  );
}

/** The probabilities between which a verdict is `uncertain`. */
export function uncertainRange({ decide_at, uncertain_margin }: Model["thresholds"]): [number, number] {
  return [Math.max(0, decide_at - uncertain_margin), Math.min(1, decide_at + uncertain_margin)];
}

interface Props {
  model: Model;
  close: () => void;
  /** What else leads on from here. */
  children?: ComponentChildren;
}

export function LimitsDialog({ model, close, children }: Props) {
  const { words } = useSpeech();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="limits" onClose={close}>
      <h2 id="limits" tabIndex={-1} autofocus>{words.limits.title}</h2>
      <p>{words.limits.intro}</p>
      <Limits model={model} />
      <div class="row">
        {children}
        <button type="button" class="button primary" onClick={() => dialog.current?.close()}>
          {words.limits.close}
        </button>
      </div>
    </dialog>
  );
}
