import { en as web } from "../../../web/src/words/en";

/** The words of the web page, without a gateway. */
export const en = {
  ...web,
  lead: "Finds forged faces in pictures and in what the camera sees, on this device. The answer is a statistical opinion, never proof.",
  file: "Picture",
  choose: {
    ...web.choose,
    title: "Choose a picture",
    button: "Choose a picture",
    limits: (picture: string) => `Pictures up to ${picture}. Faces are best seen from the front and upright.`,
    privacy: "The picture stays on this device: nothing is sent anywhere.",
  },
  working: { ...web.working, cancelledPicture: "Cancelled." },
  live: {
    ...web.live,
    privacy: "What the camera sees stays on this device. It is neither sent nor stored.",
    connecting: "Starting …",
    summary: (frames: number, judged: number, dropped: number) =>
      `Stopped. ${frames} frames seen, ${judged} judged, ${dropped} dropped.`,
    meaning: "Scores are smoothed over about a second; at most the two largest faces are judged.",
  },
  problem: {
    ...web.problem,
    said: "In detail:",
    codes: {
      ...web.problem.codes,
      models_missing: ["The models are not here", "They could not be loaded. Connect to the network, and try again."],
      models_altered: [
        "The models were changed",
        "A file is not the one that this app was built with, so nothing is judged. Load it anew; if that does not help, tell whoever runs this page.",
      ],
      policy_other: [
        "The thresholds are not for these models",
        "Nothing is judged with thresholds that were measured on others. Tell whoever runs this page.",
      ],
      engine_wrong: [
        "This browser calculates something else",
        "A known picture got a wrong score, so nothing is judged. Use another or a newer browser.",
      ],
      engine_failed: ["Judging failed", "The device may be short of memory. Close other apps, and try again."],
      unsupported_media: ["Not a picture that this browser reads", "Choose a JPEG, PNG, WebP or AVIF file."],
      media_too_large: ["The picture is too large", "Make it smaller, and choose it again."],
      camera_insecure: ["The camera needs a secure address", "Browsers allow it over HTTPS, or on this machine, alone."],
      several_files: ["One picture at a time", "Choose a single picture."],
    } as Record<string, [string, string]>,
  },
  limits: {
    ...web.limits,
    points: [
      ...web.limits.points.slice(0, 3),
      "Sound, background, text and metadata are not looked at; clips are not judged here.",
      "Faces are found by BlazeFace, not by the detector that the models were trained with; pictures that lie on their side are not turned.",
    ],
  },
  device: {
    loading: "Loading the models",
    loadingHint: "The first time some 40 MB; after that the app works without a network.",
    backend: { webgpu: "Judges on this device, on its graphics processor.", wasm: "Judges on this device, on its processor." },
    offline: "Works without a network.",
    clip: "Clips are not judged here. Choose a picture, or use the camera.",
  },
};

export type DeviceWords = typeof en;
