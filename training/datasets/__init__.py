"""Data sets as one manifest: each adapter turns a set in its official layout into the same typed records.

Labels: 0 real, 1 fake. Groups (identities, clip pairs, originals) never lie on two sides of a split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from awarenet.errors import DataError
from training.datasets import celeb_df, df40, dfdc, faceforensics, folder
from training.datasets import table as csv_table
from training.datasets.manifest import Record, read_manifest, to_manifest, write_manifest
from training.datasets.splits import assign_splits, require_disjoint_groups

__all__ = [
    "Record",
    "assign_splits",
    "read_manifest",
    "records",
    "require_disjoint_groups",
    "to_manifest",
    "write_manifest",
]


def records(
    kind: str,
    root: Path,
    *,
    table: Path | None = None,
    subset: str = "",
    reals: pd.DataFrame | None = None,
    group_pattern: str = "",
    compressions: Sequence[str] = (),
) -> Iterable[Record]:
    """The records of a data set by the name of its adapter.

    Args:
        kind: `faceforensics`, `celeb_df`, `dfdc`, `df40`, `folder` or `table`.
        root: The data set's folder.
        table: The CSV file, for `table`.
        subset: Only its subsets whose name starts with this, for `table`.
        reals: Manifest with the reals, for `df40`.
        group_pattern: Regular expression of the group, for `folder`.
        compressions: Which compressions, for `faceforensics`; all that are there when empty.

    Raises:
        DataError: There is no such adapter, it lacks what it needs, or the data set is not what it must be.
    """

    def read_df40() -> Iterable[Record]:
        if reals is None:
            raise DataError("df40: holds fakes alone; give the manifests of FaceForensics++ and Celeb-DF-v2 as reals")
        return df40.records(root, reals)

    def read_table() -> Iterable[Record]:
        if table is None:
            raise DataError("table: no CSV file given; name it as table")
        return csv_table.records(table, root, subset=subset)

    readers: dict[str, Callable[[], Iterable[Record]]] = {
        "faceforensics": lambda: faceforensics.records(root, compressions=compressions),
        "celeb_df": lambda: celeb_df.records(root),
        "dfdc": lambda: dfdc.records(root),
        "df40": read_df40,
        "folder": lambda: folder.records(root, group_pattern=group_pattern),
        "table": read_table,
    }
    if kind not in readers:
        raise DataError(f"no data set {kind!r}; choose from {', '.join(readers)}")
    return readers[kind]()
