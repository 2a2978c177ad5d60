"""What the tests share: a tiny model repository, one Triton server over it, and a database for the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from awarenet.runtime.server import TritonServer
from gateway.database import Database
from tests import tiny_repository as tiny
from tests.stores import Clock

pytest.register_assert_rewrite("tests.job_store_contract")

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny model repository; do not write to it."""
    return tiny.build(tmp_path_factory.mktemp("models") / "repository")


@pytest.fixture(scope="session")
def triton_server(tiny_repository: Path) -> Iterator[TritonServer]:
    """A running server over the tiny repository, shared by all tests of a session: leave it as it is."""
    with TritonServer(tiny_repository) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """The clock of `database`."""
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    """An empty SQLite database of the current version, `gateway.db` in the test's folder."""
    opened = Database(f"sqlite:///{tmp_path / 'gateway.db'}", clock=clock)
    opened.migrate()
    yield opened
    opened.close()
