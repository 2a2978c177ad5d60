"""The gateway's database: its versions, and what becomes of its failures."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import inspect, text

from awarenet.errors import ConfigurationError, Unavailable
from gateway.database import Database
from gateway.jobs import JobState, JobStore, NewJob
from gateway.schema import METADATA, MIGRATIONS
from tests.stores import NotedMedia


def test_the_steps_lead_to_the_tables_that_the_code_uses(database: Database, tmp_path: Path) -> None:
    found = inspect(sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'gateway.db'}"))
    assert set(found.get_table_names()) == {*METADATA.tables, "schema_version"}
    for name, table in METADATA.tables.items():
        columns = {column["name"]: column for column in found.get_columns(name)}
        assert set(columns) == set(table.columns.keys())
        for column in table.columns:
            assert columns[column.name]["nullable"] is column.nullable, (name, column.name)
            kind = str(columns[column.name]["type"]).replace("REAL", "DOUBLE")  # SQLite's word
            assert kind == str(column.type), (name, column.name)
        assert found.get_pk_constraint(name)["constrained_columns"] == table.primary_key.columns.keys()
        assert {index["name"] for index in found.get_indexes(name)} >= {index.name for index in table.indexes}


def test_an_older_database_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.migrate()
    job, _ = JobStore(database, NotedMedia()).enqueue("anna", NewJob("clip"))
    steps = (*MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 7",))
    for _ in range(2):
        assert database.migrate(steps) == len(steps)
    with database.reading() as connection:
        assert connection.execute(text("SELECT id, priority FROM jobs")).one() == (job.id, 7)
    with pytest.raises(ConfigurationError, match="newer release"):
        database.migrate()


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.migrate()
    steps = (*MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN half INTEGER", "ALTER TABLE absent ADD COLUMN x INTEGER"))
    with pytest.raises(ConfigurationError, match="no such table: absent"):
        database.migrate(steps)
    assert database.migrate() == len(MIGRATIONS)
    with database.reading() as connection:
        assert "half" not in list(connection.execute(text("SELECT * FROM jobs")).keys())


def test_the_file_is_readable_by_nobody_else(database: Database, tmp_path: Path) -> None:
    for file in tmp_path.glob("gateway.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_another_kind_is_refused_with_the_right_ones(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        Database(url)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"not a database, but somebody's notes\n" * 100)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match=r"notes\.txt is no SQLite database"):
        Database(f"sqlite:///{file}").migrate()
    assert file.read_bytes() == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="folder"):
        Database(f"sqlite:///{tmp_path / 'absent' / 'gateway.db'}").migrate()


def test_a_database_without_its_tables_says_that_it_must_be_migrated(tmp_path: Path) -> None:
    store = JobStore(Database(f"sqlite:///{tmp_path / 'empty.db'}"), NotedMedia())
    with pytest.raises(ConfigurationError, match="migrate"):
        store.depth()


def test_a_locked_database_is_unavailable_and_reading_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    database = Database(url, wait_s=0.1)
    database.migrate()
    store = JobStore(database, NotedMedia())
    job, _ = store.enqueue("anna", NewJob("clip"))
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        store.enqueue("anna", NewJob("clip"))
    assert store.get(job.id).state is JobState.QUEUED
    other.execute("ROLLBACK")
    assert store.cancel(job.id).state is JobState.CANCELLED


def test_a_full_disk_is_unavailable_and_nothing_is_half_written(database: Database, tmp_path: Path) -> None:
    store = JobStore(database, NotedMedia(), follow=lambda job: [NewJob("webhook")])
    job, _ = store.enqueue("anna", NewJob("clip"))
    lease = store.claim("worker", ("clip",))
    assert lease is not None
    with database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")  # SQLite then fails as on a full disk
    with pytest.raises(Unavailable, match="no space left"):
        store.complete(lease, {"evidence": "x" * 100_000})
    assert store.get(job.id).state is JobState.RUNNING
    assert [found.kind for found in store.find()] == ["clip"]
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    store.complete(lease, {"evidence": "x" * 100_000})
    assert sorted(found.kind for found in store.find()) == ["clip", "webhook"]


def test_more_threads_than_connections_wait_and_then_are_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}", connections=1, wait_s=0.1)
    database.migrate()
    told: list[str] = []

    def read() -> None:
        try:
            with database.reading():
                pass
        except Unavailable as error:
            told.append(str(error))

    with database.reading():
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert "every connection is in use" in told[0]
