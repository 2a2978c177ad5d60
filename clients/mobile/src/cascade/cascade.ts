import { type Evidence, type Face, FEATURES, type Network, type Outputs } from "./contract";
import type { Policy } from "./policy";
import { quality } from "./quality";

/** A request of the cascade to its driver: run these networks on these faces. */
export interface StageCall {
  stages: Network[];
  /** Numbers of the faces, ascending; never empty. */
  rows: number[];
}

/** What the cascade decided about one face. */
export interface Decision {
  probability: number;
  /** 1: the fast filter decided; 3: all models together. */
  exitStage: 1 | 3;
  evidence: Evidence;
}

/** The driver answers with the outputs of each stage, in order, for each row, in order. */
export type CascadeSteps = Generator<StageCall, Decision[], Outputs[][]>;

/**
 * The conditional cascade of `awarenet/cascade.py`: pure, it asks for stage runs and receives outputs. The heavy stages
 * are asked for only where the fast filter is in doubt.
 *
 * Python compares in float32, so every number here is one.
 *
 * @param full Whether every stage looks at every face whatever the fast filter says.
 * @param decide The meta-model.
 */
export function* cascade(
  faces: Face[],
  full: boolean,
  policy: Policy,
  decide: (evidence: Evidence) => number,
): CascadeSteps {
  if (!faces.length) return [];
  const [fast] = (yield { stages: ["fast_filter"], rows: faces.map((_, row) => row) }) as [Outputs[]];
  const decisions = fast.map((outputs): Decision => {
    const evidence = { ...NOTHING, fast_filter_logit: number(outputs, "logit") };
    return { probability: sigmoid(evidence.fast_filter_logit), exitStage: 1, evidence };
  });
  const [low, high] = [Math.fround(policy.real_below), Math.fround(policy.fake_above)];
  const rows = decisions.flatMap(({ probability }, row) =>
    full || !(probability < low || probability > high) ? [row] : [],
  );
  if (!rows.length) return decisions;
  const heavy = (yield { stages: ["efficientnet", "genconvit"], rows }) as [Outputs[], Outputs[]];
  rows.forEach((row, index) => {
    const [efficientnet, genconvit] = [heavy[0][index]!, heavy[1][index]!];
    const evidence = {
      fast_filter_logit: decisions[row]!.evidence.fast_filter_logit,
      efficientnet_logit: number(efficientnet, "logit"),
      genconvit_autoencoder_logit: number(genconvit, "logit"),
      genconvit_variational_logit: number(genconvit, "logit", 1),
      genconvit_residual: number(genconvit, "residual"),
      ...quality(faces[row]!.pixels),
      face_px: Math.fround(faces[row]!.facePx),
    };
    decisions[row] = { probability: decide(evidence), exitStage: 3, evidence };
  });
  return decisions;
}

/** The logistic function in float32, without overflow. */
export function sigmoid(logit: number): number {
  const small = Math.fround(Math.exp(-Math.abs(Math.fround(logit))));
  const bound = Math.fround(1 + small);
  return Math.fround(logit >= 0 ? 1 / bound : small / bound);
}

const NOTHING = Object.fromEntries(FEATURES.map((feature) => [feature, NaN])) as Evidence;

function number(outputs: Outputs, name: string, index = 0): number {
  return Math.fround(outputs[name]![index]!);
}
