"""Which files of a folder are media."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from awarenet.errors import MediaError
from awarenet.media.kinds import MEDIA_SUFFIXES, sniff


def walk(folder: Path) -> Iterator[Path]:
    """Regular files below a folder; hidden ones are left out and links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root) / name for name in names if not name.startswith("."))


def looks_like_media(path: Path) -> bool:
    """Whether a file is media by its name or by its content."""
    if path.suffix.lower() in MEDIA_SUFFIXES:
        return True
    try:
        sniff(path)
    except MediaError:
        return False
    return True
