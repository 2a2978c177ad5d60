"""The two face engines behind `awarenet.faces.FaceDetector`, and the choice between them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import structlog

from awarenet.face_engines.hog import HogDetector
from awarenet.face_engines.yunet import YuNetDetector, find_model
from awarenet.faces import FaceDetector

Engine = Literal["auto", "yunet", "hog"]

__all__ = ["Engine", "HogDetector", "YuNetDetector", "create_detector"]


def create_detector(engine: Engine = "auto", *, yunet_model: Path | None = None) -> FaceDetector:
    """Makes a face detector and logs which engine it is.

    Args:
        engine: `yunet`, `hog`, or `auto`: YuNet where its file is found, dlib's HOG otherwise.
        yunet_model: The YuNet file; None looks in `$AWARENET_YUNET`, then in the cache.

    Raises:
        ModelError: YuNet was asked for and its file is missing, or a file was found and is not the pinned one.
    """
    log = structlog.get_logger()
    if engine == "hog" or (engine == "auto" and find_model(yunet_model) is None):
        if engine == "auto":
            log.info("face_engine", engine="hog", reason="no YuNet file; `awarenet fetch-face-model` downloads it")
        else:
            log.info("face_engine", engine="hog")
        return HogDetector()
    detector = YuNetDetector(yunet_model)
    log.info("face_engine", engine="yunet", model=str(detector.model))
    return detector
