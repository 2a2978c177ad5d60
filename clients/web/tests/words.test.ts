import { expect, test } from "vitest";

import { problemIn } from "../src/gateway/problem";
import { preferred, Speech } from "../src/words";

test("the language that was chosen goes before the browser's, and English is the last resort", () => {
  expect(preferred(null, ["fr-FR", "de-AT", "en"])).toBe("de");
  expect(preferred("en", ["de"])).toBe("en");
  expect(preferred("xx", ["fr"])).toBe("en");
  expect(preferred(null, ["__proto__"])).toBe("en");
});

test("a percentage never rounds to certainty", () => {
  const english = new Speech("en");
  const said = [0, 0.0004, 0.0312, 0.5, 0.987, 0.9999, 1].map((share) => english.percent(share));
  expect(said).toEqual(["under 0.1 %", "under 0.1 %", "3.1 %", "50 %", "98.7 %", "over 99.9 %", "over 99.9 %"]);
  expect(new Speech("de").percent(0.0312)).toBe("3,1 %");
});

test("waiting is said as coarsely as a person would", () => {
  const english = new Speech("en");
  expect([5, 600, 40_000].map((seconds) => english.wait(seconds))).toEqual(["5 s", "10 min", "11 h"]);
});

test("every problem that has words in one language has them in the other", () => {
  const [english, german] = [new Speech("en"), new Speech("de")].map(({ words }) => Object.keys(words.problem.codes));
  expect(german).toEqual(english);
});

test("problem details keep their code, remedy, wait and request", () => {
  const body = JSON.stringify({
    type: "/docs#problem-overloaded",
    title: "Too much",
    status: 503,
    detail: "the queue is full; try again later",
    code: "overloaded",
    instance: "urn:awarenet:request:abc",
  });
  const problem = problemIn(503, body, "7");
  expect(problem).toMatchObject({ code: "overloaded", retryAfter: 7, instance: "abc", status: 503 });
  expect(problem.detail).toContain("try again later");
});

test("what is not the gateway's own answer is not taken for one", () => {
  expect(problemIn(502, "<html>bad gateway</html>", null).code).toBe("offline");
  expect(problemIn(404, "<html>not here</html>", null).code).toBe("no_gateway");
  expect(problemIn(200, "null", "soon")).toMatchObject({ code: "no_gateway", retryAfter: null });
  expect(problemIn(0, "", null).code).toBe("offline");
});
