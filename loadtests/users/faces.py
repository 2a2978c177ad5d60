"""Faces of the corpus as Triton's cascade takes them, with what it must say: made once, before the users start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from awarenet.face_engines import Engine, create_detector
from awarenet.faces import crop_face
from awarenet.media import read_picture
from awarenet.runtime.inprocess import InProcessRuntime
from loadtests.corpus import Corpus

Faces = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
"""uint8 `[N, 256, 256, 3]`, sides in source pixels float32 `[N]`, P(fake) float32 `[N]`."""

_FILE: Final = "faces.npz"


def save_faces(corpus: Corpus, repository: Path, folder: Path, *, engine: Engine = "auto") -> None:
    """Cuts the faces out of the pictures and scores them in this process.

    Args:
        corpus: Already saved in `folder`.
        repository: The models.
        folder: Where they go.
        engine: What finds them.
    """
    detector, runtime = create_detector(engine), InProcessRuntime(repository)
    arrays: dict[str, NDArray[np.generic]] = {}
    for known in corpus.known:
        image = read_picture(folder / known.name).image
        crops = [crop_face(image, box) for box in detector.detect(image)]
        if not crops:
            continue
        faces = np.stack([crop.face for crop in crops])
        sizes = np.array([crop.face_px for crop in crops], np.float32)
        scores = runtime.score(faces, sizes).probability
        arrays |= {f"{known.name}|faces": faces, f"{known.name}|sizes": sizes, f"{known.name}|scores": scores}
    runtime.close()
    np.savez(folder / _FILE, **arrays)


def faces_of(folder: Path) -> dict[str, Faces]:
    """What `save_faces` wrote, by picture."""
    with np.load(folder / _FILE) as arrays:
        names = sorted({name.split("|")[0] for name in arrays})
        return {name: (arrays[f"{name}|faces"], arrays[f"{name}|sizes"], arrays[f"{name}|scores"]) for name in names}
