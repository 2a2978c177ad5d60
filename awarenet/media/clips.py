"""Sampling frames of clips: evenly by presentation time, in bounded memory, from damaged clips what can be had."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from awarenet.errors import DamagedMedia, MediaTooLarge, UnsupportedMedia
from awarenet.media.kinds import sniff
from awarenet.media.limits import MediaLimits, file_size, unreadable

_BUFFER = 1 << 20
_THREADS = 2
_LOST = 0.02
"""A clip of which more than this share is missing counts as cut short."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB, upright, square pixels.
        time_s: Presentation time in seconds from the clip's first frame.
    """

    image: NDArray[np.uint8]
    time_s: float


class Clip:
    """A clip opened for sampling; a context manager.

    Opening reads the headers and walks over the packets without decoding any, so that the presentation times are the
    real ones: also where the header announces none, frames come at a variable rate, or the end of the file is missing.

    Attributes:
        notes: What limits the sample, in words; complete once `frames` is exhausted.
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
        limits.check_bytes(path, file_size(path), limits.clip_bytes)
        media = sniff(path)
        if media.kind != "clip":
            raise UnsupportedMedia(f"{path}: a picture where a clip is expected; read it as a picture")
        self._demuxer = media.name
        self.notes: list[str] = []
        try:
            self._stream_of_bytes = path.open("rb")
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._container = _open(path, self._stream_of_bytes, self._demuxer, limits.pixels)
            self._video = self._picture_track()
            self._base = self._video.time_base or Fraction(1, av.time_base)
            self._pts, self._keys, self._places = self._walk()
        except BaseException:
            self.close()
            raise
        self.times_s: NDArray[np.float64] = (self._pts - self._pts[0]) * float(self._base)

    def frames(self, count: int) -> Iterator[Frame]:
        """Decodes `count` frames (fewer where the clip has fewer), evenly spaced by presentation time.

        One frame at a time is held. Frames that cannot be decoded are left out and noted.

        Raises:
            DamagedMedia: No frame at all could be decoded.
            MediaTooLarge: A frame is larger than the headers said and over the limit.
        """
        yield from self._give(self._sample(count))

    def frames_at(self, times_s: Sequence[float]) -> Iterator[Frame]:
        """Decodes the frames shown at these times (seconds from the first frame, ascending), each once.

        Raises:
            DamagedMedia: No frame at all could be decoded.
            MediaTooLarge: A frame is larger than the headers said and over the limit.
        """
        nearest = [int(np.abs(self.times_s - time).argmin()) for time in times_s]
        yield from self._give(self._pts[np.unique(nearest)])

    def _give(self, wanted: NDArray[np.int64]) -> Iterator[Frame]:
        given = 0
        for time, frame in self._decode(wanted):
            self._limits.check_pixels(self._path, frame.width, frame.height)
            given += 1
            yield Frame(_upright_rgb(frame, self._video), float((time - int(self._pts[0])) * self._base))
        if not given:
            raise DamagedMedia(f"{self._path}: no frame could be decoded; get a whole copy")
        if given < len(wanted):
            self.notes.append(f"{len(wanted) - given} of {len(wanted)} sampled frames were damaged and left out")

    def close(self) -> None:
        """Closes the file; idempotent."""
        if container := getattr(self, "_container", None):
            container.close()
        self._stream_of_bytes.close()

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _picture_track(self) -> VideoStream:
        limits, path = self._limits, self._path
        tracks = [stream for stream in self._container.streams.video if not _is_cover(stream)]
        if not tracks:
            raise UnsupportedMedia(f"{path}: has no picture track, only sound or data; give a clip with pictures")
        video = tracks[0]
        if getattr(video, "codec_context", None) is None:  # typed as always there, absent where FFmpeg has no decoder
            raise UnsupportedMedia(f"{path}: its pictures are coded in an unknown way; convert it to H.264 in MP4")
        limits.check_pixels(path, video.codec_context.width, video.codec_context.height)
        seconds = (self._container.duration or 0) / av.time_base
        if seconds > limits.clip_seconds:
            raise MediaTooLarge(f"{path}: {seconds:.0f} s long, the limit is {limits.clip_seconds:.0f} s; cut it")
        if video.frames > limits.clip_frames:
            raise MediaTooLarge(f"{path}: {video.frames} frames, the limit is {limits.clip_frames}; cut it")
        video.codec_context.options = {"max_pixels": str(limits.pixels)}
        video.codec_context.thread_count = _THREADS
        video.thread_type = "AUTO"
        return video

    def _walk(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Times of all frames, times of the key frames and where to seek for them; ascending, in time base units."""
        times: list[int] = []
        keys: dict[int, int] = {}
        packets = 0
        try:
            for packet in self._container.demux(self._video):
                time = packet.dts if packet.pts is None else packet.pts
                if time is None or packet.size == 0:
                    continue
                packets += 1
                if packet.is_discard:
                    continue  # Cut away by an edit list; decoders do not show it.
                times.append(time)
                if packet.is_keyframe:
                    # Matroska is indexed by presentation time, the others by decoding time.
                    keys[time] = time if packet.dts is None or self._demuxer == "matroska" else packet.dts
                if len(times) > self._limits.clip_frames:
                    raise MediaTooLarge(
                        f"{self._path}: more frames than the limit of {self._limits.clip_frames}; cut it"
                    )
        except (av.error.FFmpegError, ValueError):
            self.notes.append("the file is damaged; only the part that could be read was looked at")
        if not times:
            raise DamagedMedia(f"{self._path}: holds no frame that can be read; get a whole copy")
        ordered = np.unique(np.array(times, np.int64))
        self._check_length(ordered, packets)
        index = np.array(sorted((keys or {times[0]: times[0]}).items()), np.int64)
        return ordered, index[:, 0], index[:, 1]

    def _check_length(self, pts: NDArray[np.int64], packets: int) -> None:
        base = float(self._base)
        seconds = float(pts[-1] - pts[0]) * base
        if seconds > self._limits.clip_seconds:
            limit = self._limits.clip_seconds
            raise MediaTooLarge(f"{self._path}: {seconds:.0f} s long, the limit is {limit:.0f} s; cut it")
        if not self.notes:
            self._note_loss(packets, seconds)

    def _note_loss(self, packets: int, seconds: float) -> None:
        """Compares what was read with what the headers announce: frames where they say, seconds otherwise."""
        announced = self._video.duration
        whole = float(announced * self._base) if announced else (self._container.duration or 0) / av.time_base
        read, of = (packets, self._video.frames) if self._video.frames else (seconds, whole)
        if read < of * (1 - _LOST) - 2 * of / max(2, packets):
            self.notes.append(f"the file is cut short: {read / of:.0%} of it could be read, only this was looked at")

    def _sample(self, count: int) -> NDArray[np.int64]:
        """Presentation times at the middles of `count` equal parts of the clip, each the nearest that exists."""
        pts = self._pts
        middles = pts[0] + (np.arange(count) + 0.5) / count * float(pts[-1] - pts[0])
        right = np.searchsorted(pts, middles).clip(1, len(pts) - 1) if len(pts) > 1 else np.zeros(count, np.int64)
        left = np.maximum(right - 1, 0)
        nearest = np.where(middles - pts[left] <= pts[right] - middles, left, right)
        chosen: NDArray[np.int64] = pts[np.unique(nearest)]
        return chosen

    def _decode(self, wanted: NDArray[np.int64]) -> Iterator[tuple[int, av.VideoFrame]]:
        """The frames at these times, each with its own time, skipping by key frames where that saves decoding."""
        queue: list[int] = wanted.tolist()
        skipping = True
        while queue:
            if skipping:
                self._skip_to(queue[0])
            else:
                self._rewind()
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
                if skipping and self._keys[self._key_before(queue[0])] > time:
                    break  # Skipping to that key frame is cheaper than decoding up to it.
            else:
                reached = False
            if not reached and not skipping:
                return
            skipping = skipping and reached

    def _skip_to(self, time: int) -> None:
        """Moves to the last key frame that is not after `time`, if the container can."""
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(int(self._places[self._key_before(time)]), stream=self._video, backward=True)

    def _rewind(self) -> None:
        """Starts over, which works where seeking does not."""
        self._container.close()
        self._stream_of_bytes.seek(0)
        self._container = _open(self._path, self._stream_of_bytes, self._demuxer, self._limits.pixels)
        self._video = self._picture_track()

    def _key_before(self, time: int) -> int:
        """Number of the last key frame that is not after `time`."""
        return max(0, int(np.searchsorted(self._keys, time, side="right")) - 1)

    def _run(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decodes from where the container stands; a packet that cannot be decoded is left out."""
        packets = self._container.demux(self._video)
        while True:
            try:
                frames = next(packets).decode()
            except (StopIteration, av.error.EOFError, ValueError):
                return
            except av.error.FFmpegError:
                continue
            yield from ((frame.pts, frame) for frame in frames if frame.pts is not None)


def _open(path: Path, stream: BinaryIO, demuxer: str, pixels: int) -> InputContainer:
    # The decoder itself refuses a stream with larger frames than its container announces.
    options = {"max_pixels": str(pixels)}
    try:
        return av.open(stream, "r", format=demuxer, options=options, buffer_size=_BUFFER, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise DamagedMedia(f"{path}: the clip's headers are missing or corrupt ({error}); get a whole copy") from error


def _is_cover(stream: VideoStream) -> bool:
    """Whether the track is a still picture that goes with a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _upright_rgb(frame: av.VideoFrame, video: VideoStream) -> NDArray[np.uint8]:
    aspect = float(video.sample_aspect_ratio or 1)
    width = round(frame.width * aspect) if 0.25 <= aspect <= 4 else frame.width
    image = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns), np.uint8)
