import { expect, test } from "vitest";

import type { Box, Face } from "../../web/src/gateway/types";
import type { Found } from "../src/faces/blazeface";
import { search } from "../src/faces/search";
import { Latest } from "../src/live/latest";
import { People } from "../src/live/people";

const thresholds = { real_below: 0.1, fake_above: 0.9, decide_at: 0.5, uncertain_margin: 0.2 };

function face(box: Box, probability: number): Face {
  return { box, track: 0, probability, exit_stage: 1, evidence: {}, upscaled: false, time_s: null };
}

test("the newest waits, what is older is dropped and counted", async () => {
  const dropped: number[] = [];
  const latest = new Latest<number>((item) => dropped.push(item));
  [1, 2, 3].forEach((item) => latest.put(item));
  expect([dropped, latest.dropped]).toEqual([[1, 2], 2]);
  expect(await latest.take()).toBe(3);
  const next = latest.take();
  latest.put(4);
  expect(await next).toBe(4);
  latest.put(5);
  const last = latest.take();
  expect(await last).toBe(5);
  const never = latest.take();
  latest.end();
  latest.put(6);
  expect([await never, await latest.take(), dropped]).toEqual([null, null, [1, 2, 6]]);
});

test("a person is uncertain at first, then judged by what lasts and not by one frame", () => {
  const people = new People(thresholds);
  const box: Box = [100, 100, 80, 100];
  const said = [0, 0.2, 0.4, 0.6, 0.8, 1].map((time) => people.see([face(box, 0.02)], time)[0]!);
  expect(said.map(({ verdict }) => verdict)).toEqual(["uncertain", "real", "real", "real", "real", "real"]);
  expect(new Set(said.map(({ track }) => track))).toEqual(new Set([0]));
  expect(people.see([face(box, 1)], 1.1)[0]!.verdict).toBe("real");
  const later = Array.from({ length: 20 }, (_, step) => people.see([face(box, 0.99)], 1.2 + step / 5)[0]!);
  expect(later.at(-1)!.verdict).toBe("fake");
});

test("people keep their numbers while they move, and lose them when they are gone", () => {
  const people = new People(thresholds);
  const [left, right]: [Box, Box] = [[0, 0, 80, 100], [300, 0, 80, 100]];
  people.see([face(left, 0.5), face(right, 0.5)], 0);
  expect(people.see([face([310, 5, 80, 100], 0.5), face([8, 0, 80, 100], 0.5)], 0.2).map(({ track }) => track)).toEqual([1, 0]);
  expect(people.see([face(left, 0.5)], 9)[0]!.track).toBe(2);
});

test("a picture is looked at once where its face is large, and in tiles where it may be small", async () => {
  const looked: [number, number, number][] = [];
  const look = (found: (left: number, top: number, side: number) => Found[]) => async (...square: [number, number, number]) => {
    looked.push(square);
    return found(...square);
  };
  const large: Found = { box: [400, 300, 400, 500], score: 0.9 };
  expect(await search(1200, 900, look(() => [large]), true)).toEqual([large.box]);
  expect(looked).toEqual([[0, -150, 1200]]);
  looked.length = 0;
  expect(await search(1200, 900, look(() => []), false)).toEqual([]);
  expect(looked).toHaveLength(1);
  const small: Found = { box: [700, 400, 60, 75], score: 0.8 };
  const found = await search(1200, 900, look((left, top, side) => (side < 1200 && left <= 700 && top <= 400 ? [small] : [])), true);
  expect(found).toEqual([small.box]);
  expect(Math.max(...looked.map(([left, , side]) => (side < 1200 ? left + side : 0)))).toBe(1200);
});
