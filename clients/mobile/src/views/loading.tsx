import { useSpeech } from "../../../web/src/words";
import { deviceWords } from "../words";

/** The models on their way. */
export function Loading() {
  const { loading, loadingHint } = deviceWords(useSpeech());
  return (
    <section class="card" aria-labelledby="loading">
      <h2 id="loading">{loading}</h2>
      <progress aria-label={loading} />
      <p class="soft" role="status">
        {loadingHint}
      </p>
    </section>
  );
}
