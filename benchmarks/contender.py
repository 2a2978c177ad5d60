"""What every contender is to the measurement: something that is opened, and then scores faces for many callers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.uint8]
Score = Callable[[Faces], NDArray[np.float32]]
"""Scores uint8 `[N, 256, 256, 3]` to P(fake) float32 `[N]`; belongs to one caller."""


@dataclass(frozen=True)
class Running:
    """An opened contender.

    Attributes:
        connect: Makes a caller of its own; called once in each thread that makes requests.
        pid: The root of its process tree, where it has processes of its own.
    """

    connect: Callable[[], Score]
    pid: int | None = None


@dataclass(frozen=True)
class Contender:
    """One way to score faces.

    Attributes:
        name: Short name; a key of the result file.
        what: What it is, in words, with what makes the comparison fair.
        open: Starts it; it stays up, idle, while others are measured.
        same_cascade: Whether it must give the same probabilities as the cascade in-process.
    """

    name: str
    what: str
    open: Callable[[], AbstractContextManager[Running]]
    same_cascade: bool = True
