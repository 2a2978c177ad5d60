import type { ProblemDetails } from "./types";

/**
 * Why something was not done: the gateway's problem details, or one of the page's own in the same form.
 *
 * The page's own codes are `offline` (nothing answers), `no_gateway` (something else answers) and `camera_...`.
 */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number | null = null,
    /** What is wrong and what to do, in the gateway's words; empty where the page has its own. */
    readonly detail = "",
    /** Seconds to wait before trying again. */
    readonly retryAfter: number | null = null,
    /** Id of the request, to be quoted. */
    readonly instance: string | null = null,
  ) {
    super(detail || code);
  }

  static from(details: ProblemDetails, status: number | null, retryAfter: number | null = null): Problem {
    const instance = details.instance?.replace("urn:awarenet:request:", "") || null;
    return new Problem(details.code, status, details.detail, retryAfter, instance);
  }
}

/**
 * The problem in a response that is none of success.
 *
 * @param status HTTP status; 0 where nothing answered.
 * @param body The body as text.
 * @param wait The header `Retry-After`.
 */
export function problemIn(status: number, body: string, wait: string | null): Problem {
  if (status === 0) return new Problem("offline");
  const retryAfter = wait !== null && /^\d+$/.test(wait) ? Number(wait) : null;
  try {
    const details: unknown = JSON.parse(body);
    if (typeof details === "object" && details !== null && "code" in details && "detail" in details)
      return Problem.from(details as ProblemDetails, status, retryAfter);
  } catch {
    // Not the gateway's; a proxy before it answers in its own words.
  }
  return new Problem(status >= 500 ? "offline" : "no_gateway", status, "", retryAfter);
}
