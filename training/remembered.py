"""Scores that are kept: a network runs once on a face, however often the steps after it are repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]


class Remembered:
    """A scorer that knows the faces which the same weights have scored before.

    Faces are told apart by the digest of their pixels, so nothing stale is ever returned when forgeries, crops or
    seeds change.

    Args:
        load: Makes the scorer; called only when there is a face to be scored.
        path: Where the scores are kept; its name must change with the weights.
    """

    def __init__(self, load: Callable[[], Callable[[Faces], Outputs]], path: Path) -> None:
        self._load, self._path = load, path
        self._score: Callable[[Faces], Outputs] | None = None
        self._known: dict[bytes, dict[str, NDArray[np.float32]]] = {}
        if path.is_file():
            with np.load(path) as kept:
                names = [name for name in kept.files if name != "digest"]
                columns = {name: kept[name] for name in names}
                for row, digest in enumerate(kept["digest"]):
                    self._known[digest.tobytes()] = {name: column[row] for name, column in columns.items()}

    def __call__(self, faces: Faces) -> Outputs:
        """Outputs for faces, uint8 `[N, 256, 256, 3]`, N >= 1; only those not met before are run."""
        digests = [hashlib.blake2b(np.ascontiguousarray(face).tobytes(), digest_size=16).digest() for face in faces]
        new = [row for row, digest in enumerate(digests) if digest not in self._known]
        if new:
            self._score = self._score or self._load()
            outputs = self._score(faces[new])
            for place, row in enumerate(new):
                self._known[digests[row]] = {name: value[place] for name, value in outputs.items()}
        rows = [self._known[digest] for digest in digests]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def save(self) -> None:
        """Writes what is known, whole or not at all."""
        if not self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = list(self._known.values())
        columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        digests = np.stack([np.frombuffer(digest, np.uint8) for digest in self._known])
        partial = self._path.with_suffix(".partial.npz")
        np.savez(partial, digest=digests, **columns)
        partial.replace(self._path)
