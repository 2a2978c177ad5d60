"""Reading clips by presentation time, in order or at chosen times; of damaged ones what can be had."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from awarenet.errors import DamagedMedia, UnsupportedMedia
from awarenet.media.kinds import sniff
from awarenet.media.limits import MediaLimits, unreadable
from awarenet.video.conversion import pixel_aspect, upright
from awarenet.video.timeline import walk

_BUFFER = 1 << 20
_THREADS = 2

_LOST = 0.02
"""Some packets of whole clips show nothing of their own; a larger share of missing frames is damage."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB, upright, square pixels.
        time_s: Presentation time in seconds from the clip's first frame.
    """

    image: NDArray[np.uint8]
    time_s: float


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded frame whose pixels are converted when they are asked for.

    Attributes:
        time_s: Presentation time in seconds from the clip's first frame.
        size: Width and height in square pixels, as stored: before any rotation.
    """

    time_s: float
    size: tuple[int, int]
    _frame: av.VideoFrame
    _shrink: VideoReformatter

    def small(self, width: int, height: int) -> NDArray[np.uint8] | None:
        """A small copy to compare frames by, uint8 `[height, width, 3]`, BGR, not rotated; None where damaged."""
        try:
            shrunk = self._shrink.reformat(
                self._frame, width=width, height=height, format="bgr24", interpolation="FAST_BILINEAR", threads=1
            )
            return np.asarray(shrunk.to_ndarray(), np.uint8)
        except av.error.FFmpegError:
            return None

    def full(self) -> Frame | None:
        """The frame as faces are looked for in it; None where it is damaged."""
        try:
            return Frame(upright(self._frame, *self.size), self.time_s)
        except av.error.FFmpegError:
            return None


class Clip:
    """A clip opened for reading; a context manager, used by one thread at a time.

    Attributes:
        notes: What limits the reading, in words; complete once an iterator is exhausted.
        times_s: Presentation time of every frame in seconds from the first, ascending, float64 `[T]`.
    """

    def __init__(self, path: Path, limits: MediaLimits | None = None) -> None:
        """Opens a clip.

        Raises:
            UnsupportedMedia: The content is not a clip, or has no picture track.
            DamagedMedia: The clip is empty, or its headers or every frame are lost.
            MediaTooLarge: It is over a limit; nothing was decoded.
            MediaError: The file cannot be read.
        """
        self._path = path
        self._limits = limits = limits or MediaLimits()
        limits.check_bytes(path, limits.clip_bytes)
        media = sniff(path)
        if media.kind != "clip":
            raise UnsupportedMedia(f"{path}: a picture where a clip is expected; read it as a picture")
        self._demuxer = media.name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._open()
            timeline = walk(self._container, self._video, limits.clip_frames + 1)
            if timeline is None:
                raise DamagedMedia(f"{path}: holds no frame that can be read; get a whole copy")
            self._timeline = timeline
            self._damaged = 0
            self._shrink = VideoReformatter()
            self.times_s = timeline.seconds
            self.notes = [timeline.damage] if timeline.damage else []
            limits.check_length(path, float(self.times_s[-1]), len(self.times_s))
        except BaseException:
            self.close()
            raise

    def frames(self, count: int) -> Iterator[Frame]:
        """Decodes `count` frames (fewer where the clip has fewer), evenly spaced by presentation time.

        One frame at a time is held. Frames that cannot be decoded are left out and noted.

        Raises:
            DamagedMedia: No frame at all could be decoded.
            MediaTooLarge: A frame is larger than the headers said and over the limit.
        """
        yield from self._give(self._timeline.middles(count))

    def frames_at(self, times_s: Sequence[float]) -> Iterator[Frame]:
        """Decodes the frames shown at these times (seconds from the first frame, ascending), each once.

        Raises:
            DamagedMedia: No frame at all could be decoded.
            MediaTooLarge: A frame is larger than the headers said and over the limit.
        """
        yield from self._give(self._timeline.nearest(np.array(times_s, np.float64)))

    def decode(self) -> Iterator[DecodedFrame]:
        """Decodes the whole clip in order, once, without seeking.

        Frames that cannot be decoded are left out and noted.

        Raises:
            DamagedMedia: No frame at all could be decoded.
            MediaTooLarge: A frame is larger than the headers said and over the limit.
        """
        self._container.close()
        self._open()
        given, repeated, last = 0, 0, int(self._timeline.times[0]) - 1
        self._damaged = 0
        for time, frame in self._run():
            if frame.is_corrupt:
                self._damaged += 1
            elif time > last:
                given, last = given + 1, time
                yield self._decoded(time, frame)
            else:
                repeated += 1
        if not given:
            raise DamagedMedia(f"{self._path}: no frame could be decoded; get a whole copy")
        if repeated:
            self.notes.append(f"{repeated:,} frames repeat times that were over, as in joined files, and were left out")
        lost = len(self.times_s) - given
        if self._damaged or lost > _LOST * len(self.times_s):
            self.notes.append(f"{max(lost, self._damaged):,} of {len(self.times_s):,} frames were damaged and left out")

    def _give(self, wanted: NDArray[np.int64]) -> Iterator[Frame]:
        given = 0
        for time, decoded in self._decode(wanted):
            if frame := self._decoded(time, decoded).full():
                given += 1
                yield frame
        if not given:
            raise DamagedMedia(f"{self._path}: no frame could be decoded; get a whole copy")
        if given < len(wanted):
            self.notes.append(f"{len(wanted) - given} of {len(wanted)} sampled frames were damaged and left out")

    def _decoded(self, time: int, frame: av.VideoFrame) -> DecodedFrame:
        width = round(frame.width * pixel_aspect(self._video))
        self._limits.check_pixels(self._path, width, frame.height)
        seconds = float((time - int(self._timeline.times[0])) * self._timeline.base)
        return DecodedFrame(seconds, (width, frame.height), frame, self._shrink)

    def close(self) -> None:
        """Closes the file; idempotent."""
        if container := getattr(self, "_container", None):
            container.close()
        self._file.close()

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        """Opens the container at its start and checks what its headers say."""
        path, limits = self._path, self._limits
        self._file.seek(0)
        # The decoder itself refuses a stream with larger frames than its container announces.
        options = {"max_pixels": str(limits.pixels)}
        try:
            self._container: InputContainer = av.open(
                self._file, "r", format=self._demuxer, options=options, buffer_size=_BUFFER, metadata_errors="replace"
            )
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            raise DamagedMedia(
                f"{path}: the clip's headers are missing or corrupt ({error}); get a whole copy"
            ) from error
        tracks = [stream for stream in self._container.streams.video if not _is_cover(stream)]
        if not tracks:
            raise UnsupportedMedia(f"{path}: has no picture track, only sound or data; give a clip with pictures")
        self._video = video = tracks[0]
        if getattr(video, "codec_context", None) is None:  # typed as always there, absent where FFmpeg has no decoder
            raise UnsupportedMedia(f"{path}: its pictures are coded in an unknown way; convert it to H.264 in MP4")
        limits.check_pixels(path, video.codec_context.width, video.codec_context.height)
        limits.check_length(path, (self._container.duration or 0) / av.time_base, video.frames)
        video.codec_context.options = options
        video.codec_context.thread_count = _THREADS
        video.thread_type = "AUTO"

    def _decode(self, wanted: NDArray[np.int64]) -> Iterator[tuple[int, av.VideoFrame]]:
        """The frames at these times, each with its own time, skipping by key frames where that saves decoding."""
        timeline = self._timeline
        queue: list[int] = wanted.tolist()
        skipping = True
        while queue:
            if skipping:
                self._skip_to(queue[0])
            else:
                self._container.close()
                self._open()  # Starting over works where seeking does not.
            reached = not skipping
            for time, frame in self._run():
                if not reached and time > queue[0]:
                    break  # The skip went too far: this container's index is missing or wrong.
                reached = True
                if time < queue[0]:
                    continue
                queue = [later for later in queue if later > time]
                if not frame.is_corrupt:
                    yield time, frame
                if not queue:
                    return
                if skipping and timeline.keys[timeline.key_before(queue[0])] > time:
                    break  # Skipping to that key frame is cheaper than decoding up to it.
            else:
                reached = False
            if not reached and not skipping:
                return
            skipping = skipping and reached

    def _skip_to(self, time: int) -> None:
        """Moves to the last key frame that is not after `time`, if the container can."""
        place = int(self._timeline.places[self._timeline.key_before(time)])
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(place, stream=self._video, backward=True)

    def _run(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decodes from where the container stands; a packet that cannot be decoded is left out."""
        packets = self._container.demux(self._video)
        while True:
            try:
                frames = next(packets).decode()
            except (StopIteration, av.error.EOFError, ValueError, IndexError):
                return
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            yield from ((frame.pts, frame) for frame in frames if frame.pts is not None)


def _is_cover(stream: VideoStream) -> bool:
    """Whether the track is a still picture that goes with a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
