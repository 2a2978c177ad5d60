import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";

import { defineConfig, type Plugin } from "vite";

const HERE = import.meta.dirname;

/** Nothing but the app's own files: no other host can be reached, whatever goes wrong. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** In the page itself, because app shells and static hosts send no headers; the development server needs more. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
    ],
  };
}

/** Lists what the service worker keeps. The WebGPU build of the runtime is left for when it is used. */
function precache(): Plugin {
  return {
    name: "precache",
    apply: "build",
    closeBundle() {
      const dist = resolve(HERE, "dist");
      const names = readdirSync(dist, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(dist, resolve(entry.parentPath, entry.name)))
        .filter((name) => !/asyncify|webgpu|service-worker|precache|_headers/.test(name))
        .sort();
      const digest = createHash("sha256");
      for (const name of names) digest.update(name).update(readFileSync(resolve(dist, name)));
      const files = ["./", ...names.filter((name) => name !== "index.html")];
      const list = JSON.stringify({ version: digest.digest("hex").slice(0, 16), files });
      writeFileSync(resolve(dist, "precache.js"), `self.PRECACHE = ${list};\n`);
    },
  };
}

function manifestSha256(): string {
  try {
    return createHash("sha256").update(readFileSync(resolve(HERE, "public/models/manifest.json"))).digest("hex");
  } catch {
    throw new Error("public/models is missing; run `make mobile`");
  }
}

export default defineConfig({
  base: "./",
  plugins: [contentSecurityPolicy(), precache()],
  define: { __MANIFEST_SHA256__: JSON.stringify(manifestSha256()) },
  resolve: { dedupe: ["preact"] },
  worker: { format: "es" },
  server: { fs: { allow: [".."] } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: resolve(HERE, "index.html"), "service-worker": resolve(HERE, "src/service-worker.ts") },
      output: {
        // A service worker keeps its name, or it would never be renewed.
        entryFileNames: ({ name }) => (name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
