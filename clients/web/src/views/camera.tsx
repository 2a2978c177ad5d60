import { useEffect, useRef, useState } from "preact/hooks";

import { Problem } from "../gateway/problem";
import type { Thresholds, Word } from "../gateway/types";
import type { LiveAnswer, Summary, Watch } from "../live";
import { useSpeech } from "../words";
import { Badge } from "./badge";
import { Boxes } from "./boxes";
import { type Point, Timeline } from "./timeline";

const SHOWN_S = 30;

type State = "off" | "starting" | "connecting" | "on" | "reconnecting";
interface Seen {
  answer: LiveAnswer;
  width: number;
  height: number;
}

interface Props {
  watch: Watch;
  thresholds: Thresholds;
  failed: (error: unknown, again: null) => void;
  say: (text: string) => void;
}

/** The camera, judged live. */
export function Camera({ watch, thresholds, failed, say }: Props) {
  const speech = useSpeech();
  const { words } = speech;
  const [state, setState] = useState<State>("off");
  const [seen, setSeen] = useState<Seen | null>(null);
  const [summary, setSummary] = useState<Summary | null>(null);
  const [refusal, setRefusal] = useState<Problem | null>(null);
  const history = useRef(new Map<number, Point[]>());
  const video = useRef<HTMLVideoElement>(null);
  const work = useRef<AbortController | null>(null);
  const word: Word | null = seen?.answer.verdict ?? null;

  useEffect(() => () => work.current?.abort(), []);
  useEffect(() => {
    if (word && state === "on") say(words.live.answer(words.word[word]));
  }, [word]);

  const start = async () => {
    const controller = new AbortController();
    work.current = controller;
    history.current.clear();
    setSeen(null);
    setSummary(null);
    setRefusal(null);
    setState("starting");
    let camera: MediaStream | null = null;
    try {
      camera = await openCamera();
      if (controller.signal.aborted) return;
      const element = video.current!;
      element.srcObject = camera;
      await element.play();
      setState("connecting");
      const told = {
        answer: (answer: LiveAnswer, width: number, height: number) => {
          if (controller.signal.aborted) return;
          remember(history.current, answer);
          setRefusal(null);
          setSeen({ answer, width, height });
        },
        connected: (isConnected: boolean) => setState(isConnected ? "on" : "reconnecting"),
        refused: setRefusal,
      };
      const counted = await watch(element, told, controller.signal);
      setSummary(counted);
      say(counted ? words.live.summary(counted.frames, counted.judged, counted.dropped) : words.live.stopped);
      setState("off");
    } catch (error) {
      setState("off");
      if (!controller.signal.aborted) failed(error, null);
    } finally {
      camera?.getTracks().forEach((track) => track.stop());
      if (video.current) video.current.srcObject = null;
    }
  };

  const running = state !== "off";
  const tracks = running && seen ? seen.answer.tracks : [];
  const now = seen?.answer.time_s ?? 0;
  const texts = {
    off: summary
      ? words.live.summary(summary.frames, summary.judged, summary.dropped)
      : words.live.privacy,
    starting: words.live.starting,
    connecting: words.live.connecting,
    on: seen
      ? words.live.rate(speech.number(seen.answer.latency_ms, 0), seen.answer.dropped)
      : words.live.waiting,
    reconnecting: words.live.reconnecting,
  };
  return (
    <section class="card live" aria-labelledby="live" data-state={state}>
      <div class="head">
        <h2 id="live">{words.live.title}</h2>
        {running ? (
          <button type="button" class="button" onClick={() => work.current?.abort()}>
            {words.live.stop}
          </button>
        ) : (
          <button type="button" class="button primary" onClick={() => void start()}>
            {words.live.start}
          </button>
        )}
      </div>
      <p class={state === "reconnecting" ? "fault" : "soft"}>{texts[state]}</p>
      {refusal && (
        <p class="fault" lang="en">
          {refusal.detail}
        </p>
      )}
      <div class="columns" hidden={!running}>
        <div class="seen">
          <div class="stage">
            <video ref={video} muted playsInline aria-label={words.live.view} />
            {seen && (
              <Boxes
                marks={tracks.map(({ track, verdict, box }) => ({ number: track + 1, word: verdict, box }))}
                width={seen.width}
                height={seen.height}
              />
            )}
          </div>
        </div>
        <div class="told">
          {seen && word && (
            <p class="now" data-verdict={word}>
              <Badge word={word} />{" "}
              {seen.answer.probability !== null && <strong>{speech.percent(seen.answer.probability)}</strong>}
            </p>
          )}
          {seen && word && <p>{words.meaning[word].is}</p>}
          {seen?.answer.error && (
            <p class="fault" lang="en">
              {seen.answer.error}
            </p>
          )}
          {[...history.current].map(([track, points]) => (
            <section key={track} class="person">
              <h3>
                {words.result.person(track + 1)} <span class="soft">({words.live.last})</span>
              </h3>
              <Timeline
                name={words.result.person(track + 1)}
                points={points}
                span={[Math.max(0, now - SHOWN_S), Math.max(now, SHOWN_S)]}
                thresholds={thresholds}
              />
            </section>
          ))}
          <p class="soft small">{words.live.meaning}</p>
        </div>
      </div>
    </section>
  );
}

/** Keeps the newest scores of everybody who is there. */
function remember(history: Map<number, Point[]>, answer: LiveAnswer): void {
  for (const { track, probability } of answer.tracks) {
    if (probability === null) continue;
    history.set(track, [...(history.get(track) ?? []), { time: answer.time_s, probability }]);
  }
  for (const [track, points] of history) {
    const kept = points.filter(({ time }) => time >= answer.time_s - SHOWN_S);
    if (kept.length) history.set(track, kept);
    else history.delete(track);
  }
}

async function openCamera(): Promise<MediaStream> {
  // Browsers leave it out where the address is not secure.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices?.getUserMedia) throw new Problem("camera_insecure");
  try {
    return await devices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" }, audio: false });
  } catch (error) {
    const denied = error instanceof DOMException && error.name === "NotAllowedError";
    throw new Problem(denied ? "camera_denied" : "camera_missing");
  }
}
