import { useEffect, useRef, useState } from "preact/hooks";

import type { Gateway } from "../gateway/client";
import { Problem } from "../gateway/problem";
import type { Face, Heatmap } from "../gateway/types";
import { useSpeech } from "../words";

/** Pixels of a side as drawn. */
const SIDE = 224;
/** Logits from which on the strongest colour is used, so that a map with next to no evidence looks like one. */
const FULL = 0.2;
const STRONGEST = 0.75;
/** Evenly spaced to the eye, in grey as well: the upper part of inferno. */
const COLOURS = [
  [106, 23, 110],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
] as const;

interface Props {
  gateway: Gateway;
  file: File;
  /** The picture as the browser has it. */
  url: string;
  face: Face;
  name: string;
}

type State = { at: "hidden" } | { at: "working" } | { at: "shown"; image: string } | { at: "problem"; problem: Problem };

/** Where in a face of a picture its score comes from: asked for when somebody wants to see it, for it takes seconds. */
export function HeatmapView({ gateway, file, url, face, name }: Props) {
  const { words } = useSpeech();
  const [state, setState] = useState<State>({ at: "hidden" });
  const made = useRef<string | null>(null);
  const leaving = useRef(new AbortController());
  useEffect(() => () => leaving.current.abort(), []);

  const toggle = async () => {
    if (state.at === "shown") return setState({ at: "hidden" });
    if (made.current) return setState({ at: "shown", image: made.current });
    setState({ at: "working" });
    const { signal } = leaving.current;
    try {
      const heatmap = await gateway.heatmap(file, face.box, signal);
      made.current = await draw(url, heatmap);
      if (!signal.aborted) setState({ at: "shown", image: made.current });
    } catch (error) {
      if (signal.aborted) return;
      setState({ at: "problem", problem: error instanceof Problem ? error : new Problem("service_error") });
    }
  };
  const problem = state.at === "problem" ? state.problem : null;
  return (
    <div class="heatmap">
      <button
        type="button"
        class="button"
        data-screen
        aria-pressed={state.at === "shown"}
        disabled={state.at === "working"}
        onClick={() => void toggle()}
      >
        {state.at === "working" ? words.heatmap.working : words.heatmap.show}
      </button>
      <div role="status">
        {state.at === "shown" && (
          <figure>
            <img src={state.image} width={SIDE} height={SIDE} alt={words.heatmap.picture(name)} />
            <figcaption class="soft small">{words.heatmap.legend}</figcaption>
          </figure>
        )}
        {problem && (
          <p class="note" data-code={problem.code}>
            {(words.problem.codes[problem.code] ?? [words.problem.other])[0]}{" "}
            {problem.detail && <span lang="en">{problem.detail}</span>}
          </p>
        )}
      </div>
    </div>
  );
}

/** The face in grey with its heatmap over it, as a data URL. */
async function draw(url: string, { region, values }: Heatmap): Promise<string> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d")!;
  context.filter = "grayscale(1)";
  context.drawImage(image, ...region, 0, 0, SIDE, SIDE);
  context.filter = "none";
  const size = values.length;
  const small = document.createElement("canvas");
  small.width = small.height = size;
  const top = Math.max(FULL, ...values.flat());
  const pixels = values.flat().flatMap((value) => {
    const strength = Math.min(1, Math.max(0, value / top));
    return [...colour(strength), Math.round(255 * STRONGEST * strength)];
  });
  small.getContext("2d")!.putImageData(new ImageData(new Uint8ClampedArray(pixels), size, size), 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, SIDE, SIDE);
  return canvas.toDataURL("image/png");
}

function colour(strength: number): number[] {
  const place = strength * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  const [from, to] = [COLOURS[low]!, COLOURS[low + 1]!];
  return from.map((part, channel) => part + (to[channel]! - part) * (place - low));
}
