import { useEffect, useRef } from "preact/hooks";

import type { Problem } from "../gateway/problem";
import { useSpeech } from "../words";

/** Asks for the API key. */
export function KeyForm(props: { checking: boolean; problem: Problem | null; use: (key: string) => void }) {
  const { words } = useSpeech();
  const input = useRef<HTMLInputElement>(null);
  const fault = props.problem && words.problem.codes[props.problem.code];
  useEffect(() => {
    if (props.problem) input.current?.focus();
  }, [props.problem]);
  return (
    <section class="card key" aria-labelledby="key-title">
      <h2 id="key-title">{words.key.title}</h2>
      <p>
        {words.key.why} {words.key.where} <code>.awarenet/api_key</code>.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const key = input.current!.value.trim();
          if (key) props.use(key);
        }}
      >
        <label for="key">{words.key.label}</label>
        <div class="row">
          <input
            id="key"
            ref={input}
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            aria-invalid={fault ? true : undefined}
            aria-describedby={fault ? "key-fault key-kept" : "key-kept"}
          />
          <button type="submit" class="button primary" aria-disabled={props.checking}>
            {words.key.use}
          </button>
        </div>
        <p id="key-fault" role="alert" class="fault">
          {fault && !props.checking && `${fault[0]}. ${fault[1]}`}
        </p>
        <p class="soft" role="status">
          {props.checking && words.key.checking}
        </p>
        <p id="key-kept" class="soft">
          {words.key.kept}
        </p>
      </form>
    </section>
  );
}
