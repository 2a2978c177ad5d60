"""The audit log: who did what, when, with which verdict of which model. Append-only, and it shows when it was not.

Each line is one JSON object that ends with the HMAC-SHA-256 of its content under the audit key, and its content holds
the previous line's. So an altered, missing, added or moved line breaks the chain at that line, and without the key no
chain can be made. The file `head` holds the number and hash of the last line, which shows a cut tail; who can also put
an old head back can cut back to it, so keep a copy of `AuditLog.head` elsewhere now and then and hand it to `verify`.

Lines hold no media, nothing biometric, no file names and no subjects, only pseudonyms (`gateway.identity.pseudonyms`):
erasing a pseudonym's link erases the person from the log and leaves the chain whole.

Several processes may append: each holds a file lock for the time of it. A line is on the disk (fdatasync) before
`append` returns. A log opened with `lasting=False` leaves that to the kernel: a dying process loses nothing, and what a
power cut takes then looks like a cut tail. The head follows the line; a process that dies in between, or half-way
through a line, is made good by the next append.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from awarenet.errors import ConfigurationError, InvalidInput, TamperedData, Unavailable

_GENESIS: Final = "0" * 64
_HEAD: Final = "head"
_HEAD_BYTES: Final = 256
_LOCK: Final = "lock"
_FILE: Final = re.compile(r"audit-(\d{6})\.jsonl", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,100}", re.ASCII)
_BLOCK: Final = 1 << 16


@dataclass(frozen=True)
class AuditEvent:
    """What happened. Every text is one word (letters, digits, `_.:-`, at most 100): there is no room for a file name.

    Attributes:
        action: What was done, as the permission is named (`detect`, `jobs.delete`).
        outcome: `allowed`, `refused`, `failed` or another word.
        who: The pseudonym of the subject; None for nobody known.
        key_id: Id of the API key; None for others.
        request_id: The id under which the request is logged and traced.
        resource: What it was done to (a job's id).
        verdict: The verdict's word.
        model_version: Twelve hexadecimal digits of the models.
        policy_version: Twelve hexadecimal digits of the policy.

    Raises:
        InvalidInput: A text is not one word.
    """

    action: str
    outcome: str
    who: str | None = None
    key_id: str | None = None
    request_id: str | None = None
    resource: str | None = None
    verdict: str | None = None
    model_version: str | None = None
    policy_version: str | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not _WORD.fullmatch(value):
                raise InvalidInput(f"{name} of an audit event is not one word of letters, digits and _.:-")


@dataclass(frozen=True)
class Head:
    """The end of the chain.

    Attributes:
        number: How many lines there are.
        hash: Hash of the last one.
    """

    number: int
    hash: str


@dataclass(frozen=True)
class Verification:
    """What a check of the whole log found.

    Attributes:
        lines: Good lines up to the first broken one.
        head: The last good line; keep it elsewhere as an anchor.
        broken: File, line and reason of the first broken line; None when the log is whole.
    """

    lines: int
    head: Head
    broken: str | None

    @property
    def whole(self) -> bool:
        """Whether nothing is broken."""
        return self.broken is None


class AuditLog:
    """An audit log in a folder: `audit-000001.jsonl`, `audit-000002.jsonl`, ..., `head`.

    Args:
        folder: Where it lies; made when absent, readable by nobody else.
        key: At least 32 secret bytes, kept elsewhere. With another one the log does not verify.
        longest_file: Bytes after which the next file is begun; the chain goes on.
        lasting: Whether a line must outlive a power cut before `append` returns.

    Raises:
        ConfigurationError: The key is too short.
        Unavailable: The folder cannot be made.
    """

    def __init__(self, folder: Path, key: bytes, *, longest_file: int = 64 << 20, lasting: bool = True) -> None:
        if len(key) < 32:
            raise ConfigurationError(f"the audit key has {len(key)} bytes; give at least 32 random ones")
        self._folder = folder
        self._key = key
        self._longest_file = longest_file
        self._lasting = lasting
        self._thread = threading.Lock()
        with self._translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, *events: AuditEvent) -> Head:
        """Writes events, together and in order; several cost one wait for the disk.

        Returns:
            The new end of the chain.

        Raises:
            TamperedData: The end of the log is not what was written; run `verify`.
            Unavailable: The disk is full or cannot be written; none of the events is in the log.
        """
        with self._locked():
            head, file, size = self._recover()
            lines = bytearray()
            at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            for event in events:
                content = {"number": head.number + 1, "at": at} | {
                    k: v for k, v in asdict(event).items() if v is not None
                }
                content["previous"] = head.hash
                head = Head(head.number + 1, self._hash(content))
                lines += _line(content | {"hash": head.hash})
            if size and size + len(lines) > self._longest_file:
                file, size = self._next(file), 0
            self._write(file, size, bytes(lines), head)
            return head

    def head(self) -> Head:
        """The end of the chain.

        Raises:
            TamperedData: As `append`.
            Unavailable: The log cannot be read.
        """
        with self._locked():
            return self._recover()[0]

    def verify(self, anchor: Head | None = None) -> Verification:
        """Reads the whole log and finds the first line that is not as it was written. Writers need not wait for it.

        Args:
            anchor: A head that was kept elsewhere: the log must still hold that line.

        Raises:
            Unavailable: The log cannot be read.
        """
        head = Head(0, _GENESIS)
        stored, files = self._snapshot()
        if isinstance(stored, str):
            return Verification(0, head, stored)
        if stored is None and files:
            return Verification(0, head, f"the file {_HEAD} is missing")
        pinned = {known.number: known.hash for known in (stored, anchor) if known is not None and known.number}
        last = max(pinned, default=0)
        with self._translated():
            for expected, (file, size) in enumerate(files, 1):
                if file.name != _name(expected):
                    return Verification(head.number, head, f"{_name(expected)} is missing")
                for number, raw in enumerate(_lines(file, size), 1):
                    if head.number >= last and not raw.endswith(b"\n") and expected == len(files):
                        break  # half a line of a writer that died: it was never acknowledged
                    problem, following = self._follows(raw, head)
                    if following is None:
                        return Verification(head.number, head, f"{file.name}, line {number}: {problem}")
                    if pinned.get(following.number, following.hash) != following.hash:
                        reason = "another line stood here when the head was taken"
                        return Verification(head.number, head, f"{file.name}, line {number}: {reason}")
                    head = following
        if head.number < last:
            return Verification(head.number, head, f"the last {last - head.number} lines are missing: the tail was cut")
        return Verification(head.number, head, None)

    def lines_of(self, pseudonym: str) -> Iterator[dict[str, Any]]:
        """Every event of one pseudonym, for the export of what is held about a subject.

        Raises:
            Unavailable: The log cannot be read.
            TamperedData: A line is no JSON object.
        """
        _, files = self._snapshot()
        with self._translated():
            for file, size in files:
                for number, raw in enumerate(_lines(file, size), 1):
                    content = _parse(raw)
                    if content is None and raw.endswith(b"\n"):
                        raise TamperedData(f"{file.name}, line {number} is no audit line; verify the log")
                    if content is not None and content.get("who") == pseudonym:
                        yield content

    def _snapshot(self) -> tuple[Head | str | None, list[tuple[Path, int]]]:
        """The stored head and the length of each file at one moment; what comes later is left to the next reader."""
        with self._locked():
            return self._stored_head(), [(file, file.stat().st_size) for file in self._files()]

    def _follows(self, raw: bytes, head: Head) -> tuple[str, Head | None]:
        """The head after a line, or what is wrong with it."""
        content = _parse(raw)
        if content is None or not raw.endswith(b"\n"):
            return "it is not a whole JSON object", None
        given = content.pop("hash", None)
        hashed = self._hash(content)
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), hashed.encode()):
            return "it was altered, or made with another key", None
        if content.get("number") != head.number + 1 or content.get("previous") != head.hash:
            return f"it does not follow line {head.number}: lines were deleted, added or moved", None
        return "", Head(head.number + 1, hashed)

    def _recover(self) -> tuple[Head, Path, int]:
        """The head, the file to append to and its size, after making good what a dead writer left."""
        stored = self._stored_head()
        if isinstance(stored, str):
            raise TamperedData(f"{stored}; verify the audit log")
        files = self._files()
        if stored is None:
            if files:
                raise TamperedData(f"the file {_HEAD} of the audit log is missing; verify the log")
            stored = self._begin()
        if not files:
            if stored.number:
                raise TamperedData("the files of the audit log are missing; restore them, or begin in a new folder")
            return stored, self._folder / _name(1), 0
        # Only the last file can hold lines that the head does not know, but for a writer that died on beginning it.
        tail, start = self._after(files, stored)
        head, good = stored, start
        for raw in tail:
            if not raw.endswith(b"\n"):
                break  # half a line: it was never acknowledged
            problem, following = self._follows(raw, head)
            if following is None:
                raise TamperedData(f"{files[-1].name}, after line {head.number} of the log: {problem}; verify the log")
            head, good = following, good + len(raw)
        if good < files[-1].stat().st_size:
            os.truncate(files[-1], good)
        return head, files[-1], good

    def _after(self, files: list[Path], stored: Head) -> tuple[list[bytes], int]:
        """The lines of the last file that come after the stored head, and the offset where they begin."""
        last = files[-1]
        if stored.number == 0:
            return last.read_bytes().splitlines(keepends=True), 0
        # Usually the head is the last line, and only the end of the file need be read.
        with last.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - _BLOCK))
            end = opened.read()
        marker = f'"hash":"{stored.hash}"}}\n'.encode()
        if (found := end.rfind(marker)) >= 0:
            start = size - len(end) + found + len(marker)
            return end[found + len(marker) :].splitlines(keepends=True), start
        offset = 0
        lines = last.read_bytes().splitlines(keepends=True)
        for index, raw in enumerate(lines):
            offset += len(raw)
            if raw.endswith(marker):
                return lines[index + 1 :], offset
        if len(files) > 1 and (not lines or _previous(lines[0]) == stored.hash or not lines[0].endswith(b"\n")):
            return lines, 0
        raise TamperedData(f"line {stored.number}, the last that was written, is missing; verify the audit log")

    def _begin(self) -> Head:
        """Stores the head of the empty log, so that from then on a missing head means that somebody took it."""
        head = Head(0, _GENESIS)
        descriptor = os.open(self._folder / _HEAD, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, self._sealed(head), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._sync_folder()
        return head

    def _write(self, file: Path, size: int, lines: bytes, head: Head) -> None:
        """Appends lines and moves the head, or leaves the file as long as it was."""
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            try:
                written = 0
                while written < len(lines):
                    written += os.write(descriptor, lines[written:])
                if self._lasting:
                    os.fdatasync(descriptor)
                    if size == 0:
                        self._sync_folder()
                self._write_head(head)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def _write_head(self, head: Head) -> None:
        """In place, and less than a disk's sector: after a power cut it is the old one or the new one, never half."""
        descriptor = os.open(self._folder / _HEAD, os.O_WRONLY)
        try:
            os.pwrite(descriptor, self._sealed(head), 0)
        finally:
            os.close(descriptor)

    def _sealed(self, head: Head) -> bytes:
        content = {"number": head.number, "hash": head.hash}
        return _line(content | {"seal": self._hash(content)}).ljust(_HEAD_BYTES)

    def _stored_head(self) -> Head | str | None:
        """The head as it was stored; None without one, and what is wrong with it as text."""
        path = self._folder / _HEAD
        if not path.exists():
            return None
        content = _parse(path.read_bytes()) or {}
        seal = content.pop("seal", None)
        if not isinstance(seal, str) or not hmac.compare_digest(seal.encode(), self._hash(content).encode()):
            return f"the file {_HEAD} was altered, or made with another key"
        return Head(content["number"], content["hash"])

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if _FILE.fullmatch(path.name))

    def _next(self, file: Path) -> Path:
        found = _FILE.fullmatch(file.name)
        return self._folder / _name(int(found[1]) + 1 if found else 1)

    def _hash(self, content: dict[str, Any]) -> str:
        return hmac.new(self._key, _line(content), hashlib.sha256).hexdigest()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over threads and processes."""
        with self._thread, self._translated():
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the audit log in {self._folder} cannot be used ({error.strerror}); check its disk and rights"
            ) from error


def _name(number: int) -> str:
    return f"audit-{number:06}.jsonl"


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _lines(file: Path, size: int) -> Iterator[bytes]:
    """The lines in the first `size` bytes."""
    with file.open("rb") as opened:
        while size > 0 and (line := opened.readline(size)):
            size -= len(line)
            yield line


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _previous(raw: bytes) -> object:
    return (_parse(raw) or {}).get("previous")
