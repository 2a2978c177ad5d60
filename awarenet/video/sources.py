"""Live sources: a camera over RTSP, a stream over HTTP, a pipe, a webcam. The newest frame, or the reason why not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

import av
import numpy as np
import structlog
from av.codec.context import Flags
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from awarenet.errors import (
    AwareNetError,
    DamagedMedia,
    InvalidInput,
    MediaError,
    MediaTooLarge,
    Unavailable,
    UnsupportedMedia,
)
from awarenet.media.limits import MediaLimits
from awarenet.video.conversion import pixel_aspect, upright
from awarenet.video.frame_queue import FrameQueue, QueueCounts
from awarenet.video.pipe import PipeReader
from awarenet.video.source_address import Address
from awarenet.video.timeline import READING_FAILS

_STREAMED: Final = "mpegts,mpjpeg,matroska,webm,flv,mov,mp4,avi,nut,ogg,asf,mpeg,h264,hevc,mjpeg,ivf,m4v"
"""Demuxers let near a stream's bytes: none that opens files or addresses by what it reads."""

_UNTIMED: Final = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v"})
"""Formats without times of their own; FFmpeg invents 25 frames/s for them, so arrival counts instead."""

_HTTP_PROTOCOLS: Final = "http,https,httpproxy,tcp,tls,crypto"
_RTSP_PROTOCOLS: Final = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy"

_LONGEST_STEP_S: Final = 10.0
"""Presentation times further apart than this did not pass, they jumped."""

_PROBE: Final = {"analyzeduration": "1000000", "probesize": "1000000"}
"""Look at no more than a second before the first frame: what is waited for is late."""

_log = structlog.get_logger("source")


@dataclass(frozen=True)
class SourceOptions:
    """How patient to be with a source.

    Attributes:
        connect_timeout_s: Seconds until a connection counts as failed.
        read_timeout_s: Seconds without any data until a source counts as lost.
        reconnects: How often in a row a lost network source is connected again; 0 gives up at once.
        patient: Never to give up on a source that is no pipe, whatever its kind: not before the first connection
            either, nor where what comes cannot be decoded.
        first_wait_s: Wait before the first of these attempts; each later one waits twice as long.
        longest_wait_s: Longest such wait.
        limits: What is refused; of these, pixels count.
        size: Width and height asked of a webcam.
        rate: Frames/s asked of a webcam.
    """

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 5.0
    reconnects: int = 8
    patient: bool = False
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    limits: MediaLimits = field(default_factory=MediaLimits)
    size: tuple[int, int] = (1280, 720)
    rate: int = 25

    def __post_init__(self) -> None:
        """Refuses values that make no sense.

        Raises:
            InvalidInput: A value is out of range.
        """
        for name in ("connect_timeout_s", "read_timeout_s", "first_wait_s", "longest_wait_s", "rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidInput(f"source: {name} must be a number above 0, got {getattr(self, name)!r}")
        if self.reconnects < 0:
            raise InvalidInput(f"source: reconnects must not be below 0, got {self.reconnects}")

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait before an attempt in a row, counted from 0."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(attempt, 30))


@dataclass(frozen=True)
class LiveFrame:
    """One frame of a live source.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB, upright, square pixels.
        time_s: Presentation time in seconds since the first frame; goes on over reconnections, never backwards.
        arrived_s: When the frame was decoded, on the source's clock.
    """

    image: NDArray[np.uint8]
    time_s: float
    arrived_s: float


class StreamClock:
    """Turns presentation times, which jump and start anew, into one time that only moves forward."""

    def __init__(self) -> None:
        self._time_s = 0.0
        self._shown_s: float | None = None
        self._arrived_s: float | None = None

    def time_s(self, shown_s: float | None, arrived_s: float) -> float:
        """Seconds since the first frame.

        A step between presentation times counts if it is forward and short; otherwise the time between arrivals does.

        Args:
            shown_s: Presentation time as the stream has it; None where it has none.
            arrived_s: Monotone time of arrival.
        """
        if self._arrived_s is not None:
            step_s = None if shown_s is None or self._shown_s is None else shown_s - self._shown_s
            if step_s is None or not 0 <= step_s <= _LONGEST_STEP_S:
                step_s = max(0.0, arrived_s - self._arrived_s)
            self._time_s += step_s
        self._shown_s, self._arrived_s = shown_s, arrived_s
        return self._time_s


class LiveSource:
    """Decodes a live source in a thread of its own and hands out its newest frames; a context manager.

    Attributes:
        address: The source.
        connections: How often it was connected.
        damaged: Packets and frames that could not be decoded.
    """

    def __init__(
        self,
        address: str | Address,
        options: SourceOptions | None = None,
        *,
        deadline_s: float = 0.1,
        waiting: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares a source; entering the context begins to read it.

        Args:
            address: As text, see `Address.parse`, or parsed. What an HTTP address answers may send on to other
                addresses: give only such as you trust.
            options: How patient to be.
            deadline_s: Age from which a frame is dropped.
            waiting: Frames that may wait, 1 or 2.
            clock: Monotone time in seconds.

        Raises:
            InvalidInput: The address or a value is not usable.
        """
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.connections = 0
        self.damaged = 0
        self._options = options or SourceOptions()
        self._clock = clock
        self._queue: FrameQueue[tuple[av.VideoFrame, float, float]] = FrameQueue(
            deadline_s=deadline_s, size=waiting, clock=clock
        )
        self._times = StreamClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="awarenet-source", daemon=True)

    @property
    def counts(self) -> QueueCounts:
        """What became of the frames so far."""
        return self._queue.counts

    @property
    def ended(self) -> bool:
        """Whether the source came to an orderly end, or was closed: no frame will come any more."""
        return self._stop.is_set() or self._queue.ended

    def take(self, wait_s: float = 0.0) -> LiveFrame | None:
        """The newest frame, once it is there.

        Args:
            wait_s: Seconds to wait for it.

        Returns:
            The frame, or None where none came in time or the source has ended.

        Raises:
            MediaError: What the source sends cannot be decoded.
            Unavailable: The source could not be reached, fell silent, or was lost for good.
        """
        end = time.monotonic() + wait_s
        while not self._stop.is_set():
            if (arrived := self._queue.take(max(0.0, end - time.monotonic()))) is None:
                return None
            frame, aspect, time_s = arrived.frame
            try:
                return LiveFrame(upright(frame, round(frame.width * aspect), frame.height), time_s, arrived.arrived_s)
            except av.error.FFmpegError:
                self.damaged += 1
        return None

    def close(self) -> None:
        """Stops reading; idempotent. Waits for the thread no longer than a silent source may take."""
        self._stop.set()
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(max(self._options.read_timeout_s, self._options.connect_timeout_s) + 1)

    def __enter__(self) -> LiveSource:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._read_until_lost_for_good()
        except AwareNetError as error:
            self._queue.close(error)
        except (*READING_FAILS, OSError) as error:
            self._queue.close(self._broken(error))
        finally:
            self._queue.close()

    def _read_until_lost_for_good(self) -> None:
        """Reads, and connects again where a network source is lost.

        Unless it never gives up, the first connection must succeed: an address with a mistake in it is not worth
        waiting for.
        """
        patient = self._options.patient and self.address.kind != "pipe"
        failures = 0
        while not self._stop.is_set():
            before = self._queue.counts.arrived
            lost: AwareNetError | None = None
            try:
                finished = self._read()
            except (Unavailable, MediaError) as error:
                if isinstance(error, MediaError) and not patient:
                    raise
                lost, finished = error, False
            if finished or self._stop.is_set():
                return
            if self._queue.counts.arrived > before:
                failures = 0
            if not patient and self._gives_up(failures):
                raise lost or Unavailable(f"{self.address.shown}: the stream ended; start it again")
            wait_s = self._options.wait_s(failures)
            _log.warning("lost", source=self.address.shown, reason=str(lost or "ended"), again_in_s=wait_s)
            failures += 1
            self._stop.wait(wait_s)

    def _gives_up(self, failures: int) -> bool:
        network = self.address.kind in ("rtsp", "http")
        return not network or not self.connections or failures >= self._options.reconnects

    def _read(self) -> bool:
        """Reads one connection to its end; whether the end was meant to be one."""
        with self._open() as container:
            video = _video(container, self.address.shown)
            self.connections += 1
            _log.info("connected", source=self.address.shown, format=container.format.name, codec=video.name)
            timed = not _UNTIMED & {*container.format.name.split(",")}
            silent_since = self._clock()
            for frame in self._decode(container, video):
                now = self._clock()
                if frame is None:
                    if now - silent_since > self._options.read_timeout_s:
                        raise DamagedMedia(
                            f"{self.address.shown}: sends data, but no frame of it can be decoded; check its encoder"
                        )
                    continue
                silent_since = now
                self._check_size(frame)
                shown_s = frame.time if timed else None
                self._queue.put((frame, pixel_aspect(video), self._times.time_s(shown_s, now)))
            # A pipe that is closed has ended, and so has a recording of known size; a live stream has broken off.
            return self.address.kind == "pipe" or (self.address.kind == "http" and container.size > 0)

    def _check_size(self, frame: av.VideoFrame) -> None:
        if frame.width * frame.height > (limit := self._options.limits.pixels):
            raise MediaTooLarge(
                f"{self.address.shown}: {frame.width} x {frame.height} pixels, the limit is {limit:,} in all; "
                "scale it down"
            )

    def _decode(self, container: InputContainer, video: VideoStream) -> Iterator[av.VideoFrame | None]:
        """Frames as they come; None for a packet that gave none."""
        packets = container.demux(video)
        while not self._stop.is_set():
            with self._translated():
                packet = next(packets, None)
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError):
                self.damaged += 1
                frames = []
            sound = [frame for frame in frames if isinstance(frame, av.VideoFrame) and not frame.is_corrupt]
            self.damaged += len(frames) - len(sound)
            if sound:
                yield from sound
            else:
                yield None

    @contextmanager
    def _open(self) -> Iterator[InputContainer]:
        options = _PROBE | {"max_pixels": str(self._options.limits.pixels)}
        timeout = (self._options.connect_timeout_s, self._options.read_timeout_s)
        kind, text = self.address.kind, self.address.text
        with self._translated():
            if kind == "pipe":
                pipe = PipeReader(text, self._stop, self._options.read_timeout_s)
                try:
                    container = av.open(
                        pipe, "r", options=options | {"format_whitelist": _STREAMED}, buffer_size=1 << 15
                    )
                except BaseException:
                    pipe.close()
                    raise
            elif kind == "webcam":
                width, height = self._options.size
                wish = {"video_size": f"{width}x{height}", "framerate": str(self._options.rate)}
                container = av.open(text, "r", format="v4l2", options=options | wish, timeout=timeout)
            elif kind == "rtsp":
                wish = {"rtsp_transport": "tcp", "protocol_whitelist": _RTSP_PROTOCOLS, "allowed_media_types": "video"}
                container = av.open(text, "r", format="rtsp", options=options | wish, timeout=timeout)
            else:
                wish = {"format_whitelist": f"{_STREAMED},hls", "protocol_whitelist": _HTTP_PROTOCOLS}
                container = av.open(text, "r", options=options | wish, timeout=timeout)
        try:
            yield container
        finally:
            container.close()
            if kind == "pipe":
                pipe.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns what FFmpeg says into what the user can do."""
        shown = self.address.shown
        try:
            yield
        except av.error.ExitError as error:
            raise Unavailable(f"{shown}: no data within the time limit; check the source and the network") from error
        except av.error.InvalidDataError as error:
            raise self._broken(error) from error
        except (av.error.HTTPClientError, av.error.HTTPServerError, OSError) as error:
            # FFmpeg's own errors are OSErrors where the system has one; their text would repeat the password.
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Unavailable(
                f"{shown}: cannot be read ({reason}); check the address and that it is sending"
            ) from error
        except READING_FAILS as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> MediaError:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return DamagedMedia(
            f"{self.address.shown}: what it sends is no video stream that is read here ({reason}); "
            "send MPEG-TS, Matroska, FLV or multipart JPEG"
        )


def _video(container: InputContainer, shown: str) -> VideoStream:
    """The stream's first picture track, set up for low delay."""
    if not container.streams.video:
        raise UnsupportedMedia(f"{shown}: has no picture track, only sound or data; send pictures")
    video = container.streams.video[0]
    if getattr(video, "codec_context", None) is None:  # typed as always there, absent where FFmpeg has no decoder
        raise UnsupportedMedia(f"{shown}: its pictures are coded in an unknown way; send H.264 or JPEG")
    # Threads by frame would hold as many frames back.
    video.thread_type = "SLICE"
    video.codec_context.flags |= Flags.low_delay
    return video
