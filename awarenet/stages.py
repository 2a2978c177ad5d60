"""The stage registry: names, tensor contracts, feature names and file names.

The only place in the project that spells them. Labels and probabilities follow one convention everywhere:
0 = real, 1 = fake, and every probability is P(fake).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import TensorError

FACE_SIZE: Final = 256
"""Side of the square face crop in pixels."""

MAX_BATCH: Final = 64
"""The most faces that one request may carry."""

Route = Literal["cascade", "full"]
ROUTES: Final[tuple[Route, ...]] = ("cascade", "full")


class ExitStage(enum.IntEnum):
    """The stage whose score became the verdict. Stage 2 (the heavy models) informs stage 3 and never decides alone."""

    FAST_FILTER = 1
    META_MODEL = 3


@dataclass(frozen=True)
class Tensor:
    """Name, dtype and shape (without the batch axis) of one model input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Stage:
    """One served model: its folder in the model repository and its tensor contract."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    file: str


FEATURES: Final = (
    "fast_filter_logit",
    "efficientnet_logit",
    "genconvit_autoencoder_logit",
    "genconvit_variational_logit",
    "genconvit_residual",
    "sharpness",
    "compression",
    "face_px",
)
"""Columns of the meta-model's input and of the cascade's evidence, in order."""

FACE: Final = Tensor("face", "uint8", (FACE_SIZE, FACE_SIZE, 3))
FACE_PX: Final = Tensor("face_px", "float32", (1,), optional=True)
LOGIT: Final = Tensor("logit", "float32", (1,))
PROBABILITY: Final = Tensor("probability", "float32", (1,))

FAST_FILTER: Final = Stage("fast_filter", (FACE,), (LOGIT,), "model.onnx")
EFFICIENTNET: Final = Stage("efficientnet", (FACE,), (LOGIT,), "model.onnx")
GENCONVIT: Final = Stage(
    "genconvit",
    (FACE,),
    (Tensor("logit", "float32", (2,)), Tensor("residual", "float32", (1,))),
    "model.onnx",
)
META_MODEL: Final = Stage("meta_model", (Tensor("features", "float32", (len(FEATURES),)),), (PROBABILITY,), "trees.c")
CASCADE: Final = Stage(
    "cascade",
    (FACE, FACE_PX),
    (PROBABILITY, Tensor("exit_stage", "int32", (1,)), Tensor("evidence", "float32", (len(FEATURES),))),
    "model.py",
)

NETWORKS: Final = (FAST_FILTER, EFFICIENTNET, GENCONVIT)
"""The neural stages, in the order in which the cascade meets them."""

STAGES: Final = (*NETWORKS, META_MODEL, CASCADE)

POLICY_FILE: Final = "policy.json"
"""The policy's name; it lies in the version folder of the cascade model."""

MANIFEST_FILE: Final = "manifest.json"
"""The list of every file of a model repository; it lies in the repository's root."""

SIGNATURE_FILE: Final = "manifest.sig"
"""The signature of the manifest; it lies beside it where somebody signed it."""

PLANS_FILE: Final = "plans.json"
"""The list of the TensorRT plans that were built where the repository lies; it lies beside the manifest."""


def validate_faces(faces: NDArray[np.uint8], *, limit: int | None = MAX_BATCH) -> None:
    """Checks a batch of face crops against the `face` contract.

    Args:
        faces: The batch; must be uint8 `[N, 256, 256, 3]`, RGB, N >= 0.
        limit: The most faces accepted, or None for no limit.

    Raises:
        TensorError: dtype, shape or batch size differ from the contract.
    """
    expected = f"{FACE.dtype} [N, {', '.join(map(str, FACE.shape))}]"
    if not isinstance(faces, np.ndarray) or faces.dtype != np.uint8 or faces.shape[1:] != FACE.shape:
        got = f"{getattr(faces, 'dtype', type(faces).__name__)} {list(getattr(faces, 'shape', ()))}"
        raise TensorError(f"face: expected {expected}, got {got}; crop faces with awarenet.faces.crop_face")
    if limit is not None and len(faces) > limit:
        raise TensorError(f"face: {len(faces)} faces in one batch, the limit is {limit}; send several batches")


def validate_face_px(face_px: NDArray[np.float32] | None, count: int) -> NDArray[np.float32]:
    """Checks the sizes that go with a batch of faces.

    Args:
        face_px: Side of each crop in source pixels, `[count]`, above 0, NaN where unknown; None when all are unknown.
        count: Number of faces.

    Returns:
        float32 `[count]`.

    Raises:
        TensorError: Shape, dtype or range differ from the contract.
    """
    if face_px is None:
        return np.full(count, np.nan, np.float32)
    sides = np.asarray(face_px)
    if sides.shape != (count,) or sides.dtype.kind not in "fiu":
        raise TensorError(f"face_px: expected float32 [{count}], one number a face, got {sides.dtype} {sides.shape}")
    if (sides <= 0).any() or np.isinf(sides).any():
        raise TensorError("face_px: expected sizes in pixels above 0, NaN where unknown")
    return sides.astype(np.float32, copy=False)
