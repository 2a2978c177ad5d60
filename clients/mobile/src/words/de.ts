import { de as web } from "../../../web/src/words/de";
import type { DeviceWords } from "./en";

export const de: DeviceWords = {
  ...web,
  lead: "Findet gefälschte Gesichter in Bildern und in dem, was die Kamera sieht, auf diesem Gerät. Die Antwort ist eine statistische Meinung, niemals ein Beweis.",
  file: "Bild",
  choose: {
    ...web.choose,
    title: "Bild wählen",
    button: "Bild wählen",
    limits: (picture) => `Bilder bis ${picture}. Am besten sind Gesichter von vorn und aufrecht zu sehen.`,
    privacy: "Das Bild bleibt auf diesem Gerät: Es wird nichts gesendet.",
  },
  working: { ...web.working, cancelledPicture: "Abgebrochen." },
  live: {
    ...web.live,
    privacy: "Was die Kamera sieht, bleibt auf diesem Gerät. Es wird weder gesendet noch gespeichert.",
    connecting: "Startet …",
    summary: (frames, judged, dropped) =>
      `Beendet. ${frames} Bilder gesehen, ${judged} beurteilt, ${dropped} ausgelassen.`,
    meaning: "Werte werden über etwa eine Sekunde geglättet; höchstens die zwei größten Gesichter werden beurteilt.",
  },
  problem: {
    ...web.problem,
    said: "Im Einzelnen:",
    codes: {
      ...web.problem.codes,
      models_missing: [
        "Die Modelle sind nicht da",
        "Sie ließen sich nicht laden. Mit dem Netz verbinden und noch einmal versuchen.",
      ],
      models_altered: [
        "Die Modelle wurden verändert",
        "Eine Datei ist nicht die, mit der diese App gebaut wurde; darum wird nichts beurteilt. Neu laden; hilft das nicht, dem Betreiber dieser Seite Bescheid sagen.",
      ],
      policy_other: [
        "Die Schwellen gehören nicht zu diesen Modellen",
        "Mit Schwellen, die an anderen gemessen wurden, wird nichts beurteilt. Dem Betreiber dieser Seite Bescheid sagen.",
      ],
      engine_wrong: [
        "Dieser Browser rechnet anders",
        "Ein bekanntes Bild bekam einen falschen Wert; darum wird nichts beurteilt. Einen anderen oder neueren Browser verwenden.",
      ],
      engine_failed: [
        "Das Beurteilen schlug fehl",
        "Vielleicht fehlt dem Gerät Speicher. Andere Apps schließen und noch einmal versuchen.",
      ],
      unsupported_media: ["Kein Bild, das dieser Browser liest", "Eine Datei in JPEG, PNG, WebP oder AVIF wählen."],
      media_too_large: ["Das Bild ist zu groß", "Verkleinern und noch einmal wählen."],
      camera_insecure: [
        "Die Kamera braucht eine sichere Adresse",
        "Browser erlauben sie nur über HTTPS oder auf diesem Rechner selbst.",
      ],
      several_files: ["Immer nur ein Bild", "Ein einzelnes Bild wählen."],
    },
  },
  limits: {
    ...web.limits,
    points: [
      ...web.limits.points.slice(0, 3),
      "Ton, Hintergrund, Text und Metadaten werden nicht betrachtet; Clips werden hier nicht beurteilt.",
      "Gesichter findet BlazeFace, nicht der Detektor, mit dem die Modelle trainiert wurden; liegende Bilder werden nicht gedreht.",
    ],
  },
  device: {
    loading: "Modelle werden geladen",
    loadingHint: "Beim ersten Mal etwa 40 MB; danach geht die App ohne Netz.",
    backend: {
      webgpu: "Urteilt auf diesem Gerät, auf seinem Grafikprozessor.",
      wasm: "Urteilt auf diesem Gerät, auf seinem Prozessor.",
    },
    offline: "Geht ohne Netz.",
    clip: "Clips werden hier nicht beurteilt. Ein Bild wählen oder die Kamera verwenden.",
  },
};
