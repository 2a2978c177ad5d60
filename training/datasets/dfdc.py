"""DFDC (Dolhansky et al. 2020): folders of clips, each with the official `metadata.json`.

    dfdc_train_part_0/metadata.json: {"abc.mp4": {"label": "FAKE", "split": "train", "original": "def.mp4"}, ...}

An original and everything made from it are one group. Originals of one actor are not linked by the metadata: an
identity may still occur in two groups.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from awarenet.errors import DataError
from training.datasets.manifest import FAKE, REAL, UNASSIGNED, Record, named, require_files

_LABELS = {"REAL": REAL, "FAKE": FAKE}
_SPLITS = {"train": UNASSIGNED, "validation": "validation", "test": "test"}


def records(root: Path) -> Iterator[Record]:
    """Reads the data set.

    Args:
        root: Folder with a `metadata.json`, or with such folders in it.

    Yields:
        One record a clip. Clips of the official `train` split are left unassigned, to be split by group.

    Raises:
        DataError: No metadata, an unknown label or split, a fake without its original, or a missing clip.
    """
    files = sorted(root.rglob("metadata.json"))
    if not files:
        raise DataError(f"{root}: no metadata.json; name the folder that holds the parts of DFDC")
    for file in files:
        folder = file.parent.relative_to(root)
        entries = _read(file)
        require_files(file.parent, entries, "unpack this part again")
        for name, entry in entries.items():
            label = _LABELS[entry["label"]]
            original = entry["original"] if label == FAKE else name
            method = "original" if label == REAL else "dfdc"
            yield Record(
                (folder / name).as_posix(),
                label,
                "dfdc",
                "dfdc",
                method,
                "",
                f"dfdc:{original}",
                _SPLITS[entry["split"]],
            )


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); restore the official file") from error
    for what, is_bad in _FAULTS.items():
        bad = [name for name, entry in entries.items() if is_bad(entry)]
        if bad:
            raise DataError(f"{file}: {named(bad)} with {what}; restore the official file")
    return entries


_FAULTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "a label other than REAL and FAKE": lambda entry: entry.get("label") not in _LABELS,
    "no split of train, validation, test": lambda entry: entry.get("split") not in _SPLITS,
    "no original, though fake": lambda entry: entry["label"] == "FAKE" and not entry.get("original"),
}
