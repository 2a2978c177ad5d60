"""What a file is, by its first bytes; its name is never asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from awarenet.errors import DamagedMedia, UnsupportedMedia
from awarenet.media.limits import file_size, unreadable

_HEAD = 512


@dataclass(frozen=True)
class Format:
    """A kind of media that is read here.

    Attributes:
        kind: Picture or clip.
        name: Pillow's name of the format, or FFmpeg's name of the demuxer. Only this one reader is let near the
            bytes, so a file cannot choose a reader that opens other files or addresses.
    """

    kind: Literal["picture", "clip"]
    name: str


def _picture(name: str) -> Format:
    return Format("picture", name)


def _clip(name: str) -> Format:
    return Format("clip", name)


# Anchored patterns over the first bytes; the first that matches wins.
_SIGNATURES: Final = tuple(
    (re.compile(pattern, re.DOTALL), media)
    for pattern, media in (
        (rb"\xff\xd8\xff", _picture("JPEG")),
        (rb"\x89PNG\r\n\x1a\n", _picture("PNG")),
        (rb"RIFF....WEBP", _picture("WEBP")),
        (rb"GIF8[79]a", _picture("GIF")),
        (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", _picture("BMP")),
        (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", _picture("TIFF")),
        (rb"....ftyp(?:avif|avis)", _picture("AVIF")),
        (rb"....ftyp(?:mif1|msf1)....(?:....)*?(?:avif|avis)", _picture("AVIF")),
        (rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", _picture("HEIF")),
        (rb"....(?:ftyp|moov|mdat|wide|free|skip|pnot)", _clip("mov")),
        (rb"\x1aE\xdf\xa3", _clip("matroska")),
        (rb"RIFF....AVI ", _clip("avi")),
        (rb"FLV\x01", _clip("flv")),
        (rb"OggS", _clip("ogg")),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _clip("asf")),
        (rb"\0\0\x01\xba", _clip("mpeg")),
        (rb"\x47.{187}\x47.{187}\x47", _clip("mpegts")),
    )
)

_SUFFIXES = (
    ".jpg .jpeg .jpe .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .heic .heif .hif .avif "
    ".mp4 .m4v .mov .3gp .mkv .webm .avi .flv .ogv .ogg .wmv .asf .mpg .mpeg .ts .mts .m2ts"
)
MEDIA_SUFFIXES: Final = frozenset(_SUFFIXES.split())
"""Names by which people call media; used to say which files of a folder were meant, never to decide what they are."""


def sniff(path: Path) -> Format:
    """Decides by content what a file is.

    Raises:
        DamagedMedia: The file is empty.
        UnsupportedMedia: Its content is not media of a kind that is read here.
        MediaError: It cannot be read.
    """
    if file_size(path) == 0:
        raise DamagedMedia(f"{path}: the file is empty; copy or download it again")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise unreadable(path, error) from error
    for pattern, media in _SIGNATURES:
        if pattern.match(head):
            return media
    raise UnsupportedMedia(
        f"{path}: its content is no picture or clip (whatever its name says); give JPEG, PNG, WebP, GIF, BMP, TIFF, "
        "HEIC, AVIF, MP4, MOV, MKV, WebM, AVI or MPEG"
    )
