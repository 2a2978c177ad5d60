"""How much a subject may do in a day, counted in the database and so across all gateways."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from awarenet.errors import TooManyRequests
from gateway.database import Database
from gateway.schema import QUOTA_USE

_DAY_S: Final = 86_400


class DailyQuotas:
    """Counters of use per subject and day (UTC, by the database's clock).

    Args:
        database: A migrated database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, subject: str, limit: int, cost: int = 1) -> int:
        """Takes from today's quota, or takes nothing and raises.

        The count need not outlive a power cut, so no disk is waited for.

        Args:
            subject: Whose quota.
            limit: How much the subject may use in a day.
            cost: How much this request takes, at least 1.

        Returns:
            What is left today.

        Raises:
            TooManyRequests: Less than the cost is left; it says when the next day begins.
            Unavailable: As `Database`.
        """
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        with self._database.writing(lasting=False) as connection:
            now = self._database.now(connection)
            day = int(now // _DAY_S)
            if cost <= limit:
                used = connection.execute(
                    insert(QUOTA_USE)
                    .values(subject=subject, day=day, used=cost)
                    .on_conflict_do_update(
                        index_elements=["subject", "day"],
                        set_={"used": QUOTA_USE.c.used + cost},
                        where=QUOTA_USE.c.used + cost <= limit,
                    )
                    .returning(QUOTA_USE.c.used)
                ).scalar_one_or_none()
                if used is not None:
                    return limit - int(used)
        raise TooManyRequests(f"today's quota of {limit} is used up; it begins anew at midnight UTC", _until(now, day))

    def give_back(self, subject: str, cost: int = 1) -> None:
        """Returns what a request took that the service then could not answer."""
        with self._database.writing(lasting=False) as connection:
            day = int(self._database.now(connection) // _DAY_S)
            today = (QUOTA_USE.c.subject == subject, QUOTA_USE.c.day == day, QUOTA_USE.c.used >= cost)
            connection.execute(update(QUOTA_USE).where(*today).values(used=QUOTA_USE.c.used - cost))

    def used(self, subject: str) -> dict[int, int]:
        """What the subject has used: day (days since 1970) to count."""
        with self._database.reading() as connection:
            wanted = select(QUOTA_USE.c.day, QUOTA_USE.c.used).where(QUOTA_USE.c.subject == subject)
            return {row.day: row.used for row in connection.execute(wanted)}

    def purge(self) -> None:
        """Deletes the counts of days before yesterday."""
        with self._database.writing() as connection:
            day = int(self._database.now(connection) // _DAY_S)
            connection.execute(delete(QUOTA_USE).where(QUOTA_USE.c.day < day - 1))

    def erase(self, subject: str) -> None:
        """Deletes every count of a subject."""
        with self._database.writing() as connection:
            connection.execute(delete(QUOTA_USE).where(QUOTA_USE.c.subject == subject))


def _until(now: float, day: int) -> float:
    return (day + 1) * _DAY_S - now
