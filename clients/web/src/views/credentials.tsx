import type { Credentials } from "../gateway/types";
import { useSpeech } from "../words";

/** Content credentials, beside the verdict. Every text in them is the signer's. */
export function CredentialsCard({ credentials }: { credentials: Credentials }) {
  const { words } = useSpeech();
  const { state, issuer, claim_generator, signed_at, actions, says_ai, ingredients, problems } = credentials;
  const done = actions.map(({ action, source_type, software }) => [action, source_type, software].filter(Boolean).join(", "));
  const facts: [string, string | null][] = [
    [words.credentials.issuer, issuer],
    [words.credentials.generator, claim_generator],
    [words.credentials.signed, signed_at],
    [words.credentials.actions, done.join("; ")],
    [words.credentials.ingredients, ingredients ? String(ingredients) : null],
    [words.credentials.problems, problems.join("; ")],
  ];
  return (
    <aside class="credentials" aria-labelledby="credentials" data-state={state}>
      <h3 id="credentials">{words.credentials.title}</h3>
      <p class="soft">{words.credentials.beside}</p>
      <p>{words.credentials.state[state]}</p>
      {says_ai && <p>{words.credentials.ai}</p>}
      <dl>
        {facts.map(
          ([name, fact]) =>
            fact && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{fact}</dd>
              </div>
            ),
        )}
      </dl>
    </aside>
  );
}
