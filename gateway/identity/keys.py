"""API keys: `awn_<id>_<secret>`, of which the service keeps the id and a keyed hash.

The secret is 256 random bits, so guessing it from its hash is hopeless and a slow password hash would only slow down
every request. The hash is HMAC-SHA-256 under a key that is not in the database, over the id, the subject and the roles
too: who can write the database but lacks that key can neither add a key of their own nor give one more rights.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from awarenet.errors import ConfigurationError, InvalidInput, NotFound, Unauthorised
from gateway.database import Database
from gateway.identity.permissions import Principal, Role, check_subject
from gateway.schema import API_KEYS

PREFIX: Final = "awn"
"""What a key begins with, so that people and secret scanners know it when they see it."""

_FORM: Final = re.compile(rf"{PREFIX}_([a-z2-7]{{16}})_([a-z2-7]{{52}})", re.ASCII)
_REFUSED: Final = "the API key is not valid; send a current one as X-API-Key"
_TOUCH_S: Final = 60.0
"""Seconds by which `last_used` may be late: a write on each request would cost more than the check."""


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; never its secret.

    Attributes:
        id: Its public part.
        subject: The subject that it speaks for.
        name: What people call it.
        roles: What its bearer is.
        requests_per_minute: Its rate limit; None for the service's default.
        requests_per_day: Its daily quota; None for the service's default.
        created: Seconds since 1970.
        expires: When it ends, seconds since 1970; None for never.
        revoked: When it was revoked, seconds since 1970.
        last_used: When it was last used, to the minute, seconds since 1970.
    """

    id: str
    subject: str
    name: str
    roles: frozenset[Role]
    requests_per_minute: float | None
    requests_per_day: int | None
    created: float
    expires: float | None
    revoked: float | None
    last_used: float | None


class ApiKeys:
    """The API keys of the service; every method may be called from any thread and raises `Unavailable` as `Database`.

    Args:
        database: A migrated database.
        hash_key: At least 32 secret bytes, kept outside the database. With another one every key is void.

    Raises:
        ConfigurationError: The hash key is too short.
    """

    def __init__(self, database: Database, hash_key: bytes) -> None:
        if len(hash_key) < 32:
            raise ConfigurationError(
                f"the hash key of API keys has {len(hash_key)} bytes; give at least 32 random ones"
            )
        self._database = database
        self._hash_key = hash_key

    def create(
        self,
        subject: str,
        roles: Collection[Role],
        *,
        name: str = "",
        lifetime_s: float | None = None,
        requests_per_minute: float | None = None,
        requests_per_day: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Makes a key.

        Args:
            subject: Whom it speaks for.
            roles: What its bearer is; at least one. They cannot be changed later: make another key.
            name: What people call it.
            lifetime_s: Seconds until it expires; None for never.
            requests_per_minute: Its rate limit; None for the service's default.
            requests_per_day: Its daily quota; None for the service's default.

        Returns:
            What is known of the key, and the key itself, which is told this once and never again.

        Raises:
            InvalidInput: The subject, the roles, the name or a number makes no sense.
        """
        check_subject(subject)
        if not roles:
            raise InvalidInput(f"a key needs a role; give one of {', '.join(role.value for role in Role)}")
        if len(name) > 100 or (name and not name.isprintable()):
            raise InvalidInput("the name of a key has at most 100 printable characters")
        for limit, value in (
            ("lifetime", lifetime_s),
            ("requests per minute", requests_per_minute),
            ("requests per day", requests_per_day),
        ):
            if value is not None and not 0 < value < 1e12:
                raise InvalidInput(f"{limit} is {value}; give a number above 0, or nothing")
        key_id, secret = _random(10), _random(32)
        words = _words(roles)
        with self._database.writing() as connection:
            now = self._database.now(connection)
            row = connection.execute(
                insert(API_KEYS)
                .values(
                    id=key_id,
                    subject=subject,
                    name=name,
                    roles=words,
                    hash=self._hash(key_id, subject, words, secret),
                    requests_per_minute=requests_per_minute,
                    requests_per_day=requests_per_day,
                    created=now,
                    expires=None if lifetime_s is None else now + lifetime_s,
                )
                .returning(API_KEYS)
            ).one()
        return _key(row), f"{PREFIX}_{key_id}_{secret}"

    def adopt(self, key: str, subject: str, roles: Collection[Role], *, name: str = "") -> None:
        """Makes a key that was chosen elsewhere work, so that several gateways agree on one.

        A key whose id is known stays as it is: one that was revoked does not come back.

        Args:
            key: The key, in the form that `create` gives it.
            subject: Whom it speaks for.
            roles: What its bearer is.
            name: What people call it.

        Raises:
            ConfigurationError: The key has another form.
        """
        form = _FORM.fullmatch(key)
        if form is None:
            raise ConfigurationError(
                f"the given API key is not {PREFIX}_ID_SECRET with 16 and 52 characters of a-z and 2-7; "
                "make one with `python -m gateway keys generate`"
            )
        key_id, secret = form.groups()
        words = _words(roles)
        new = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        with self._database.writing() as connection:
            row = new(API_KEYS).values(
                id=key_id,
                subject=subject,
                name=name,
                roles=words,
                hash=self._hash(key_id, subject, words, secret),
                created=self._database.now(connection),
            )
            connection.execute(row.on_conflict_do_nothing(index_elements=["id"]))

    def authenticate(self, key: str) -> Principal:
        """Who bears this key.

        Raises:
            Unauthorised: The key is malformed, unknown, altered, expired or revoked.
        """
        form = _FORM.fullmatch(key)
        if form is None:
            raise Unauthorised(_REFUSED)
        key_id, secret = form.groups()
        with self._database.reading() as connection:
            row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id)).one_or_none()
            now = self._database.now(connection)
        # An unknown id costs the same work, so that time does not tell which ids there are.
        subject, words, known = (row.subject, row.roles, row.hash) if row is not None else ("", "", "0" * 64)
        right = hmac.compare_digest(self._hash(key_id, subject, words, secret), known)
        if row is None or not right:
            raise Unauthorised(_REFUSED)
        if row.revoked is not None:
            raise Unauthorised(f"the API key {key_id} was revoked; ask for a new one")
        if row.expires is not None and row.expires <= now:
            raise Unauthorised(f"the API key {key_id} has expired; ask for a new one")
        if row.last_used is None or abs(now - row.last_used) >= _TOUCH_S:
            with self._database.writing(lasting=False) as connection:
                connection.execute(update(API_KEYS).where(API_KEYS.c.id == key_id).values(last_used=now))
        found = _key(row)
        return Principal(found.subject, found.roles, key_id, found.requests_per_minute, found.requests_per_day)

    def find(self, subject: str | None = None) -> list[ApiKey]:
        """The keys of one subject, or all, the oldest first; expired and revoked ones too."""
        wanted = select(API_KEYS).order_by(API_KEYS.c.created, API_KEYS.c.id)
        if subject is not None:
            wanted = wanted.where(API_KEYS.c.subject == subject)
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(wanted)]

    def rotate(self, key_id: str, *, overlap_s: float = 0.0) -> tuple[ApiKey, str]:
        """Makes a new key in the place of one, with its subject, roles, name, limits and length of life.

        Args:
            key_id: The key to be replaced.
            overlap_s: Seconds for which the old one still works, so that its bearers can change over.

        Returns:
            As `create`.

        Raises:
            NotFound: There is no such key.
            InvalidInput: The key is revoked or has expired, or the overlap is negative.
        """
        if not 0 <= overlap_s < 1e12:
            raise InvalidInput(f"the overlap is {overlap_s} s; give 0 or more")
        with self._database.reading() as connection:
            row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id)).one_or_none()
            now = self._database.now(connection)
        if row is None:
            raise _unknown(key_id)
        if row.revoked is not None or (row.expires is not None and row.expires <= now):
            raise InvalidInput(f"the API key {key_id} does not work any more; create a new one")
        old = _key(row)
        new, secret = self.create(
            old.subject,
            old.roles,
            name=old.name,
            lifetime_s=None if old.expires is None else old.expires - old.created,
            requests_per_minute=old.requests_per_minute,
            requests_per_day=old.requests_per_day,
        )
        end = now + overlap_s if old.expires is None else min(old.expires, now + overlap_s)
        with self._database.writing() as connection:
            connection.execute(update(API_KEYS).where(API_KEYS.c.id == key_id).values(expires=end))
        return new, secret

    def revoke(self, key_id: str) -> None:
        """Ends a key at once, on every gateway; does nothing to one that is revoked.

        Raises:
            NotFound: There is no such key.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            chosen = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked.is_(None))
            if connection.execute(chosen.values(revoked=now)).rowcount:
                return
            if connection.execute(select(API_KEYS.c.id).where(API_KEYS.c.id == key_id)).one_or_none() is None:
                raise _unknown(key_id)

    def erase(self, subject: str) -> int:
        """Deletes every key of a subject; returns how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(API_KEYS).where(API_KEYS.c.subject == subject)).rowcount

    def _hash(self, key_id: str, subject: str, words: str, secret: str) -> str:
        covered = json.dumps([key_id, subject, words, secret]).encode()
        return hmac.new(self._hash_key, covered, hashlib.sha256).hexdigest()


def new_key() -> str:
    """A key that `ApiKeys.adopt` takes."""
    return f"{PREFIX}_{_random(10)}_{_random(32)}"


def _random(size: int) -> str:
    """`size` random bytes in lower-case base32: no sign that breaks a double click or a URL."""
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()


def _words(roles: Collection[Role]) -> str:
    return " ".join(sorted({role.value for role in roles}))


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"there is no API key {key_id}; list them to see the ids")


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        subject=row.subject,
        name=row.name,
        roles=frozenset(Role(word) for word in row.roles.split()),
        requests_per_minute=row.requests_per_minute,
        requests_per_day=row.requests_per_day,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        last_used=row.last_used,
    )
