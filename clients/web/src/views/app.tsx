import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Gateway } from "../gateway/client";
import { Problem } from "../gateway/problem";
import type { Model, Verdict } from "../gateway/types";
import { type Choice, choose, judge, type Step } from "../judge";
import { LANGUAGES, type Language, Speech, SpeechContext, storedLanguage, storeLanguage, useSpeech } from "../words";
import { Camera } from "./camera";
import { Chooser } from "./chooser";
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

  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `AWARE-NET: ${words.title}`;
  }, [language]);

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

  const busy = view.at === "working" || view.at === "camera";
  return (
    <SpeechContext.Provider value={speech}>
      <a class="skip" href="#content">
        {words.skip}
      </a>
      <header>
        <p class="brand">AWARE-NET</p>
        <div class="tools">
          {key && model && (
            <button type="button" class="quiet" onClick={() => forget()}>
              {words.key.forget}
            </button>
          )}
          <label class="language">
            <span class="unseen">{words.language}</span>
            <select
              value={language}
              onChange={(event) => {
                const chosen = event.currentTarget.value as Language;
                storeLanguage(chosen);
                setLanguage(chosen);
              }}
            >
              {Object.entries(LANGUAGES).map(([tag, { name }]) => (
                <option key={tag} value={tag} lang={tag}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <div class="lead">
          <h1>{words.title}</h1>
          <p>{words.lead}</p>
        </div>
        {model && (
          <nav class="tabs" aria-label={words.sections}>
            {(["choose", "camera"] as const).map((at) => (
              <button
                key={at}
                type="button"
                aria-current={(view.at === "camera") === (at === "camera") ? "page" : undefined}
                onClick={() => {
                  work.current?.abort();
                  setView({ at });
                }}
              >
                {at === "camera" ? words.camera : words.file}
              </button>
            ))}
          </nav>
        )}
        {view.at === "problem" ? (
          <ProblemCard
            problem={view.problem}
            again={view.again}
            start={model ? () => setView({ at: "choose" }) : null}
            say={say}
          />
        ) : !model ? (
          <KeyForm checking={key !== null} problem={refused} use={setKey} />
        ) : view.at === "camera" ? (
          <Camera apiKey={key!} thresholds={model.thresholds} failed={failed} say={say} />
        ) : view.at === "working" ? (
          <Working name={view.choice.file.name} step={view.step} cancel={() => cancel(view.choice)} />
        ) : view.at === "result" ? (
          <Result
            model={model}
            gateway={gateway!}
            choice={view.choice}
            verdict={view.verdict}
            another={() => setView({ at: "choose" })}
          />
        ) : (
          <Chooser limits={model.limits} open={open} />
        )}
        {model && !busy && <DropTarget open={open} />}
      </main>
      <footer>
        {model && (
          <button type="button" class="link" onClick={() => setLimitsOpen(true)}>
            {words.limits.title}
          </button>
        )}
        <a href="/cards">{words.limits.cards}</a>
        <a href="/docs">{words.limits.docs}</a>
      </footer>
      {model && limitsOpen && <LimitsDialog model={model} close={() => setLimitsOpen(false)} />}
      <div class="unseen" role="status">
        {said}
      </div>
    </SpeechContext.Provider>
  );
}

/** Takes files that are dropped anywhere on the page. */
function DropTarget({ open }: { open: (files: FileList) => void }) {
  const { words } = useSpeech();
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") open(event.dataTransfer.files);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    window.addEventListener("dragover", drag);
    window.addEventListener("drop", drag);
    window.addEventListener("dragleave", leave);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("drop", drag);
      window.removeEventListener("dragleave", leave);
    };
  }, [open]);
  return over ? <div class="drop-veil">{words.choose.drop}</div> : null;
}
