import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { alive, Gateway } from "../gateway/client";
import { Problem } from "../gateway/problem";
import { watch } from "../gateway/stream";
import type { Model, Verdict } from "../gateway/types";
import { type Choice, choose, judge, type Step } from "../judge";
import type { Watch } from "../live";
import { type Language, Speech, storedLanguage } from "../words";
import { Camera } from "./camera";
import { Chooser } from "./chooser";
import { DropTarget } from "./drop-target";
import { Frame } from "./frame";
import { HeatmapView } from "./heatmap";
import { KeyForm } from "./key-form";
import { LimitsDialog } from "./limits";
import { ProblemCard } from "./problem";
import { Result } from "./result";
import { Working } from "./working";

const STORED_KEY = "awarenet.key";

type View =
  | { at: "choose" }
  | { at: "camera" }
  | { at: "working"; choice: Choice; step: Step }
  | { at: "result"; choice: Choice; verdict: Verdict }
  | { at: "problem"; problem: Problem; again: (() => void) | null };

/** The page: a key, then files or the camera, then verdicts. */
export function App() {
  const [language, setLanguage] = useState<Language>(storedLanguage);
  const speech = useMemo(() => new Speech(language), [language]);
  const { words } = speech;
  const [key, setKey] = useState(() => sessionStorage.getItem(STORED_KEY));
  const [model, setModel] = useState<Model | null>(null);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [view, setView] = useState<View>({ at: "choose" });
  const [said, say] = useState("");
  const [limitsOpen, setLimitsOpen] = useState(false);
  const work = useRef<AbortController | null>(null);
  const gateway = useMemo(() => (key ? new Gateway(key) : null), [key]);

  const forget = useCallback((problem: Problem | null = null) => {
    work.current?.abort();
    sessionStorage.removeItem(STORED_KEY);
    setKey(null);
    setModel(null);
    setRefused(problem);
    setView({ at: "choose" });
  }, []);

  /** Shows a problem; one with the key asks for another. */
  const failed = useCallback(
    (error: unknown, again: (() => void) | null) => {
      const problem = error instanceof Problem ? error : new Problem("other", null, String(error));
      if (problem.code === "unauthorised") forget(problem);
      else setView({ at: "problem", problem, again });
    },
    [forget],
  );

  const check = useCallback(() => {
    if (!gateway || !key) return;
    setView({ at: "choose" });
    gateway.model().then(
      (found) => {
        sessionStorage.setItem(STORED_KEY, key);
        setRefused(null);
        setModel(found);
      },
      (error: unknown) => failed(error, check),
    );
  }, [gateway, key]);
  useEffect(check, [check]);

  const begin = useCallback(
    async (choice: Choice) => {
      if (!gateway || !model) return;
      const controller = new AbortController();
      work.current = controller;
      const step = (step: Step) => controller.signal.aborted || setView({ at: "working", choice, step });
      try {
        const verdict = await judge(gateway, model.limits, choice, step, controller.signal);
        if (controller.signal.aborted) return;
        setView({ at: "result", choice, verdict });
        const percent = verdict.probability === null ? null : speech.percent(verdict.probability);
        say(words.result.ready(words.word[verdict.verdict ?? "uncertain"], percent));
      } catch (error) {
        if (!controller.signal.aborted) failed(error, () => void begin(choice));
      }
    },
    [gateway, model, speech],
  );

  const cancel = (choice: Choice) => {
    work.current?.abort();
    setView({ at: "choose" });
    say(choice.clip ? words.working.cancelled : words.working.cancelledPicture);
  };

  const open = useCallback(
    (files: ArrayLike<File>) => {
      const file = files[0];
      if (files.length > 1) setView({ at: "problem", problem: new Problem("several_files"), again: null });
      else if (file) void begin(choose(file));
    },
    [begin],
  );

  const watchHere = useCallback<Watch>((video, told, signal) => watch(key!, video, told, signal), [key]);
  const go = (at: "choose" | "camera") => {
    work.current?.abort();
    setView({ at });
  };
  const busy = view.at === "working" || view.at === "camera";
  return (
    <Frame
      speech={speech}
      language={language}
      chooseLanguage={setLanguage}
      tools={
        key &&
        model && (
          <button type="button" class="quiet" onClick={() => forget()}>
            {words.key.forget}
          </button>
        )
      }
      sections={model && { camera: view.at === "camera", go }}
      footer={
        <>
          {model && (
            <button type="button" class="link" onClick={() => setLimitsOpen(true)}>
              {words.limits.title}
            </button>
          )}
          <a href="/cards">{words.limits.cards}</a>
          <a href="/docs">{words.limits.docs}</a>
        </>
      }
      dialog={
        model &&
        limitsOpen && (
          <LimitsDialog model={model} close={() => setLimitsOpen(false)}>
            <a class="button" href="/cards">
              {words.limits.cards}
            </a>
          </LimitsDialog>
        )
      }
      said={said}
    >
      {view.at === "problem" ? (
        <ProblemCard
          problem={view.problem}
          again={view.again}
          start={model ? () => setView({ at: "choose" }) : null}
          alive={alive}
          say={say}
        />
      ) : !model ? (
        <KeyForm checking={key !== null} problem={refused} use={setKey} />
      ) : view.at === "camera" ? (
        <Camera watch={watchHere} thresholds={model.thresholds} failed={failed} say={say} />
      ) : view.at === "working" ? (
        <Working name={view.choice.file.name} step={view.step} cancel={() => cancel(view.choice)} />
      ) : view.at === "result" ? (
        <Result
          model={model}
          file={view.choice.file}
          moving={view.choice.clip}
          verdict={view.verdict}
          more={(person, url) => (
            <HeatmapView
              gateway={gateway!}
              file={view.choice.file}
              url={url}
              face={person.worst[0]}
              name={words.result.face(person.number)}
            />
          )}
          another={() => setView({ at: "choose" })}
        />
      ) : (
        <Chooser limits={model.limits} accept="image/*,video/*,.heic,.heif,.avif,.mkv" open={open} />
      )}
      {model && !busy && <DropTarget open={open} />}
    </Frame>
  );
}
