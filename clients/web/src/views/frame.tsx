import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { type Language, type Speech, SpeechContext } from "../words";
import { LanguageChooser } from "./language";

/** What the page and the on-device app have around their views: title, languages, sections, what is said aloud. */
export function Frame(props: {
  speech: Speech;
  language: Language;
  chooseLanguage: (language: Language) => void;
  /** Beside the languages. */
  tools?: ComponentChildren;
  /** Whether the camera is shown, and how to go to a section; null while there is none. */
  sections: { camera: boolean; go: (at: "choose" | "camera") => void } | null;
  children: ComponentChildren;
  footer: ComponentChildren;
  dialog: ComponentChildren;
  /** What a screen reader is told. */
  said: string;
}) {
  const { speech, language, sections } = props;
  const { words } = speech;
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `AWARE-NET: ${words.title}`;
  }, [language]);
  return (
    <SpeechContext.Provider value={speech}>
      <a class="skip" href="#content">
        {words.skip}
      </a>
      <header>
        <p class="brand">AWARE-NET</p>
        <div class="tools">
          {props.tools}
          <LanguageChooser language={language} choose={props.chooseLanguage} />
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <div class="lead">
          <h1>{words.title}</h1>
          <p>{words.lead}</p>
        </div>
        {sections && (
          <nav class="tabs" aria-label={words.sections}>
            {(["choose", "camera"] as const).map((at) => (
              <button
                key={at}
                type="button"
                aria-current={sections.camera === (at === "camera") ? "page" : undefined}
                onClick={() => sections.go(at)}
              >
                {at === "camera" ? words.camera : words.file}
              </button>
            ))}
          </nav>
        )}
        {props.children}
      </main>
      <footer>{props.footer}</footer>
      {props.dialog}
      <div class="unseen" role="status">
        {props.said}
      </div>
    </SpeechContext.Provider>
  );
}
