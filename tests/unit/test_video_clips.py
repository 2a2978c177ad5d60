"""Sampling clips: the right frames at the right times, and what is left of damaged ones."""

from __future__ import annotations

import contextlib
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.errors import DamagedMedia, MediaError, MediaTooLarge, UnsupportedMedia
from awarenet.media import MediaLimits
from awarenet.video import Clip, Frame
from awarenet.video.tone import HLG, PQ
from tests.samples import astronaut, save, save_clip

BASE = astronaut()[40:200, 140:300]


def numbered(count: int, side: int = 64) -> list[NDArray[np.uint8]]:
    """Frames whose number can be read back: eight blocks, black or white, are its binary digits."""
    digits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    blocks = np.repeat(digits * 200 + 20, side // 8, axis=1).astype(np.uint8)
    return [np.ascontiguousarray(np.broadcast_to(row[None, :, None], (side, side, 3))) for row in blocks]


def number_of(frame: Frame) -> int:
    blocks = frame.image.mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
    return int(((blocks > 120) << np.arange(8)).sum())


def sample(path: Path, count: int, limits: MediaLimits | None = None) -> tuple[list[Frame], list[str]]:
    with Clip(path, limits) as clip:
        return list(clip.frames(count)), clip.notes


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".ts"])
@pytest.mark.parametrize("key_every", [1, 12, 250])
def test_frames_are_evenly_spaced_and_the_right_ones(tmp_path: Path, suffix: str, key_every: int) -> None:
    path = save_clip(tmp_path / f"a{suffix}", numbered(200), key_every=key_every)
    frames, notes = sample(path, 10)
    expected = [10, 30, 50, 70, 90, 109, 129, 149, 169, 189]
    assert notes == []
    assert np.abs(np.array([number_of(frame) for frame in frames]) - expected).max() <= 1
    # AVI stores decoding times alone: its times are off by the encoder's reordering.
    tolerance = 2 if suffix == ".avi" else 0
    assert max(abs(round(frame.time_s * 25) - number_of(frame)) for frame in frames) <= tolerance


def test_webm_is_read(tmp_path: Path) -> None:
    frames, _ = sample(save_clip(tmp_path / "a.webm", numbered(30), codec="libvpx"), 3)
    assert [number_of(frame) for frame in frames] == [5, 14, 24]


def test_samples_follow_time_where_the_rate_varies(tmp_path: Path) -> None:
    # Fifty frames in the first two seconds, then ten frames over ten seconds.
    times = [*range(50), *range(50, 300, 25)]
    with Clip(save_clip(tmp_path / "a.mp4", numbered(60), times=times)) as clip:
        frames = list(clip.frames(6))
        assert np.allclose(clip.times_s * 25, times)
    assert [round(frame.time_s) for frame in frames] == [1, 3, 5, 6, 8, 10]


def test_a_short_clip_gives_each_frame_once(tmp_path: Path) -> None:
    frames, _ = sample(save_clip(tmp_path / "a.mp4", numbered(5)), 16)
    assert [number_of(frame) for frame in frames] == [0, 1, 2, 3, 4]
    frames, _ = sample(save_clip(tmp_path / "b.mp4", numbered(1)), 16)
    assert [number_of(frame) for frame in frames] == [0]


def test_as_many_frames_are_given_as_were_asked_for(tmp_path: Path) -> None:
    with Clip(save_clip(tmp_path / "a.mp4", numbered(24))) as clip:
        for count in range(1, 25):
            assert len(list(clip.frames(count))) == count


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_of_the_camera_is_undone(tmp_path: Path, rotation: int) -> None:
    image = BASE[:, :96]
    stored = np.ascontiguousarray(np.rot90(image, -rotation // 90))
    frames, _ = sample(save_clip(tmp_path / "a.mp4", [stored] * 3, rotation=rotation), 1)
    assert frames[0].image.shape == image.shape
    assert np.abs(frames[0].image.astype(int) - image).mean() < 12


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for image in numbered(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        output.mux(stream.encode())
    assert sample(path, 1)[0][0].image.shape == (64, 128, 3)


def cut(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def noise(count: int) -> Sequence[NDArray[np.uint8]]:
    """Frames that compress badly, so that the end of the file holds pictures and not only an index."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("name", ["front.mp4", "a.mkv", "a.ts", "a.avi"])
def test_of_a_truncated_clip_the_rest_is_read_and_the_loss_noted(tmp_path: Path, name: str) -> None:
    container = {"movflags": "faststart"} if name == "front.mp4" else None
    path = cut(save_clip(tmp_path / name, noise(100), container=container), 0.5)
    frames, notes = sample(path, 8)
    assert len(frames) >= 7
    assert 1.5 < frames[-1].time_s < 2.5
    if name != "a.ts":  # A transport stream announces no length: nothing says that there was more.
        assert any("cut short" in note or "damaged" in note for note in notes)


def test_a_clip_that_lost_its_headers_is_damaged(tmp_path: Path) -> None:
    path = cut(save_clip(tmp_path / "a.mp4", noise(30)), 0.5)  # Without faststart the index is at the end.
    with pytest.raises(DamagedMedia, match=r"a\.mp4.*whole copy"):
        Clip(path)


def test_a_clip_with_headers_and_no_frames_is_damaged(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", noise(30), container={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 4])
    with pytest.raises(DamagedMedia, match=r"a\.mp4: .*no frame"):
        sample(path, 4)


def test_damaged_frames_are_left_out_and_noted(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", noise(60), key_every=1, container={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    third = (len(content) - start) // 3
    content[start + third : start + 2 * third] = bytes(third)
    path.write_bytes(content)
    frames, notes = sample(path, 12)
    assert 0 < len(frames) < 12
    assert any("damaged and left out" in note for note in notes)


def test_sound_alone_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        silence.sample_rate = 16_000
        output.mux(stream.encode(silence))
        output.mux(stream.encode())
    with pytest.raises(UnsupportedMedia, match=r"song\.mp4: has no picture track"):
        Clip(path)
    wav = tmp_path / "song.wav"
    with wave.open(str(wav), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(struct.pack("<100h", *range(100)))
    with pytest.raises(UnsupportedMedia):
        Clip(wav)


def test_a_picture_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="read it as a picture"):
        Clip(save(tmp_path / "a.png", BASE))


def test_limits_are_read_from_the_header(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", numbered(50))
    for limits, message in (
        (MediaLimits(clip_bytes=100), "bytes, the limit is 100"),
        (MediaLimits(pixels=64 * 64 - 1), "64 x 64 pixels, the limit is 4,095"),
        (MediaLimits(clip_seconds=1.5), "2 s long, the limit is 2 s; cut it"),
        (MediaLimits(clip_frames=49), "50 frames, the limit is 49"),
    ):
        with pytest.raises(MediaTooLarge, match=message):
            Clip(path, limits)
    frames, _ = sample(path, 2, MediaLimits(pixels=64 * 64, clip_seconds=2.0, clip_frames=50))
    assert len(frames) == 2


def test_limits_hold_where_the_header_is_silent(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.ts", numbered(200))
    with pytest.raises(MediaTooLarge, match="limit"):
        Clip(path, MediaLimits(clip_frames=199))
    with pytest.raises(MediaTooLarge, match="limit"):
        Clip(path, MediaLimits(clip_seconds=7.5))


def test_one_frame_at_a_time_is_held(tmp_path: Path) -> None:
    with Clip(save_clip(tmp_path / "a.mp4", numbered(50))) as clip:
        frames = clip.frames(10)
        first = next(frames)
        assert number_of(first) == 2
        assert number_of(next(frames)) > 2


def test_bytes_thrown_about_in_a_clip_never_raise_anything_else(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for suffix in (".mp4", ".mkv", ".avi", ".ts", ".flv"):
        content = save_clip(tmp_path / f"a{suffix}", noise(8)).read_bytes()
        for number in range(15):
            broken = bytearray(content)
            # Half of the time in the headers, where it hurts.
            end = len(broken) if number % 2 else 1000
            for place in random.integers(0, end, random.integers(1, 30)):
                broken[place] = random.integers(256)
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(broken)
            with contextlib.suppress(MediaError):
                assert all(frame.image.ndim == 3 for frame in sample(path, 4)[0])


def test_an_unknown_codec_is_unsupported(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", numbered(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(UnsupportedMedia, match="coded in an unknown way"):
        Clip(path)


def decode(path: Path) -> tuple[list[Frame], list[str]]:
    with Clip(path) as clip:
        frames = [decoded.full() for decoded in clip.decode()]
        return [frame for frame in frames if frame], clip.notes


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "libx264"),
        (".mkv", "libx265"),
        (".webm", "libvpx-vp9"),
        (".avi", "mpeg4"),
        (".mkv", "ffv1"),
    ],
)
def test_a_whole_clip_is_decoded_in_order_whatever_its_codec(tmp_path: Path, suffix: str, codec: str) -> None:
    frames, notes = decode(save_clip(tmp_path / f"a{suffix}", numbered(40), codec=codec))
    assert [number_of(frame) for frame in frames] == list(range(40))
    assert [round(frame.time_s * 25) for frame in frames] == list(range(40))
    assert notes == []


def test_frames_have_their_own_times_where_the_rate_varies(tmp_path: Path) -> None:
    times = [*range(20), *range(20, 220, 20)]
    frames, _ = decode(save_clip(tmp_path / "a.mp4", numbered(30), times=times))
    assert [round(frame.time_s * 25) for frame in frames] == times


def test_a_clip_can_be_decoded_twice_and_sampled_between(tmp_path: Path) -> None:
    with Clip(save_clip(tmp_path / "a.mp4", numbered(30))) as clip:
        first = [decoded.time_s for decoded in clip.decode()]
        assert [number_of(frame) for frame in clip.frames_at([0.4, 0.8])] == [10, 20]
        assert [decoded.time_s for decoded in clip.decode()] == first


@pytest.mark.parametrize("rotation", [90, -90])
def test_a_portrait_clip_is_upright(tmp_path: Path, rotation: int) -> None:
    image = BASE[:, :96]
    stored = np.ascontiguousarray(np.rot90(image, -rotation // 90))
    frames, _ = decode(save_clip(tmp_path / "a.mp4", [stored] * 3, rotation=rotation))
    assert frames[0].image.shape == image.shape
    assert np.abs(frames[0].image.astype(int) - image).mean() < 12


def test_garbage_in_the_middle_costs_frames_and_is_noted(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mkv", noise(60), key_every=5)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6000] = np.random.default_rng(5).bytes(6000)
    path.write_bytes(content)
    frames, notes = decode(path)
    assert 20 < len(frames) < 60
    assert frames[-1].time_s > 2
    assert any("damaged" in note for note in notes)


def test_of_a_cut_transport_stream_the_beginning_is_decoded(tmp_path: Path) -> None:
    frames, _ = decode(cut(save_clip(tmp_path / "a.ts", noise(60)), 0.5))
    assert 20 < len(frames) < 40


def changing_size(path: Path) -> Path:
    """Sixty frames whose size changes in the middle, as in a stream that adapts to the network."""
    with path.open("wb") as stream:
        for start, side in ((0, 64), (30, 128)):
            times = range(start, start + 30)
            part = save_clip(path.with_name(f"{side}.ts"), numbered(30, side), key_every=30, times=times)
            stream.write(part.read_bytes())
    return path


def test_frames_whose_times_were_shown_before_are_left_out_and_noted(tmp_path: Path) -> None:
    once = save_clip(tmp_path / "once.ts", numbered(30)).read_bytes()
    (tmp_path / "twice.ts").write_bytes(once + once)
    frames, notes = decode(tmp_path / "twice.ts")
    assert len(frames) == 30
    assert any("30 frames repeat times" in note for note in notes)


def test_the_size_of_frames_may_change(tmp_path: Path) -> None:
    with Clip(changing_size(tmp_path / "a.ts")) as clip:
        decoded = list(clip.decode())
        assert {one.size for one in decoded} == {(64, 64), (128, 128)}
        assert {one.small(32, 32).shape for one in decoded} == {(32, 32, 3)}  # type: ignore[union-attr]


def test_a_frame_over_the_limit_ends_the_reading(tmp_path: Path) -> None:
    path = changing_size(tmp_path / "a.ts")
    with Clip(path, MediaLimits(pixels=100 * 100)) as clip, contextlib.suppress(MediaTooLarge):
        assert {one.size for one in clip.decode()} == {(64, 64)}


def test_ten_bits_are_read(tmp_path: Path) -> None:
    image = np.ascontiguousarray(BASE)
    frames, _ = decode(save_clip(tmp_path / "a.mkv", [image] * 3, codec="libx265", pixels="yuv420p10le"))
    assert frames[0].image.dtype == np.uint8
    assert np.abs(frames[0].image.astype(int) - image).mean() < 6


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_high_dynamic_range_is_brought_to_the_tone_of_a_picture(tmp_path: Path, transfer: int) -> None:
    # The portrait as a high-range camera would store it: linear light, white at 203 nits, then the transfer function.
    light = np.array([0.18, 0.45, 1.0])
    codes = {PQ: (0.41, 0.50, 0.581), HLG: (0.436, 0.614, 0.75)}[transfer]
    grey = np.repeat(np.repeat(np.array(codes), 32)[None, :, None], 64, axis=0).repeat(3, axis=2)
    image = np.ascontiguousarray((grey * 255).round(), np.uint8)
    path = save_clip(tmp_path / "a.mkv", [image] * 3, codec="libx265", pixels="yuv420p10le", transfer=transfer)
    (shown, *_), _ = decode(path)
    levels = shown.image[32, [16, 48, 80]].mean(axis=1) / 255
    expected = 1.055 * np.minimum(light, 0.9) ** (1 / 2.4) - 0.055
    assert levels == pytest.approx(expected, abs=0.06)
    assert np.diff(levels).min() > 0.1


def test_an_hour_too_many_in_the_header_is_refused_before_decoding(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", numbered(30), times=[*range(29), 8 * 3600 * 25])
    with pytest.raises(MediaTooLarge, match=r"a\.mp4: 28800 s long, the limit is 7200 s; cut it"):
        Clip(path)


def test_a_clip_without_a_usable_index_is_read_from_the_start(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.avi", numbered(60), codec="mpeg4")
    content = bytearray(path.read_bytes())
    index = content.rindex(b"idx1")
    content[index + 8 :] = np.random.default_rng(6).bytes(len(content) - index - 8)
    path.write_bytes(content)
    frames, _ = decode(path)
    assert len(frames) >= 50
    sampled, _ = sample(path, 4)
    assert len(sampled) == 4


def test_a_track_that_no_header_announced_ends_the_reading_and_is_noted(tmp_path: Path) -> None:
    """An FLV whose sound begins after FFmpeg has stopped looking for tracks, at five megabytes."""

    def tag(kind: int, data: bytes, time_ms: int) -> bytes:
        body = bytes([kind]) + len(data).to_bytes(3, "big") + time_ms.to_bytes(3, "big") + bytes(4) + data
        return body + len(body).to_bytes(4, "big")

    pictures = save_clip(tmp_path / "clip.flv", numbered(30), codec="flv1").read_bytes()
    late = tag(9, b"\x22" + bytes(60_000), 1400) * 100 + tag(8, b"\x2f" + bytes(20), 1500)
    path = tmp_path / "late.flv"
    path.write_bytes(pictures + late)
    with Clip(path) as clip:
        assert len(list(clip.decode())) >= 30
        assert any("damaged" in note for note in clip.notes)
