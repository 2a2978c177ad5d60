"""The audit log: it goes on through rotation, crashes and several writers, and shows every way of tampering."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awarenet.errors import ConfigurationError, InvalidInput, TamperedData, Unavailable
from gateway.audit import AuditEvent, AuditLog, Head

KEY = b"a" * 32
EVENT = AuditEvent("detect", "allowed", who="p1", request_id="r-1", verdict="fake", model_version="0123456789ab")


def log(folder: Path, longest_file: int = 1 << 20) -> AuditLog:
    return AuditLog(folder / "audit", KEY, longest_file=longest_file, lasting=False)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "audit").glob("audit-*.jsonl"))


def filled(folder: Path, lines: int = 10, longest_file: int = 1 << 20) -> AuditLog:
    audit = log(folder, longest_file)
    for number in range(lines):
        audit.append(AuditEvent("detect", "allowed", who=f"p{number % 2}", request_id=f"r-{number}"))
    return audit


def test_a_line_says_who_what_when_and_which_verdict_of_which_model(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit", KEY)
    assert audit.head() == Head(0, "0" * 64)
    head = audit.append(EVENT)
    line = json.loads(files(tmp_path)[0].read_text())
    assert {name: line[name] for name in ("action", "outcome", "who", "verdict", "model_version", "number")} == {
        "action": "detect",
        "outcome": "allowed",
        "who": "p1",
        "verdict": "fake",
        "model_version": "0123456789ab",
        "number": 1,
    }
    assert line["at"].endswith("+00:00") and line["hash"] == head.hash == audit.head().hash
    assert audit.verify().whole


def test_the_chain_goes_on_from_file_to_file(tmp_path: Path) -> None:
    audit = filled(tmp_path, 40, longest_file=2000)
    assert len(files(tmp_path)) > 3
    assert all(file.stat().st_size <= 2000 for file in files(tmp_path))
    found = log(tmp_path, 2000).verify()
    assert found.whole and found.lines == 40 and found.head == audit.head()
    assert [line["number"] for line in audit.lines_of("p1")] == list(range(2, 41, 2))


def test_several_events_are_one_append(tmp_path: Path) -> None:
    audit = log(tmp_path)
    assert audit.append(EVENT, EVENT, EVENT).number == 3
    assert audit.append().number == 3
    assert audit.verify().lines == 3


def rewrite(number: int, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        lines = files(folder)[0].read_bytes().splitlines(keepends=True)
        lines[number - 1] = change(lines[number - 1])
        files(folder)[0].write_bytes(b"".join(lines))

    return tamper


def swap(folder: Path) -> None:
    lines = files(folder)[0].read_bytes().splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    files(folder)[0].write_bytes(b"".join(lines))


def forged(folder: Path) -> None:
    """A chain that is right in itself, made by somebody without the key."""
    shutil.rmtree(folder / "audit")
    AuditLog(folder / "audit", b"b" * 32).append(EVENT)


@pytest.mark.parametrize(
    ("tamper", "where"),
    [
        (rewrite(4, lambda line: line.replace(b'"p1"', b'"p0"')), "line 4: it was altered"),
        (rewrite(4, lambda line: line.replace(b"allowed", b"refused")), "line 4: it was altered"),
        (rewrite(4, lambda line: line[:-3]), "line 4: it is not a whole"),
        (rewrite(4, lambda line: b"\n"), "line 4: it is not a whole"),
        (rewrite(4, lambda line: b"[]\n"), "line 4: it is not a whole"),
        (rewrite(4, lambda line: b""), "line 4: it does not follow line 3"),
        (rewrite(1, lambda line: b""), "line 1: it does not follow line 0"),
        (rewrite(4, lambda line: line * 2), "line 5: it does not follow line 4"),
        (swap, "line 4: it does not follow line 3"),
        (rewrite(10, lambda line: b""), "the last 1 lines are missing"),
        (lambda folder: files(folder)[0].write_bytes(b""), "the last 10 lines are missing"),
        (lambda folder: files(folder)[0].unlink(), "the last 10 lines are missing"),
        (lambda folder: (folder / "audit" / "head").unlink(), "head is missing"),
        (lambda folder: (folder / "audit" / "head").write_text("{}"), "head was altered"),
        (lambda folder: (folder / "audit" / "head").write_bytes(b"\xff"), "head was altered"),
        (forged, "head was altered, or made with another key"),
    ],
)
def test_tampering_is_found_at_its_first_line_and_stops_the_log(
    tmp_path: Path, tamper: Callable[[Path], None], where: str
) -> None:
    filled(tmp_path)
    tamper(tmp_path)
    found = log(tmp_path).verify()
    assert not found.whole and where in str(found.broken)


@pytest.mark.parametrize("cut", ["tail", "head", "all", "file"])
def test_nothing_is_appended_to_a_log_whose_end_was_taken(tmp_path: Path, cut: str) -> None:
    filled(tmp_path)
    if cut == "tail":
        rewrite(10, lambda line: b"")(tmp_path)
    elif cut == "head":
        (tmp_path / "audit" / "head").unlink()
    elif cut == "all":
        files(tmp_path)[0].write_bytes(b"")
    else:
        files(tmp_path)[0].unlink()
    with pytest.raises(TamperedData, match=r"verify|restore"):
        log(tmp_path).append(EVENT)


def test_a_deleted_file_in_the_middle_is_named(tmp_path: Path) -> None:
    filled(tmp_path, 40, longest_file=2000)
    files(tmp_path)[1].unlink()
    assert log(tmp_path).verify().broken == "audit-000002.jsonl is missing"


def test_a_tail_cut_together_with_its_head_is_found_by_an_anchor_kept_elsewhere(tmp_path: Path) -> None:
    audit = filled(tmp_path, 5)
    old_head = (tmp_path / "audit" / "head").read_bytes()
    old_log = files(tmp_path)[0].read_bytes()
    anchor = [audit.append(EVENT) for _ in range(5)][-1]
    (tmp_path / "audit" / "head").write_bytes(old_head)
    files(tmp_path)[0].write_bytes(old_log)
    assert audit.verify().whole
    assert audit.verify(anchor).broken == "the last 5 lines are missing: the tail was cut"
    for _ in range(6):
        audit.append(AuditEvent("detect", "refused"))
    assert "line 10: another line stood here" in str(audit.verify(anchor).broken)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_can_be_changed_unseen(tmp_path_factory: pytest.TempPathFactory, position: float, bit: int) -> None:
    folder = tmp_path_factory.mktemp("bits")
    filled(folder, 4)
    content = bytearray(files(folder)[0].read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    files(folder)[0].write_bytes(content)
    assert not log(folder).verify().whole


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_writer_that_died_within_a_line_is_made_good(tmp_path: Path, kept: float) -> None:
    audit = filled(tmp_path, 3)
    before, old_head = files(tmp_path)[0].read_bytes(), (tmp_path / "audit" / "head").read_bytes()
    audit.append(EVENT)
    line = files(tmp_path)[0].read_bytes()[len(before) :]
    files(tmp_path)[0].write_bytes(before + line[: int(kept * len(line))])
    (tmp_path / "audit" / "head").write_bytes(old_head)
    assert log(tmp_path).verify().whole and log(tmp_path).verify().lines == 3
    assert len(list(log(tmp_path).lines_of("p0"))) == 2
    assert log(tmp_path).append(EVENT).number == 4
    assert log(tmp_path).verify().whole


@pytest.mark.parametrize("longest_file", [1 << 20, 300])
def test_a_writer_that_died_before_it_moved_the_head_is_made_good(tmp_path: Path, longest_file: int) -> None:
    audit = filled(tmp_path, 3, longest_file)
    old_head = (tmp_path / "audit" / "head").read_bytes()
    audit.append(EVENT, EVENT)
    (tmp_path / "audit" / "head").write_bytes(old_head)
    assert log(tmp_path, longest_file).head().number == 5
    assert log(tmp_path, longest_file).append(EVENT).number == 6
    assert log(tmp_path).verify().lines == 6


def test_a_lines_that_no_writer_left_stops_the_log(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with files(tmp_path)[0].open("ab") as opened:
        opened.write(b'{"number":4,"hash":"0"}\n')
    with pytest.raises(TamperedData, match="altered"):
        log(tmp_path).append(EVENT)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = filled(tmp_path, 3)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 200:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:100])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(Unavailable, match="No space left"):
            audit.append(EVENT)
    assert audit.verify().lines == 3 and audit.verify().whole
    assert audit.append(EVENT).number == 4


def test_the_log_can_be_verified_while_it_is_written(tmp_path: Path) -> None:
    audit = filled(tmp_path, 5)
    lines = audit.lines_of("p0")
    assert next(lines)["number"] == 1
    audit.append(EVENT)  # no reader holds the lock
    assert [line["number"] for line in lines] == [3, 5]


def write_many(folder: Path, lines: int) -> None:
    audit = log(folder, longest_file=4000)
    for _ in range(lines):
        audit.append(EVENT)


def test_processes_at_once_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path, 50)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    found = log(tmp_path).verify()
    assert found.whole and found.lines == 150


@pytest.mark.parametrize("text", ["", "holiday in Rome.jpg", "../x", "a\nb", "x" * 101, "\u00fcber"])
def test_there_is_no_room_for_a_file_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="one word"):
        AuditEvent("detect", "allowed", resource=text)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 32"):
        AuditLog(tmp_path / "audit", b"short")


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(Unavailable, match="audit"):
        log(tmp_path).append(EVENT)
