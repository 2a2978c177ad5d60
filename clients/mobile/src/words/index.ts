import type { Language, Speech } from "../../../web/src/words";
import { de } from "./de";
import { en, type DeviceWords } from "./en";

/** Everything that the app says: the words of the web page, with those that are other on a device. */
export const LANGUAGES: Record<Language, DeviceWords> = { en, de };

/** What only this app says. */
export function deviceWords({ language }: Speech): DeviceWords["device"] {
  return LANGUAGES[language].device;
}
