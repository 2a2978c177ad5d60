"""Media of jobs on disk, encrypted at rest.

Each object has its own random data key, under which its content is encrypted in chunks by AES-256-GCM; a chunk's nonce
holds its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", section 7), and the object's id is authenticated with
it. So chunks cannot be altered, moved, left out, or taken from another object. The data key is wrapped by a master key.

An object is two files: `<id>.media`, the chunks, and `<id>.key`, its wrapped data key. It exists if and only if the key
file does, which is written last and deleted first; without it the chunks are noise. Turning the master key rewrites key
files alone.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from awarenet.errors import ConfigurationError, MediaTooLarge, NotFound, TamperedData, Unavailable

CHUNK: Final = 1 << 16
"""Bytes of plain content in a chunk; what an open object holds in memory."""

_TAG: Final = 16
_NONCE: Final = 12
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_YOUNG_S: Final = 60.0
"""Seconds for which a file without a lock may be one that is just being made."""


class WrappedKey(NamedTuple):
    """A data key that only the named master key can unwrap."""

    master: str
    wrapped: bytes


class MasterKeys(Protocol):
    """What a key management service does: it wraps data keys and never shows the master key."""

    @property
    def current(self) -> str:
        """Name of the master key that wraps new data keys."""

    def wrap(self, data_key: bytes, context: bytes) -> WrappedKey:
        """Wraps a data key under the current master key; the context is authenticated with it."""

    def unwrap(self, key: WrappedKey, context: bytes) -> bytes:
        """The data key.

        Raises:
            TamperedData: It was wrapped for another context, or altered.
            ConfigurationError: The master key is not there any more.
            Unavailable: The service does not answer.
        """


class LocalMasterKeys:
    """Master keys in this process's memory, by name; wrapping is AES-256-GCM with a random nonce.

    Args:
        keys: Name to 32 secret bytes. Keep old ones here until `Vault.rotate` has run.
        current: Name of the one that wraps from now on.

    Raises:
        ConfigurationError: A key has not 32 bytes, or the current one is not among them.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        for name, key in keys.items():
            if len(key) != 32:
                raise ConfigurationError(f"the master key {name} has {len(key)} bytes; give 32 random ones")
        if current not in keys:
            raise ConfigurationError(f"the current master key {current} is not among the keys that were given")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._current = current

    @property
    def current(self) -> str:
        """Name of the master key that wraps new data keys."""
        return self._current

    def wrap(self, data_key: bytes, context: bytes) -> WrappedKey:
        """Wraps a data key under the current master key."""
        nonce = secrets.token_bytes(_NONCE)
        return WrappedKey(self._current, nonce + self._keys[self._current].encrypt(nonce, data_key, context))

    def unwrap(self, key: WrappedKey, context: bytes) -> bytes:
        """The data key; see `MasterKeys`."""
        if key.master not in self._keys:
            raise ConfigurationError(f"media is under the master key {key.master}, which was not given; add it again")
        try:
            return self._keys[key.master].decrypt(key.wrapped[:_NONCE], key.wrapped[_NONCE:], context)
        except (InvalidTag, ValueError) as error:
            raise TamperedData("a wrapped data key was altered, or its master key is another one") from error


class Vault:
    """Objects in a folder, by ids of 32 hexadecimal digits. Any process and thread may use it at once.

    Args:
        folder: Where they lie; made when absent, readable by nobody else.
        master_keys: What wraps their data keys.

    Raises:
        Unavailable: The folder cannot be made.

    Every method raises `Unavailable` when the disk is full or broken; nothing is then half-written.
    """

    def __init__(self, folder: Path, master_keys: MasterKeys) -> None:
        self._folder = folder
        self._master_keys = master_keys
        with _translated(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, *, at_most: int | None = None) -> MediaWriter:
        """A writer for a new object, to be used in a `with` block: at its end the object is there, whole and on disk.

        An exception leaves nothing.

        Args:
            at_most: Most bytes of content; more raise `MediaTooLarge`.
        """
        return MediaWriter(self._folder, self._master_keys, at_most)

    def write(self, content: Iterable[bytes], *, at_most: int | None = None) -> str:
        """Stores content as it comes, in memory that does not grow with it.

        Returns:
            Id of the object.

        Raises:
            MediaTooLarge: There is more than `at_most` bytes; nothing is kept.
        """
        with self.create(at_most=at_most) as writer:
            for part in content:
                writer.write(part)
        return writer.id

    def open(self, media_id: str) -> io.BufferedReader:
        """The plain content as a seekable binary file (PyAV and Pillow read it as it is), decrypted chunk by chunk.

        What comes before the last chunk is checked when it is read, and the end of the object at once.

        Raises:
            NotFound: There is no such object.
            TamperedData: The object was cut, or its key altered; reading raises it where a chunk was altered.
        """
        with _translated(self._folder):
            data_key = self._data_key(media_id)
            try:
                return io.BufferedReader(_Reader(media_id, self._path(media_id, "media"), data_key), CHUNK)
            except FileNotFoundError as error:
                raise TamperedData(f"the content of media {media_id} is missing; its key is there") from error

    def read(self, media_id: str) -> Iterator[bytes]:
        """The plain content in parts; see `open`."""
        with self.open(media_id) as opened:
            while part := opened.read(CHUNK):
                yield part

    def delete(self, media_id: str) -> None:
        """Deletes an object for good; one that is gone already is no error.

        The wrapped key is overwritten and unlinked first. On disks that write elsewhere (SSDs, copy-on-write file
        systems) the old block may outlast that; it is of use only to who also has the master key.
        """
        key = self._path(media_id, "key")
        with _translated(self._folder), self._alone():
            with suppress(FileNotFoundError), key.open("r+b") as opened:
                size = os.fstat(opened.fileno()).st_size
                opened.write(bytes(size))
                opened.flush()
                os.fsync(opened.fileno())
            key.unlink(missing_ok=True)
            self._path(media_id, "media").unlink(missing_ok=True)
            _sync_folder(self._folder)

    def ids(self) -> list[str]:
        """The ids of every object, sorted."""
        with _translated(self._folder):
            return sorted(path.stem for path in self._folder.glob("*.key") if _ID.fullmatch(path.stem))

    def rotate(self) -> int:
        """Wraps every data key that is under an older master key anew; returns how many.

        The older master key can be thrown away after it. Objects stay readable all the while.
        """
        turned = 0
        for media_id in self.ids():
            with _translated(self._folder), self._alone(), suppress(NotFound):
                wrapped = self._wrapped(media_id)
                if wrapped.master == self._master_keys.current:
                    continue
                data_key = self._master_keys.unwrap(wrapped, media_id.encode())
                again = self._master_keys.wrap(data_key, media_id.encode())
                _write_key(self._folder, media_id, again).replace(self._path(media_id, "key"))
                _sync_folder(self._folder)
                turned += 1
        return turned

    def sweep(self, in_use: Collection[str] | None = None, *, older_than_s: float = 3600.0) -> int:
        """Deletes what crashes have left: files of writers that died, and objects that nobody knows.

        A writer that lives holds a lock on its file, however slow it is.

        Args:
            in_use: The objects that somebody knows; None leaves whole objects alone.
            older_than_s: Seconds before which an object may belong to a request that is still under way.

        Returns:
            How many files and objects were deleted.
        """
        swept = 0
        with _translated(self._folder):
            known = set(self.ids())
            for path in self._folder.iterdir():
                orphan = path.suffix == ".media" and path.stem not in known
                if path.suffix != ".new" and not orphan:
                    continue
                if _age(path) > _YOUNG_S and _unlocked(path):
                    path.unlink(missing_ok=True)
                    swept += 1
        if in_use is not None:
            for media_id in known - set(in_use):
                if _age(self._path(media_id, "key")) > older_than_s:
                    self.delete(media_id)
                    swept += 1
        return swept

    def _path(self, media_id: str, suffix: str) -> Path:
        if not _ID.fullmatch(media_id):
            raise NotFound("a media id has 32 hexadecimal digits")
        return self._folder / f"{media_id}.{suffix}"

    def _wrapped(self, media_id: str) -> WrappedKey:
        try:
            stored = json.loads(self._path(media_id, "key").read_bytes())
            return WrappedKey(str(stored["master"]), bytes.fromhex(stored["wrapped"]))
        except FileNotFoundError as error:
            raise NotFound(f"there is no media {media_id}; it may have been deleted") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TamperedData(f"the key of media {media_id} was altered") from error

    def _data_key(self, media_id: str) -> bytes:
        return self._master_keys.unwrap(self._wrapped(media_id), media_id.encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process deletes or rotates: a key that is wrapped anew must not come back after its deletion."""
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class MediaWriter:
    """Takes the content of a new object; see `Vault.create`.

    Attributes:
        id: Id of the object.
        size: Bytes of content so far.
    """

    def __init__(self, folder: Path, master_keys: MasterKeys, at_most: int | None) -> None:
        self.id = secrets.token_hex(16)
        self.size = 0
        self._folder = folder
        self._master_keys = master_keys
        self._at_most = at_most
        self._data_key = AESGCM.generate_key(256)
        self._cipher = AESGCM(self._data_key)
        self._pending = bytearray()
        self._chunks = 0
        self._temporary = folder / f"{self.id}.new"

    def __enter__(self) -> MediaWriter:
        with _translated(self._folder):
            descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
        return self

    def write(self, part: bytes) -> None:
        """Adds content.

        Raises:
            MediaTooLarge: That makes more than is allowed.
        """
        self.size += len(part)
        if self._at_most is not None and self.size > self._at_most:
            raise MediaTooLarge(f"the media has more than {self._at_most} bytes; send a smaller one")
        for start in range(0, len(part), CHUNK):
            self._pending += part[start : start + CHUNK]
            # The last chunk is known only at the end, so one full chunk is always held back.
            while len(self._pending) > CHUNK:
                self._seal(bytes(self._pending[:CHUNK]), last=False)
                del self._pending[:CHUNK]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        media, key = self._folder / f"{self.id}.media", self._folder / f"{self.id}.key"
        try:
            if kind is None:
                with _translated(self._folder):
                    self._seal(bytes(self._pending), last=True)
                    os.fsync(self._file.fileno())
                    self._temporary.replace(media)
                    wrapped = self._master_keys.wrap(self._data_key, self.id.encode())
                    _write_key(self._folder, self.id, wrapped).replace(key)
                    _sync_folder(self._folder)
                    return
        except BaseException:
            for path in (key, media):
                path.unlink(missing_ok=True)
            raise
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _seal(self, plain: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._chunks, last), plain, self.id.encode())
        self._chunks += 1
        with _translated(self._folder):
            written = 0
            while written < len(sealed):
                written += self._file.write(sealed[written:])


class _Reader(io.RawIOBase):
    """Plain content of one object; holds one chunk."""

    def __init__(self, media_id: str, path: Path, data_key: bytes) -> None:
        super().__init__()
        self._media_id = media_id
        self._cipher = AESGCM(data_key)
        self._position = 0
        self._held: tuple[int, bytes] | None = None
        self._file = path.open("rb", buffering=0)
        try:
            sealed = os.fstat(self._file.fileno()).st_size
            self._chunks = max(1, -(-sealed // (CHUNK + _TAG)))
            self._size = sealed - self._chunks * _TAG
            self._chunk(self._chunks - 1)  # its nonce says that it is the last: a cut object is seen here
        except BaseException:
            self._file.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._position >= self._size:
            return 0
        number, start = divmod(self._position, CHUNK)
        part = self._chunk(number)[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._held = None
        super().close()

    def _chunk(self, number: int) -> bytes:
        if self._held is not None and self._held[0] == number:
            return self._held[1]
        self._file.seek(number * (CHUNK + _TAG))
        sealed = self._file.read(CHUNK + _TAG)
        try:
            plain = self._cipher.decrypt(_nonce(number, number == self._chunks - 1), sealed, self._media_id.encode())
        except (InvalidTag, ValueError) as error:
            raise TamperedData(f"media {self._media_id} was altered or cut at chunk {number}") from error
        self._held = (number, plain)
        return plain


def _nonce(number: int, last: bool) -> bytes:
    """Never twice under one data key: the number of the chunk, and whether it is the last."""
    return number.to_bytes(_NONCE - 1, "big") + bytes([last])


def _write_key(folder: Path, media_id: str, key: WrappedKey) -> Path:
    """Writes a key beside its place, on the disk already."""
    temporary = folder / f"{media_id}.{secrets.token_hex(4)}.new"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(json.dumps({"master": key.master, "wrapped": key.wrapped.hex()}).encode())
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age(path: Path) -> float:
    """Seconds since the file was last written; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _unlocked(path: Path) -> bool:
    """Whether no living writer holds the file."""
    try:
        with path.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"media in {folder} cannot be kept or read ({error.strerror}); check its disk") from error
