import { expect, test } from "vitest";

import type { Face, Thresholds, Track, Verdict } from "../src/gateway/types";
import { faceAt, people, wordFor } from "../src/people";

const thresholds: Thresholds = { real_below: 0.1, fake_above: 0.9, decide_at: 0.5, uncertain_margin: 0.2 };

function face(track: number, probability: number, time_s: number | null = null): Face {
  return { box: [0, 0, 9, 9], track, probability, exit_stage: 3, evidence: {}, upscaled: false, time_s };
}

function verdict(faces: Face[], tracks?: Track[]): Verdict {
  return {
    path: "clip.mp4",
    verdict: "real",
    probability: 0.1,
    faces,
    model_version: "",
    policy_version: "",
    face_engine: "hog",
    error: null,
    error_code: null,
    notes: [],
    timings_ms: {},
    ...(tracks && { tracks }),
  };
}

test("a probability gets the word that the thresholds say, and the edges of uncertain are sure", () => {
  const words = [0.29, 0.31, 0.5, 0.69, 0.71].map((probability) => wordFor(probability, thresholds));
  expect(words).toEqual(["real", "uncertain", "uncertain", "uncertain", "fake"]);
  const whole = { ...thresholds, uncertain_margin: 0 };
  expect([wordFor(0.4999, whole), wordFor(0.5, whole)]).toEqual(["real", "fake"]);
});

test("the most suspicious person comes first, whatever the order of the faces", () => {
  const found = people(verdict([face(0, 0.1), face(1, 0.95), face(2, 0.4)]), thresholds);
  expect(found.map((person) => [person.number, person.word])).toEqual([
    [2, "fake"],
    [3, "uncertain"],
    [1, "real"],
  ]);
});

test("faces of a clip become tracks in time order, without the gateway's own tracks", () => {
  const faces = [face(0, 0.9, 2), face(0, 0.1, 0), face(0, 0.5, 1), face(1, 0.99, 1)];
  const [first, second] = people(verdict(faces), thresholds);
  expect([first!.number, first!.word]).toEqual([2, "uncertain"]); // One frame is too few.
  expect(second!.faces.map((one) => one.time_s)).toEqual([0, 1, 2]);
  expect(second!.probability).toBeCloseTo(0.5); // Logits of 0.1, 0.5 and 0.9 have the mean 0.
  expect(second!.worst.map((one) => one.time_s)).toEqual([2, 1, 0]);
  expect(second!.interval).toBeNull();
});

test("the gateway's own tracks go before, with their intervals", () => {
  const faces = [0, 1, 2].map((time) => face(0, 0.5, time));
  const track: Track = {
    track: 0,
    start_s: 0,
    end_s: 2,
    faces: 3,
    probability: 0.8,
    low: 0.7,
    high: 0.9,
    temporal: {},
  };
  const [person] = people(verdict(faces, [track]), thresholds);
  expect([person!.probability, person!.word, person!.interval]).toEqual([0.8, "fake", [0.7, 0.9]]);
});

test("a face is marked near the instant at which it was looked at, and not elsewhere", () => {
  const [person] = people(verdict([face(0, 0.5, 1), face(0, 0.5, 1.1), face(0, 0.5, 3)]), thresholds);
  expect(faceAt(person!, 1.09)?.time_s).toBe(1.1);
  expect(faceAt(person!, 2.9)?.time_s).toBe(3);
  expect(faceAt(person!, 2)).toBeNull();
  const [pictured] = people(verdict([face(0, 0.5)]), thresholds);
  expect(faceAt(pictured!, 0)).not.toBeNull();
});
