"""Scores every file of a manifest: parallel, bounded, and resumable after a kill."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from awarenet.cascade import sigmoid
from awarenet.errors import DeadlineExceeded, ReportError, ServiceError, Unavailable
from awarenet.stages import Route
from awarenet.verdict import Verdict

GIVE_UP_AFTER: Final = 20
"""Service errors in a row after which the rest of the manifest is not tried."""

SERVICE_CODES: Final = frozenset(kind.code for kind in (ServiceError, Unavailable, DeadlineExceeded))


class Detects(Protocol):
    """The part of `awarenet.detector.Detector` that an evaluation needs."""

    def detect(self, path: Path, *, route: Route = "cascade") -> Verdict:
        """Scores one picture or clip."""
        ...


@dataclass(frozen=True)
class Score:
    """The outcome for one file; a row of `scores.csv` next to the manifest's own columns.

    Attributes:
        path: The file as the manifest names it.
        probability: P(fake) in [0, 1]; None without a face or after a failure.
        verdict: `fake`, `real`, `uncertain`, `no_face`; empty after a failure.
        exit_stage: The deepest stage that any face of the file needed (1 or 3); None without a face.
        fast_filter: The fast filter's highest P(fake) over the faces; None without a face.
        faces: Number of scored faces.
        error: What went wrong, in words; empty where scoring succeeded.
        error_code: The stable code of the error.
    """

    path: str
    probability: float | None
    verdict: str
    exit_stage: int | None
    fast_filter: float | None
    faces: int
    error: str
    error_code: str


COLUMNS = tuple(field.name for field in fields(Score))


def score_of(path: str, verdict: Verdict) -> Score:
    """Reduces a verdict to the row that metrics are computed from."""
    logits = [face.evidence.get("fast_filter_logit") for face in verdict.faces]
    known = [logit for logit in logits if logit is not None and math.isfinite(logit)]
    return Score(
        path=path,
        probability=verdict.probability,
        verdict=verdict.verdict or "",
        exit_stage=max((face.exit_stage for face in verdict.faces), default=None),
        fast_filter=float(sigmoid(np.asarray([max(known)], np.float32))[0]) if known else None,
        faces=len(verdict.faces),
        error=" ".join((verdict.error or "").split()),
        error_code=verdict.error_code or "",
    )


class PartialScores:
    """The scores so far, appended row by row, so that a killed evaluation can go on where it stopped.

    A row is one line and is flushed at once; a line without its end (a kill or a full disk while writing) is cut off
    when the file is opened again. Rows that failed do not count as done: a resumed run tries them anew.

    Attributes:
        path: The file.
        done: The scores that were there when the file was opened, by path.

    Raises:
        ReportError: The file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, Score] = {}
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            for row in csv.DictReader(io.StringIO(whole.decode("utf-8"))):
                if not row["error"]:
                    self.done[row["path"]] = _parse(row)
            self._stream = path.open("a", encoding="utf-8", newline="")
            self._stream.truncate(len(whole))
            if not whole:
                self._write(dict(zip(COLUMNS, COLUMNS, strict=True)))
        except OSError as error:
            raise ReportError(
                f"evaluation: cannot write {path} ({error}); free space or choose another --out"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise ReportError(f"evaluation: {path} is not a partial score table ({error}); delete it") from error

    def add(self, score: Score) -> None:
        """Appends one row.

        Raises:
            ReportError: The disk is full or gone.
        """
        try:
            self._write(asdict(score))
        except OSError as error:
            raise ReportError(
                f"evaluation: cannot write {self.path} ({error}); free space, then run the same command to go on"
            ) from error

    def remove(self) -> None:
        """Deletes the file once its rows are safe elsewhere."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file and keeps it; idempotent."""
        with contextlib.suppress(OSError):  # what could not be flushed has been reported by `add`
            self._stream.close()

    def _write(self, row: Mapping[str, object]) -> None:
        csv.DictWriter(self._stream, COLUMNS, lineterminator="\n").writerow(row)
        self._stream.flush()


def score_all(
    paths: Iterable[str], root: Path, open_detector: Callable[[], Detects], *, route: Route, workers: int
) -> Iterator[Score]:
    """Scores files in parallel, yielding each as soon as it is done.

    At most twice as many files as workers are in flight. When the consumer stops (an error, Ctrl-C), files that have
    not begun are dropped and those that have are awaited.

    Args:
        paths: Files as the manifest names them.
        root: The folder that they are relative to.
        open_detector: Makes a detector; called once in each worker thread, because face detectors keep state.
        route: `cascade` or `full`.
        workers: Threads that decode, detect and score.

    Raises:
        Unavailable: The server failed on `GIVE_UP_AFTER` files in a row.
    """
    local = threading.local()

    def score(path: str) -> Score:
        if not hasattr(local, "detector"):
            local.detector = open_detector()
        detector: Detects = local.detector
        return score_of(path, detector.detect(root / path, route=route))

    remaining = iter(paths)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="evaluate")
    failures = 0
    try:
        waiting = [pool.submit(score, path) for path in itertools.islice(remaining, 2 * workers)]
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            # In the order of the manifest, or a success seen late would start the count of failures anew.
            finished = [future for future in waiting if future in done]
            waiting = [future for future in waiting if future not in done]
            waiting += [pool.submit(score, path) for path in itertools.islice(remaining, len(finished))]
            for future in finished:
                result = future.result()
                failures = failures + 1 if result.error_code in SERVICE_CODES else 0
                yield result
                if failures >= GIVE_UP_AFTER:
                    raise Unavailable(
                        f"evaluation: the server failed on {failures} files in a row ({result.error}); "
                        "see to the server, then run the same command to go on"
                    )
    finally:
        pool.shutdown(cancel_futures=True)


def _parse(row: Mapping[str, str]) -> Score:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return Score(
        path=row["path"],
        probability=number("probability"),
        verdict=row["verdict"],
        exit_stage=int(row["exit_stage"]) if row["exit_stage"] else None,
        fast_filter=number("fast_filter"),
        faces=int(row["faces"]),
        error=row["error"],
        error_code=row["error_code"],
    )
