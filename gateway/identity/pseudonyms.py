"""The names that subjects have in the audit log.

A pseudonym is 128 random bits, and the database holds the only link to the subject. When that row is deleted nobody,
not even who has every key of the service, can tell any more whose lines they are: the log stays whole, the person is
gone.
A keyed hash of the subject would not do: whoever has its key can hash the subject again.
"""

from __future__ import annotations

import secrets

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.database import Database
from gateway.identity.permissions import check_subject
from gateway.schema import PSEUDONYMS


class Pseudonyms:
    """Pseudonyms of subjects. Nothing is cached, so that an erased link is gone from every gateway at once.

    Args:
        database: A migrated database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, subject: str) -> str:
        """The pseudonym of a subject (32 hexadecimal digits), made when it has none.

        Raises:
            InvalidInput: That cannot be a subject.
            Unavailable: As `Database`.
        """
        check_subject(subject)
        if known := self.known(subject):
            return known
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        with self._database.writing() as connection:
            new = insert(PSEUDONYMS).values(subject=subject, pseudonym=secrets.token_hex(16))
            connection.execute(new.on_conflict_do_nothing(index_elements=["subject"]))
            wanted = select(PSEUDONYMS.c.pseudonym).where(PSEUDONYMS.c.subject == subject)
            return str(connection.execute(wanted).scalar_one())

    def known(self, subject: str) -> str | None:
        """The pseudonym of a subject, or None when it has none."""
        with self._database.reading() as connection:
            wanted = select(PSEUDONYMS.c.pseudonym).where(PSEUDONYMS.c.subject == subject)
            found: str | None = connection.execute(wanted).scalar_one_or_none()
            return found

    def erase(self, subject: str) -> None:
        """Cuts the link between a subject and its lines in the audit log for good."""
        with self._database.writing() as connection:
            connection.execute(delete(PSEUDONYMS).where(PSEUDONYMS.c.subject == subject))
