"""The job store on SQLite: the contract of every store, and what only a file can do."""

from __future__ import annotations

from pathlib import Path

from gateway.database import Database
from gateway.jobs import JobStore, NewJob
from tests.job_store_contract import *  # noqa: F403
from tests.stores import NotedMedia


def test_what_is_deleted_is_no_longer_in_the_files(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, NotedMedia())
    job, _ = store.enqueue("secret-owner", NewJob("clip", {"name": "secret-name"}))
    files = [tmp_path / name for name in ("gateway.db", "gateway.db-wal")]
    assert any(b"secret-owner" in file.read_bytes() for file in files)
    store.delete(job.id)
    database.scrub()
    for file in tmp_path.iterdir():
        for word in (b"secret-owner", b"secret-name", job.id.encode()):
            assert word not in file.read_bytes()
