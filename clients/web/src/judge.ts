import { type Gateway, idempotencyKey } from "./gateway/client";
import { Problem } from "./gateway/problem";
import type { Job, Model, Verdict } from "./gateway/types";

/** How far the judging of a file is. */
export type Step =
  | { at: "sending"; share: number }
  | { at: "judging" }
  | { at: "queued" }
  | { at: "running"; share: number }
  | { at: "lost" };

/** A file that was chosen, under one name for all tries, so that a second try is not a second request. */
export interface Choice {
  file: File;
  clip: boolean;
  idempotencyKey: string;
}

const PICTURE = /\.(heic|heif|avif|tiff?|bmp)$/i;

/**
 * What is done with a file goes by what the browser takes it for; what it is, the gateway finds from its content. What
 * the browser does not know becomes a job, for jobs take pictures, too.
 */
export function choose(file: File): Choice {
  const clip = file.type.startsWith("video/") || (!file.type && !PICTURE.test(file.name));
  return { file, clip, idempotencyKey: idempotencyKey() };
}

/**
 * Has a file judged.
 *
 * @param step Told how far it is.
 * @param signal Gives it up; a job is then deleted with its clip.
 * @throws Problem
 */
export async function judge(
  gateway: Gateway,
  limits: Model["limits"],
  { file, clip, idempotencyKey }: Choice,
  step: (step: Step) => void,
  signal: AbortSignal,
): Promise<Verdict> {
  // A body that is refused for its length cuts the connection, and the browser would not say why.
  if (file.size > (clip ? limits.clip_bytes : limits.picture_bytes)) throw new Problem("body_too_large", 413);
  const sent = (share: number) => step(share < 1 ? { at: "sending", share } : { at: clip ? "queued" : "judging" });
  sent(0);
  if (!clip) return gateway.detect(file, idempotencyKey, sent, signal);
  const { id } = await gateway.createJob(file, idempotencyKey, sent, signal);
  let latest: Step = { at: "queued" };
  try {
    const job = await gateway.watchJob(
      id,
      (changed) => step((latest = stepOf(changed))),
      (lost) => step(lost ? { at: "lost" } : latest),
      signal,
    );
    if (job.verdict) return { ...job.verdict, content_credentials: job.content_credentials ?? null };
    throw job.problem ? Problem.from(job.problem, job.problem.status ?? null) : new Problem("not_found", 404);
  } finally {
    if (signal.aborted) await gateway.deleteJob(id).catch(() => undefined);
  }
}

function stepOf(job: Job): Step {
  return job.state === "running" ? { at: "running", share: job.progress } : { at: "queued" };
}
