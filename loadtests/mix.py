"""What is sent how often."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from awarenet.errors import InvalidInput
from loadtests.corpus import Corpus, Kind, Known
from loadtests.pictures import fresh

SHARES: Final[Mapping[Kind, float]] = {"empty": 0.10, "settled": 0.15, "doubtful": 0.60, "several": 0.15}
"""An assumption, to be replaced by what a deployment sees. The shipped policy settles a tenth of real faces early."""


@dataclass(frozen=True)
class Mix:
    """Shares of what is sent.

    Attributes:
        shares: Of each kind of picture, summing to 1.
        repeats: Share of requests with bytes that were sent before, which the gateway remembers.

    Raises:
        InvalidInput: The shares make no sense.
    """

    shares: Mapping[Kind, float] = field(default_factory=lambda: dict(SHARES))
    repeats: float = 0.5

    def __post_init__(self) -> None:
        if abs(sum(self.shares.values()) - 1) > 1e-6 or min(self.shares.values()) < 0 or not 0 <= self.repeats <= 1:
            raise InvalidInput("load: the shares of a mix are not negative and sum to 1, and repeats lie in [0, 1]")


@dataclass(frozen=True)
class Sending:
    """One thing to send.

    Attributes:
        known: The picture, with the verdict that it must get.
        body: The bytes.
        repeated: Whether these bytes were sent before.
    """

    known: Known
    body: bytes
    repeated: bool


class Source:
    """Draws what to send next.

    A kind of which the corpus has no picture leaves its share to the others.

    Args:
        corpus: The pictures.
        mix: How often each kind comes.
        rng: Of every choice.
        number: The first number of a fresh copy: sources that run side by side begin far apart.
    """

    def __init__(self, corpus: Corpus, mix: Mix, rng: random.Random, *, number: int = 0) -> None:
        self._rng = rng
        self._repeats = mix.repeats
        self._pictures = {kind: corpus.of(kind) for kind, share in mix.shares.items() if share and corpus.of(kind)}
        if not self._pictures:
            raise InvalidInput("load: the corpus has no picture of any kind in the mix")
        self._kinds = list(self._pictures)
        self._weights = [mix.shares[kind] for kind in self._kinds]
        self._numbers = itertools.count(number)

    def next(self) -> Sending:
        """The next picture."""
        (kind,) = self._rng.choices(self._kinds, self._weights)
        known = self._rng.choice(self._pictures[kind])
        if self._rng.random() < self._repeats:
            return Sending(known, known.jpeg, True)
        return Sending(known, fresh(known.jpeg, next(self._numbers)), False)
