import type { ComponentChildren } from "preact";

import type { Face, Model, Verdict } from "../gateway/types";
import { type Person, sigmoid } from "../people";
import { type Speech, useSpeech } from "../words";
import { Badge } from "./badge";
import { Timeline } from "./timeline";

interface Props {
  person: Person;
  verdict: Verdict;
  model: Model;
  /** Seconds of the clip; null for pictures. */
  duration: number | null;
  cursor: { time: number; seek: (time: number) => void } | null;
  /** What else there is to see of them. */
  children?: ComponentChildren;
}

/** One person with the evidence for and against them. */
export function PersonCard({ person, verdict, model, duration, cursor, children }: Props) {
  const speech = useSpeech();
  const { words } = speech;
  const clip = duration !== null;
  const name = clip ? words.result.person(person.number) : words.result.face(person.number);
  const face = person.worst[0];
  const [low, high] = person.interval ?? [null, null];
  return (
    <section class="person" aria-label={name}>
      <div class="head">
        <h4>
          <span class={`number ${person.word}`} aria-hidden="true">
            {person.number}
          </span>{" "}
          {name}
        </h4>
        <p>
          <Badge word={person.word} /> <strong>{speech.percent(person.probability)}</strong>
          {low !== null && <span class="soft"> ({speech.ends(low, high).join(" – ")})</span>}
        </p>
      </div>
      {clip && (
        <>
          <Timeline
            name={name}
            points={person.faces.map(({ time_s, probability }) => ({ time: time_s ?? 0, probability }))}
            span={[0, duration]}
            thresholds={model.thresholds}
            interval={
              person.track && low !== null
                ? { from: person.track.start_s ?? 0, to: person.track.end_s ?? duration, low, high }
                : null
            }
            cuts={verdict.scene_cuts_s ?? []}
            cursor={cursor}
          />
          {cursor && (
            <p class="moments" data-screen>
              <span class="soft">{words.timeline.worst}</span>{" "}
              {person.worst.map(({ time_s, probability }) => (
                <button key={time_s} type="button" class="chip" onClick={() => cursor.seek(time_s ?? 0)}>
                  {speech.seconds(time_s ?? 0)} · {speech.percent(probability)}
                </button>
              ))}
            </p>
          )}
          {person.faces.length < 3 && <p>{words.result.few}</p>}
        </>
      )}
      {reasons(speech, face, model, clip ? person.faces.length : 0).map((reason) => (
        <p key={reason}>{reason}</p>
      ))}
      <dl class="scores" aria-label={words.evidence.scores}>
        {scores(face).map(([feature, probability]) => (
          <div key={feature}>
            <dt>{words.models[feature]}</dt>
            <dd>
              <meter min={0} max={1} value={probability} aria-hidden="true" />
              <span class="figure">{speech.percent(probability)}</span>
            </dd>
          </div>
        ))}
      </dl>
      {children}
      <Unsteadiness temporal={person.track?.temporal ?? {}} />
    </section>
  );
}

function Unsteadiness({ temporal }: { temporal: Record<string, number | null> }) {
  const speech = useSpeech();
  const { words } = speech;
  const measured = Object.entries(temporal).filter((one): one is [string, number] => one[1] !== null);
  if (!measured.length) return null;
  return (
    <details>
      <summary>{words.evidence.temporal}</summary>
      <dl class="scores">
        {measured.map(([feature, value]) => (
          <div key={feature}>
            <dt>{words.temporal[feature] ?? feature}</dt>
            <dd>
              <span class="figure">{speech.number(value, 3)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

type Network = keyof Speech["words"]["models"];
const NETWORKS: Network[] = [
  "fast_filter_logit",
  "efficientnet_logit",
  "genconvit_autoencoder_logit",
  "genconvit_variational_logit",
];

/** What each model that ran says of a face. */
function scores(face: Face): [Network, number][] {
  return NETWORKS.flatMap((feature): [Network, number][] => {
    const value = face.evidence[feature];
    return value === null || value === undefined ? [] : [[feature, sigmoid(value)]];
  });
}

/** The evidence in sentences: which stage decided, and why. */
function reasons(speech: Speech, face: Face, { thresholds }: Model, frames: number): string[] {
  const { evidence } = speech.words;
  const found = frames ? [evidence.frames(frames, speech.seconds(face.time_s ?? 0))] : [];
  const [fast, ...heavy] = scores(face).map(([, probability]) => probability);
  if (fast !== undefined && face.exit_stage === 1) {
    found.push(evidence.fast(speech.percent(fast), fast < thresholds.real_below ? "real" : "fake"));
  } else if (fast !== undefined) {
    const fakes = heavy.filter((probability) => probability >= thresholds.decide_at).length;
    found.push(evidence.doubt(speech.percent(fast)));
    found.push(evidence.weighed(fakes, heavy.length, speech.percent(face.probability)));
  }
  if (face.upscaled) found.push(evidence.upscaled);
  return found;
}
