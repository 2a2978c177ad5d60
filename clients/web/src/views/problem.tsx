import { useEffect, useRef, useState } from "preact/hooks";

import type { Problem } from "../gateway/problem";
import { useSpeech } from "../words";

const LOOK_MS = 2000;

/** Problems that trying again does not change. */
const FINAL = new Set(["unsupported_media", "damaged_media", "media_too_large", "body_too_large", "forbidden"]);

interface Props {
  problem: Problem;
  /** Tries again; null where that makes no sense. */
  again: (() => void) | null;
  start: (() => void) | null;
  /** Whether the gateway answers; null where there is none. */
  alive: (() => Promise<boolean>) | null;
  say: (text: string) => void;
}

/** What went wrong, and what to do. */
export function ProblemCard({ problem, again, start, alive, say }: Props) {
  const speech = useSpeech();
  const { words } = speech;
  const [title, remedy] = words.problem.codes[problem.code] ?? [words.problem.other, ""];
  const heading = useRef<HTMLHeadingElement>(null);
  const [wait, setWait] = useState(problem.retryAfter ?? 0);
  const [back, setBack] = useState(false);
  useEffect(() => heading.current?.focus(), [problem]);
  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => {
      setWait(wait - 1);
      if (wait === 1) say(words.problem.waited);
    }, 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  useEffect(() => {
    if (!alive || problem.code !== "offline" || back) return;
    const timer = setInterval(() => {
      void alive().then((isAlive) => {
        if (!isAlive) return;
        setBack(true);
        say(words.problem.back);
      });
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [problem, back]);
  return (
    <section class="card problem" aria-labelledby="problem" data-code={problem.code}>
      <h2 id="problem" ref={heading} tabIndex={-1}>
        <span class="glyph failed" aria-hidden="true">
          ✕
        </span>{" "}
        {title}
      </h2>
      {remedy && <p>{remedy}</p>}
      {problem.detail && (
        <p class="said">
          <span class="soft">{words.problem.said}</span> <span lang="en">{problem.detail}</span>
        </p>
      )}
      {problem.retryAfter !== null && <p>{wait > 0 ? words.problem.wait(speech.wait(wait)) : words.problem.waited}</p>}
      {back && <p class="good">{words.problem.back}</p>}
      <div class="row">
        {again && !FINAL.has(problem.code) && (
          <button type="button" class="button primary" onClick={again}>
            {words.problem.again}
          </button>
        )}
        {start && (
          <button type="button" class="button" onClick={start}>
            {words.problem.start}
          </button>
        )}
      </div>
      {problem.instance && (
        <p class="soft small">
          {words.problem.request} <code>{problem.instance}</code>
          {problem.status !== null && ` (${problem.status}, ${problem.code})`}
        </p>
      )}
    </section>
  );
}
