"""The job store on SQLite: the contract of every store, and what only a file can do."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from gateway.database import Database
from gateway.jobs import JobLimits, JobState, JobStore, NewJob
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


WORKER = """
import sys, time
from awarenet.errors import LeaseLost
from gateway.database import Database
from gateway.jobs import JobLimits, JobStore
store = JobStore(Database(sys.argv[1]), media=None, limits=JobLimits(lease_s=2.0, attempts=5))
name, stuck = sys.argv[2], sys.argv[3] == "stuck"
until = time.monotonic() + 30
while time.monotonic() < until and any(count for state, count in store.depth().items() if not state.final):
    lease = store.claim(name, ("clip",))
    if lease is None:
        time.sleep(0.05)
        continue
    if stuck:
        print(lease.job.id, flush=True)
        time.sleep(60)
    try:
        store.complete(lease, {"by": name})
        print(lease.job.id, flush=True)
    except LeaseLost:
        pass
"""


def test_a_killed_process_leaves_its_job_to_the_others_and_every_job_finishes_once(tmp_path: Path) -> None:
    """Real processes, a real kill and the real clock, on one file."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    database = Database(url)
    database.migrate()
    store = JobStore(database, NotedMedia(), JobLimits(lease_s=2.0))
    ids = [store.enqueue("anna", NewJob("clip"))[0].id for _ in range(12)]

    def start(name: str, how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, url, name, how]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())

    stuck = start("stuck", "stuck")
    assert stuck.stdout is not None
    held = stuck.stdout.readline().strip()
    workers = [start(name, "well") for name in ("first", "second")]
    stuck.send_signal(signal.SIGKILL)
    stuck.communicate()
    finished = Counter(job_id for worker in workers for job_id in worker.communicate(timeout=60)[0].split())
    assert finished == Counter(dict.fromkeys(ids, 1))
    assert store.depth()[JobState.SUCCEEDED] == 12
    again = store.get(held)
    assert again.attempts >= 2 and again.result is not None and again.result["by"] in ("first", "second")
