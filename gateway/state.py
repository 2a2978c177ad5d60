"""What a gateway keeps, opened as its settings say; and the secrets and the first API key in its state folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from awarenet.errors import ConfigurationError, Unauthorised, Unavailable
from gateway.identity import ApiKeys, Role
from gateway.settings import Settings
from gateway.stores import Secrets, Stores, open_stores

KEY_FILE: Final = "api_key"
"""Name of the file that holds the first API key."""

TARGETS_FILE: Final = "targets.json"
"""Name of the file that says what there is to be monitored."""

_MASTER_FILE: Final = "master_key"
_OWNER: Final = "owner"


def open_state(settings: Settings) -> Stores:
    """Opens what is there, and makes what is not.

    Raises:
        Unavailable: The folder or the database cannot be used.
        ConfigurationError: They are of a newer release, or a secret is malformed.
    """
    folder = settings.state_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be made ({error.strerror}); set AWARENET_STATE_FOLDER") from error
    database = settings.database or f"sqlite:///{folder / 'gateway.db'}"
    return open_stores(database, folder, Secrets.derive(_master_key(settings)))


def first_key(keys: ApiKeys, settings: Settings) -> Path | None:
    """The file with a working API key of an admin; a key is made where there is none. None where the settings give one.

    Raises:
        Unavailable: The file cannot be written.
        ConfigurationError: The given key has the wrong form.
    """
    if settings.first_api_key is not None:
        keys.adopt(settings.first_api_key.get_secret_value(), _OWNER, {Role.ADMIN}, name="given by the settings")
        return None
    file = settings.state_folder / KEY_FILE
    with contextlib.suppress(OSError, Unauthorised):
        keys.authenticate(file.read_text(encoding="ascii").strip())
        return file
    _, key = keys.create(_OWNER, {Role.ADMIN}, name="made at the first start")
    _write_private(file, key + "\n")
    return file


def write_targets(folder: Path, metrics: Mapping[str, str]) -> None:
    """Says to a Prometheus on this machine what to read, in the form of its file-based discovery.

    Args:
        folder: The state folder.
        metrics: Job to URL of its metrics.

    Raises:
        Unavailable: The file cannot be written.
    """
    targets = [
        {"targets": [parts.netloc], "labels": {"job": job, "__metrics_path__": parts.path}}
        for job, parts in ((job, urlsplit(url)) for job, url in metrics.items())
    ]
    _write_private(folder / TARGETS_FILE, json.dumps(targets) + "\n")


def _master_key(settings: Settings) -> bytes:
    if settings.master_key is not None:
        return bytes.fromhex(settings.master_key.get_secret_value())
    file = settings.state_folder / _MASTER_FILE
    with contextlib.suppress(FileExistsError):
        _write_private(file, secrets.token_hex(32) + "\n", anew=True)
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{file} is no master key ({error}); restore it, or set AWARENET_MASTER_KEY"
        ) from error
    if len(key) != 32:
        raise ConfigurationError(f"{file} is no master key; restore it, or set AWARENET_MASTER_KEY")
    return key


def _write_private(file: Path, text: str, *, anew: bool = False) -> None:
    flags = os.O_CREAT | os.O_WRONLY | (os.O_EXCL if anew else os.O_TRUNC)
    try:
        descriptor = os.open(file, flags, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise Unavailable(f"{file} cannot be written ({error.strerror}); check its folder") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        os.fchmod(descriptor, 0o600)
        opened.write(text)
