"""The manifest: one typed record a file, checked once, stored as Parquet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from awarenet.errors import DataError

REAL: Final = 0
FAKE: Final = 1

UNASSIGNED: Final = ""
EXCLUDED: Final = "excluded"
SPLITS: Final = ("train", "calibration", "validation", "test")
"""To train networks on; to calibrate, stack and choose thresholds on; to report on; official test lists."""

_SHOWN = 5


@dataclass(frozen=True)
class Record:
    """One file of a data set.

    Attributes:
        path: The file, relative to the manifest's root, with forward slashes.
        label: 0 real, 1 fake.
        data_set: Which data set it belongs to.
        subset: The part within which real and fake may be compared (same sources, same compression).
        method: How a fake was made, or where a real comes from.
        compression: `raw`, `c23`, `c40` or whatever the set states; empty where it states nothing.
        group: Identity, clip pair or original; the unit of splits, folds and intervals.
        split: One of `SPLITS`, `EXCLUDED` (never to be used: its group is on the other side), or
            `UNASSIGNED` where the set has no official split.
    """

    path: str
    label: int
    data_set: str
    subset: str
    method: str
    compression: str
    group: str
    split: str = UNASSIGNED


COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Record))


def to_manifest(records: Iterable[Record]) -> pd.DataFrame:
    """A checked manifest: one row a record, columns `COLUMNS`, label int8, in order of path.

    Raises:
        DataError: No record, an unknown label or split, an empty group, or a path that occurs twice.
    """
    table = pd.DataFrame([dataclasses.astuple(record) for record in records], columns=list(COLUMNS))
    return validate(table)


def validate(table: pd.DataFrame) -> pd.DataFrame:
    """Checks a table against the manifest's contract and gives it back in canonical order and types.

    Raises:
        DataError: As `to_manifest`, or a column is missing.
    """
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise DataError(f"manifest: lacks the columns {', '.join(missing)}; make it with `python -m training manifest`")
    if table.empty:
        raise DataError("manifest: no file in it; check the folder and the filters that were given")
    _refuse(table, ~table["label"].isin([REAL, FAKE]), "have a label that is neither 0 (real) nor 1 (fake)")
    _refuse(table, table["path"].duplicated(keep=False), "are listed more than once; keep each file once")
    _refuse(table, table["group"].astype(str) == "", "have no group; name the identity or clip that they show")
    _refuse(
        table, ~table["split"].isin([*SPLITS, EXCLUDED, UNASSIGNED]), f"have a split other than {', '.join(SPLITS)}"
    )
    ordered = table[list(COLUMNS)].sort_values("path", kind="stable").reset_index(drop=True)
    return ordered.astype({name: "int8" if name == "label" else str for name in COLUMNS})


def write_manifest(table: pd.DataFrame, path: Path) -> None:
    """Checks a manifest and writes it as Parquet.

    Raises:
        DataError: The manifest breaks its contract, or the file cannot be written.
    """
    checked = validate(table)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checked.to_parquet(path, index=False)
    except OSError as error:
        raise DataError(f"manifest: cannot write {path} ({error}); name a writable file") from error


def read_manifest(path: Path) -> pd.DataFrame:
    """Reads a manifest that `write_manifest` wrote.

    Raises:
        DataError: The file is missing, no Parquet file, or breaks the contract.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"manifest: cannot read {path} ({error}); make it with `python -m training manifest`"
        ) from error
    return validate(table)


def prefix(root: Path, base: Path) -> str:
    """What turns paths relative to `root` into paths relative to `base`.

    Raises:
        DataError: `root` does not lie below `base`.
    """
    try:
        below = root.resolve().relative_to(base.resolve()).as_posix()
    except ValueError as error:
        raise DataError(f"manifest: {root} does not lie below {base}; name a folder above it") from error
    return "" if below == "." else f"{below}/"


def named(items: Sequence[object]) -> str:
    """The first few of a list by name, and how many there are in all."""
    shown = ", ".join(map(str, items[:_SHOWN]))
    return shown if len(items) <= _SHOWN else f"{shown}, ... ({len(items)} in all)"


def require_files(root: Path, paths: Iterable[str], remedy: str) -> None:
    """Raises unless every file is there.

    Raises:
        DataError: Files are missing; the first few are named and all are counted.
    """
    missing = [path for path in paths if not (root / path).is_file()]
    if missing:
        raise DataError(f"{root}: {len(missing)} files are missing: {named(missing)}; {remedy}")


def require_both_classes(table: pd.DataFrame) -> None:
    """Raises where a subset holds one class alone: no metric that compares real and fake exists there.

    Raises:
        DataError: Names the subsets.
    """
    classes = table.groupby("subset")["label"].nunique()
    lonely = sorted(classes.index[classes < 2])
    if lonely:
        raise DataError(
            f"manifest: {named(lonely)} hold only one class, so neither training nor AUC makes sense; "
            "join the reals that the fakes were made from"
        )


def _refuse(table: pd.DataFrame, bad: pd.Series, what: str) -> None:
    if bad.any():
        raise DataError(f"manifest: {int(bad.sum())} rows {what}: {named(list(table.loc[bad, 'path']))}")
