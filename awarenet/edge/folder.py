"""A folder that is watched: what is new in it, complete, and was not scored yet."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from awarenet.edge.database import Database
from awarenet.errors import ReportError, Unavailable
from awarenet.media.folders import looks_like_media, walk

ATTEMPTS: Final = 3
"""How often a file is tried whose scoring ends the process."""

_MOST_REMEMBERED: Final = 200_000
"""Files that are remembered; beyond, those that are gone are forgotten."""

_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
"""Names that programs give to files while they write them."""


@dataclass(frozen=True)
class NewFile:
    """A file to be scored.

    Attributes:
        path: The file.
        stamp: Tells this content of the name from others, as far as the file system does.
        attempts: How often its scoring was begun before, and never finished.
    """

    path: Path
    stamp: str
    attempts: int


class WatchedFolder:
    """Finds each file once, over all starts. No time of a file is compared with a clock, which may be wrong.

    Args:
        folder: The folder, looked at with everything below it.
        database: Remembers what was scored.
        settle_s: Seconds for which a file must not change before it counts as complete.
        move_to: Where scored files go; None leaves them.
        clock: Monotone time in seconds.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        *,
        settle_s: float = 2.0,
        move_to: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._database = database
        self._settle_s = settle_s
        self._move_to = move_to
        self._clock = clock
        self._seen: dict[Path, tuple[str, float]] = {}
        self._handled: dict[Path, str] = {}

    def scan(self) -> Iterator[NewFile]:
        """The files to score now, in the order of their names.

        Raises:
            Unavailable: The folder is not there.
            ReportError: The memory cannot be used.
        """
        if not self._folder.is_dir():
            raise Unavailable(f"{self._folder} is no folder now; mount it, or correct --folder")
        now = self._clock()
        present: dict[Path, tuple[str, float]] = {}
        for path in sorted(walk(self._folder)):
            if path.suffix.lower() in _UNFINISHED or (self._move_to and path.is_relative_to(self._move_to)):
                continue
            if (stamp := _stamp(path)) is None:
                continue
            before = self._seen.get(path)
            since = before[1] if before and before[0] == stamp else now
            present[path] = stamp, since
        self._seen = present
        self._handled = {path: stamp for path, stamp in self._handled.items() if path in present}
        for path, (stamp, since) in present.items():
            if now - since < self._settle_s or self._handled.get(path) == stamp:
                continue
            if _stamp(path) != stamp:
                continue  # It changed while others were scored.
            attempts, done = self._remembered(path, stamp)
            if done:
                self._handled[path] = stamp
                self._move(path)
            elif looks_like_media(path):
                yield NewFile(path, stamp, attempts)
            else:
                self._handled[path] = stamp
        self._forget()

    def begin(self, file: NewFile) -> None:
        """Notes that a file is being scored, so that one that ends the process is not tried for ever.

        Raises:
            ReportError: The disk cannot be written.
        """
        self._note(file, attempts=file.attempts + 1, done=False)

    def give_back(self, file: NewFile) -> None:
        """Takes back `begin`: the process is told to end.

        Raises:
            ReportError: The disk cannot be written.
        """
        self._note(file, attempts=file.attempts, done=False)

    def finish(self, file: NewFile) -> None:
        """Notes that a file was scored; joins the transaction that tells of it.

        Raises:
            ReportError: The disk cannot be written.
        """
        self._handled[file.path] = file.stamp  # Whatever the disk says: not again in this process.
        self._note(file, attempts=0, done=True)

    def put_away(self, file: NewFile) -> None:
        """Moves a scored file to where they go.

        Raises:
            ReportError: It cannot be moved.
        """
        self._move(file.path)

    def _move(self, path: Path) -> None:
        if self._move_to is None:
            return
        target = self._move_to / path.relative_to(self._folder)
        number = 0
        while target.exists():
            number += 1
            target = target.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        except FileNotFoundError:
            return  # Somebody else took it.
        except OSError as error:
            raise ReportError(f"{path} cannot be moved to {target} ({error.strerror}); correct --move-to") from error

    def _remembered(self, path: Path, stamp: str) -> tuple[int, bool]:
        with self._database.transaction() as sql:
            row = sql.execute(
                "SELECT attempts, done FROM files WHERE path = ? AND stamp = ?", (str(path), stamp)
            ).fetchone()
        return (row[0], bool(row[1])) if row else (0, False)

    def _note(self, file: NewFile, *, attempts: int, done: bool) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (str(file.path), file.stamp, attempts, done)
            )

    def _forget(self) -> None:
        with self._database.transaction() as sql:
            if sql.execute("SELECT count(*) FROM files").fetchone()[0] <= _MOST_REMEMBERED:
                return
            gone = [(path,) for (path,) in sql.execute("SELECT path FROM files") if Path(path) not in self._seen]
            sql.executemany("DELETE FROM files WHERE path = ?", gone)


def _stamp(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
