/** `npm run bench`: what a face costs on one WebAssembly thread, in wall time and in processor time. */
import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-web/wasm";
import { test } from "vitest";

import { NETWORKS } from "../src/cascade/contract";
import { quality } from "../src/cascade/quality";
import { decide } from "../src/cascade/trees";
import { knownFace, Networks, type Runtime } from "../src/engine/networks";
import { loadPackage } from "../src/engine/package";
import { SIDE } from "../src/faces/blazeface";

const MODELS = new URL("../public/models/", import.meta.url);
const ROUNDS = 11;
/** Runs until V8 has compiled what it will compile. */
const WARM = 2;

test("what a face costs", async () => {
  const fetch = async (name: string) => new Uint8Array(readFileSync(new URL(name, MODELS)));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await fetch("manifest.json")));
  const content = await loadPackage(fetch, Buffer.from(digest).toString("hex"));
  const networks = await Networks.start("wasm", ort as unknown as Runtime, content);
  const pixels = knownFace();
  const rgba = new Uint8Array(SIDE * SIDE * 4);
  const evidence = Object.fromEntries(content.trees.features.map((feature) => [feature, 0]));
  const meta = async () => decide(content.trees, { ...evidence, ...quality(pixels) } as Parameters<typeof decide>[1]);
  const settled = async () => void (await networks.run("fast_filter", { pixels }));
  const doubtful = async () => {
    for (const network of NETWORKS) await networks.run(network, { pixels });
    await meta();
  };
  const rows: [string, () => Promise<unknown>][] = [
    ["face detector, one look", () => networks.look(rgba)],
    ...NETWORKS.map((network): [string, () => Promise<unknown>] => [network, () => networks.run(network, { pixels })]),
    ["quality and trees", meta],
    ["a face that the fast filter settles", settled],
    ["a doubtful face, every stage", doubtful],
  ];
  const lines = [];
  for (const [name, run] of rows) lines.push(`${name.padEnd(38)}${await measure(run)}`);
  console.log([`${"".padEnd(38)}wall p50 / p95 ms    processor p50 / p95 ms`, ...lines].join("\n"));
}, 600_000);

async function measure(run: () => Promise<unknown>): Promise<string> {
  for (let round = 0; round < WARM; round++) await run();
  const [wall, processor]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const [begun, used] = [performance.now(), process.cpuUsage()];
    await run();
    const { user, system } = process.cpuUsage(used);
    wall.push(performance.now() - begun);
    processor.push((user + system) / 1000);
  }
  return [wall, processor]
    .map((times) => {
      times.sort((one, other) => one - other);
      const at = (share: number) => times[Math.min(ROUNDS - 1, Math.floor(share * ROUNDS))]!.toFixed(1);
      return `${at(0.5)} / ${at(0.95)}`.padEnd(21);
    })
    .join("");
}
