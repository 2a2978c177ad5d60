"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest

from awarenet import __version__

_SECONDS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SCORES: Final = tuple(f"{step / 10:.1f}-{(step + 1) / 10:.1f}" for step in range(10))
_PIXELS: Final = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)
_SHARPNESS: Final = (1, 2, 3, 4, 5, 6, 7, 8)
_SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)

Golden = Literal["right", "wrong", "unanswered", "busy"]
"""What came of a question with a known answer; `busy` had no answer while others got theirs."""

FastFilter = Literal["real", "fake", "doubtful"]
"""Where the fast filter alone would have sent a face."""

Said = Literal["real", "fake"]
"""On which side of the policy's `decide_at` every stage together put it."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # A second series for each counter, which nobody here reads.


class Metrics:
    """The metrics of one gateway; every label has few values, and none says who or what was looked at."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "awarenet_gateway_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "awarenet_gateway_request_seconds",
            "Seconds from headers to answer",
            ["route", "status_class"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._rejects = Counter(
            "awarenet_gateway_rejects", "Media and frames that were not scored, by code", ["code"], registry=registry
        )
        self._verdicts = Counter("awarenet_gateway_verdicts", "Verdicts by word", ["verdict"], registry=registry)
        self._exits = Counter("awarenet_gateway_exits", "Faces by exit stage", ["exit_stage"], registry=registry)
        # Not a histogram: shares of single buckets are compared, which cumulative ones do not give.
        self._scores = Counter("awarenet_gateway_scores", "Faces by P(fake)", ["bucket"], registry=registry)
        # What drifts when cameras, codecs or uploaders change, before accuracy does.
        self._drift = {
            "face_px": Histogram(
                "awarenet_gateway_face_px", "Side of face crops in source pixels", buckets=_PIXELS, registry=registry
            ),
            "sharpness": Histogram(
                "awarenet_gateway_face_sharpness",
                "Logarithm of the Laplacian's variance of faces",
                buckets=_SHARPNESS,
                registry=registry,
            ),
            "compression": Histogram(
                "awarenet_gateway_face_compression", "Share of flat pixels of faces", buckets=_SHARES, registry=registry
            ),
        }
        self._shadow = Counter(
            "awarenet_gateway_shadow",
            "Pictures that other models judged, by outcome",
            ["outcome"],
            registry=registry,
        )
        self._shadow_difference = Histogram(
            "awarenet_gateway_shadow_difference", "Difference of P(fake)", buckets=_SHARES, registry=registry
        )
        self._golden = Counter(
            "awarenet_gateway_golden", "Questions with a known answer, by result", ["result"], registry=registry
        )
        self._leakage_check = Counter(
            "awarenet_gateway_leakage_check",
            "Faces that every stage scored, by where the fast filter alone would have sent them and what all said",
            ["fast_filter", "full"],
            registry=registry,
        )
        self._cache = Counter("awarenet_gateway_cache", "Look-ups of verdicts", ["result"], registry=registry)
        self._steps = Histogram(
            "awarenet_gateway_step_seconds", "Seconds in a worker", ["step"], buckets=_SECONDS, registry=registry
        )
        self.frames_dropped = Counter(
            "awarenet_gateway_frames_dropped", "Frames of streams that a newer one replaced", registry=registry
        )
        self.streams = Gauge("awarenet_gateway_streams", "Open streams", registry=registry)
        info = Gauge("awarenet_gateway_info", "The version that runs", ["version"], registry=registry)
        info.labels(__version__).set(1)
        # From the start, so that the first event is an increase and not the birth of a series.
        for bucket in _SCORES:
            self._scores.labels(bucket)
        for result in get_args(Golden):
            self._golden.labels(result)
        for filtered in get_args(FastFilter):
            for said in get_args(Said):
                self._leakage_check.labels(filtered, said)

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Adds a gauge that is read when it is asked for."""
        Gauge(f"awarenet_gateway_{name}", what, registry=self.registry).set_function(read)

    def watch_space(self, name: str, what: str, folder: Path) -> None:
        """Adds gauges of the size of the file system that a folder lies on, and of what is free there, in bytes."""

        def read(field: str) -> float:
            try:
                status = os.statvfs(folder)
            except OSError:
                return math.nan  # All other metrics matter the more.
            return float(getattr(status, field) * status.f_frsize)

        self.watch(f"{name}_size_bytes", f"Size of the file system of {what}", lambda: read("f_blocks"))
        self.watch(f"{name}_free_bytes", f"Free space on the file system of {what}", lambda: read("f_bavail"))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        known = method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route, f"{status // 100}xx").observe(seconds)

    def looked_up(self, found: bool) -> None:
        """Counts a look-up in the cache of verdicts."""
        self._cache.labels("hit" if found else "miss").inc()

    def refused(self, code: str) -> None:
        """Counts media that was not scored."""
        self._rejects.labels(code).inc()

    def shadowed(self, outcome: str, difference: float | None = None) -> None:
        """Counts a picture that other models judged as well."""
        self._shadow.labels(outcome).inc()
        if difference is not None:
            self._shadow_difference.observe(difference)

    def asked(self, result: Golden) -> None:
        """Counts a question with a known answer."""
        self._golden.labels(result).inc()

    def leakage_checked(self, fast_filter: FastFilter, full: Said) -> None:
        """Counts a face that every stage scored."""
        self._leakage_check.labels(fast_filter, full).inc()

    def scored(self, verdict: dict[str, Any]) -> None:
        """Counts a verdict and its faces."""
        self._verdicts.labels(verdict["verdict"]).inc()
        for step, milliseconds in verdict["timings_ms"].items():
            self._steps.labels(step).observe(milliseconds / 1000)
        for face in verdict["faces"]:
            self._exits.labels(str(face["exit_stage"])).inc()
            self._scores.labels(_SCORES[min(int(face["probability"] * len(_SCORES)), len(_SCORES) - 1)]).inc()
            for name, histogram in self._drift.items():
                if (value := face["evidence"].get(name)) is not None:
                    histogram.observe(value)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)
