"""A watched folder: complete files, once, over restarts, whatever their times say."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from awarenet.edge import folder as module
from awarenet.edge.database import Database
from awarenet.edge.folder import WatchedFolder
from awarenet.errors import Unavailable

PNG = b"\x89PNG\r\n\x1a\n"


class Watch:
    """A watched folder on a clock that the test moves."""

    def __init__(self, root: Path, database: Database, move_to: Path | None = None) -> None:
        self.now = 0.0
        self.folder = WatchedFolder(root, database, settle_s=2.0, move_to=move_to, clock=lambda: self.now)

    def found(self, seconds: float = 2.0) -> list[str]:
        """Names that are to be scored after so many seconds; each counts as scored then."""
        self.now += seconds
        names = []
        for file in self.folder.scan():
            self.folder.begin(file)
            self.folder.finish(file)
            self.folder.put_away(file)
            names.append(file.path.name)
        return names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with contextlib.closing(Database(tmp_path / "edge.db")) as opened:
        yield opened


def test_a_file_is_found_once_when_it_is_complete(root: Path, database: Database) -> None:
    watch = Watch(root, database)
    picture = root / "a.png"
    picture.write_bytes(PNG)
    assert watch.found() == []  # Just seen.
    with picture.open("ab") as stream:
        stream.write(b"more")
    assert watch.found() == []  # It has grown.
    assert watch.found(1.0) == []
    assert watch.found(1.0) == ["a.png"]
    assert watch.found() == watch.found() == []


def test_another_start_remembers_and_another_content_does_not_count_as_the_same(root: Path, database: Database) -> None:
    (root / "a.png").write_bytes(PNG)
    first = Watch(root, database)
    first.found()
    assert first.found() == ["a.png"]
    again = Watch(root, database)
    again.found()
    assert again.found() == []
    (root / "a.png").write_bytes(PNG + b"other")
    again.found()
    assert again.found() == ["a.png"]


@pytest.mark.parametrize("time_s", [0, 4_000_000_000])
def test_times_of_files_are_compared_with_no_clock(root: Path, database: Database, time_s: int) -> None:
    (root / "a.png").write_bytes(PNG)
    os.utime(root / "a.png", (time_s, time_s))
    watch = Watch(root, database)
    watch.found()
    assert watch.found() == ["a.png"]


def test_what_is_no_media_hidden_or_being_written_is_left(root: Path, database: Database) -> None:
    for name in ("notes.txt", ".a.png", "b.png.part", "c.mp4.crdownload"):
        (root / name).write_bytes(b"hello")
    (root / "below").mkdir()
    (root / "below" / "unnamed").write_bytes(PNG)
    watch = Watch(root, database)
    watch.found()
    assert watch.found() == ["unnamed"]


def test_scored_files_are_moved_and_replace_nothing(root: Path, database: Database, tmp_path: Path) -> None:
    watch = Watch(root, database, tmp_path / "done")
    for _ in range(2):
        (root / "sub").mkdir(exist_ok=True)
        (root / "sub" / "a.png").write_bytes(PNG)
        watch.found()
        assert watch.found() == ["a.png"]
    assert sorted(path.name for path in (tmp_path / "done" / "sub").iterdir()) == ["a-1.png", "a.png"]


def test_a_file_that_was_told_of_but_not_moved_is_moved_at_the_next_start(
    root: Path, database: Database, tmp_path: Path
) -> None:
    (root / "a.png").write_bytes(PNG)
    first = Watch(root, database)
    first.found()
    first.found()
    second = Watch(root, database, tmp_path / "done")
    second.found()
    assert second.found() == [] and (tmp_path / "done" / "a.png").exists()


def test_the_place_for_scored_files_may_lie_inside(root: Path, database: Database) -> None:
    watch = Watch(root, database, root / "done")
    (root / "a.png").write_bytes(PNG)
    watch.found()
    assert watch.found() == ["a.png"]
    watch.found()
    assert watch.found() == [] and (root / "done" / "a.png").exists()


def test_attempts_are_counted_until_one_is_finished(root: Path, database: Database) -> None:
    (root / "a.png").write_bytes(PNG)
    for attempt in range(3):
        watch = Watch(root, database)
        list(watch.folder.scan())
        watch.now += 2
        (file,) = watch.folder.scan()
        assert file.attempts == attempt
        watch.folder.begin(file)  # ... and the process dies.
    watch.folder.give_back(file)
    (again,) = watch.folder.scan()
    assert again.attempts == 2


def test_a_folder_that_is_gone_is_said(root: Path, database: Database) -> None:
    root.rmdir()
    with pytest.raises(Unavailable, match="--folder"):
        Watch(root, database).found()


def test_the_memory_forgets_what_is_gone(root: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    watch = Watch(root, database)
    for name in ("a.png", "b.png", "c.png"):
        (root / name).write_bytes(PNG)
        watch.found()
        assert watch.found() == [name]
        (root / name).unlink()
    watch.found()
    with database.transaction() as sql:
        assert sql.execute("SELECT count(*) FROM files").fetchone()[0] <= 2
