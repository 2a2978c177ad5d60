"""Unpacking an archive that was downloaded: files and folders alone, inside the folder, up to a size."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, cast

from zstandard import ZstdDecompressor, ZstdError

from awarenet.errors import ConfigurationError, ModelError
from awarenet.stages import MANIFEST_FILE

SUFFIXES: Final = (".tar.zst", ".tar.gz")
"""What an archive's name ends with."""

LARGEST_BYTES: Final = 16 << 30
"""Most bytes that an archive may unpack to."""

_MOST_FILES: Final = 10_000


def unpack(archive: IO[bytes], name: str, folder: Path, *, largest_bytes: int = LARGEST_BYTES) -> None:
    """Unpacks a model repository.

    Args:
        archive: The archive, read from where it stands.
        name: Its name, which tells the compression.
        folder: Where the repository goes.
        largest_bytes: Most bytes that its files may have together.

    Raises:
        ModelError: It is damaged, holds anything but files and folders of a repository, or is too large.
        ConfigurationError: This Python has no safe extraction.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ConfigurationError("this Python extracts archives unsafely; use 3.10.12, 3.11.4, 3.12 or later")
    try:
        with tarfile.open(fileobj=cast(Any, _decompressed(archive, name)), mode="r|") as members:
            _extract(members, name, folder, largest_bytes)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ZstdError) as error:
        raise ModelError(f"{name} is damaged or no archive of this kind ({error}); make it again") from error
    if not (folder / MANIFEST_FILE).is_file():
        raise ModelError(f"{name} has no {MANIFEST_FILE} at its root; make it with `tar -C FOLDER -caf {name} .`")


def _extract(members: tarfile.TarFile, name: str, folder: Path, largest_bytes: int) -> None:
    size = 0
    for count, member in enumerate(members):
        if not (member.isfile() or member.isdir()):
            raise ModelError(f"{name}: {member.name} is neither a file nor a folder; a model repository has no others")
        size += member.size
        if size > largest_bytes or count >= _MOST_FILES:
            raise ModelError(f"{name} unpacks to more than {largest_bytes:,} bytes or {_MOST_FILES:,} files; refused")
        members.extract(member, folder, set_attrs=False, filter="data")


def _decompressed(archive: IO[bytes], name: str) -> Any:
    if name.endswith(".zst"):
        return ZstdDecompressor().stream_reader(archive, read_across_frames=True)
    return gzip.GzipFile(fileobj=archive)
