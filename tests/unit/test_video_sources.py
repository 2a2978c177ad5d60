"""Live sources for real: pipes, HTTP and RTSP on loopback; such as stall, end, break off or send garbage."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from awarenet.errors import AwareNetError, DamagedMedia, InvalidInput, MediaTooLarge, Unavailable, UnsupportedMedia
from awarenet.media.limits import MediaLimits
from awarenet.video.source_address import Address
from awarenet.video.sources import LiveFrame, LiveSource, SourceOptions, StreamClock
from tests.samples import save_clip
from tests.streams import chunks, http_stream, mpegts, multipart_jpeg, paced, rtsp_camera, shade

PATIENT = SourceOptions(connect_timeout_s=30, read_timeout_s=20, reconnects=2, first_wait_s=0.05)
"""For sources that send: a busy machine must not look like a silent source."""

IMPATIENT = dataclasses.replace(PATIENT, read_timeout_s=1)
"""For sources that fall silent."""

SHADES = [shade(level) for level in range(0, 250, 5)]


def watch(source: LiveSource, enough: int = 10_000, limit_s: float = 60.0) -> list[LiveFrame]:
    """The frames of a source until it ends."""
    frames: list[LiveFrame] = []
    end = time.monotonic() + limit_s
    while not source.ended and len(frames) < enough:
        assert time.monotonic() < end, "the source neither ended nor gave enough"
        if (frame := source.take(0.2)) is not None:
            frames.append(frame)
    return frames


def opened(address: str, options: SourceOptions = PATIENT, waiting: int = 2) -> LiveSource:
    return LiveSource(address, options, deadline_s=5, waiting=waiting)


class Writer(threading.Thread):
    """Writes to a pipe in the background, as another program would."""

    def __init__(
        self, fd: int, pieces: Sequence[bytes], gap_s: float, then: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(daemon=True)
        self._fd, self._pieces, self._gap_s, self._then = fd, pieces, gap_s, then
        self.start()

    def run(self) -> None:
        try:
            for piece in self._pieces:
                os.write(self._fd, piece)
                time.sleep(self._gap_s)
            self._then()
        except BrokenPipeError:
            pass
        finally:
            os.close(self._fd)


def levels(frames: Sequence[LiveFrame]) -> list[float]:
    return [float(frame.image.mean()) for frame in frames]


def test_a_pipe_gives_its_frames_in_order_with_their_times_and_ends() -> None:
    read, write = os.pipe()
    Writer(write, chunks(mpegts(SHADES, first=1000, step=2)), 0.01)
    with opened(f"fd:{read}") as source:
        frames = watch(source)
    os.close(read)
    assert len(frames) > 10 and frames[0].image.shape == (96, 128, 3)
    assert levels(frames) == sorted(levels(frames))
    # The shade says which frame it is, and that says when it is shown.
    first = round(frames[0].image.mean() / 5)
    for frame in frames:
        number = round(frame.image.mean() / 5)
        assert frame.time_s == pytest.approx((number - first) * 0.08 + frames[0].time_s, abs=0.001)
    counts = source.counts
    assert counts.arrived >= 45 and counts.arrived == counts.taken + counts.dropped


def test_a_slow_viewer_gets_the_newest_frame_and_holds_nobody_up() -> None:
    read, write = os.pipe()
    Writer(write, chunks(mpegts(SHADES)), 0.01)
    with opened(f"fd:{read}", waiting=1) as source:
        frames = []
        while not source.ended:
            if (frame := source.take(0.2)) is not None:
                frames.append(frame)
                time.sleep(0.2)
    os.close(read)
    assert source.counts.replaced > source.counts.taken
    assert levels(frames)[-1] == pytest.approx(245, abs=8)


def test_a_named_pipe_waits_for_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "camera"
    os.mkfifo(path)

    def write_later() -> None:
        time.sleep(0.3)
        Writer(os.open(path, os.O_WRONLY), chunks(mpegts(SHADES)), 0.0).join()

    threading.Thread(target=write_later, daemon=True).start()
    with opened(str(path)) as source:
        assert watch(source)


def test_a_pipe_that_stalls_is_given_up_and_says_so() -> None:
    read, write = os.pipe()
    stalled = threading.Event()
    Writer(write, chunks(mpegts(SHADES)), 0.0, then=lambda: stalled.wait(30))
    with opened(f"fd:{read}", IMPATIENT) as source:
        with pytest.raises(Unavailable, match="nothing came through the pipe for 1 s"):
            watch(source)
        assert source.counts.arrived > 0
    stalled.set()
    os.close(read)


def test_a_pipe_in_which_nothing_comes_is_given_up() -> None:
    read, write = os.pipe()
    with opened(f"fd:{read}", IMPATIENT) as source, pytest.raises(Unavailable, match="nothing came"):
        watch(source)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\0" * 50_000, np.random.default_rng(0).bytes(200_000), b"Dear reader. " * 5_000],
    ids=["nothing", "zeros", "noise", "a letter"],
)
def test_garbage_is_an_error_that_says_what_to_send(garbage: bytes) -> None:
    read, write = os.pipe()
    Writer(write, [garbage[start : start + 4096] for start in range(0, len(garbage), 4096)], 0.0)
    with opened(f"fd:{read}") as source, pytest.raises(AwareNetError, match=f"fd:{read}") as caught:
        watch(source)
    os.close(read)
    assert isinstance(caught.value, (DamagedMedia, UnsupportedMedia))


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n",
    ],
    ids=["playlist", "list of files", "session description"],
)
def test_a_stream_cannot_make_the_reader_open_something_else(text: str, tmp_path: Path) -> None:
    secret = save_clip(tmp_path / "secret.mp4", [shade(200)] * 5)
    read, write = os.pipe()
    Writer(write, [text.format(secret).encode()], 0.0)
    with opened(f"fd:{read}") as source, pytest.raises(DamagedMedia):
        watch(source)
    os.close(read)
    assert source.counts.arrived == 0


def test_garbage_in_the_middle_costs_frames_and_not_the_stream() -> None:
    good = chunks(mpegts(SHADES))
    read, write = os.pipe()
    middle = len(good) // 2
    noise = np.random.default_rng(1).bytes(188 * 7)
    Writer(write, [*good[:middle], noise, noise, *good[middle + 2 :]], 0.01)
    with opened(f"fd:{read}") as source:
        frames = watch(source)
    os.close(read)
    assert levels(frames)[-1] > 200 and source.counts.arrived > 20


def test_a_frame_over_the_limit_ends_the_stream() -> None:
    read, write = os.pipe()
    Writer(write, chunks(mpegts(SHADES)), 0.0)
    small = dataclasses.replace(PATIENT, limits=MediaLimits(pixels=1000))
    with opened(f"fd:{read}", small) as source, pytest.raises((MediaTooLarge, DamagedMedia)):
        watch(source)
    os.close(read)
    assert source.counts.arrived == 0


def test_sound_alone_is_not_watched() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as output:
        stream = output.add_stream("mp2", rate=44100)
        for index in range(60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), "s16", "stereo")
            frame.rate, frame.pts = 44100, index * 1152
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    read, write = os.pipe()
    Writer(write, chunks(buffer.getvalue()), 0.0)
    with opened(f"fd:{read}") as source, pytest.raises(UnsupportedMedia, match="no picture track"):
        watch(source)
    os.close(read)


def test_a_transport_stream_over_http_is_watched() -> None:
    pieces = chunks(mpegts(SHADES))
    with http_stream([paced(pieces, 0.01)], length=sum(map(len, pieces))) as address, opened(address) as source:
        frames = watch(source)
    assert levels(frames) == sorted(levels(frames)) and levels(frames)[-1] > 200
    assert source.connections == 1


def test_multipart_jpeg_over_http_is_timed_by_arrival() -> None:
    parts = [multipart_jpeg(image) for image in SHADES]
    kind = "multipart/x-mixed-replace; boundary=frame"
    with http_stream([paced(parts, 0.1)], kind=kind) as address, opened(address) as source:
        frames = watch(source, enough=15)
    seen = [(round(frame.image.mean() / 5), frame.time_s) for frame in frames]
    assert [number for number, _ in seen] == sorted({number for number, _ in seen})
    # Frames come every 0.1 s or, on a busy machine, later; FFmpeg alone would say every 0.04 s.
    assert seen[-1][1] - seen[5][1] >= 0.08 * (seen[-1][0] - seen[5][0])


def test_a_stream_that_breaks_off_is_connected_again_and_time_goes_on() -> None:
    first, second = mpegts(SHADES, first=90_000), mpegts(SHADES, first=0)
    sends = [paced(chunks(first), 0.005), paced(chunks(second), 0.005)]
    with http_stream(sends) as address, opened(address) as source:
        frames = []
        with pytest.raises(Unavailable):
            while True:
                if (frame := source.take(0.2)) is not None:
                    frames.append(frame)
    assert source.connections == 2
    times = [frame.time_s for frame in frames]
    assert times == sorted(times) and times[-1] < 30
    assert sum(later < earlier - 50 for earlier, later in itertools.pairwise(levels(frames))) == 1


def test_a_stream_that_stalls_is_connected_again() -> None:
    stalled = threading.Event()

    def stall(write: Callable[[bytes], object]) -> None:
        paced(chunks(mpegts(SHADES)), 0.0)(write)
        stalled.wait(30)

    sends = [stall, paced(chunks(mpegts(SHADES)), 0.0)]
    with http_stream(sends) as address, opened(address, IMPATIENT) as source:
        with pytest.raises(Unavailable, match="cannot be read"):
            watch(source)
        assert source.connections == 2
        stalled.set()


def test_nobody_at_the_address_is_said_at_once_and_without_the_password() -> None:
    said = pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1/live: cannot be read")
    with opened("http://user:secret@127.0.0.1:1/live?token=secret") as source, said as caught:
        watch(source)
    assert "secret" not in str(caught.value) and source.connections == 0


def test_an_answer_that_is_no_stream_is_said() -> None:
    page = b"<!doctype html><title>camera</title>" * 50
    server = http_stream([paced([page], 0.0)], kind="text/html", length=len(page))
    with server as address, opened(address) as source, pytest.raises(DamagedMedia, match="no video stream"):
        watch(source)


def test_a_camera_over_rtsp_is_watched_and_its_password_is_not_shown() -> None:
    with rtsp_camera(mpegts(SHADES), 0.02) as address, opened(address) as source:
        frames = watch(source, enough=5)
        assert levels(frames) == sorted(levels(frames)) and frames[0].image.shape == (96, 128, 3)
        assert "secret" not in source.address.shown


def test_a_webcam_that_is_none_is_said(tmp_path: Path) -> None:
    """A character device that is no camera goes the whole way to the driver and back."""
    device = tmp_path / "video0"
    device.symlink_to("/dev/null")
    with opened(str(tmp_path / "video0")) as source, pytest.raises(Unavailable, match="video0: cannot be read"):
        watch(source)


def test_closing_early_stops_the_reader() -> None:
    read, write = os.pipe()
    Writer(write, chunks(mpegts(SHADES)) * 100, 0.001)
    source = opened(f"fd:{read}")
    with source:
        assert watch(source, enough=3)
    assert source.ended and source.take() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "awarenet-source"]
    os.close(read)


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("-", "pipe", "standard input"),
        ("fd:7", "pipe", "fd:7"),
        ("rtsp://user:secret@camera:8554/a?token=1", "rtsp", "rtsp://camera:8554/a"),
        ("https://[::1]:8443/live.m3u8", "http", "https://[::1]:8443/live.m3u8"),
        ("HTTP://host/x", "http", "http://host/x"),
    ],
)
def test_addresses_are_understood(text: str, kind: str, shown: str) -> None:
    address = Address.parse(text)
    assert (address.kind, address.shown) == (kind, shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fd:",
        "fd:x",
        "file:///etc/passwd",
        "concat:a|b",
        "ftp://host/a",
        "http://",
        "http://host:99999/",
        "/nowhere",
        "/",
    ],
)
def test_other_addresses_are_refused_before_anything_is_opened(text: str) -> None:
    with pytest.raises(InvalidInput, match="source"):
        LiveSource(text)


def test_a_file_is_sent_to_the_command_for_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="awarenet detect"):
        LiveSource(str(save_clip(tmp_path / "a.mp4", [shade(1)] * 3)))


@pytest.mark.parametrize("change", [{"read_timeout_s": 0.0}, {"reconnects": -1}, {"rate": float("nan")}])
def test_options_out_of_range_are_refused_by_name(change: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        SourceOptions(**change)  # type: ignore[arg-type]


def test_waits_double_up_to_the_longest() -> None:
    options = SourceOptions(first_wait_s=0.5, longest_wait_s=3)
    assert [options.wait_s(attempt) for attempt in (0, 1, 2, 3, 1000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_stream_clock_only_moves_forward() -> None:
    clock = StreamClock()
    shown = [100.0, 100.04, 100.08, 3.0, 3.04, None, 9.0, 9000.0, 9000.04]
    arrived = [0.0, 0.1, 0.2, 5.2, 5.3, 5.4, 5.5, 5.6, 5.7]
    times = [clock.time_s(one, other) for one, other in zip(shown, arrived, strict=True)]
    steps = [0.0, 0.04, 0.04, 5.0, 0.04, 0.1, 0.1, 0.1, 0.04]
    assert times == pytest.approx(np.cumsum(steps))
