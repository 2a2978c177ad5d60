import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { de } from "./de";
import { en, type Words } from "./en";

export const LANGUAGES = { en: { name: "English", words: en }, de: { name: "Deutsch", words: de } };
export type Language = keyof typeof LANGUAGES;

const STORED = "awarenet.language";

/** The language that was chosen here before, else the first of the browser's that there is, else English. */
export function preferred(chosen: string | null, languages: readonly string[]): Language {
  const wanted = [chosen, ...languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return wanted.find((tag): tag is Language => tag !== undefined && tag in LANGUAGES) ?? "en";
}

export function storedLanguage(): Language {
  return preferred(localStorage.getItem(STORED), navigator.languages);
}

export function storeLanguage(language: Language): void {
  localStorage.setItem(STORED, language);
}

/** Words, and figures as the language writes them. */
export class Speech {
  constructor(
    readonly language: Language,
    readonly words: Words = LANGUAGES[language].words,
  ) {}

  /** A probability, in words that never round to certainty. */
  percent(probability: number): string {
    const under = { en: "under", de: "unter" }[this.language];
    const over = { en: "over", de: "über" }[this.language];
    if (probability < 0.001) return `${under} ${this.number(0.1, 1)} %`;
    if (probability > 0.999) return `${over} ${this.number(99.9, 1)} %`;
    return `${this.number(100 * probability, probability < 0.1 || probability > 0.9 ? 1 : 0)} %`;
  }

  /** An interval of probabilities, as fine as it takes for its ends to differ. */
  ends(low: number, high: number): [string, string] {
    const rough: [string, string] = [this.percent(low), this.percent(high)];
    if (rough[0] !== rough[1]) return rough;
    return [`${this.number(100 * low, 1)} %`, `${this.number(100 * high, 1)} %`];
  }

  /** How much of something is done. */
  share(done: number): string {
    return `${this.number(100 * done, 0)} %`;
  }

  seconds(time: number): string {
    return `${this.number(time, 1)} s`;
  }

  /** A time to wait, as coarse as a person would say it. */
  wait(seconds: number): string {
    if (seconds < 120) return `${this.number(seconds, 0)} s`;
    if (seconds < 7200) return `${this.number(seconds / 60, 0)} min`;
    return `${this.number(seconds / 3600, 0)} h`;
  }

  megabytes(bytes: number): string {
    return `${this.number(bytes / 2 ** 20, 0)}\u00a0MiB`;
  }

  number(value: number, digits: number): string {
    return value.toLocaleString(this.language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }
}

export const SpeechContext = createContext(new Speech("en"));

export function useSpeech(): Speech {
  return useContext(SpeechContext);
}
