import { defineConfig } from "vite";

/** For `npm run dev`, which serves the page itself. */
const gateway = "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    // The gateway's Content-Security-Policy allows no inline script, and there is one bundle to load.
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/v1": { target: gateway, ws: true },
      "^/(docs|cards|page.css|livez|openapi.json)": gateway,
    },
  },
});
