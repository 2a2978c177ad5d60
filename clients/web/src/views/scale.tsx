import type { Thresholds } from "../gateway/types";
import { useSpeech } from "../words";
import { uncertainRange } from "./limits";

interface Props {
  probability: number;
  interval: [number, number] | null;
  thresholds: Thresholds;
}

/** Where a probability lies between real, uncertain and fake, with its interval. */
export function Scale({ probability, interval, thresholds }: Props) {
  const speech = useSpeech();
  const { words } = speech;
  const [low, high] = uncertainRange(thresholds);
  const x = (share: number) => 1000 * share;
  return (
    <figure class="scale">
      <svg
        viewBox="0 0 1000 44"
        preserveAspectRatio="none"
        role="img"
        aria-label={words.result.scale(speech.percent(probability), speech.percent(low), speech.percent(high))}
      >
        <rect class="real" x={0} width={x(low)} y={14} height={16} />
        <rect class="uncertain" x={x(low)} width={x(high - low)} y={14} height={16} />
        <rect class="fake" x={x(high)} width={x(1 - high)} y={14} height={16} />
        {interval && <path class="whisker" d={`M${x(interval[0])} 22H${x(interval[1])}`} />}
        <path class="needle" d={`M${x(Math.min(0.998, Math.max(0.002, probability)))} 2V42`} />
      </svg>
      <figcaption aria-hidden="true">
        <span style={{ width: `${100 * low}%` }}>{words.word.real}</span>
        <span style={{ width: `${100 * (high - low)}%` }}>{words.word.uncertain}</span>
        <span style={{ width: `${100 * (1 - high)}%` }}>{words.word.fake}</span>
      </figcaption>
    </figure>
  );
}
