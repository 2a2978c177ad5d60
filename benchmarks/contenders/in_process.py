"""The cascade in the measuring process, on ONNX Runtime: no server at all, so the floor for every server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from awarenet.runtime.inprocess import InProcessRuntime
from benchmarks.contender import Contender, Running


def contender(repository: Path, threads: int) -> Contender:
    """Makes the contender.

    Args:
        repository: The model repository.
        threads: Threads of one call. With 1, callers share the cores among them; with more, one call uses several
            cores and the two heavy stages run at once, as they do in Triton.
    """

    @contextmanager
    def opened() -> Iterator[Running]:
        runtime = InProcessRuntime(repository, threads=threads)
        try:
            yield Running(lambda: lambda faces: runtime.score(faces).probability)
        finally:
            runtime.close()

    return Contender(
        f"in_process_{threads}t", f"the same cascade in the caller's process, {threads} thread(s) a call", opened
    )
