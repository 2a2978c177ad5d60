import { Problem } from "../../../web/src/gateway/problem";
import type { Model } from "../../../web/src/gateway/types";
import { NETWORKS } from "../cascade/contract";
import { type Policy, readPolicy } from "../cascade/policy";
import { fits, type Trees } from "../cascade/trees";
import { ENGINE } from "../faces/blazeface";

const MANIFEST = "manifest.json";

/** What each network says of a known picture: stage to output to values. */
export type Known = Record<string, Record<string, number[]>>;

/** The verified content of `models/`. */
export interface Package {
  /** The graphs of the networks and of the face detector, by name without ending. */
  graphs: Record<string, Uint8Array<ArrayBuffer>>;
  policy: Policy;
  trees: Trees;
  known: Known;
  model: Model;
}

interface Manifest {
  files: Record<string, string>;
  model_version: string;
  policy_version: string;
  version: string;
}

/** Gets one file; throws where there is none. */
export type Fetch = (name: string) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Loads and verifies the models.
 *
 * The app names the sha256 of the manifest that it was built with, the manifest those of all files, and the policy those
 * of its models: nothing runs that was not built together.
 *
 * @throws Problem `models_missing`, `models_altered` or `policy_other`
 */
export async function loadPackage(fetch: Fetch, manifestSha256: string): Promise<Package> {
  const manifest = JSON.parse(text(await verified(fetch, MANIFEST, manifestSha256))) as Manifest;
  const entries = Object.entries(manifest.files);
  const files = Object.fromEntries(
    await Promise.all(entries.map(async ([name, sha256]) => [name, await verified(fetch, name, sha256)] as const)),
  );
  const file = (name: string) => {
    if (!files[name]) throw new Problem("models_missing", null, name);
    return files[name];
  };
  const trees = JSON.parse(text(file("trees.json"))) as Trees;
  if (!fits(trees)) throw new Problem("models_altered", null, "trees.json");
  const graphs = Object.fromEntries([...NETWORKS, ENGINE].map((name) => [name, file(`${name}.onnx`)]));
  const models = Object.fromEntries(NETWORKS.map((name) => [name, manifest.files[`${name}.onnx`]!]));
  const policy = readPolicy(text(file("policy.json")), { ...models, meta_model: trees.source });
  return { graphs, policy, trees, known: JSON.parse(text(file("known.json"))) as Known, model: describe(manifest, policy) };
}

/** Gets files from below an address, past caches that kept a bad one where `fresh`. */
export function fetchFrom(base: string, fresh: boolean): Fetch {
  return async (name) => {
    const response = await fetch(new URL(name, base), { cache: fresh ? "reload" : "default" });
    if (!response.ok) throw new Error(String(response.status));
    return new Uint8Array(await response.arrayBuffer());
  };
}

async function verified(fetch: Fetch, name: string, sha256: string): Promise<Uint8Array<ArrayBuffer>> {
  const content = await fetch(name).catch((error: unknown) => {
    throw new Problem("models_missing", null, `${name}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== sha256) throw new Problem("models_altered", null, name);
  return content;
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

function describe({ version, model_version, policy_version }: Manifest, policy: Policy): Model {
  const { real_below, fake_above, decide_at, uncertain_margin, leakage, data, models } = policy;
  return {
    version,
    model_version,
    policy_version,
    face_engine: ENGINE,
    thresholds: { real_below, fake_above, decide_at, uncertain_margin },
    leakage,
    data,
    models,
    limits: { picture_bytes: 64 << 20, clip_bytes: 0, frame_bytes: 0, pixels: 64e6, clip_seconds: 0 },
  };
}
