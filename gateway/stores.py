"""Everything that the gateway keeps, opened together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from awarenet.errors import ConfigurationError
from gateway.audit import AuditLog
from gateway.database import Clock, Database
from gateway.identity import ApiKeys, DailyQuotas, Pseudonyms
from gateway.jobs import JobLimits, JobStore, follow
from gateway.subjects import Subjects
from gateway.vault import LocalMasterKeys, MasterKeys, Vault

_SHORTEST_SECRET: Final = 32


@dataclass(frozen=True)
class Secrets:
    """What must not be known: kept outside of everything that it protects.

    Attributes:
        api_keys: Hash key of API keys; another one voids them all.
        audit: Key of the audit log; another one needs a new folder.
        webhooks: Master secret of webhooks.
        media: Master keys of media.
    """

    api_keys: bytes = field(repr=False)
    audit: bytes = field(repr=False)
    webhooks: bytes = field(repr=False)
    media: MasterKeys = field(repr=False)

    @classmethod
    def derive(cls, secret: bytes, *, media_secret: bytes | None = None, older: Sequence[bytes] = ()) -> Secrets:
        """Derives each of them from one secret (HKDF-SHA-256, RFC 5869).

        Args:
            secret: At least 32 random bytes.
            media_secret: Another one for media alone, so that it can be turned by itself; None for `secret`.
            older: Former secrets of media, until `Vault.rotate` has run.

        Raises:
            ConfigurationError: A secret is too short.
        """
        current = media_secret if media_secret is not None else secret
        media: Mapping[str, bytes] = {
            _name(one): _derive(one, "media") for one in (*older, current) if _long_enough(one)
        }
        _long_enough(secret)
        return cls(
            api_keys=_derive(secret, "api keys"),
            audit=_derive(secret, "audit"),
            webhooks=_derive(secret, "webhooks"),
            media=LocalMasterKeys(media, _name(current)),
        )


@dataclass(frozen=True)
class Retention:
    """For how long things are kept.

    Attributes:
        finished_s: Seconds for which a finished job and its result are kept.
        media_s: Seconds for which the media of a finished job is kept; 0 for not at all.
    """

    finished_s: float = 7 * 86_400.0
    media_s: float = 0.0


@dataclass(frozen=True)
class Stores:
    """The open stores; every one may be used from any thread."""

    database: Database
    keys: ApiKeys
    quotas: DailyQuotas
    pseudonyms: Pseudonyms
    vault: Vault
    jobs: JobStore
    audit: AuditLog
    subjects: Subjects
    webhook_secret: bytes = field(repr=False)

    def tidy(self, retention: Retention) -> int:
        """Deletes what has been kept long enough, and what crashes left; call it every minute or so.

        Returns:
            How many jobs, media and files were deleted or lost their media.

        Raises:
            Unavailable: A store cannot be written; what was deleted so far is.
        """
        gone = self.jobs.purge(retention.finished_s, retention.media_s)
        gone += self.vault.sweep(self.jobs.media_in_use())
        self.quotas.purge()
        return gone

    def close(self) -> None:
        """Closes the database."""
        self.database.close()


def open_stores(
    database_url: str, folder: Path, secrets: Secrets, *, limits: JobLimits | None = None, clock: Clock | None = None
) -> Stores:
    """Opens every store, and creates or migrates what is absent or old. Several processes may do so at once.

    Args:
        database_url: `sqlite:///...` or `postgresql://...`.
        folder: Where media and the audit log lie (`media/`, `audit/`); shared by all processes of one machine.
        secrets: The keys.
        limits: What the queue allows.
        clock: In place of the database's clock (tests).

    Raises:
        ConfigurationError: The URL or the database is of the wrong kind.
        Unavailable: A store cannot be opened.
    """
    database = Database(database_url, clock=clock)
    try:
        database.migrate()
        vault = Vault(folder / "media", secrets.media)
        jobs = JobStore(database, vault, limits, follow)
        keys = ApiKeys(database, secrets.api_keys)
        quotas, pseudonyms = DailyQuotas(database), Pseudonyms(database)
        audit = AuditLog(folder / "audit", secrets.audit)
        subjects = Subjects(database, jobs, vault, keys, quotas, pseudonyms, audit)
    except BaseException:
        database.close()
        raise
    return Stores(database, keys, quotas, pseudonyms, vault, jobs, audit, subjects, secrets.webhooks)


def _long_enough(secret: bytes) -> bool:
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigurationError(f"a secret has {len(secret)} bytes; give at least {_SHORTEST_SECRET} random ones")
    return True


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"awarenet {purpose}".encode()).derive(secret)


def _name(secret: bytes) -> str:
    """A name for a master key that tells nothing of it."""
    return hashlib.sha256(b"name:" + _derive(secret, "media")).hexdigest()[:16]
