import { Problem } from "../../../web/src/gateway/problem";
import type { Model, Thresholds } from "../../../web/src/gateway/types";

/** The thresholds of the cascade, and what they were measured with (`awarenet/policy.py`). */
export interface Policy extends Thresholds {
  leakage: Model["leakage"];
  data: string;
  /** Stage to sha256 of the model file. */
  models: Record<string, string>;
}

const SHARES = ["real_below", "fake_above", "decide_at", "uncertain_margin"] as const;

/**
 * Reads a policy and holds it against the models that lie beside it.
 *
 * @param models Stage to sha256 of the models that will run.
 * @throws Problem `policy_other` where it is malformed, contradicts itself, or was made for other models.
 */
export function readPolicy(text: string, models: Record<string, string>): Policy {
  const policy = JSON.parse(text) as Policy;
  const sound = SHARES.every((name) => typeof policy[name] === "number" && policy[name] >= 0 && policy[name] <= 1);
  if (!sound || policy.real_below > policy.decide_at || policy.decide_at > policy.fake_above)
    throw new Problem("policy_other", null, "the thresholds contradict each other");
  const stages = [...new Set([...Object.keys(models), ...Object.keys(policy.models)])];
  const differing = stages.filter((stage) => models[stage] !== policy.models[stage]);
  if (differing.length) throw new Problem("policy_other", null, differing.sort().join(", "));
  return policy;
}
