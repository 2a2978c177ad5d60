import type { LiveTrack, Word } from "../../../web/src/gateway/types";
import type { Watch } from "../../../web/src/live";
import type { Device } from "../engine/device";
import { Latest } from "./latest";
import { People } from "./people";

/** Frames are taken no more often: each costs a copy. */
const SHORTEST_MS = 60;
/** Most people judged at once; every one costs as much as the first. */
const FACES = 2;
const ORDER: Word[] = ["fake", "uncertain", "real"];

interface Frame {
  bitmap: ImageBitmap;
  taken: number;
}

/** Judges a playing video on a device: always the newest frame; older ones are dropped and counted. */
export function watchOn(device: Device): Watch {
  return async (video, told, signal) => {
    const people = new People(device.model.thresholds);
    const latest = new Latest<Frame>(({ bitmap }) => bitmap.close());
    const begun = performance.now();
    let [frames, judged, last] = [0, 0, -Infinity];
    const take = () => {
      if (signal.aborted) return;
      video.requestVideoFrameCallback(take);
      const taken = performance.now();
      if (taken - last < SHORTEST_MS) return;
      last = taken;
      frames++;
      void createImageBitmap(video).then(
        (bitmap) => latest.put({ bitmap, taken }),
        () => undefined, // The video has ended.
      );
    };
    signal.addEventListener("abort", () => latest.end());
    told.connected(true);
    take();
    for (let frame; (frame = await latest.take()); ) {
      const { bitmap, taken } = frame;
      const { width, height } = bitmap;
      const verdict = await device.judge(bitmap, "", { thorough: false, faces: FACES });
      if (signal.aborted) break;
      const time_s = (taken - begun) / 1000;
      const tracks = people.see(verdict.faces, time_s);
      told.answer(
        {
          type: "verdict",
          frame: judged++,
          time_s,
          verdict: ORDER.find((word) => tracks.some((track) => track.verdict === word)) ?? "no_face",
          probability: worst(tracks),
          tracks,
          error: null,
          dropped: latest.dropped,
          latency_ms: performance.now() - taken,
        },
        width,
        height,
      );
    }
    return { type: "summary", frames, judged, dropped: latest.dropped };
  };
}

function worst(tracks: LiveTrack[]): number | null {
  return tracks.length ? Math.max(...tracks.map(({ probability }) => probability!)) : null;
}
