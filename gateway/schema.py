"""The tables of the gateway's database, and the steps that bring an older database to them.

Instants are seconds since 1970 as double precision, by the clock of `Database.now`. JSON is kept as text.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA: Final = MetaData()

JOBS: Final = Table(
    "jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("media_id", Text),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text),
    Column("due", Double, nullable=False),
    Column("lease_expires", Double),
    Column("progress", Double, nullable=False),
    Column("detail", Text),
    Column("result", Text),
    Column("error_code", Text),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("owner", "idempotency_key", name="jobs_idempotency"),
    Index("jobs_queue", "state", "due"),
    Index("jobs_owner", "owner", "created"),
)
"""What is to be done, is being done and was done. `fence` counts the claims; `version` counts visible changes."""

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("requests_per_minute", Double),
    Column("requests_per_day", BigInteger),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("last_used", Double),
    Index("api_keys_subject", "subject"),
)
"""API keys by their public id; of the secret there is only a keyed hash."""

QUOTA_USE: Final = Table(
    "quota_use",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("used", BigInteger, nullable=False),
)
"""What each subject has used on each day (days since 1970, UTC)."""

PSEUDONYMS: Final = Table(
    "pseudonyms",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True),
)
"""The only link between a subject and its name in the audit log; deleting the row erases the subject there."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE jobs (
            id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
            request TEXT NOT NULL, request_hash TEXT NOT NULL, idempotency_key TEXT, media_id TEXT,
            attempts INTEGER NOT NULL, fence BIGINT NOT NULL, holder TEXT, due DOUBLE PRECISION NOT NULL,
            lease_expires DOUBLE PRECISION, progress DOUBLE PRECISION NOT NULL, detail TEXT, result TEXT,
            error_code TEXT, error TEXT, created DOUBLE PRECISION NOT NULL, started DOUBLE PRECISION,
            finished DOUBLE PRECISION, version BIGINT NOT NULL,
            CONSTRAINT jobs_idempotency UNIQUE (owner, idempotency_key))""",
        "CREATE INDEX jobs_queue ON jobs (state, due)",
        "CREATE INDEX jobs_owner ON jobs (owner, created)",
        """CREATE TABLE api_keys (
            id TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, name TEXT NOT NULL, roles TEXT NOT NULL,
            hash TEXT NOT NULL, requests_per_minute DOUBLE PRECISION, requests_per_day BIGINT,
            created DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION, revoked DOUBLE PRECISION,
            last_used DOUBLE PRECISION)""",
        "CREATE INDEX api_keys_subject ON api_keys (subject)",
        """CREATE TABLE quota_use (
            subject TEXT NOT NULL, day BIGINT NOT NULL, used BIGINT NOT NULL, PRIMARY KEY (subject, day))""",
        "CREATE TABLE pseudonyms (subject TEXT NOT NULL PRIMARY KEY, pseudonym TEXT NOT NULL UNIQUE)",
    ),
)
"""Step n brings a database from version n to n + 1. A step is never changed once released; add another."""
