"""Thresholds of the cascade: a validated file, tied by sha256 to the models it was made for.

A policy is chosen on validation data for a stated leakage target (leakage: the share of fakes that the fast filter
passes as real) and records on how much data, with which one-sided 95 % upper bound.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from awarenet.errors import PolicyError


@dataclass(frozen=True)
class Leakage:
    """What was measured when the thresholds were chosen.

    Attributes:
        target: The largest leakage that was asked for, in [0, 1].
        fakes: Number of fakes in the validation data.
        leaked: How many of them the fast filter passes as real.
        upper_95: One-sided 95 % Clopper-Pearson upper bound of the leakage (3 / n when none leaked).
        reals: Number of real faces in the validation data.
        settled: How many of them the fast filter settles as real.
    """

    target: float
    fakes: int
    leaked: int
    upper_95: float
    reals: int
    settled: int


@dataclass(frozen=True)
class Policy:
    """When the cascade exits early, and where the verdict falls.

    Attributes:
        real_below: A face exits at stage 1 as real when P(fake) is below this.
        fake_above: A face exits at stage 1 as fake when P(fake) is above this.
        decide_at: P(fake) from which the verdict is fake.
        uncertain_margin: The verdict is uncertain when P(fake) is nearer than this to `decide_at`.
        leakage: The measurement behind the thresholds.
        data: The validation data, in words.
        models: Stage name to sha256 of the model file that the thresholds were measured with.
    """

    real_below: float
    fake_above: float
    decide_at: float
    uncertain_margin: float
    leakage: Leakage
    data: str
    models: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuses thresholds that contradict each other.

        Raises:
            PolicyError: A value is not a number in [0, 1], or the order is not real_below <= decide_at <= fake_above.
        """
        for name in ("real_below", "fake_above", "decide_at", "uncertain_margin"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
                raise PolicyError(f"policy: {name} must be a number in [0, 1], got {value!r}")
        if not self.real_below <= self.decide_at <= self.fake_above:
            raise PolicyError(
                "policy: real_below <= decide_at <= fake_above must hold, got "
                f"{self.real_below}, {self.decide_at}, {self.fake_above}"
            )

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change whenever anything in the policy changes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @property
    def model_version(self) -> str:
        """Twelve hexadecimal digits that change whenever any of the models changes."""
        text = json.dumps(dict(sorted(self.models.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def word(self, probability: float) -> Literal["fake", "real", "uncertain"]:
        """The verdict on a P(fake)."""
        if abs(probability - self.decide_at) < self.uncertain_margin:
            return "uncertain"
        return "fake" if probability >= self.decide_at else "real"

    def to_json(self) -> str:
        """The policy as canonical JSON text, the form that is stored."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """Reads a policy from JSON text.

        Raises:
            PolicyError: The text is not JSON, or a field is missing, unknown or out of range.
        """
        try:
            raw: Any = json.loads(text)
            leakage = Leakage(**raw.pop("leakage"))
            return cls(leakage=leakage, **raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PolicyError(
                f"policy: not a policy file ({error}); make one with `python -m training policy`"
            ) from error

    @classmethod
    def load(cls, path: Path, models: Mapping[str, str]) -> Policy:
        """Reads the policy file and holds it against the models that lie beside it.

        Args:
            path: The policy file.
            models: Stage name to sha256 of the model files that will run.

        Raises:
            PolicyError: The file is missing, malformed, or made for other models.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"policy: cannot read {path} ({error}); run `python -m export assemble`") from error
        policy = cls.from_json(text)
        differing = sorted(name for name in {*models, *policy.models} if models.get(name) != policy.models.get(name))
        if differing:
            raise PolicyError(
                f"policy: {path} was made for other models ({', '.join(differing)} differ); "
                "choose thresholds for these models with `python -m training policy`"
            )
        return policy


def file_sha256(path: Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
