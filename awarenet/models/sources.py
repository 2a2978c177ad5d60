"""Where models come from: a folder here or in an object store, an archive on the web, an artifact in a registry."""

from __future__ import annotations

import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import urldefrag, urlsplit

import structlog

from awarenet.errors import InvalidInput, ModelError, Unavailable
from awarenet.models.archive import SUFFIXES, unpack
from awarenet.policy import file_sha256
from awarenet.repository import listed_files
from awarenet.stages import MANIFEST_FILE, SIGNATURE_FILE

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ATTEMPTS: Final = 3
"""How often a file is asked for when the connection breaks; each attempt has short retries of its own."""

_STORES: Final = ("s3", "gs", "az")
_PIN: Final = re.compile(r"sha256=([0-9a-f]{64})")
_MANIFEST_BYTES: Final = 4 << 20
_BLOCK_BYTES: Final = 1 << 20
_SILENCE_S: Final = 60
_FORMS: Final = (
    "a folder, an archive (.tar.zst or .tar.gz), s3://bucket/prefix, gs://bucket/prefix, "
    "az://account/container/prefix, https://host/models.tar.zst#sha256=... or oci://registry/repository:tag"
)

Blocks = Iterable[bytes]
_T = TypeVar("_T")

_log = structlog.get_logger("models")


class Source(Protocol):
    """A model repository somewhere else."""

    def version(self) -> str:
        """A sha256 that tells its version, by reading as little as possible.

        Raises:
            ModelError: There is no model repository.
            Unavailable: It cannot be reached.
        """

    def copy(self, folder: Path, scratch: Callable[[], IO[bytes]]) -> None:
        """Copies it.

        Args:
            folder: An empty folder.
            scratch: Opens a file on the same disk that nobody else sees.

        Raises:
            ModelError: A file is missing, or is not what its sha256 says.
            Unavailable: It cannot be reached.
        """


def open_source(text: str) -> Source:
    """The source that a user named.

    Raises:
        InvalidInput: It is none, or an archive without its sha256.
    """
    address, pin = _pinned(text)
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        name = parts.path.rsplit("/", 1)[-1]
        if not name.endswith(SUFFIXES):
            raise InvalidInput(f"{address} is no archive; its name must end with {' or '.join(SUFFIXES)}")
        if pin is None:
            raise InvalidInput(f"{address} must be given with its sha256: {address}#sha256=<64 hexadecimal digits>")
        folder, _, last = address.rpartition("/")
        return _Archive(name, pin, lambda: _object(_store(folder), last, address))
    if parts.scheme == "oci":
        return _Artifact(address.removeprefix("oci://"), pin)
    if parts.scheme in _STORES:
        return _Folder(address.rstrip("/"), _store(address.rstrip("/")), pin)
    if parts.scheme:
        raise InvalidInput(f"{text} is no source; give {_FORMS}")
    if address.endswith(SUFFIXES):
        return _archive_here(Path(address), pin)
    return _Folder(address, _local(Path(address)), pin)


class _Folder:
    """A repository file by file: the manifest first, then what it lists."""

    def __init__(self, name: str, store: ObjectStore, pin: str | None) -> None:
        self._name = name
        self._store = store
        self._pin = pin

    @functools.cached_property
    def _manifest(self) -> bytes:
        content = self._small(MANIFEST_FILE)
        if self._pin is not None and hashlib.sha256(content).hexdigest() != self._pin:
            raise ModelError(f"{self._name}/{MANIFEST_FILE} is not the file of the sha256 that was given; refused")
        return content

    def version(self) -> str:
        return hashlib.sha256(self._manifest).hexdigest()

    def copy(self, folder: Path, scratch: Callable[[], IO[bytes]]) -> None:
        for name, digest in listed_files(self._manifest, self._name).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                where = f"{self._name}/{name}"
                _write(functools.partial(_object, self._store, name, where), file, digest, where)
        (folder / MANIFEST_FILE).write_bytes(self._manifest)
        try:
            (folder / SIGNATURE_FILE).write_bytes(self._small(SIGNATURE_FILE))
        except ModelError as error:  # Some stores forbid what is missing; whether one is needed is asked later.
            _log.debug("no signature was fetched", reason=str(error))

    def _small(self, file: str) -> bytes:
        name = f"{self._name}/{file}"

        def read() -> bytes:
            content = b""
            for block in _object(self._store, file, name):
                content += block
                if len(content) > _MANIFEST_BYTES:
                    raise ModelError(f"{name} has more than {_MANIFEST_BYTES:,} bytes; refused")
            return content

        return _patiently(read)


class _Archive:
    """A repository in one file, whose sha256 is known before."""

    def __init__(self, name: str, digest: str, read: Callable[[], Blocks]) -> None:
        self._name = name
        self._digest = digest
        self._read = read

    def version(self) -> str:
        return self._digest

    def copy(self, folder: Path, scratch: Callable[[], IO[bytes]]) -> None:
        with scratch() as file:
            _write(self._read, file, self._digest, self._name)
            file.seek(0)
            unpack(file, self._name, folder)


class _Artifact:
    """An archive as the one layer of an OCI artifact; the registry's manifest has its sha256."""

    def __init__(self, name: str, pin: str | None) -> None:
        self._name = name
        self._pin = pin

    @functools.cached_property
    def _archive(self) -> _Archive:
        registry, container = _registry(self._name)
        layers = _patiently(lambda: _layers(registry, container, self._name))
        titles = [str(layer.get("annotations", {}).get("org.opencontainers.image.title", "")) for layer in layers]
        if len(layers) != 1 or not titles[0].endswith(SUFFIXES):
            raise ModelError(
                f"oci://{self._name} has the layers {', '.join(titles) or 'none'}; push one archive: "
                f"`oras push {self._name} models.tar.zst`"
            )
        digest = str(layers[0].get("digest", "")).removeprefix("sha256:")
        if self._pin is not None and digest != self._pin:
            raise ModelError(f"oci://{self._name} is not the archive of the sha256 that was given; refused")
        return _Archive(titles[0], digest, lambda: _blob(registry, container, digest, self._name))

    def version(self) -> str:
        return self._archive.version()

    def copy(self, folder: Path, scratch: Callable[[], IO[bytes]]) -> None:
        self._archive.copy(folder, scratch)


def _archive_here(path: Path, pin: str | None) -> _Archive:
    """An archive on this machine, on a stick for instance; its manifest says whether its files are right."""
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); give {_FORMS}") from error
    return _Archive(path.name, pin or digest, lambda: _object(_local(path.parent), path.name, str(path)))


def _pinned(text: str) -> tuple[str, str | None]:
    address, fragment = urldefrag(text)
    if not fragment:
        return address, None
    match = _PIN.fullmatch(fragment)
    if match is None:
        raise InvalidInput(f"{text}: what follows # must be sha256=<64 hexadecimal digits>")
    return address, match[1]


# Downloading


def _write(read: Callable[[], Blocks], file: IO[bytes], digest: str, name: str) -> None:
    """Downloads into a file and holds it against its sha256."""

    def once() -> str:
        file.seek(0)
        file.truncate()
        found = hashlib.sha256()
        for block in read():
            found.update(block)
            file.write(block)
        file.flush()
        return found.hexdigest()

    if _patiently(once) != digest:
        raise ModelError(f"{name} is not the file of its sha256: truncated, altered, or replaced meanwhile; refused")


def _patiently(ask: Callable[[], _T]) -> _T:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except Unavailable as error:
            if attempt == ATTEMPTS:
                raise
            _log.warning("asked again", attempt=attempt, reason=str(error))
            time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


# Object stores and the web


def _store(url: str) -> ObjectStore:
    """A store; where its credentials come from is the cloud's own custom (variables, roles of the machine or pod).

    Raises:
        InvalidInput: The URL is malformed.
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return from_url(
            url,
            # The whole file may take long; silence may not.
            client_options={
                "timeout": timedelta(days=1),
                "read_timeout": timedelta(seconds=_SILENCE_S),
                "connect_timeout": timedelta(seconds=10),
                "allow_http": True,  # What arrives is held against its sha256.
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=_SILENCE_S)},
        )
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"{url} cannot be used as a source ({_first_line(error)}); give {_FORMS}") from error


def _local(folder: Path) -> ObjectStore:
    from obstore.store import LocalStore

    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; give {_FORMS}")
    return LocalStore(folder)


def _object(store: ObjectStore, path: str, name: str) -> Iterator[bytes]:
    """The content of an object."""
    import obstore
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        for block in obstore.get(store, path).stream(min_chunk_size=_BLOCK_BYTES):
            yield bytes(block)
    except (NotFoundError, FileNotFoundError) as error:
        raise ModelError(f"{name} is missing; check the source") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise ModelError(f"{name} may not be read; check the credentials ({_first_line(error)})") from error
    except (BaseError, OSError) as error:
        raise Unavailable(f"{name} cannot be read ({_first_line(error)}); check the address and the network") from error


# Registries


def _registry(name: str) -> tuple[Any, Any]:
    """A registry's client and the artifact in it; a registry on this machine is asked by plain HTTP, as usual."""
    from oras.container import Container
    from oras.provider import Registry

    try:
        container = Container(name)
    except ValueError as error:
        raise InvalidInput(f"oci://{name} is malformed; give oci://registry/repository:tag") from error
    host = str(container.registry).partition(":")[0]
    registry = Registry(container.registry, insecure=host in ("localhost", "127.0.0.1"))
    # It waits for ever, and tries again for minutes; `_patiently` does that here.
    registry.session.request = functools.partial(registry.session.request, timeout=_SILENCE_S)
    registry.do_request = functools.partial(Registry.do_request.__wrapped__, registry)
    return registry, container


def _layers(registry: Any, container: Any, name: str) -> list[dict[str, Any]]:
    with _asking(name):
        manifest: dict[str, Any] = registry.get_manifest(container)
        return list(manifest.get("layers", []))


def _blob(registry: Any, container: Any, digest: str, name: str) -> Iterator[bytes]:
    with _asking(name):
        answer = registry.get_blob(container, f"sha256:{digest}", stream=True)
        answer.raise_for_status()
        yield from answer.iter_content(_BLOCK_BYTES)


@contextmanager
def _asking(name: str) -> Iterator[None]:
    from requests import RequestException

    try:
        yield
    except (RequestException, ValueError) as error:
        raise Unavailable(
            f"oci://{name} cannot be read ({_first_line(error)}); check the address, the network and `docker login`"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
