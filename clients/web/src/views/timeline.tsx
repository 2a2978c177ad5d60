import type { Thresholds } from "../gateway/types";
import { useSpeech } from "../words";
import { uncertainRange } from "./limits";

/** One score at one instant (seconds). */
export interface Point {
  time: number;
  probability: number;
}

interface Props {
  /** Whose it is, in words. */
  name: string;
  /** In time order. */
  points: Point[];
  /** The first and last instant shown. */
  span: [number, number];
  thresholds: Thresholds;
  interval?: { from: number; to: number; low: number; high: number } | null;
  cuts?: number[];
  /** The instant on the screen, and how to go to another one. */
  cursor?: { time: number; seek: (time: number) => void } | null;
}

/** Share of the width within which a click means the nearest point. */
const SNAP = 0.02;
const HEIGHT = 100;
const WIDTH = 1000;

/** Probability over time, as a drawing; with a cursor it is a slider, too. */
export function Timeline({ name, points, span, thresholds, interval, cuts, cursor }: Props) {
  const speech = useSpeech();
  const { timeline } = speech.words;
  const [from, to] = span;
  const length = Math.max(to - from, 0.001);
  const x = (time: number) => round((WIDTH * (time - from)) / length);
  const y = (probability: number) => round(HEIGHT * (1 - probability));
  const [low, high] = uncertainRange(thresholds);
  const nearest = (time: number, within: number) => {
    const near = points.filter((point) => Math.abs(point.time - time) <= within);
    return near.sort((one, other) => Math.abs(one.time - time) - Math.abs(other.time - time))[0] ?? null;
  };
  const described = sparse(points).map((point) => `${speech.seconds(point.time)}: ${speech.percent(point.probability)}`);
  const here = cursor ? nearest(cursor.time, 0.2) : null;
  const step = (key: string) => {
    if (!cursor) return null;
    if (key === "ArrowRight" || key === "ArrowUp") return points.find(({ time }) => time > cursor.time + 0.02);
    if (key === "ArrowLeft" || key === "ArrowDown") return points.findLast(({ time }) => time < cursor.time - 0.02);
    return null;
  };
  return (
    <div class="timeline">
      <div class="axis upright" aria-hidden="true">
        <span>100 %</span>
        <span>0 %</span>
      </div>
      <div class="plot">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={timeline.label(name, described.join(", "))}
        >
          <rect class="doubt" x={0} width={WIDTH} y={y(high)} height={y(low) - y(high)} />
          {cuts?.map((cut) => <path key={cut} class="cut" d={`M${x(cut)} 0V${HEIGHT}`} />)}
          {interval && (
            <rect
              class="interval"
              x={x(interval.from)}
              width={Math.max(4, x(interval.to) - x(interval.from))}
              y={y(interval.high)}
              height={Math.max(1, y(interval.low) - y(interval.high))}
            />
          )}
          <polyline points={points.map((point) => `${x(point.time)},${y(point.probability)}`).join(" ")} />
          <path class="points" d={points.map((point) => `M${x(point.time)} ${y(point.probability)}h0`).join("")} />
          {cursor && <path class="cursor" data-screen d={`M${x(Math.min(cursor.time, to))} 0V${HEIGHT}`} />}
        </svg>
        {cursor && (
          <input
            type="range"
            data-screen
            min={from}
            max={to}
            step="any"
            value={cursor.time}
            aria-label={timeline.seek(name)}
            aria-valuetext={timeline.value(speech.seconds(cursor.time), here && speech.percent(here.probability))}
            onInput={(event) => {
              const time = Number(event.currentTarget.value);
              cursor.seek(nearest(time, SNAP * length)?.time ?? time);
            }}
            onKeyDown={(event) => {
              const next = step(event.key);
              if (next === null) return;
              event.preventDefault();
              if (next) cursor.seek(next.time);
            }}
          />
        )}
      </div>
      <div class="axis" aria-hidden="true">
        <span>{speech.seconds(from)}</span>
        <span>{speech.seconds((from + to) / 2)}</span>
        <span>{speech.seconds(to)}</span>
      </div>
    </div>
  );
}

/** At most some points, evenly taken, for those who hear the drawing. */
function sparse(points: Point[]): Point[] {
  const every = Math.ceil(points.length / 12);
  return points.filter((_, index) => index % every === 0);
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
