import type { CapacitorConfig } from "@capacitor/cli";

const config: CapacitorConfig = {
  appId: "org.awarenet.mobile",
  appName: "AWARE-NET",
  webDir: "dist",
  // No address outside the app is ever opened in it.
  server: { androidScheme: "https", allowNavigation: [] },
};

export default config;
