/** The cascade here and the one in Python are the same: golden cases that Python made a moment ago. */
import { expect, test } from "vitest";

import { wordFor } from "../../web/src/people";
import { cascade, type CascadeSteps, type Decision, type StageCall } from "../src/cascade/cascade";
import { type Evidence, FEATURES } from "../src/cascade/contract";
import { cropFace } from "../src/cascade/crop";
import { type Policy, readPolicy } from "../src/cascade/policy";
import { decide, fits, type Trees } from "../src/cascade/trees";
import { outcome } from "../src/cascade/verdict";
import { bytes, golden, modelText, picture } from "./golden";

const trees = JSON.parse(modelText("trees.json")) as Trees;
const policy = JSON.parse(modelText("policy.json")) as Policy;
const crops = golden.crops.map(({ face }) => bytes(face));

function drive(steps: CascadeSteps, run: (call: StageCall) => Record<string, number[]>[][]): Decision[] {
  let step = steps.next();
  while (!step.done) step = steps.next(run(step.value));
  return step.value;
}

function evidence(row: (number | null)[]): Evidence {
  return Object.fromEntries(FEATURES.map((feature, index) => [feature, row[index] ?? NaN])) as Evidence;
}

test("the trees say what the compiled ones say", () => {
  expect(fits(trees)).toBe(true);
  const said = golden.trees.rows.map((row) => decide(trees, evidence(row)));
  const off = said.map((probability, index) => Math.abs(probability - golden.trees.probability[index]!));
  expect(Math.max(...off)).toBeLessThanOrEqual(1e-6);
});

test.each(golden.cascade.map((one, index) => [index, one] as const))("decisions of case %i are Python's", (_, one) => {
  const asked: number[][] = [];
  const faces = one.faces.map((face, row) => ({ pixels: crops[face]!, facePx: one.face_px[row] ?? NaN }));
  const decisions = drive(
    cascade(faces, one.full, one.policy, (found) => decide(trees, found)),
    ({ stages, rows }) => {
      if (!stages.includes("fast_filter")) asked.push(rows);
      return stages.map((stage) =>
        rows.map((row) =>
          Object.fromEntries(Object.entries(one.outputs[stage]).map(([name, values]) => [name, values[row]!])),
        ),
      );
    },
  );
  expect(asked).toEqual(one.asked);
  expect(decisions.map(({ exitStage }) => exitStage)).toEqual(one.exit_stage);
  decisions.forEach((decision, row) => {
    expect(decision.probability).toBeCloseTo(one.probability[row]!, 6);
    FEATURES.forEach((feature, column) => {
      const expected = one.evidence[row]![column] ?? NaN;
      const near = feature === "sharpness" ? 1e-5 : 0;
      const value = decision.evidence[feature];
      expect(Object.is(value, expected) || Math.abs(value - expected) <= near, `${feature}: ${value}, ${expected}`).toBe(true);
    });
  });
});

test("no face asks for nothing", () => {
  expect(drive(cascade([], false, policy, () => NaN), () => [])).toEqual([]);
});

test("the word of a probability is Python's, at the edges too", () => {
  for (const { probability, word } of golden.words) expect([probability, wordFor(probability, policy)]).toEqual([probability, word]);
});

test.each(golden.crops.map((one, index) => [index, one] as const))("crop %i is OpenCV's within two grey levels", (_, one) => {
  const crop = cropFace(picture(one.picture, one.size), one.box);
  const expected = bytes(one.face);
  let worst = 0;
  crop.pixels.forEach((value, index) => (worst = Math.max(worst, Math.abs(value - expected[index]!))));
  expect(crop.facePx).toBe(one.face_px);
  expect(worst).toBeLessThanOrEqual(2);
});

test("a policy made for other models, or that contradicts itself, is refused", () => {
  const text = modelText("policy.json");
  expect(readPolicy(text, policy.models).decide_at).toBe(policy.decide_at);
  expect(() => readPolicy(text, { ...policy.models, genconvit: "0" })).toThrow("genconvit");
  expect(() => readPolicy(text, {})).toThrow("fast_filter");
  const crossed = JSON.stringify({ ...policy, real_below: 0.9, decide_at: 0.5 });
  expect(() => readPolicy(crossed, policy.models)).toThrow("contradict");
  expect(() => readPolicy(JSON.stringify({ ...policy, decide_at: null }), policy.models)).toThrow("contradict");
});

test("the worst face decides, faces that are too small do not, and nobody is no face", () => {
  const judged = (probability: number, facePx: number) => ({
    box: [0, 0, 9, 9] as [number, number, number, number],
    facePx,
    decision: { probability, exitStage: 1 as const, evidence: evidence([]) },
  });
  const thresholds = { real_below: 0.1, fake_above: 0.9, decide_at: 0.5, uncertain_margin: 0.2 };
  const said = (...faces: ReturnType<typeof judged>[]) => {
    const { verdict, probability, notes } = outcome(faces, thresholds);
    return [verdict, probability, notes.length];
  };
  expect(said()).toEqual(["no_face", null, 0]);
  expect(said(judged(0.1, 300), judged(0.9, 300))).toEqual(["fake", 0.9, 0]);
  expect(said(judged(0.1, 300), judged(0.9, 40))).toEqual(["real", 0.1, 2]);
  expect(said(judged(0.9, 40))).toEqual(["uncertain", 0.9, 2]);
  expect(said(judged(0.5, 300))).toEqual(["uncertain", 0.5, 0]);
});
