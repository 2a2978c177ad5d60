"""Bringing a model repository here."""

from __future__ import annotations

from pathlib import Path

import structlog

from awarenet.models.sources import open_source
from awarenet.models.versions import Accept, Versions
from awarenet.repository import ModelRepository, remove_additions
from awarenet.signing import TrustedKeys

_log = structlog.get_logger("models")


def fetch(
    source: str, destination: Path, *, accept: Accept | None = None, trusted: TrustedKeys | None = None
) -> ModelRepository:
    """Brings a model repository to `destination`, or leaves what is there untouched.

    Nothing but the source's version is read where that version is there already.

    Args:
        source: Where it comes from; see `awarenet.models.sources`.
        destination: The link to the version in use; made where it does not exist.
        accept: Asked before a version that is not in use comes into use, with its verified folder; whatever it raises
            prevents that.
        trusted: Keys of those who may sign the repository; None asks for no signature.

    Returns:
        The verified repository.

    Raises:
        InvalidInput: The source makes no sense.
        ModelError: A file of the source is missing, truncated or altered, or it is not signed as it must be.
        PolicyError: The source's policy was made for other models.
        Unavailable: The source cannot be reached.
        ConfigurationError: The destination cannot be one.
        ReportError: The destination cannot be written (full or read-only).
    """
    opened = open_source(source)
    versions = Versions(destination, trusted)
    with versions.locked():
        version = opened.version()
        if there := versions.find(version):
            if accept is not None and there != versions.current:
                accept(versions.path(there))
            versions.use(there)
            _log.info("the version is there already", source=source, version=version[:12])
        else:
            with versions.staged(version, accept) as folder:
                opened.copy(folder, versions.scratch)
                remove_additions(folder)
            _log.info("fetched", source=source, version=version[:12])
    return ModelRepository.open(destination, trusted)
