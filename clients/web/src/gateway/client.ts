import { EventSourceParserStream } from "eventsource-parser/stream";

import { Problem, problemIn } from "./problem";
import type { Box, Heatmap, Job, Model, Verdict } from "./types";

/** Told how much of a file has been sent, 0 to 1. */
export type Sent = (share: number) => void;

const RECONNECT_MS = 1500;

/** The gateway that serves this page, asked with one API key. Every method throws `Problem`. */
export class Gateway {
  constructor(private readonly key: string) {}

  /** Models, thresholds and limits; throws `unauthorised` for a bad key. */
  async model(): Promise<Model> {
    return (await (await this.ask("/v1/model")).json()) as Model;
  }

  /** Judges a picture. */
  detect(file: File, idempotencyKey: string, sent: Sent, signal: AbortSignal): Promise<Verdict> {
    return this.upload("/v1/detect", file, idempotencyKey, sent, signal);
  }

  /** Where in a face of a picture its score comes from; takes seconds. */
  async heatmap(file: File, box: Box, signal: AbortSignal): Promise<Heatmap> {
    const body = new FormData();
    body.append("file", file);
    return (await (await this.ask(`/v1/heatmap?box=${box.join(",")}`, { method: "POST", body, signal })).json()) as Heatmap;
  }

  /** Takes a clip in; the answer is the job that will judge it. */
  createJob(file: File, idempotencyKey: string, sent: Sent, signal: AbortSignal): Promise<Job> {
    return this.upload("/v1/jobs", file, idempotencyKey, sent, signal);
  }

  /** Stops a job and deletes it with its clip. */
  async deleteJob(id: string): Promise<void> {
    await this.ask(`/v1/jobs/${id}`, { method: "DELETE" });
  }

  /**
   * Watches a job to its end, through lost connections and restarts of the gateway.
   *
   * @param changed Told the job whenever it changes.
   * @param lost Told that the connection is lost (it is tried again until `signal`), or there again.
   */
  async watchJob(
    id: string,
    changed: (job: Job) => void,
    lost: (isLost: boolean) => void,
    signal: AbortSignal,
  ): Promise<Job> {
    let last = "";
    for (;;) {
      try {
        const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
        const response = await this.ask(`/v1/jobs/${id}/events`, { headers, signal });
        lost(false);
        // Not EventSource, which cannot send the key.
        const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
        const reader = events.getReader(); // Not `for await`, which Safari does not have.
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          const event = read.value;
          if (event.event === "deleted") throw new Problem("not_found", 404);
          last = event.id ?? last;
          const job = JSON.parse(event.data) as Job;
          changed(job);
          if (job.state !== "queued" && job.state !== "running") return job;
        }
      } catch (error) {
        if (signal.aborted) throw error;
        // What is broken on the way passes; what the gateway refuses does not.
        if (error instanceof Problem && error.code !== "offline" && error.status !== 503) throw error;
      }
      lost(true);
      await pause(RECONNECT_MS, signal);
    }
  }

  private async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), "X-API-Key": this.key };
    const response = await fetch(path, { ...init, headers, cache: "no-store" }).catch((error: unknown) => {
      if (init.signal?.aborted) throw error;
      throw new Problem("offline");
    });
    if (!response.ok) throw problemIn(response.status, await response.text(), response.headers.get("Retry-After"));
    return response;
  }

  private upload<T>(path: string, file: File, idempotencyKey: string, sent: Sent, signal: AbortSignal): Promise<T> {
    // Not fetch, which does not say how much has been sent.
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const body = new FormData();
      body.append("file", file);
      request.open("POST", path);
      request.setRequestHeader("X-API-Key", this.key);
      request.setRequestHeader("Idempotency-Key", idempotencyKey);
      request.upload.onprogress = (event) => sent(event.lengthComputable ? event.loaded / event.total : 0);
      request.upload.onload = () => sent(1);
      request.onloadend = () => {
        if (request.status === 200 || request.status === 202) resolve(JSON.parse(request.responseText) as T);
        else reject(problemIn(request.status, request.responseText, request.getResponseHeader("Retry-After")));
      };
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(body);
    });
  }
}

/** Whether something answers at the gateway's address. */
export async function alive(): Promise<boolean> {
  return fetch("/livez", { cache: "no-store" }).then(
    (response) => response.ok,
    () => false,
  );
}

/** A name for a request that nobody else has. */
export function idempotencyKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Waits; rejects when `signal` says so. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
