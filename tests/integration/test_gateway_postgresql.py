"""The gateway's stores on a real PostgreSQL: the job store's contract, and what only a server can do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import sqlalchemy

from awarenet.errors import TooManyRequests, Unavailable
from gateway.database import Database
from gateway.identity import ApiKeys, DailyQuotas, Pseudonyms, Role
from gateway.jobs import JobStore, NewJob
from gateway.schema import METADATA
from tests import postgres
from tests.job_store_contract import *  # noqa: F403
from tests.job_store_contract import run
from tests.stores import Clock, NotedMedia

COMMANDS = postgres.binaries()
pytestmark = pytest.mark.skipif(COMMANDS is None, reason="no PostgreSQL server here; `make postgresql` installs one")


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    assert COMMANDS is not None
    with postgres.cluster(COMMANDS) as running:
        yield running


@pytest.fixture
def database(cluster: postgres.Cluster, clock: Clock) -> Iterator[Database]:
    opened = Database(cluster.url, clock=clock)
    opened.migrate()
    yield opened
    with opened.writing() as connection:
        for table in (*METADATA.tables, "schema_version"):
            connection.execute(sqlalchemy.text(f"DROP TABLE {table}"))
    opened.close()


def test_the_clock_is_the_servers(cluster: postgres.Cluster) -> None:
    database = Database(cluster.url)
    with database.reading() as connection:
        first = database.now(connection)
        connection.execute(sqlalchemy.text("SELECT pg_sleep(0.02)"))
        assert 0.02 <= database.now(connection) - first < 30  # it goes on within a transaction
    database.close()


def test_several_gateways_may_migrate_at_once(cluster: postgres.Cluster, database: Database) -> None:
    with database.writing() as connection:
        for table in (*METADATA.tables, "schema_version"):
            connection.execute(sqlalchemy.text(f"DROP TABLE {table}"))
    versions: list[int] = []

    def migrate() -> None:
        other = Database(cluster.url)
        versions.append(other.migrate())
        other.close()

    run([migrate] * 4)
    assert len(versions) == 4 and len(set(versions)) == 1


def test_a_claim_does_not_wait_for_a_row_that_another_transaction_holds(database: Database) -> None:
    store = JobStore(database, NotedMedia())
    held, _ = store.enqueue("anna", NewJob("clip"))
    free, _ = store.enqueue("anna", NewJob("clip"))
    with database.writing() as connection:
        connection.execute(sqlalchemy.text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": held.id})
        lease = store.claim("worker", ("clip",))
        assert lease is not None and lease.job.id == free.id
        assert store.claim("worker", ("clip",)) is None


def test_a_lock_is_waited_for_only_so_long(cluster: postgres.Cluster, database: Database, clock: Clock) -> None:
    hasty = Database(cluster.url, clock=clock, wait_s=0.2)
    job, _ = JobStore(database, NotedMedia()).enqueue("anna", NewJob("clip"))
    with database.writing() as connection:
        connection.execute(sqlalchemy.text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job.id})
        with pytest.raises(Unavailable, match="locked"):
            JobStore(hasty, NotedMedia()).cancel(job.id)
    hasty.close()


def test_keys_quotas_and_pseudonyms_work_here_too(database: Database, clock: Clock) -> None:
    keys = ApiKeys(database, b"k" * 32)
    made, secret = keys.create("anna", [Role.ANALYST], lifetime_s=100)
    assert keys.authenticate(secret).subject == "anna"
    assert keys.find("anna")[0].last_used == clock.now
    quotas = DailyQuotas(database)
    assert [quotas.spend("anna", 2), quotas.spend("anna", 2)] == [1, 0]
    with pytest.raises(TooManyRequests):
        quotas.spend("anna", 2)
    pseudonyms = Pseudonyms(database)
    found: list[str] = []
    run([lambda: found.append(pseudonyms.of("anna"))] * 4)
    assert len(set(found)) == 1
    keys.revoke(made.id)
    database.scrub()


def test_a_quota_is_never_overspent_by_requests_at_once(database: Database) -> None:
    quotas = DailyQuotas(database)
    start = threading.Barrier(6)
    passed: list[int] = []

    def spend() -> None:
        start.wait()
        for _ in range(5):
            with suppress(TooManyRequests):
                passed.append(quotas.spend("anna", 11))

    run([spend] * 6)
    assert sorted(passed) == list(range(11))


def test_a_database_that_goes_away_is_unavailable_and_all_is_well_when_it_is_back(
    cluster: postgres.Cluster, database: Database
) -> None:
    store = JobStore(database, NotedMedia())
    job, _ = store.enqueue("anna", NewJob("clip"))
    cluster.stop()
    try:
        with pytest.raises(Unavailable, match="gone"):
            store.enqueue("anna", NewJob("clip"))
        with pytest.raises(Unavailable, match="gone"):
            store.claim("worker", ("clip",))
    finally:
        cluster.start()
    lease = store.claim("worker", ("clip",))
    assert lease is not None and lease.job.id == job.id
    store.complete(lease, {"verdict": "real"})
    assert len(store.find("anna")) == 1


def test_the_password_is_in_no_message() -> None:
    database = Database("postgresql://anna:hunter2@127.0.0.1:1/postgres")
    with pytest.raises(Unavailable) as gone:
        database.migrate()
    assert "hunter2" not in str(gone.value) and "127.0.0.1:1" in str(gone.value)
