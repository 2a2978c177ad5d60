"""What the tests share: a tiny model repository, and one Triton server over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from awarenet.runtime.server import TritonServer
from tests import tiny_repository as tiny


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny model repository; do not write to it."""
    return tiny.build(tmp_path_factory.mktemp("models") / "repository")


@pytest.fixture(scope="session")
def triton_server(tiny_repository: Path) -> Iterator[TritonServer]:
    """A running server over the tiny repository, shared by all tests of a session: leave it as it is."""
    with TritonServer(tiny_repository) as server:
        yield server
