"""The labelled list of files that an evaluation scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pandas as pd

from awarenet.errors import DataError

COLUMNS: Final = ("path", "label", "subset", "method", "group")
LABELS: Final = {"real": 0, "fake": 1, "0": 0, "1": 1}


def read_manifest(path: Path, *, subsets: Collection[str] = (), limit: int | None = None) -> pd.DataFrame:
    """Reads and checks a manifest.

    Args:
        path: CSV with a header and at least the columns `path,label,subset,method,group`; further ones are ignored.
            Labels are `real` and `fake`, or 0 and 1. A row without a group is a group of its own.
        subsets: The subsets to keep; all when empty.
        limit: The most rows to keep, taken in turn from every pair of subset and label; None keeps all.

    Returns:
        One row a file in the order of the manifest: `path`, `subset`, `method`, `group` text and `label` int64, 0 or 1.

    Raises:
        DataError: The file cannot be read, lacks a column, is empty, or a row has no path, an unknown label or a path
            that occurred before; or a subset asked for does not occur.
    """
    rows = _read(path)
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        raise DataError(f"manifest: {path} lacks the column {', '.join(missing)}; it needs {','.join(COLUMNS)}")
    rows = rows[list(COLUMNS)].apply(lambda column: column.str.strip())
    if rows.empty:
        raise DataError(f"manifest: {path} lists no file; add rows of {','.join(COLUMNS)}")
    labels = rows["label"].str.lower().map(LABELS)
    _refuse(path, labels.isna(), "has an unknown label; write real or fake, or 0 or 1", rows["label"])
    _refuse(path, rows["path"] == "", "has no path", rows["path"])
    _refuse(path, rows["path"].duplicated(), "repeats a path; list every file once", rows["path"])
    rows["label"] = labels.astype("int64")
    rows["group"] = rows["group"].where(rows["group"] != "", rows["path"])
    if unknown := sorted(set(subsets) - set(rows["subset"])):
        known = ", ".join(sorted(set(rows["subset"])))
        raise DataError(f"manifest: {path} has no subset {', '.join(unknown)}; it has {known}")
    if subsets:
        rows = rows[rows["subset"].isin(list(subsets))]
    if limit is not None:
        turn = rows.groupby(["subset", "label"]).cumcount()
        rows = rows.loc[turn.sort_values(kind="stable").index[:limit]].sort_index()
    return rows.reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, quoting=csv.QUOTE_MINIMAL)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"manifest: {path} is empty; it needs a header {','.join(COLUMNS)}") from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise DataError(f"manifest: cannot read {path} ({error}); it must be a UTF-8 CSV file") from error


def _refuse(path: Path, bad: pd.Series, what: str, column: pd.Series) -> None:
    if bad.any():
        first = int(bad.to_numpy().argmax())
        # Row numbers as a spreadsheet shows them: the header is row 1.
        raise DataError(f"manifest: {path} row {first + 2} {what} (found {column.iloc[first]!r})")
