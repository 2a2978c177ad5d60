import { type Language, LANGUAGES, storeLanguage, useSpeech } from "../words";

/** Where the language is chosen; the choice is kept. */
export function LanguageChooser({ language, choose }: { language: Language; choose: (language: Language) => void }) {
  const { words } = useSpeech();
  return (
    <label class="language">
      <span class="unseen">{words.language}</span>
      <select
        value={language}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Language;
          storeLanguage(chosen);
          choose(chosen);
        }}
      >
        {Object.entries(LANGUAGES).map(([tag, { name }]) => (
          <option key={tag} value={tag} lang={tag}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
