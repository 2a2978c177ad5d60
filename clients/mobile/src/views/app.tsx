import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Problem } from "../../../web/src/gateway/problem";
import type { Verdict } from "../../../web/src/gateway/types";
import { Camera } from "../../../web/src/views/camera";
import { Chooser } from "../../../web/src/views/chooser";
import { DropTarget } from "../../../web/src/views/drop-target";
import { Frame } from "../../../web/src/views/frame";
import { LimitsDialog } from "../../../web/src/views/limits";
import { ProblemCard } from "../../../web/src/views/problem";
import { Result } from "../../../web/src/views/result";
import { Working } from "../../../web/src/views/working";
import { type Language, Speech, storedLanguage } from "../../../web/src/words";
import { Device } from "../engine/device";
import { watchOn } from "../live/watch";
import { keep } from "../offline";
import { decode } from "../picture";
import { deviceWords, LANGUAGES } from "../words";
import { Loading } from "./loading";

/** Most faces judged in a picture. */
const FACES = 64;

type View =
  | { at: "choose" }
  | { at: "camera" }
  | { at: "working"; file: File }
  | { at: "result"; file: File; verdict: Verdict }
  | { at: "problem"; problem: Problem; again: (() => void) | null };

/** The app: models that are loaded once, then pictures or the camera, then verdicts. */
export function App() {
  const [language, setLanguage] = useState<Language>(storedLanguage);
  const speech = useMemo(() => new Speech(language, LANGUAGES[language]), [language]);
  const { words } = speech;
  const own = deviceWords(speech);
  const [device, setDevice] = useState<Device | null>(null);
  const [offline, setOffline] = useState(false);
  const [view, setView] = useState<View>({ at: "choose" });
  const [said, say] = useState("");
  const [limitsOpen, setLimitsOpen] = useState(false);
  const work = useRef<AbortController | null>(null);

  const failed = useCallback((error: unknown, again: (() => void) | null) => {
    setView({ at: "problem", problem: error instanceof Problem ? error : new Problem("other", null, String(error)), again });
  }, []);

  const load = useCallback(async (fresh: boolean) => {
    setView({ at: "choose" });
    try {
      // Kept first, so that the models are fetched once.
      setOffline(await keep());
      setDevice(await Device.start(new URL("models/", document.baseURI).href, __MANIFEST_SHA256__, fresh));
    } catch (error) {
      failed(error, () => void load(true));
    }
  }, []);
  useEffect(() => void load(false), []);

  const begin = useCallback(
    async (file: File) => {
      if (!device) return;
      const controller = new AbortController();
      work.current = controller;
      setView({ at: "working", file });
      try {
        const bitmap = await decode(file, device.model.limits);
        const verdict = await device.judge(bitmap, file.name, { thorough: true, faces: FACES });
        if (controller.signal.aborted) return;
        setView({ at: "result", file, verdict });
        const percent = verdict.probability === null ? null : speech.percent(verdict.probability);
        say(words.result.ready(words.word[verdict.verdict ?? "uncertain"], percent));
      } catch (error) {
        if (!controller.signal.aborted) failed(error, () => void begin(file));
      }
    },
    [device, speech],
  );

  const open = useCallback(
    (files: ArrayLike<File>) => {
      const file = files[0];
      if (files.length > 1) failed(new Problem("several_files"), null);
      else if (file?.type.startsWith("video/")) failed(new Problem("unsupported_media", null, own.clip), null);
      else if (file) void begin(file);
    },
    [begin, own],
  );
  const watch = useMemo(() => (device ? watchOn(device) : null), [device]);
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
      sections={device && { camera: view.at === "camera", go }}
      footer={
        device && (
          <>
            <button type="button" class="link" onClick={() => setLimitsOpen(true)}>
              {words.limits.title}
            </button>
            <span class="soft" data-backend={device.backend} data-offline={offline}>
              {own.backend[device.backend]} {offline && own.offline}
            </span>
          </>
        )
      }
      dialog={device && limitsOpen && <LimitsDialog model={device.model} close={() => setLimitsOpen(false)} />}
      said={said}
    >
      {view.at === "problem" ? (
        <ProblemCard
          problem={view.problem}
          again={view.again}
          start={device ? () => setView({ at: "choose" }) : null}
          alive={null}
          say={say}
        />
      ) : !device || !watch ? (
        <Loading />
      ) : view.at === "camera" ? (
        <Camera watch={watch} thresholds={device.model.thresholds} failed={failed} say={say} />
      ) : view.at === "working" ? (
        <Working
          name={view.file.name}
          step={{ at: "judging" }}
          cancel={() => {
            work.current?.abort();
            setView({ at: "choose" });
            say(words.working.cancelledPicture);
          }}
        />
      ) : view.at === "result" ? (
        <Result
          file={view.file}
          moving={false}
          verdict={view.verdict}
          model={device.model}
          another={() => setView({ at: "choose" })}
        />
      ) : (
        <Chooser limits={device.model.limits} accept="image/*" open={open} />
      )}
      {device && !busy && <DropTarget open={open} />}
    </Frame>
  );
}
