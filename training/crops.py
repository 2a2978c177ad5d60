"""The crop cache: every face of a manifest found once, cut with room to spare, and kept beside its landmarks.

Detection and decoding cost a hundred times what a forgery costs, so they are done once. The cached square is
`CACHE_SCALE` times the face box; training cuts the 1.3x crop of serving out of it, jittered over the geometry of both
face engines, without leaving the cached pixels.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from awarenet.errors import DataError
from awarenet.face_engines import create_detector
from awarenet.faces import CROP_SCALE, FaceBox, FaceDetector, crop_face
from awarenet.media.kinds import sniff
from awarenet.media.pictures import read_picture
from awarenet.stages import FACE_SIZE
from awarenet.video import Clip

CACHE_SCALE = 1.5
"""Side of a cached square as a multiple of the longer side of the face box."""

CACHE_SIZE = 344
"""Side of a cached square in pixels."""

SPLITS: Mapping[str, float] = {"train": 0.75, "calibration": 0.125, "validation": 0.125}
"""Shares of the people: to train networks on, to calibrate and stack on, to report on."""

FACES_FILE = "faces.npy"
TABLE_FILE = "faces.parquet"
RECONSTRUCTIONS_FILE = "reconstructions.npy"
NOTE_FILE = "crops.json"

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CropCache:
    """A folder of cached faces.

    Attributes:
        faces: uint8 `[M, CACHE_SIZE, CACHE_SIZE, 3]`, RGB, mapped into memory, read-only.
        table: One row a face: path, label (0 real, 1 fake), subset, method, group, split, and `landmarks`
            (ten floats: five (x, y) points in pixels of the cached square).
        reconstructions: uint8 `[K, M, CACHE_SIZE, CACHE_SIZE, 3]`, the faces through K autoencoders
            (`training.forgeries.autoencoder`), or None where there are none.
    """

    faces: Image
    table: pd.DataFrame
    reconstructions: Image | None = None

    @classmethod
    def open(cls, folder: Path) -> CropCache:
        """Opens a cache that `crop_faces` wrote.

        Raises:
            DataError: The folder is no crop cache, or its two files disagree.
        """
        try:
            faces = np.load(folder / FACES_FILE, mmap_mode="r")
            table = pd.read_parquet(folder / TABLE_FILE)
        except (OSError, ValueError) as error:
            raise DataError(
                f"crops: {folder} is no crop cache ({error}); make one with `python -m training crop`"
            ) from (error)
        if faces.shape != (len(table), CACHE_SIZE, CACHE_SIZE, 3) or faces.dtype != np.uint8:
            raise DataError(f"crops: {folder} is damaged ({faces.shape} faces, {len(table)} rows); make it again")
        path = folder / RECONSTRUCTIONS_FILE
        reconstructions = np.load(path, mmap_mode="r") if path.exists() else None
        if reconstructions is not None and reconstructions.shape[1:] != faces.shape:
            raise DataError(f"crops: {path} was made from other faces; make it again")
        return cls(faces, table, reconstructions)

    def rows(self, split: str | None = None, label: int | None = None) -> NDArray[np.int64]:
        """Row numbers of a split and a label, ascending; None for all."""
        keep = np.ones(len(self.table), bool)
        if split is not None:
            keep &= (self.table["split"] == split).to_numpy()
        if label is not None:
            keep &= (self.table["label"] == label).to_numpy()
        return np.flatnonzero(keep)

    def landmarks(self, row: int) -> NDArray[np.float32]:
        """Five points of a face in pixels of its cached square, float32 `[5, 2]`."""
        return np.asarray(self.table["landmarks"].iloc[row], np.float32).reshape(5, 2)

    def serving_crop(self, row: int) -> Image:
        """The face as serving cuts it: the 1.3x crop, uint8 `[256, 256, 3]`."""
        return cut(self.faces[row], self.landmarks(row))[0]


def cut(
    square: Image,
    landmarks: NDArray[np.float32],
    *,
    scale: float = CROP_SCALE,
    shift: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
) -> tuple[Image, NDArray[np.float32]]:
    """Cuts a crop as serving does out of a cached square.

    Args:
        square: A cached face, uint8 `[CACHE_SIZE, CACHE_SIZE, 3]`.
        landmarks: Five points in its pixels, float32 `[5, 2]`.
        scale: Side of the crop as a multiple of the face box.
        shift: How far its centre moves, as a share of the face box.
        flip: Whether to mirror it.

    Returns:
        The crop, uint8 `[256, 256, 3]`, and the landmarks in its pixels.
    """
    side = len(square) / CACHE_SCALE
    centre = len(square) / 2
    box = FaceBox(centre + (shift[0] - 0.5) * side, centre + (shift[1] - 0.5) * side, side, side, 1.0)
    crop = crop_face(square, box, scale=scale)
    points = landmarks @ crop.to_crop[:, :2].T + crop.to_crop[:, 2]
    if not flip:
        return crop.face, points
    # Mirroring swaps right and left: eyes and mouth corners change places.
    points = np.stack([FACE_SIZE - points[:, 0], points[:, 1]], axis=1)[[1, 0, 2, 4, 3]]
    return np.ascontiguousarray(crop.face[:, ::-1]), points


def split_groups(groups: Iterable[str], *, seed: int, shares: Mapping[str, float] = SPLITS) -> dict[str, str]:
    """Assigns every identity or clip group to one split, by hash: independent of order, the same everywhere.

    Args:
        groups: The groups; repetitions do not matter.
        seed: Another seed is another split.
        shares: Split name to share of the groups; must sum to 1.
    """
    ranked = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    ends = np.round(np.cumsum(list(shares.values())) * len(ranked)).astype(int)
    names = list(shares)
    return {group: names[int(np.searchsorted(ends, rank, side="right"))] for rank, group in enumerate(ranked)}


def crop_faces(
    manifest: pd.DataFrame, root: Path, detector: FaceDetector, out: Path, *, seed: int = 0, frames: int = 8
) -> CropCache:
    """Finds the largest face of every picture, and of a few frames of every clip, and writes the crop cache.

    Args:
        manifest: Columns path, label (0/1 or real/fake), subset, method, group, and split where there is one;
            people without a split are assigned one by `split_groups`. Rows of the split "excluded" are left out.
        root: Folder that the paths are relative to.
        detector: Finds the faces; must find landmarks as well.
        out: Folder to write.
        seed: Of the split.
        frames: Frames a clip, evenly spaced.

    Raises:
        DataError: No face was found at all, or a column is missing.
        MediaError: A file cannot be read.
    """
    if missing := {"path", "label", "subset", "method", "group"} - {*manifest.columns}:
        raise DataError(
            f"crops: the manifest lacks {', '.join(sorted(missing))}; make it with `python -m training manifest`"
        )
    assigned = split_groups(manifest["group"].astype(str), seed=seed)
    records = manifest.to_dict("records")
    rows: list[dict[str, Any]] = []
    faceless: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    with (out / FACES_FILE).open("wb") as stream:
        _write_header(stream, 0)
        for record in track(records, "cropping", disable=not sys.stderr.isatty()):
            split = record.get("split") or assigned[str(record["group"])]
            if split == "excluded":
                continue
            kept = {name: str(record[name]) for name in ("path", "subset", "method", "group")}
            kept |= {"label": {"real": 0, "fake": 1}.get(record["label"], record["label"]), "split": split}
            found = 0
            for index, image in _images(root / record["path"], frames):
                boxes = [box for box in detector.detect(image) if box.landmarks is not None]
                if not boxes:
                    continue
                crop = crop_face(image, boxes[0], scale=CACHE_SCALE, size=CACHE_SIZE)
                points = np.asarray(boxes[0].landmarks) @ crop.to_crop[:, :2].T + crop.to_crop[:, 2]
                stream.write(crop.face.tobytes())
                rows.append({**kept, "frame": index, "face_px": crop.face_px, "landmarks": points.ravel().tolist()})
                found += 1
            if not found:
                faceless.append(record["path"])
        if not rows:
            raise DataError(f"crops: no face with landmarks in any of {len(records)} files below {root}; use YuNet")
        _write_header(stream, len(rows))
    table = pd.DataFrame(rows).astype({"label": "int8"})
    table.to_parquet(out / TABLE_FILE, index=False)
    people = {str(split): int(count) for split, count in table.groupby("split")["group"].nunique().items()}
    note = {"seed": seed, "detector": detector.name, "faces": len(rows), "people": people, "faceless": faceless}
    (out / NOTE_FILE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return CropCache.open(out)


def _images(path: Path, frames: int) -> Iterator[tuple[int, Image]]:
    """The picture, or evenly spaced frames of the clip, numbered."""
    if sniff(path).kind == "picture":
        yield 0, read_picture(path).image
        return
    with Clip(path) as clip:
        for index, frame in enumerate(clip.frames(frames)):
            yield index, frame.image


def _write_header(stream: BinaryIO, count: int) -> None:
    """Writes NumPy's header of `count` faces at the start of a file; its length does not depend on the count."""
    stream.seek(0)
    shape = (count, CACHE_SIZE, CACHE_SIZE, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]


def command(
    manifest: Path,
    root: Path,
    out: Path,
    detector: Path | None = None,
    subset: str = "",
    seed: int = 0,
    frames: int = 8,
) -> None:
    """Writes the crop cache of a manifest.

    Args:
        manifest: Parquet or CSV with the columns path, label, subset, method, group.
        root: Folder that its paths are relative to.
        out: Folder to write.
        detector: YuNet's ONNX file; by default where `awarenet` looks for it.
        subset: Only subsets whose name starts with this.
        seed: Of the split of people.
        frames: Frames a clip.
    """
    table = pd.read_parquet(manifest) if manifest.suffix == ".parquet" else pd.read_csv(manifest)
    table = table[table["subset"].str.startswith(subset)]
    # Forgeries need landmarks, which dlib's box detector does not find.
    engine = create_detector("yunet", yunet_model=detector)
    cache = crop_faces(table, root, engine, out, seed=seed, frames=frames)
    print(f"{len(cache.table)} faces in {out}")  # noqa: T201
