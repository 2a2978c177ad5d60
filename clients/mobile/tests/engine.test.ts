/** The shipped networks in the browser's own runtime, and the refusals around them. */
import { createHash } from "node:crypto";

import * as ort from "onnxruntime-web/wasm";
import { beforeAll, describe, expect, test } from "vitest";

import { NETWORKS } from "../src/cascade/contract";
import { Networks, type Runtime } from "../src/engine/networks";
import { type Fetch, loadPackage, type Package } from "../src/engine/package";
import { overlap, read, SIDE } from "../src/faces/blazeface";
import { bytes, golden, model } from "./golden";

const runtime = ort as unknown as Runtime;
const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");
const MANIFEST = sha256(model("manifest.json"));
const shipped: Fetch = async (name) => model(name);

let content: Package;
beforeAll(async () => {
  content = await loadPackage(shipped, MANIFEST);
});

describe("the models", () => {
  test("are described by their manifest and policy", () => {
    expect(content.model.thresholds.decide_at).toBe(content.policy.decide_at);
    expect(content.model.model_version).toMatch(/^[0-9a-f]{12}$/);
  });

  test.each(["manifest.json", "genconvit.onnx", "trees.json", "policy.json", "known.json", "blazeface.onnx"])(
    "are refused where %s was changed",
    async (changed) => {
      const fetch: Fetch = async (name) => {
        const found = model(name);
        if (name === changed) found[found.length >> 1]! ^= 1;
        return found;
      };
      await expect(loadPackage(fetch, MANIFEST)).rejects.toMatchObject({ code: "models_altered", detail: changed });
    },
  );

  test("are refused where one is missing", async () => {
    const fetch: Fetch = async (name) => {
      if (name === "efficientnet.onnx") throw new Error("404");
      return model(name);
    };
    await expect(loadPackage(fetch, MANIFEST)).rejects.toMatchObject({ code: "models_missing", detail: "efficientnet.onnx: 404" });
  });

  test("are refused where the policy is for others, though every file is whole", async () => {
    const edit = (name: string, change: (content: Record<string, never>) => void) => {
      const parsed = JSON.parse(new TextDecoder().decode(model(name))) as Record<string, never>;
      change(parsed);
      return new Uint8Array(Buffer.from(JSON.stringify(parsed)));
    };
    const trees = edit("trees.json", (found) => Object.assign(found, { source: "0".repeat(64) }));
    const manifest = edit("manifest.json", (found) => Object.assign(found["files"]!, { "trees.json": sha256(trees) }));
    const fetch: Fetch = async (name) => ({ "trees.json": trees, "manifest.json": manifest })[name] ?? model(name);
    await expect(loadPackage(fetch, sha256(manifest))).rejects.toMatchObject({ code: "policy_other", detail: "meta_model" });
  });
});

describe("the networks", () => {
  let networks: Networks;
  beforeAll(async () => {
    networks = await Networks.start("wasm", runtime, content);
  }, 120_000);

  test.each(NETWORKS)("%s says what it says in Python, within what INT8 rounds", async (network) => {
    for (const [name, rows] of Object.entries(golden.networks[network]))
      for (const [row, values] of rows.entries()) {
        const outputs = await networks.run(network, { pixels: bytes(golden.crops[row]!.face) });
        values.forEach((value, index) => expect(Math.abs(outputs[name]![index]! - value)).toBeLessThan(0.1));
      }
  }, 120_000);

  test("find the face of the portrait where it is, and none on a wall", async () => {
    const rgb = bytes(golden.portrait.picture);
    const rgba = Uint8Array.from({ length: SIDE * SIDE * 4 }, (_, i) => (i % 4 < 3 ? rgb[(i >> 2) * 3 + (i % 4)]! : 255));
    const found = read(await networks.look(rgba));
    expect(found).toHaveLength(1);
    expect(overlap(found[0]!.box, golden.portrait.box)[0]).toBeGreaterThan(0.7);
    expect(read(await networks.look(new Uint8Array(rgba.length).fill(90)))).toEqual([]);
  }, 60_000);

  test("are refused where a known picture gets another score", async () => {
    const known = { ...content.known, fast_filter: { logit: [9] } };
    await expect(Networks.start("wasm", runtime, { ...content, known })).rejects.toMatchObject({ code: "engine_wrong" });
  }, 120_000);
});
