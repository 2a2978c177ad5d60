"""DF40 (Yan et al. 2024): frames of forty forgery methods, published as fakes alone.

    <method>/{ff,cdf}/[frames/]<clip>/<frame>.png    made from FaceForensics++ or Celeb-DF-v2
    <method>/frames/<clip>/<frame>.png               the training part: from FaceForensics++
    <method>/{real,fake}/...                         methods on other sources, which bring reals of their own

A set of fakes alone teaches "this data set is fake" and has no AUC. The reals that the fakes were made from are
therefore joined from the manifests of FaceForensics++ and Celeb-DF-v2, with their groups and splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from awarenet.errors import DataError
from training.datasets.manifest import COLUMNS, FAKE, REAL, Record, named
from training.datasets.splits import Components

DOMAINS = {"ff": "faceforensics", "cdf": "celeb_df_v2"}
_PICTURES = {".png", ".jpg", ".jpeg"}
_FILLING = {"frames", "fake", "real"}


def records(root: Path, reals: pd.DataFrame) -> Iterator[Record]:
    """Reads the fakes and joins their reals.

    Args:
        root: Folder with one folder a method.
        reals: Manifest of FaceForensics++, Celeb-DF-v2 or both, with paths relative to the same base as the records
            will be; only its reals of those two data sets are taken. One compression of FaceForensics++ suffices.

    Yields:
        The reals (data set as it was, subset `df40_ff` or `df40_cdf`), then one record a fake frame.

    Raises:
        DataError: No fakes, no reals for a domain that has fakes, or a fake whose originals are not among them.
    """
    fakes = list(_fakes(root))
    if not fakes:
        raise DataError(f"{root}: no frames below <method>/...; name the folder that holds the methods of DF40")
    for domain, data_set in DOMAINS.items():
        of_domain = [fake for fake in fakes if fake[1] == domain]
        if of_domain:
            own = reals[(reals["data_set"] == data_set) & (reals["label"] == REAL)]
            if own.empty:
                raise DataError(
                    f"{root}: DF40 holds fakes alone and {data_set} gave no reals; one class has no AUC and teaches a "
                    f"shortcut: first make the manifest of {data_set} and name it as --reals"
                )
            yield from _join(domain, of_domain, own)
    yield from _own_sources(fake for fake in fakes if fake[1] not in DOMAINS)


_Frame = tuple[str, str, str, str]
"""Path, domain (`ff`, `cdf`, or the method where it has its own sources), method, clip."""


def _fakes(root: Path) -> Iterator[_Frame]:
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in _PICTURES:
            name = path.relative_to(root)
            method, *middle = name.parts[:-1] or ("",)
            if not middle:
                raise DataError(f"{path}: lies beside the clips and not in one; keep DF40's folders as they were")
            own = middle[0] in ("real", "fake")
            domain = method if own else middle[0] if middle[0] in DOMAINS else "ff"
            clip = next((part for part in reversed(middle) if part not in _FILLING | DOMAINS.keys()), name.stem)
            yield name.as_posix(), domain, method, clip


def _join(domain: str, fakes: Iterable[_Frame], reals: pd.DataFrame) -> Iterator[Record]:
    """Reals and fakes of a domain; fakes that mix two groups of reals make them one."""
    group_of = {key: row.group for row in reals.itertuples() for key in _keys(domain, Path(row.path).stem)}
    components = Components()
    strangers: list[str] = []
    placed: list[tuple[_Frame, str]] = []
    for frame in fakes:
        keys = _keys(domain, frame[3])
        groups = [group_of[key] for key in keys if key in group_of]
        if len(groups) != len(keys) or not keys:
            strangers.append(frame[0])
        else:
            components.connect(*groups)
            placed.append((frame, groups[0]))
    if strangers:
        raise DataError(f"df40: the originals of {named(strangers)} are not in the manifest of reals; give all of it")
    splits: dict[str, set[str]] = {}
    subset, data_set = f"df40_{domain}", DOMAINS[domain]
    for row in reals[list(COLUMNS)].itertuples(index=False):
        group = components.root(row.group)
        splits.setdefault(group, set()).add(row.split)
        yield Record(row.path, REAL, data_set, subset, row.method, row.compression, group, row.split)
    for (path, _, method, _), group in placed:
        group = components.root(group)
        # The CDF domain serves as a test alone, where people of train and test are not apart.
        split = "test" if domain == "cdf" else min(splits[group])
        yield Record(path, FAKE, "df40", subset, method, "", group, split)


def _own_sources(frames: Iterable[_Frame]) -> Iterator[Record]:
    for path, _, method, clip in frames:
        real = path.split("/")[1] == "real"
        source = f"{method}:real" if real else method
        group = f"df40:{method}:{clip}"
        yield Record(path, REAL if real else FAKE, "df40", f"df40_{method}", source, "", group, "test")


def _keys(domain: str, clip: str) -> list[str]:
    """The originals that a clip's name speaks of: video numbers, or celebrities."""
    if domain == "ff":
        return re.findall(r"(?<!\d)\d{3}(?!\d)", clip)
    return re.findall(r"id\d+", clip) or re.findall(r"^\d{5}$", clip)
