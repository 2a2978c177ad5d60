"""Any folder of pictures or clips below `real/` and `fake/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from awarenet.errors import DataError
from training.datasets.manifest import FAKE, REAL, Record, named

LABELS = {"real": REAL, "fake": FAKE}
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".heic", ".heif", ".avif", ".tif", ".tiff")
_CLIPS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
SUFFIXES = frozenset((*_PICTURES, *_CLIPS))


def records(root: Path, *, name: str = "", group_pattern: str = "") -> Iterator[Record]:
    """Reads the folder.

    Args:
        root: Folder with `real/` and `fake/` in it, any depth below: `real/[group/]file`, `fake/[method/[group/]]file`.
        name: Name of the data set; the folder's when empty.
        group_pattern: Regular expression, searched in the path below `real/` or `fake/`, whose first parenthesis (or
            whole match) is the group. Without it the folder is, or the stem of a file in no folder of its own.

    Raises:
        DataError: A folder is missing or empty, or the pattern is wrong or misses a file.
    """
    try:
        pattern = re.compile(group_pattern) if group_pattern else None
    except re.error as error:
        raise DataError(f"group pattern {group_pattern!r} is no regular expression ({error}); correct it") from error
    name = name or root.resolve().name
    ungrouped: list[str] = []
    for word, label in LABELS.items():
        files = [path for path in sorted((root / word).rglob("*")) if path.suffix.lower() in SUFFIXES]
        if not files:
            raise DataError(f"{root / word}: no pictures or clips; put them there or make a CSV manifest")
        for path in files:
            below = path.relative_to(root / word)
            above = below.parts[:-1]
            method = above[0] if label == FAKE and above else word
            found = pattern.search(below.as_posix()) if pattern else None
            if pattern and not found:
                ungrouped.append(below.as_posix())
            group = found.group(min(1, found.re.groups)) if found else ""
            group = group or "/".join(above[1:] if label == FAKE else above) or below.stem
            yield Record(path.relative_to(root).as_posix(), label, name, name, method, "", f"{name}:{group}")
    if ungrouped:
        raise DataError(f"group pattern {group_pattern!r} misses {named(ungrouped)}; widen it")
