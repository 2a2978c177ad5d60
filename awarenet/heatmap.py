"""Where in a face the evidence lies, measured on the served models alone: the face is altered patch by patch.

A patch is *regrained*: it keeps its colours and the amount of its texture, but the texture is that of another place, so
that traces of a forgery are gone. Any such patch leaves a trace of its own, at its border, that the networks take for
a forgery. Each patch is therefore tried twice: regrained in the face as it is (deletion), and left as it is in a face
that is regrained everywhere else (insertion). The patch's own trace lowers the first difference and raises the second;
their mean is free of most of it. What is left of it, real faces show as well: `Expected` is their mean, measured once
for a set of models (`python -m benchmarks heatmap --write-expected`), and subtracted.

Occlusion after Zeiler & Fergus 2014, section 4.2; deletion and insertion after Petsiuk et al. 2018, section 4.2.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.errors import DataError
from awarenet.runtime import Runtime
from awarenet.stages import FACE_SIZE, FEATURES, validate_faces

Floats = NDArray[np.float32]

GRID: Final = 7
"""Patches along each side."""

LOGITS: Final = (
    "fast_filter_logit",
    "efficientnet_logit",
    "genconvit_autoencoder_logit",
    "genconvit_variational_logit",
)
"""The score that is explained is the mean of these. The trees behind them are constant nearly everywhere, so that
small changes of a face do not move their probability."""

EXPECTED_FILE: Final = Path(__file__).with_name("heatmap_expected.json")
"""What real faces show with the models that the project ships."""

_PATCH: Final = 40.0
_EDGE: Final = 16.0
"""Side of a patch and width of its soft edge in pixels."""

_GRAIN_PX: Final = 3.0
"""Texture is what a Gaussian of this standard deviation takes away."""

_MOVE: Final = (37, 53)
"""How far texture is moved after mirroring: to a place that it does not belong to."""

_FULL_LOGIT: Final = 0.2
"""Least logit that is drawn in the strongest colour, so that a map with next to no evidence looks like one."""

_DARKEST: Final = 80
"""Level of the colour map at which it begins: darker ones do not stand out from a face."""

_STRONGEST: Final = 0.75
"""Most that the colour covers of the face."""


@dataclass(frozen=True)
class Expected:
    """What patches of real faces do to the score: the part of a map that is no evidence.

    Attributes:
        model_version: The models that it was measured with.
        drop: Mean over real faces, float32 `[GRID, GRID]`, in logits.
        faces: Number of these faces.
    """

    model_version: str
    drop: Floats
    faces: int

    def to_json(self) -> str:
        """The form that is stored."""
        drop = [[round(float(value), 5) for value in row] for row in self.drop]
        return json.dumps({"model_version": self.model_version, "faces": self.faces, "drop": drop}) + "\n"

    @classmethod
    def load(cls, path: Path = EXPECTED_FILE) -> Expected:
        """Reads the file.

        Raises:
            DataError: It is missing or malformed.
        """
        try:
            raw: Any = json.loads(path.read_text(encoding="utf-8"))
            drop = np.array(raw["drop"], np.float32)
            expected = cls(str(raw["model_version"]), drop, int(raw["faces"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"heatmap: cannot use {path} ({error}); make it with `python -m benchmarks heatmap --write-expected`"
            ) from error
        if drop.shape != (GRID, GRID) or not np.isfinite(drop).all():
            raise DataError(f"heatmap: {path} holds no {GRID} x {GRID} numbers; make it anew")
        return expected


@dataclass(frozen=True)
class Heatmap:
    """Where in a face the evidence lies.

    Attributes:
        values: float32 `[256, 256]`, signed, in logits of P(fake): above 0 where a patch speaks for a forgery, below 0
            where it speaks against one.
        logit: The score that is explained: the mean of `LOGITS` of the whole face.
        corrected: Whether what real faces show was subtracted. An uncorrected map says more about the place in a face
            than about this face: do not show it to people.
    """

    values: Floats
    logit: float
    corrected: bool


def explain(
    runtime: Runtime,
    face: NDArray[np.uint8],
    face_px: float | None = None,
    *,
    expected: Expected | None = None,
    timeout_s: float | None = None,
) -> Heatmap:
    """Measures where the evidence in a face lies; costs `2 * GRID ** 2 + 2` runs of every stage, in one call.

    Args:
        runtime: Where the cascade runs.
        face: uint8 `[256, 256, 3]`, RGB.
        face_px: Side of the crop in source pixels; None where unknown.
        expected: What real faces show; ignored where it was measured with other models.
        timeout_s: Seconds until `DeadlineExceeded`; None for the runtime's own limit.

    Raises:
        TensorError: `face` breaks the contract.
        ServiceError: The runtime could not answer.
    """
    drop, logit = measure_drop(runtime, face, face_px, timeout_s=timeout_s)
    corrected = expected is not None and expected.model_version == runtime.policy.model_version
    if expected is not None and corrected:
        drop = drop - expected.drop
    return Heatmap(spread(drop), logit, corrected)


def measure_drop(
    runtime: Runtime, face: NDArray[np.uint8], face_px: float | None = None, *, timeout_s: float | None = None
) -> tuple[Floats, float]:
    """What each patch adds to the score, uncorrected.

    Returns:
        float32 `[GRID, GRID]` in logits, the mean of deletion and insertion, and the score of the face itself.
    """
    evidence = _score(runtime, variants(face), face_px, timeout_s)
    logits = evidence[:, [FEATURES.index(name) for name in LOGITS]].mean(axis=1)
    (whole, none), deleted, inserted = logits[:2], *np.split(logits[2:], 2)
    return (((whole - deleted) + (inserted - none)) / 2).reshape(GRID, GRID).astype(np.float32), float(whole)


def _score(runtime: Runtime, faces: NDArray[np.uint8], face_px: float | None, timeout_s: float | None) -> Floats:
    sizes = None if face_px is None else np.full(len(faces), face_px, np.float32)
    return runtime.score(faces, sizes, route="full", timeout_s=timeout_s).evidence


def variants(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The face, the face regrained, then with each patch regrained, then regrained all but for each patch.

    Args:
        face: uint8 `[256, 256, 3]`, RGB.

    Returns:
        uint8 `[2 + 2 * GRID ** 2, 256, 256, 3]`.

    Raises:
        TensorError: `face` breaks the contract.
    """
    validate_faces(face[None] if isinstance(face, np.ndarray) else face)
    face = np.ascontiguousarray(face)
    without = regrain(face)
    deleted = [cv2.blendLinear(without, face, patch, 1 - patch) for patch in _patches()]
    inserted = [cv2.blendLinear(face, without, patch, 1 - patch) for patch in _patches()]
    return np.asarray(np.stack([face, without, *deleted, *inserted]), np.uint8)


def regrain(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face of the same colours whose fine texture comes from elsewhere in it.

    Args:
        face: uint8 `[H, W, 3]`, RGB.
    """
    smooth = cv2.GaussianBlur(face, (0, 0), _GRAIN_PX).astype(np.float32)
    texture = np.roll((face - smooth)[:, ::-1], _MOVE, (0, 1))
    return np.clip(smooth + texture + 0.5, 0, 255).astype(np.uint8)


def spread(drop: Floats) -> Floats:
    """A map of pixels, `[256, 256]`, from a value for each patch, `[GRID, GRID]`; where patches overlap, their mean."""
    patches = np.stack(_patches())
    total = np.tensordot(drop.ravel(), patches, axes=1)
    # At the border of the crop, which no patch covers, the map fades to nothing.
    return np.asarray(total / np.maximum(patches.sum(axis=0), 0.5), np.float32)


@functools.cache
def _patches() -> tuple[Floats, ...]:
    """Weights of the patches, each float32 `[256, 256]` in [0, 1], row by row."""
    step = FACE_SIZE / (GRID + 1)
    axis = np.arange(FACE_SIZE, dtype=np.float32) + 0.5
    lines = [np.abs(axis - step * (number + 1)) - _PATCH / 2 for number in range(GRID)]
    return tuple(_soft(np.maximum(row[:, None], column[None, :])) for row in lines for column in lines)


def _soft(distance: Floats) -> Floats:
    """1 inside, 0 outside, by the distance in pixels from the edge; without a corner that a network could see."""
    weight = np.clip(0.5 - distance / _EDGE, 0, 1)
    soft = np.asarray(cv2.GaussianBlur(weight, (0, 0), _EDGE / 4), np.float32)
    soft.setflags(write=False)
    return soft


def overlay(face: NDArray[np.uint8], heatmap: Heatmap) -> NDArray[np.uint8]:
    """Draws a map over its face: the face in grey, evidence for a forgery in colour, the more the brighter.

    The colours are the upper part of inferno (Smith & van der Walt 2015): evenly spaced to the eye, in grey as well,
    told apart by people who are colour-blind, and nowhere grey. Evidence against a forgery is not coloured.

    Args:
        face: uint8 `[256, 256, 3]`, RGB.
        heatmap: Its map.

    Returns:
        uint8 `[256, 256, 3]`, RGB.
    """
    validate_faces(face[None])
    top = max(_FULL_LOGIT, float(heatmap.values.max()))
    strength = np.clip(heatmap.values / top, 0, 1)
    levels = np.round(_DARKEST + strength * (255 - _DARKEST)).astype(np.uint8)
    colour = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    weight = (strength * _STRONGEST)[..., None]
    return np.asarray(np.round(grey * (1 - weight) + colour * weight), np.uint8)


def mean_drop(drops: Sequence[Floats], model_version: str) -> Expected:
    """What real faces show on average, from their `measure_drop`."""
    if not drops:
        raise DataError("heatmap: no real face to learn from; give a crop cache with some")
    return Expected(model_version, np.mean(drops, axis=0).astype(np.float32), len(drops))
