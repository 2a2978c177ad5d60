"""Decoding pictures: every kind comes out as upright RGB, every bad one as the right error."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from awarenet.errors import DamagedMedia, MediaError, MediaTooLarge, UnsupportedMedia
from awarenet.media import MediaLimits, read_picture, sniff
from tests.samples import astronaut, save, save_clip

SMALL = astronaut()[40:240, 140:300]  # 200 high, 160 wide
LEFT, RIGHT = (250, 10, 10), (10, 10, 250)


def halves(width: int = 64, height: int = 32) -> NDArray[np.uint8]:
    """Red on the left, blue on the right."""
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = LEFT, RIGHT
    return image


@pytest.mark.parametrize(
    ("suffix", "options", "error"),
    [
        (".jpg", {"quality": 95}, 4),
        (".png", {}, 0),
        (".webp", {"lossless": True}, 0),
        (".bmp", {}, 0),
        (".tif", {}, 0),
        (".heic", {"quality": 90}, 6),
        (".avif", {"quality": 90}, 6),
    ],
)
def test_every_format_comes_out_as_the_picture_that_went_in(
    tmp_path: Path, suffix: str, options: dict[str, object], error: float
) -> None:
    image = read_picture(save(tmp_path / f"a{suffix}", SMALL, **options)).image
    assert image.shape == SMALL.shape and image.dtype == np.uint8
    assert np.abs(image.astype(int) - SMALL).mean() <= error


def test_the_kind_is_decided_by_content_not_by_name(tmp_path: Path) -> None:
    png = save(tmp_path / "a.png", SMALL).rename(tmp_path / "a.jpg")
    assert sniff(png).name == "PNG"
    assert np.array_equal(read_picture(png).image, SMALL)
    clip = save_clip(tmp_path / "a.mp4", [SMALL] * 3).rename(tmp_path / "b.png")
    assert sniff(clip).kind == "clip"
    with pytest.raises(UnsupportedMedia, match=r"b\.png.*clip"):
        read_picture(clip)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".heic", ".avif"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    turn_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = Image.fromarray(SMALL)
    stored = upright if turn_back is None else upright.transpose(turn_back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_picture(save(tmp_path / f"a{suffix}", stored, exif=exif.tobytes())).image
    assert image.shape == SMALL.shape
    assert np.abs(image.astype(int) - SMALL).mean() < 8


def test_transparent_pixels_show_white(tmp_path: Path) -> None:
    layer = np.dstack([halves(), np.zeros((32, 64), np.uint8)])
    layer[:, 32:, 3] = 255
    for path in (
        save(tmp_path / "rgba.png", Image.fromarray(layer)),
        save(tmp_path / "rgba.webp", Image.fromarray(layer), lossless=True),
        save(tmp_path / "palette.png", Image.fromarray(layer).quantize(8)),
    ):
        image = read_picture(path).image
        assert (image[:, :32] == 255).all()
        assert np.abs(image[:, 32:].astype(int) - RIGHT).max() <= 8


def test_grey_comes_out_as_three_equal_channels(tmp_path: Path) -> None:
    grey = Image.fromarray(SMALL).convert("L")
    for path in (save(tmp_path / "l.png", grey), save(tmp_path / "la.png", grey.convert("LA"))):
        assert np.array_equal(read_picture(path).image, np.dstack([np.asarray(grey)] * 3))
    one_bit = read_picture(save(tmp_path / "1.png", grey.convert("1"))).image
    assert set(np.unique(one_bit)) == {0, 255}


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    grey = np.asarray(Image.fromarray(SMALL).convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    for path in (save(tmp_path / "a.png", deep), save(tmp_path / "a.tif", deep)):
        assert np.array_equal(read_picture(path).image[..., 0], grey)
    rgb = read_picture(deep_png(tmp_path / "rgb.png", SMALL)).image
    assert np.abs(rgb.astype(int) - SMALL).max() <= 1


def deep_png(path: Path, image: NDArray[np.uint8]) -> Path:
    """A PNG of three 16-bit channels, which Pillow reads but does not write."""
    height, width = image.shape[:2]
    rows = (image.astype(">u2") * 257).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + png_chunks((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    )
    return path


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def test_numbers_without_a_range_are_spread(tmp_path: Path) -> None:
    values = np.linspace(-3.0, 5.0, 64 * 32).reshape(32, 64)
    floats = save(tmp_path / "f.tif", Image.fromarray(values.astype(np.float32)))
    whole = save(tmp_path / "i.tif", Image.fromarray((values * 1e6).astype(np.int32)))
    for path in (floats, whole):
        image = read_picture(path).image
        assert image.min() == 0 and image.max() == 255


def test_cmyk_comes_out_as_rgb(tmp_path: Path) -> None:
    cmyk = Image.fromarray(halves()).convert("CMYK")
    for path in (save(tmp_path / "a.jpg", cmyk, quality=95), save(tmp_path / "a.tif", cmyk)):
        image = read_picture(path).image
        assert np.abs(image[:, 4:28].astype(int) - LEFT).max() < 16
        assert np.abs(image[:, 36:60].astype(int) - RIGHT).max() < 16


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_of_an_animation_the_first_image_is_taken_and_noted(tmp_path: Path, suffix: str) -> None:
    first, second = Image.fromarray(halves()), Image.fromarray(halves()[:, ::-1])
    picture = read_picture(save(tmp_path / f"a{suffix}", first, save_all=True, append_images=[second]))
    assert np.abs(picture.image[:, 4:28].astype(int) - LEFT).mean() < 16
    assert picture.notes == ("2 images in the file, only the first was looked at",)


def test_a_single_image_has_no_notes(tmp_path: Path) -> None:
    assert read_picture(save(tmp_path / "a.gif", SMALL)).notes == ()


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".bmp", ".gif"):
        assert read_picture(save(tmp_path / f"a{suffix}", SMALL[:1, :1])).image.shape == (1, 1, 3)


def test_an_empty_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(DamagedMedia, match=r"empty\.jpg.*empty; copy"):
        read_picture(path)


def test_text_renamed_jpg_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader, this is no picture. " * 100)
    with pytest.raises(UnsupportedMedia, match=r"letter\.jpg.*give JPEG"):
        read_picture(path)


@pytest.mark.parametrize(
    "head", [b"%!PS-Adobe-3.0 EPSF", b"8BPS\0\1", b"<svg xmlns=", b"#EXTM3U\n", b"MZ\x90\0", b"\0" * 64]
)
def test_formats_outside_the_list_never_reach_a_decoder(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(head + b"\n" * 600)
    with pytest.raises(UnsupportedMedia):
        sniff(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".gif", ".heic", ".avif"])
@pytest.mark.parametrize("keep", [0.03, 0.5])
def test_a_truncated_picture_is_damaged(tmp_path: Path, suffix: str, keep: float) -> None:
    path = save(tmp_path / f"cut{suffix}", SMALL)
    content = path.read_bytes()
    path.write_bytes(content[: max(48, int(len(content) * keep))])
    with pytest.raises(DamagedMedia, match=rf"cut{suffix}.*truncated or corrupt.*whole copy"):
        read_picture(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # pytest undoes what awarenet.media says about them
def test_bytes_thrown_about_in_a_picture_never_raise_anything_else(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tif", ".gif", ".heic", ".avif"):
        content = save(tmp_path / f"a{suffix}", SMALL[::4, ::4]).read_bytes()
        for number in range(25):
            broken = bytearray(content)
            for place in random.integers(0, len(broken), 8):
                broken[place] = random.integers(256)
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(broken)
            with contextlib.suppress(MediaError):
                assert read_picture(path).image.ndim == 3


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    # The image data is absent: decoding would fail as damaged, so the limit must have come first.
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunks((b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")))
    with pytest.raises(MediaTooLarge, match=r"bomb\.png.*scale it down"):
        read_picture(path)


def test_twenty_thousand_pixels_are_refused_by_area_and_read_as_a_strip(tmp_path: Path) -> None:
    large = save(tmp_path / "large.png", Image.new("1", (20_000, 4_000)))
    with pytest.raises(MediaTooLarge, match=r"20000 x 4000 pixels, the limit is 64,000,000"):
        read_picture(large)
    strip = save(tmp_path / "strip.png", Image.new("1", (20_000, 40)))
    assert read_picture(strip).image.shape == (40, 20_000, 3)


def test_limits_can_be_set(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", SMALL)
    with pytest.raises(MediaTooLarge, match="pixels, the limit is 31,999"):
        read_picture(path, MediaLimits(pixels=160 * 200 - 1))
    assert read_picture(path, MediaLimits(pixels=160 * 200)).image.shape == SMALL.shape
    with pytest.raises(MediaTooLarge, match="bytes, the limit is 99"):
        read_picture(path, MediaLimits(picture_bytes=99))


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"absent\.png: no such file"):
        read_picture(tmp_path / "absent.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(MediaError, match="not a regular file"):
        read_picture(Path("/dev/null"))


def test_the_profile_of_a_phone_picture_does_not_stop_it(tmp_path: Path) -> None:
    first, second = Image.fromarray(SMALL), Image.fromarray(SMALL[::2, ::2])
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    path = tmp_path / "phone.jpg"
    path.write_bytes(buffer.getvalue())
    picture = read_picture(path)
    assert picture.image.shape == SMALL.shape and picture.notes == ()
