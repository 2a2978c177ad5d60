import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Model, Verdict } from "../gateway/types";
import { people as peopleIn, type Person } from "../people";
import { download, report } from "../report";
import { useSpeech } from "../words";
import { Badge } from "./badge";
import { CredentialsCard } from "./credentials";
import { Limits } from "./limits";
import { Media } from "./media";
import { PersonCard } from "./person";
import { Scale } from "./scale";

/** People whose evidence is shown; the others are in the JSON. */
const SHOWN = 12;

interface Props {
  file: File;
  /** Whether the file was taken for a clip. */
  moving: boolean;
  verdict: Verdict;
  model: Model;
  /** What else there is to see of somebody in the picture at `url`. */
  more?: (person: Person, url: string) => ComponentChildren;
  another: () => void;
}

/** A verdict with the evidence behind it. */
export function Result({ file, moving, verdict, model, more, another }: Props) {
  const speech = useSpeech();
  const { words, language } = speech;
  const word = verdict.verdict ?? "uncertain";
  const people = useMemo(() => peopleIn(verdict, model.thresholds), [verdict, model]);
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  const [time, setTime] = useState(0);
  const [length, setLength] = useState(0);
  const video = useRef<HTMLVideoElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const article = useRef<HTMLElement>(null);
  const made = useMemo(() => new Date(), [verdict]);

  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  useEffect(() => heading.current?.focus(), [verdict]);
  useEffect(() => {
    const element = video.current;
    const measure = () => setLength(Number.isFinite(element?.duration) ? element!.duration : 0);
    element?.addEventListener("durationchange", measure);
    return () => element?.removeEventListener("durationchange", measure);
  }, [url]);

  const clip = moving && verdict.faces[0]?.time_s !== null;
  const last = Math.max(verdict.duration_s ?? 0, ...verdict.faces.map((face) => face.time_s ?? 0));
  const duration = clip ? Math.max(length, last, 0.1) : null;
  const seek = (to: number) => {
    setTime(to);
    // A moment later, so that rounding does not end in the frame before.
    if (video.current) video.current.currentTime = to + 0.001;
  };
  const interval = people[0]?.interval ?? null;
  const name = file.name.replace(/\.[^.]*$/, "") || "verdict";
  const skipped = Object.entries(verdict.skipped ?? {}).map(([why, count]) => `${count} ${words.skippedFor[why] ?? why}`);
  return (
    <article ref={article} class="card result" aria-labelledby="verdict" data-verdict={word}>
      <p class="file">{verdict.path}</p>
      <h2 id="verdict" ref={heading} tabIndex={-1}>
        <Badge word={word} />
      </h2>
      {verdict.probability !== null && (
        <>
          <p class="probability">
            <strong>{words.result.probability(speech.percent(verdict.probability))}</strong>{" "}
            <span class="soft">
              (
              {interval
                ? words.result.interval(...speech.ends(...interval))
                : words.result.noInterval(clip)}
              )
            </span>
          </p>
          <Scale probability={verdict.probability} interval={interval} thresholds={model.thresholds} />
        </>
      )}
      <p>{words.meaning[word].is}</p>
      <p class="note">
        <strong>{words.notProof}.</strong> {words.meaning[word].not}
      </p>
      <div class="row actions" data-screen>
        <button
          type="button"
          class="button"
          onClick={() => report(article.current!, language).then((page) => download(page, `${name}.report.html`))}
        >
          {words.result.report}
        </button>
        <button
          type="button"
          class="button"
          onClick={() => {
            const text = JSON.stringify(verdict, null, 2) + "\n";
            download(new Blob([text], { type: "application/json" }), `${name}.verdict.json`);
          }}
        >
          {words.result.json}
        </button>
        <button type="button" class="button primary" onClick={another}>
          {words.result.another}
        </button>
      </div>
      <div class="columns">
        <div class="seen">
          <Media {...{ url, name: file.name, clip, people, time, setTime, video }} />
          {verdict.content_credentials && <CredentialsCard credentials={verdict.content_credentials} />}
        </div>
        <div class="told">
          {people.length > 0 && (
            <h3>{clip ? words.result.people(people.length) : words.result.faces(people.length)}</h3>
          )}
          {people.slice(0, SHOWN).map((person) => (
            <PersonCard
              key={person.number}
              {...{ person, verdict, model, duration }}
              cursor={clip ? { time, seek } : null}
            >
              {!clip && more?.(person, url)}
            </PersonCard>
          ))}
          {clip && people.length > 0 && (
            <p class="soft small">
              {words.timeline.legend} {people.some((person) => person.interval) && words.timeline.interval}{" "}
              {verdict.scene_cuts_s?.length ? words.timeline.cuts : ""}{" "}
              <span data-screen>{words.timeline.hint}</span>
            </p>
          )}
          {people.length > SHOWN && <p class="note">{words.result.more(people.length - SHOWN)}</p>}
          {skipped.length > 0 && <p class="note">{words.result.skipped(skipped.join(", "))}</p>}
          {verdict.notes.length > 0 && (
            <div class="note">
              <p class="soft">{words.result.notes}</p>
              <ul lang="en">
                {verdict.notes.map((note) => (
                  <li key={note}>{note}</li>
                ))}
              </ul>
            </div>
          )}
        </div>
      </div>
      <details>
        <summary>{words.limits.title}</summary>
        <Limits model={model} />
        <dl>
          <div>
            <dt>{words.result.made}</dt>
            <dd>{made.toLocaleString(language, { dateStyle: "long", timeStyle: "medium" })}</dd>
          </div>
        </dl>
      </details>
    </article>
  );
}
