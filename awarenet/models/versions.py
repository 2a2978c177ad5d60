"""Versions of a model repository side by side, and a link that names the one in use.

A folder cannot be replaced at once, a link can. So `DESTINATION` is a link into the hidden folder `.DESTINATION` beside
it: whoever looks sees the old version or the new one, whole, and a process that dies in between changes nothing.
What is switched to is on the disk before, so that neither does a power cut.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from awarenet.errors import AwareNetError, ConfigurationError, ReportError
from awarenet.repository import ModelRepository
from awarenet.signing import TrustedKeys

ADDED: Final = "+"
"""What divides the name of a version from the name of what was added to it here."""

_PARTIAL: Final = "partial-"

Accept = Callable[[Path], object]


class Versions:
    """The versions behind one destination.

    Args:
        destination: The link; its folder must exist.
        trusted: Keys of those who may sign what comes into use; None asks for no signature.
    """

    def __init__(self, destination: Path, trusted: TrustedKeys | None = None) -> None:
        self._link = destination
        self._trusted = trusted
        self._folder = destination.parent / f".{destination.name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out; makes the folder, and removes what a process that died left half-written.

        Raises:
            ConfigurationError: The destination is taken by something that is not ours.
            ReportError: A file cannot be written, here or inside the block.
        """
        try:
            self._check()
            self._folder.mkdir(exist_ok=True)
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._remove(lambda name: name.startswith(_PARTIAL))
                yield
        except OSError as error:
            raise ReportError(
                f"{self._link} cannot be written ({error.strerror or error}); free space, or choose a writable place"
            ) from error

    @property
    def current(self) -> str | None:
        """Name of the version in use; None before the first."""
        return self._link.readlink().name if self._link.is_symlink() else None

    def other(self) -> str | None:
        """An intact version that is not in use, as a rule the one before; None where there is none."""
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name != self.current and self.is_intact(folder.name):
                return folder.name
        return None

    def is_intact(self, version: str) -> bool:
        """Whether a version is there, whole, and signed as it must be."""
        try:
            ModelRepository.open(self.path(version), self._trusted)
        except AwareNetError:
            return False
        return True

    def path(self, version: str) -> Path:
        """The folder of a version."""
        return self._folder / version

    def find(self, name: str) -> str | None:
        """An intact version of a name: the one in use, also where plans were added to it; None where there is none."""
        found = [folder.name for folder in self._folder.glob(f"{name}-*") if folder.is_dir()]
        if self.current is not None and self.current.startswith((f"{name}-", f"{name}{ADDED}")):
            found.insert(0, self.current)
        return next((candidate for candidate in found if self.is_intact(candidate)), None)

    @contextmanager
    def staged(self, name: str, accept: Accept | None = None) -> Iterator[Path]:
        """An empty folder for a new version; it is verified and comes into use when the block ends without an error.

        Args:
            name: Of the version.
            accept: Asked before it comes into use, with its verified folder; whatever it raises prevents that.

        Raises:
            ModelError: What the block left is not an intact repository, or not signed as it must be.
            PolicyError: Its policy was made for other models.
        """
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._folder))
        try:
            yield folder
            ModelRepository.open(folder, self._trusted)
            if accept is not None:
                accept(folder)
            folder.chmod(0o755)
            for path in (*folder.rglob("*"), folder):
                sync(path)
            version = f"{name}-{folder.name.removeprefix(_PARTIAL)}"
            folder.rename(self._folder / version)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.use(version)

    def scratch(self) -> IO[bytes]:
        """A file without a name on the same disk, gone with its process."""
        return tempfile.TemporaryFile(dir=self._folder)

    def use(self, version: str) -> None:
        """Switches to a version, and removes all but it and the one before."""
        before = self.current
        if version == before:
            return
        link = self._folder / f"{_PARTIAL}link-{os.getpid()}"
        link.symlink_to(Path(self._folder.name) / version)
        sync(self._folder)
        link.replace(self._link)
        sync(self._link.parent)
        self._remove(lambda name: name not in ("lock", version, before))

    def _check(self) -> None:
        if self._link.is_symlink():
            if self._link.readlink().parent != Path(self._folder.name):
                raise ConfigurationError(f"{self._link} is a link of somebody else's; choose another destination")
        elif self._link.exists():
            raise ConfigurationError(
                f"{self._link} was not fetched and is left alone; choose another destination, inside the volume where "
                "it is the root of one"
            )
        if not self._link.parent.is_dir():
            raise ConfigurationError(f"{self._link.parent} is not a folder; make it, or choose another destination")

    def _remove(self, unwanted: Callable[[str], bool]) -> None:
        for path in list(self._folder.iterdir()):
            if unwanted(path.name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def sync(path: Path) -> None:
    """Waits until a file, or the list of a folder's names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
