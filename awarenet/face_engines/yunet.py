"""YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV's `FaceDetectorYN`."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.errors import ModelError, Unavailable
from awarenet.face_engines.search import search
from awarenet.faces import FaceBox
from awarenet.policy import file_sha256

MODEL_FILE = "yunet_n_640_640.onnx"
MODEL_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"
MODEL_URLS = (
    f"https://github.com/ShiqiYu/libfacedetection.train/raw/0047ac24/onnx/{MODEL_FILE}",
    f"https://github.com/ShiqiYu/libfacedetection.train/raw/master/onnx/{MODEL_FILE}",
)
"""The authors' repository: the commit whose file is pinned, then wherever the same bytes lie today."""

MODEL_VARIABLE = "AWARENET_YUNET"
"""Environment variable that names the file."""

_LEAST = 20
_SCORE = 0.6
_OVERLAP = 0.3
_CANDIDATES = 5000
_SURE = 0.9
"""Upright faces score about 0.95, turned ones 0.80 to 0.91 (`python -m awarenet.face_engines.calibrate`)."""

_LARGEST_DOWNLOAD = 4 << 20


def cache_folder() -> Path:
    """Where downloaded and compiled files are kept: `$AWARENET_CACHE`, or `~/.cache/awarenet`."""
    return Path(os.environ.get("AWARENET_CACHE") or Path.home() / ".cache" / "awarenet")


def find_model(explicit: Path | None = None) -> Path | None:
    """The YuNet file: as given, else as `$AWARENET_YUNET` names it, else in the cache; None where there is none.

    Raises:
        ModelError: A file was named, by argument or variable, and is not there.
    """
    named = explicit or (Path(value) if (value := os.environ.get(MODEL_VARIABLE)) else None)
    if named is not None:
        if not named.is_file():
            raise ModelError(f"face model: {named} is not a file; correct the path or ${MODEL_VARIABLE}")
        return named
    cached = cache_folder() / MODEL_FILE
    return cached if cached.is_file() else None


def fetch_model(*, timeout_s: float = 30.0) -> Path:
    """Downloads the YuNet file from its authors into the cache, unless it is there already.

    Args:
        timeout_s: Seconds without an answer after which a source is given up.

    Returns:
        The cached file.

    Raises:
        Unavailable: No source could be reached.
        ModelError: The cache cannot be written, or what was downloaded is not the pinned file.
    """
    target = cache_folder() / MODEL_FILE
    if target.is_file() and file_sha256(target) == MODEL_SHA256:
        return target
    failures = []
    for url in MODEL_URLS:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                content: bytes = answer.read(_LARGEST_DOWNLOAD)
        except (urllib.error.URLError, OSError) as error:
            failures.append(f"{url}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() != MODEL_SHA256:
            failures.append(f"{url}: not the pinned file")
            continue
        _store(content, target)
        return target
    message = (
        f"face model: no source gave {MODEL_FILE} ({'; '.join(failures)}); fetch it by hand and set ${MODEL_VARIABLE}"
    )
    raise ModelError(message) if any("pinned" in failure for failure in failures) else Unavailable(message)


def _store(content: bytes, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as stream:
            stream.write(content)
        Path(stream.name).replace(target)
    except OSError as error:
        raise ModelError(
            f"face model: cannot write {target} ({error}); set $AWARENET_CACHE to a writable folder"
        ) from error


class YuNetDetector:
    """The first choice: small faces, landmarks, few misses; needs a file of 0.3 MB."""

    name = "yunet"

    def __init__(self, model: Path | None = None) -> None:
        """Checks the file; engines are made per thread, because OpenCV's is not safe to share.

        Args:
            model: The YuNet file; None looks in `$AWARENET_YUNET`, then in the cache.

        Raises:
            ModelError: There is no such file, or it is not the one that the geometry was measured with.
        """
        found = find_model(model)
        if found is None:
            raise ModelError(
                f"face model: no {MODEL_FILE} in {cache_folder()}; run `awarenet fetch-face-model`, "
                f"set ${MODEL_VARIABLE}, or use the engine hog"
            )
        if (digest := file_sha256(found)) != MODEL_SHA256:
            raise ModelError(
                f"face model: {found} has sha256 {digest[:12]}..., expected {MODEL_SHA256[:12]}...; "
                "remove it and run `awarenet fetch-face-model`"
            )
        self.model = found
        self._local = threading.local()

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """Finds the faces of one picture; see `awarenet.faces.FaceDetector.detect`."""
        return search(image, self._find, least=_LEAST, sure=_SURE, thorough=thorough)

    def _find(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        engine: cv2.FaceDetectorYN | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = cv2.FaceDetectorYN.create(str(self.model), "", (320, 320), _SCORE, _OVERLAP, _CANDIDATES)
            self._local.engine = engine
        engine.setInputSize((image.shape[1], image.shape[0]))
        found: Any = engine.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        return [] if found is None else [_box(row) for row in found]


def _box(row: NDArray[np.float32]) -> FaceBox:
    """One row of the engine: x, y, width, height, five landmarks as x, y pairs, score."""
    x, y, width, height = row[:4].tolist()
    return FaceBox(x, y, width, height, min(1.0, float(row[14])), row[4:14].reshape(5, 2).copy())
