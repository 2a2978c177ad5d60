import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

import { faceAt, type Person } from "../people";
import { useSpeech } from "../words";
import { Boxes } from "./boxes";

interface Props {
  url: string;
  name: string;
  clip: boolean;
  people: Person[];
  /** The instant that is on the screen, in seconds. */
  time: number;
  setTime: (time: number) => void;
  video: RefObject<HTMLVideoElement | null>;
}

/** The picture or clip, with marked faces. */
export function Media({ url, name, clip, people, time, setTime, video }: Props) {
  const { words } = useSpeech();
  const [size, setSize] = useState<[number, number]>([0, 0]);
  const [unknown, setUnknown] = useState(false);
  const [marked, setMarked] = useState(true);

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    let handle = 0;
    const frame: VideoFrameRequestCallback = (_, { mediaTime }) => {
      setTime(mediaTime);
      handle = element.requestVideoFrameCallback(frame);
    };
    handle = element.requestVideoFrameCallback(frame);
    return () => element.cancelVideoFrameCallback(handle);
  }, [url]);

  if (unknown) return <p class="note">{words.result.notShown}</p>;
  const marks = people.flatMap((person) => {
    const face = faceAt(person, time);
    return face ? [{ number: person.number, word: person.word, box: face.box }] : [];
  });
  return (
    <figure class="media">
      <div class="stage">
        {clip ? (
          <video
            ref={video}
            src={url}
            controls
            muted
            playsInline
            preload="auto"
            aria-label={words.result.clip(name)}
            onLoadedMetadata={({ currentTarget: { videoWidth, videoHeight } }) => {
              setSize([videoWidth, videoHeight]);
              const worst = people[0]?.worst[0].time_s;
              if (worst && video.current) video.current.currentTime = worst + 0.001;
            }}
            onError={() => setUnknown(true)}
          />
        ) : (
          <img
            src={url}
            alt={words.result.picture(name, people.length)}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setSize([naturalWidth, naturalHeight])}
            onError={() => setUnknown(true)}
          />
        )}
        {marked && <Boxes marks={marks} width={size[0]} height={size[1]} />}
      </div>
      {people.length > 0 && (
        <label class="check" data-screen>
          <input type="checkbox" checked={marked} onChange={() => setMarked(!marked)} /> {words.result.boxes}
        </label>
      )}
    </figure>
  );
}
