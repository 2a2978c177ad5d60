"""Whether a series grows: the Theil-Sen slope with its confidence interval, which outliers and steps do not fool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats

from awarenet.errors import InvalidInput


@dataclass(frozen=True)
class Trend:
    """How a series changes with time.

    Attributes:
        slope: Median of the slopes between all pairs of samples, in units a second.
        low: Lower bound of its confidence interval.
        high: Upper bound.
        median: Median of the series.
        confidence: Of the interval, in (0, 1).
    """

    slope: float
    low: float
    high: float
    median: float
    confidence: float

    FEWEST: ClassVar[int] = 20
    """Samples below which nothing is said."""

    _BLOCKS: ClassVar[int] = 60

    @classmethod
    def of(cls, seconds: Sequence[float], values: Sequence[float], *, confidence: float = 0.99) -> Trend:
        """Looks at a series.

        Samples that follow each other closely resemble each other, which would make the interval too narrow: they are
        first joined to medians of at most sixty blocks.

        Args:
            seconds: Instants of the samples, ascending.
            values: The samples.
            confidence: Of the interval.

        Raises:
            InvalidInput: There are too few samples.
        """
        if len(seconds) != len(values) or len(values) < cls.FEWEST:
            raise InvalidInput(f"load: a trend needs {cls.FEWEST} samples or more; look longer or more often")
        blocks = min(cls._BLOCKS, len(values))
        times = [float(np.median(part)) for part in np.array_split(np.asarray(seconds, float), blocks)]
        levels = [float(np.median(part)) for part in np.array_split(np.asarray(values, float), blocks)]
        found = stats.theilslopes(levels, times, confidence)
        return cls(
            float(found.slope), float(found.low_slope), float(found.high_slope), float(np.median(values)), confidence
        )

    def grows(self, allowed: float = 0.0) -> bool:
        """Whether it surely grows faster than is allowed.

        Args:
            allowed: Units a second.
        """
        return self.low > allowed
