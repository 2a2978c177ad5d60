"""A CSV manifest: `path,label,subset,method,group`, and `data_set`, `compression`, `split` where it has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from awarenet.evaluation.manifest import read_manifest
from training.datasets.manifest import UNASSIGNED, Record, require_files


def records(path: Path, root: Path, *, name: str = "", subset: str = "") -> Iterator[Record]:
    """Reads the manifest that evaluation reads too.

    Args:
        path: The CSV file; labels are `real` and `fake`, or 0 and 1.
        root: Folder that its paths are relative to.
        name: Name of the data set where the CSV has no column `data_set`; the file's stem when empty.
        subset: Keep only subsets whose name starts with this.

    Raises:
        DataError: The CSV is malformed, or files are missing.
    """
    rows = read_manifest(path)
    # The shared reader keeps only the columns that evaluation needs.
    extra = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = rows.assign(
        data_set=extra.get("data_set", name or path.stem),
        compression=extra.get("compression", ""),
        split=extra.get("split", UNASSIGNED),
    )
    rows = rows[rows["subset"].str.startswith(subset)]
    require_files(root, rows["path"], f"restore them or take them out of {path.name}")
    for row in rows.itertuples(index=False):
        yield Record(
            row.path, int(row.label), row.data_set, row.subset, row.method, row.compression, row.group, row.split
        )
