/** sha256 of `models/manifest.json` at build time: the root of what is trusted. */
declare const __MANIFEST_SHA256__: string;
