"""The pictures that are sent, each with the verdict that it must get."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from awarenet.cascade import sigmoid
from awarenet.detector import Detector
from awarenet.errors import DataError, ServiceError
from awarenet.face_engines import Engine, create_detector
from awarenet.repository import ModelRepository
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import ExitStage
from loadtests.pictures import make_pictures

Kind = Literal["empty", "settled", "doubtful", "several"]
"""No face; one face that the fast filter settles; one that goes through every stage; several faces."""

KINDS: Final[tuple[Kind, ...]] = ("empty", "settled", "doubtful", "several")

TOLERANCE: Final = 0.02
"""Largest difference of a probability that is no other answer: floating-point sums depend on the batch."""


@dataclass(frozen=True)
class Known:
    """A picture and what is known of it.

    Attributes:
        name: Its name.
        kind: What it costs.
        word: The verdict that it must get.
        probabilities: P(fake) of each face, largest face first.
        exits: The stage that decides each of them.
        jpeg: The file.
    """

    name: str
    kind: Kind
    word: str
    probabilities: tuple[float, ...]
    exits: tuple[int, ...]
    jpeg: bytes

    def fault(self, verdict: Mapping[str, Any]) -> str | None:
        """What is wrong with a verdict on this picture; None where nothing is.

        Args:
            verdict: As the gateway gives it.
        """
        faces = verdict.get("faces")
        if verdict.get("verdict") != self.word or not isinstance(faces, list):
            return f"{self.name}: the verdict is {verdict.get('verdict')!r}, not {self.word!r}"
        if len(faces) != len(self.probabilities):
            return f"{self.name}: {len(faces)} faces, not {len(self.probabilities)}"
        for face, probability, stage in zip(faces, self.probabilities, self.exits, strict=True):
            if face["exit_stage"] != stage:
                return f"{self.name}: stage {face['exit_stage']} decided, not {stage}"
            if abs(face["probability"] - probability) > TOLERANCE:
                return f"{self.name}: P(fake) is {face['probability']:.3f}, not {probability:.3f}"
        return None


class Corpus:
    """Pictures with known verdicts.

    Args:
        known: The pictures.
    """

    def __init__(self, known: Iterable[Known]) -> None:
        self.known = tuple(known)

    def of(self, kind: Kind) -> tuple[Known, ...]:
        """The pictures of one kind."""
        return tuple(known for known in self.known if known.kind == kind)

    @classmethod
    def build(cls, repository: Path, *, portraits: int = 48, engine: Engine = "auto", seed: int = 0) -> Corpus:
        """Makes pictures and judges each once, in this process, without the service.

        Pictures whose verdict hangs on the last digits (within `TOLERANCE` of a threshold) are left out: under load
        they may rightly get either.

        Args:
            repository: The models.
            portraits: See `make_pictures`.
            engine: What finds the faces; the same as in the service.
            seed: Of the pictures.

        Raises:
            DataError: A picture cannot be judged, or none is left.
        """
        models = ModelRepository.open(repository)
        policy = models.policy
        edges = (policy.real_below, policy.fake_above)
        margin = policy.uncertain_margin
        words = (policy.decide_at - margin, policy.decide_at, policy.decide_at + margin)
        runtime = InProcessRuntime(models)
        found: list[Known] = []
        with tempfile.TemporaryDirectory() as folder:
            detector = Detector(runtime, create_detector(engine))
            for name, jpeg in make_pictures(portraits, seed).items():
                path = Path(folder) / name
                path.write_bytes(jpeg)
                verdict = detector.detect(path)
                if verdict.error is not None or verdict.verdict is None:
                    raise DataError(f"load: {name} cannot be judged: {verdict.error}")
                scores = tuple(face.probability for face in verdict.faces)
                exits = tuple(face.exit_stage for face in verdict.faces)
                logits = np.array([face.evidence["fast_filter_logit"] for face in verdict.faces], np.float32)
                if _near(sigmoid(logits), edges) or _near(scores, words):
                    continue
                found.append(Known(name, _kind(exits), verdict.verdict, scores, exits, jpeg))
        runtime.close()
        if not found:
            raise DataError("load: every verdict hangs on the last digits; train and export the models first")
        return cls(found)

    def confirm(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Holds what the service says without load against what is known.

        Args:
            answers: The verdict of each picture by its name.

        Raises:
            ServiceError: They differ: under load nothing could be told.
        """
        for known in self.known:
            if fault := known.fault(answers[known.name]):
                raise ServiceError(f"load: without load, {fault}; start both with the same models and face engine")

    def save(self, folder: Path) -> None:
        """Writes it for another process."""
        folder.mkdir(parents=True, exist_ok=True)
        entries = []
        for known in self.known:
            (folder / known.name).write_bytes(known.jpeg)
            entries.append({name: value for name, value in asdict(known).items() if name != "jpeg"})
        (folder / "known.json").write_text(json.dumps(entries), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Reads what `save` wrote."""
        return cls(
            Known(
                entry["name"],
                entry["kind"],
                entry["word"],
                tuple(entry["probabilities"]),
                tuple(entry["exits"]),
                (folder / entry["name"]).read_bytes(),
            )
            for entry in json.loads((folder / "known.json").read_text(encoding="utf-8"))
        )


def _kind(exits: tuple[int, ...]) -> Kind:
    if not exits:
        return "empty"
    if len(exits) > 1:
        return "several"
    return "settled" if exits[0] == ExitStage.FAST_FILTER else "doubtful"


def _near(scores: Iterable[float], edges: Iterable[float]) -> bool:
    return any(abs(score - edge) <= TOLERANCE for score in scores for edge in edges)
