"""The memory of a device: nothing that was committed is lost, nothing grows without end, no clock is trusted."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awarenet.edge.database import Database
from awarenet.edge.journal import Journal
from awarenet.edge.outbox import Outbox, OutboxCounts
from awarenet.edge.sender import Patience, Sender
from awarenet.errors import ConfigurationError, InvalidInput, ReportError
from tests.receivers import Receiver
from tests.serving import eventually

QUICK = Patience(first_s=0.05, longest_s=0.2, timeout_s=2.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with contextlib.closing(Database(tmp_path / "edge.db")) as opened:
        yield opened


def waiting(outbox: Outbox) -> list[bytes]:
    bodies = []
    while (event := outbox.first()) is not None:
        bodies.append(event[1])
        outbox.remove(event[0], sent=True)
    return bodies


def test_events_leave_in_the_order_in_which_they_came(database: Database) -> None:
    outbox = Outbox(database)
    for number in range(5):
        outbox.put(b"%d" % number)
    assert waiting(outbox) == [b"0", b"1", b"2", b"3", b"4"]
    assert outbox.counts == OutboxCounts(waiting=0, waiting_bytes=0, sent=5, refused=0, dropped=0)


@given(sizes=st.lists(st.integers(1, 30), max_size=30))
def test_a_full_outbox_drops_the_oldest_and_counts_them(sizes: list[int]) -> None:
    with contextlib.closing(
        Database(Path("/dev/shm") / f"awarenet-test-{os.getpid()}-{random.random()}.db")
    ) as database:
        try:
            outbox = Outbox(database, limit_bytes=40)
            bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
            for body in bodies:
                outbox.put(body)
            counts = outbox.counts
            assert counts.waiting_bytes <= 40
            assert counts.waiting + counts.dropped == len(bodies)
            assert waiting(outbox) == bodies[counts.dropped :]
        finally:
            for path in database.path.parent.glob(f"{database.path.name}*"):
                path.unlink()


def test_an_event_that_never_fits_is_dropped_alone(database: Database) -> None:
    outbox = Outbox(database, limit_bytes=10)
    outbox.put(b"small")
    outbox.put(b"x" * 11)
    assert outbox.counts.dropped == 1
    assert waiting(outbox) == [b"small"]


def test_an_event_that_was_dropped_while_it_was_sent_is_counted_once(database: Database) -> None:
    outbox = Outbox(database, limit_bytes=10)
    outbox.put(b"12345678")
    event = outbox.first()
    assert event is not None
    outbox.put(b"87654321")
    outbox.remove(event[0], sent=True)
    assert (outbox.counts.sent, outbox.counts.dropped, outbox.counts.waiting) == (0, 1, 1)


def test_what_was_put_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        outbox = Outbox(Database(tmp_path / "edge.db"))
        for number in range(10):
            outbox.put(b"%d" % number)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with contextlib.closing(Database(tmp_path / "edge.db")) as database:
        assert len(waiting(Outbox(database))) == 10


def test_a_kill_within_a_transaction_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        database = Database(tmp_path / "edge.db")
        with database.transaction():
            Outbox(database).put(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with contextlib.closing(Database(tmp_path / "edge.db")) as database:
        assert Outbox(database).counts == OutboxCounts(0, 0, 0, 0, 0)


def test_an_error_in_an_inner_block_undoes_the_outer_one(database: Database) -> None:
    outbox = Outbox(database)
    with pytest.raises(KeyboardInterrupt), database.transaction():
        outbox.put(b"one")
        with database.transaction():
            raise KeyboardInterrupt
    outbox.put(b"two")
    assert waiting(outbox) == [b"two"]


@pytest.mark.parametrize("damage", [b"this is no database at all, " * 200, b""])
def test_a_damaged_memory_begins_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "edge.db").write_bytes(damage)
    with contextlib.closing(Database(tmp_path / "edge.db")) as database:
        Outbox(database).put(b"one")
        assert Outbox(database).counts.waiting == 1
    assert (tmp_path / "edge.db.damaged").exists() == bool(damage)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--state"):
        Database(tmp_path / "file" / "edge.db")


def test_a_full_disk_is_an_error_of_ours(database: Database) -> None:
    with database.transaction() as sql:
        sql.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ReportError, match="free space"):
        Outbox(database).put(b"x" * 100_000)
    assert Outbox(database).counts.waiting == 0


def test_the_receiver_gets_everything_although_it_was_away(database: Database) -> None:
    outbox, receiver = Outbox(database), Receiver()
    with receiver.there():
        pass  # It has a port now, and is gone.
    with Sender(outbox, receiver.url, token="secret", patience=QUICK) as sender:
        for number in range(3):
            outbox.put(json.dumps({"number": number}).encode())
            sender.wake()
        time.sleep(0.3)
        assert outbox.counts.waiting == 3
        with receiver.there():
            assert eventually(lambda: outbox.counts.sent == 3)
    assert [event["number"] for event in receiver.events] == [0, 1, 2]
    assert receiver.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500, 503])
def test_what_the_receiver_does_not_take_is_sent_again(database: Database, status: int) -> None:
    outbox, receiver = Outbox(database), Receiver()
    receiver.answers = [(status, {"Location": "http://127.0.0.1:1/"})]
    outbox.put(b'{"number": 1}')
    with receiver.there(), Sender(outbox, receiver.url, patience=QUICK):
        assert eventually(lambda: outbox.counts.sent == 1)
    assert [event["number"] for event in receiver.events] == [1, 1]


def test_what_the_receiver_will_never_take_holds_nothing_up(database: Database) -> None:
    outbox, receiver = Outbox(database), Receiver()
    receiver.answers = [(422, {})]
    outbox.put(b'{"number": 1}')
    outbox.put(b'{"number": 2}')
    with receiver.there(), Sender(outbox, receiver.url, patience=QUICK):
        assert eventually(lambda: outbox.counts.sent == 1)
    assert (outbox.counts.refused, outbox.counts.waiting) == (1, 0)


def test_a_receiver_that_asks_for_time_gets_it(database: Database) -> None:
    outbox, receiver = Outbox(database), Receiver()
    receiver.answers = [(503, {"Retry-After": "1"})]
    outbox.put(b"{}")
    start = time.monotonic()
    with receiver.there(), Sender(outbox, receiver.url, patience=Patience(0.01, 5.0, 2.0)):
        assert eventually(lambda: outbox.counts.sent == 1)
    assert time.monotonic() - start >= 1


@given(failures=st.integers(1, 200), drawn=st.floats(0, 1))
def test_waits_grow_to_a_limit_and_differ(failures: int, drawn: float) -> None:
    patience = Patience()
    wait = patience.wait_s(failures, lambda: drawn)
    assert 0.5 * patience.first_s <= wait <= patience.longest_s
    assert patience.wait_s(failures, lambda: 0.0) < patience.wait_s(failures, lambda: 1.0)


@pytest.mark.parametrize("url", ["", "ftp://host/", "http://", "http://[::1", "host/path"])
def test_an_address_that_is_none_is_refused(database: Database, url: str) -> None:
    with pytest.raises(InvalidInput, match="--send"):
        Sender(Outbox(database), url)


def test_a_token_does_not_travel_unencrypted(database: Database) -> None:
    with pytest.raises(InvalidInput, match="unencrypted"):
        Sender(Outbox(database), "http://example.org/", token="secret")
    assert Sender(Outbox(database), "https://user:pw@example.org/a?b", token="secret").shown == "https://example.org/a"


def test_a_clock_that_jumps_changes_nothing_but_labels(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, receiver = Outbox(database), Receiver()
    receiver.answers = [(503, {})] * 2
    with receiver.there(), Sender(outbox, receiver.url, patience=QUICK) as sender:
        journal = Journal("here", tmp_path / "out.jsonl", outbox, sender)
        for wall_s in (2e9, 0.0, 1e9, 4e9):
            monkeypatch.setattr(time, "time", lambda now=wall_s: now)
            journal.tell("test", {"wall_s": wall_s})
        assert eventually(lambda: outbox.counts.sent == 4)
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [event["data"]["wall_s"] for event in told] == [2e9, 0.0, 1e9, 4e9]
    assert receiver.events[2:] == told and len({event["id"] for event in told}) == 4
    assert told[1]["timestamp"].startswith("1970-01-01") and len({event["boot"] for event in told}) == 1
    assert [event["uptime_s"] for event in told] == sorted(event["uptime_s"] for event in told)


def test_a_line_is_written_although_the_outbox_cannot_be(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ReportError("full")

    outbox = Outbox(database)
    monkeypatch.setattr(outbox, "put", fail)
    with pytest.raises(ReportError):
        Journal("here", tmp_path / "out.jsonl", outbox).tell("test", {})
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1


def test_a_locked_file_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout, **rest: connect(path, timeout=0.1, **rest))
    with (
        contextlib.closing(Database(tmp_path / "edge.db")) as one,
        contextlib.closing(Database(tmp_path / "edge.db")) as other,
        one.transaction(),
        pytest.raises(ReportError, match="locked"),
    ):
        Outbox(other).put(b"x")
