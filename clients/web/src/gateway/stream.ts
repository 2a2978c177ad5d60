import type { Summary, Told } from "../live";
import { Gateway, pause } from "./client";
import { Problem } from "./problem";
import type { StreamMessage } from "./types";

const WIDEST = 960;
const QUALITY = 0.85;
const SHORTEST_MS = 80;
const PATIENCE_MS = 1000;
const REFUSALS = 4;
const RETRY_MS = 1500;

/**
 * Sends frames of a playing video to `WS /v1/stream` until `signal`.
 *
 * The next frame is taken when the one before was answered: a slow gateway is asked less, and answers are never old. A
 * broken connection is taken up again with its session.
 *
 * @returns What the gateway counted; null where it could not be asked.
 */
export async function watch(
  key: string,
  video: HTMLVideoElement,
  told: Told,
  signal: AbortSignal,
): Promise<Summary | null> {
  let session: string | null = null;
  let refusals = 0;
  while (!signal.aborted) {
    const connection = new Connection(key, session, video, told, signal);
    const end = await connection.run();
    if (end.summary || signal.aborted) return end.summary;
    if (connection.session) {
      session = end.restarting ? null : connection.session;
      refusals = 0;
    } else {
      session = null; // If it had one, it is not known any more: the next try begins anew.
      if ((await admitted(key)) && ++refusals >= REFUSALS) throw new Problem("stream_refused");
    }
    told.connected(false);
    await pause(RETRY_MS, signal).catch(() => undefined);
  }
  return null;
}

/** Whether the gateway is there and takes the key; browsers do not say why a stream was refused. */
async function admitted(key: string): Promise<boolean> {
  try {
    await new Gateway(key).model();
    return true;
  } catch (error) {
    if (error instanceof Problem && (error.code === "offline" || error.status === 503)) return false;
    throw error;
  }
}

class Connection {
  session: string | null = null;
  private readonly socket: WebSocket;
  private readonly canvas = document.createElement("canvas");
  private answered: () => void = () => undefined;
  private summary: Summary | null = null;
  private restarting = false;
  private frameBytes = Infinity;

  constructor(
    key: string,
    session: string | null,
    private readonly video: HTMLVideoElement,
    private readonly told: Told,
    private readonly signal: AbortSignal,
  ) {
    const url = new URL("/v1/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (session) url.searchParams.set("session", session);
    this.socket = new WebSocket(url, ["awarenet.v1", `awarenet.key.${key}`]);
  }

  /** Runs to its end. */
  run(): Promise<{ summary: Summary | null; restarting: boolean }> {
    return new Promise((resolve) => {
      const end = () => {
        if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "end" }));
        else this.socket.close();
        setTimeout(() => this.socket.close(), PATIENCE_MS);
      };
      this.signal.addEventListener("abort", end);
      this.socket.onmessage = (message: MessageEvent<string>) => this.heard(JSON.parse(message.data) as StreamMessage);
      this.socket.onclose = () => {
        this.signal.removeEventListener("abort", end);
        this.answered();
        resolve({ summary: this.summary, restarting: this.restarting });
      };
    });
  }

  private heard(message: StreamMessage): void {
    switch (message.type) {
      case "session":
        this.session = message.session;
        this.frameBytes = message.frame_bytes;
        this.told.connected(true);
        void this.send();
        break;
      case "verdict":
        this.answered();
        this.told.answer(message, this.canvas.width, this.canvas.height);
        break;
      case "error":
        this.answered();
        this.told.refused(Problem.from(message.problem, message.problem.status ?? null));
        break;
      case "summary":
        this.summary = message;
        break;
      case "ending":
        this.restarting = true;
        break;
    }
  }

  private async send(): Promise<void> {
    while (this.socket.readyState === WebSocket.OPEN && !this.signal.aborted) {
      const begun = performance.now();
      const frame = await this.frame();
      if (this.socket.readyState !== WebSocket.OPEN) return;
      if (frame && frame.size <= this.frameBytes) {
        const answer = new Promise<void>((resolve) => (this.answered = resolve));
        this.socket.send(frame);
        // A frame that the gateway had no time for is not answered.
        await Promise.race([answer, pause(PATIENCE_MS, this.signal).catch(() => undefined)]);
      }
      const left = SHORTEST_MS - (performance.now() - begun);
      if (left > 0) await pause(left, this.signal).catch(() => undefined);
    }
  }

  private frame(): Promise<Blob | null> {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return Promise.resolve(null);
    const scale = Math.min(1, WIDEST / Math.max(videoWidth, videoHeight));
    this.canvas.width = Math.round(videoWidth * scale);
    this.canvas.height = Math.round(videoHeight * scale);
    this.canvas.getContext("2d")!.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }
}
