"""Faces to score, of which a chosen share is deferred to the heavy stages.

What a deployment defers depends on its traffic, so the benchmark sets the share itself: it serves a copy of the models
under a policy whose first threshold divides its sample faces in two, and mixes both kinds. The work done per face is
that of the real policy; the answers mean nothing.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.faces import FaceBox, crop_face
from awarenet.repository import ModelRepository
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FEATURES, META_MODEL, NETWORKS
from benchmarks.contender import Faces
from export.assemble import assemble

SAMPLES = 96
"""Faces that are looked at; a third of them is sure, a third doubtful, the middle is left out."""

_PORTRAIT = FaceBox(172, 60, 104, 134, 1.0)
"""The face in scikit-image's astronaut."""


@dataclass(frozen=True)
class Workload:
    """A model repository to serve and faces whose route through it is known.

    Attributes:
        repository: The copy under the benchmark's own policy.
        sure: Faces that the fast filter settles, uint8 `[M, 256, 256, 3]`.
        doubtful: Faces that go through every stage, uint8 `[M, 256, 256, 3]`.
        deferred_by_policy: The share of real faces that the original policy deferred on its validation data.
    """

    repository: ModelRepository
    sure: Faces
    doubtful: Faces
    deferred_by_policy: float

    def requests(self, size: int, deferred: float, count: int = 24) -> list[Faces]:
        """Makes requests that defer the wanted share, spread as evenly as whole faces allow.

        Args:
            size: Faces a request.
            deferred: Share of all faces that is deferred, in [0, 1].
            count: Number of requests.
        """
        total = size * count
        # Face i is deferred when the running share passes the next whole number.
        doubtful = np.floor(np.arange(1, total + 1) * deferred + 1e-9) > np.floor(np.arange(total) * deferred + 1e-9)
        faces = np.empty((total, *self.sure.shape[1:]), np.uint8)
        for mask, pool in ((doubtful, self.doubtful), (~doubtful, self.sure)):
            faces[mask] = pool[np.arange(mask.sum()) % len(pool)]
        return list(faces.reshape(count, size, *faces.shape[1:]))


def prepare(source: Path, out: Path) -> Workload:
    """Chooses the faces and assembles the copy.

    Args:
        source: The model repository whose models are measured.
        out: Folder for the copy.

    Raises:
        DataError: The fast filter gives every sample face the same score.
    """
    original = ModelRepository.open(source)
    faces = sample_faces()
    runtime = InProcessRuntime(original)
    logit = runtime.score(faces).evidence[:, FEATURES.index("fast_filter_logit")]
    runtime.close()
    order = np.argsort(logit, kind="stable")
    third = len(faces) // 3
    below, above = (float(value) for value in sigmoid(logit[order[[third - 1, -third]]]))
    if not below < above:
        raise DataError("bench: the fast filter scores every sample face alike; train and export the models first")
    threshold = math.sqrt(below * above)
    policy = dataclasses.replace(
        original.policy,
        real_below=threshold,
        decide_at=max(threshold, original.policy.decide_at),
        fake_above=1.0,
        data="faces of the benchmark; not a policy for use",
    )
    policy_file = out.with_name(f"{out.name}.policy.json")
    policy_file.parent.mkdir(parents=True, exist_ok=True)
    policy_file.write_text(policy.to_json(), encoding="utf-8")
    models = {stage.name: original.model_path(stage) for stage in NETWORKS}
    copy = assemble(out, models, original.model_path(META_MODEL).parent, policy_file)
    measured = original.policy.leakage
    settled = measured.settled / measured.reals if measured.reals else 0.0
    return Workload(copy, faces[order[:third]], faces[order[-third:]], 1 - settled)


def sample_faces(count: int = SAMPLES, seed: int = 0) -> NDArray[np.uint8]:
    """Variants of one real face in the public domain: cut, lit, blurred and compressed differently."""
    from skimage.data import astronaut

    draw = np.random.default_rng(seed)
    picture = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    faces = []
    for number in range(count):
        shift = draw.uniform(-12, 12, 2)
        box = dataclasses.replace(_PORTRAIT, x=_PORTRAIT.x + shift[0], y=_PORTRAIT.y + shift[1])
        face = crop_face(picture, box, scale=draw.uniform(1.1, 1.6)).face
        blurred = cv2.GaussianBlur(face if number % 2 else face[:, ::-1], (0, 0), draw.uniform(0.3, 3.0))
        lit = np.clip(blurred.astype(np.float32) * draw.uniform(0.4, 1.5), 0, 255).astype(np.uint8)
        _, code = cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(30, 95))])
        faces.append(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return np.stack(faces).astype(np.uint8)
