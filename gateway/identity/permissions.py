"""Roles, and the one table that says what each of them may do to what belongs to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from awarenet.errors import Forbidden, InvalidInput, NotFound

LONGEST_SUBJECT: Final = 400
"""Characters."""


class Role(str, Enum):
    """What somebody is to the service."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(str, Enum):
    """One thing that can be done."""

    MODELS_READ = "models.read"
    DETECT = "detect"
    STREAM = "stream"
    JOBS_CREATE = "jobs.create"
    JOBS_READ = "jobs.read"
    JOBS_CANCEL = "jobs.cancel"
    JOBS_DELETE = "jobs.delete"
    METRICS_READ = "metrics.read"
    DRAIN = "drain"
    KEYS_MANAGE = "keys.manage"
    AUDIT_VERIFY = "audit.verify"
    SUBJECT_EXPORT = "subject.export"
    SUBJECT_ERASE = "subject.erase"


class Scope(str, Enum):
    """Whose things a permission covers."""

    OWN = "own"
    ANY = "any"


_VIEWER: Final = {Permission.MODELS_READ: Scope.ANY, Permission.JOBS_READ: Scope.OWN}
_ANALYST: Final = {
    **_VIEWER,
    Permission.DETECT: Scope.ANY,
    Permission.STREAM: Scope.ANY,
    Permission.JOBS_CREATE: Scope.OWN,
    Permission.JOBS_CANCEL: Scope.OWN,
    Permission.JOBS_DELETE: Scope.OWN,
    Permission.SUBJECT_EXPORT: Scope.OWN,
    Permission.SUBJECT_ERASE: Scope.OWN,
}
_OPERATOR: Final = {
    Permission.MODELS_READ: Scope.ANY,
    Permission.JOBS_READ: Scope.OWN,
    Permission.JOBS_CANCEL: Scope.ANY,
    Permission.METRICS_READ: Scope.ANY,
    Permission.DRAIN: Scope.ANY,
    Permission.AUDIT_VERIFY: Scope.ANY,
}

PERMISSIONS: Final[Mapping[Role, Mapping[Permission, Scope]]] = {
    Role.VIEWER: _VIEWER,
    Role.ANALYST: _ANALYST,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: dict.fromkeys(Permission, Scope.ANY),
}
"""What is not in the table is not allowed. Operators run the service; they do not see other people's verdicts."""


@dataclass(frozen=True)
class Principal:
    """Who is calling, as their credential proves it.

    Attributes:
        subject: The one to whom things belong; 1 to 400 printable characters.
        roles: What they are.
        key_id: Id of their API key; None where they came with a token.
        requests_per_minute: Limit of this API key; None for the service's default.
        requests_per_day: Quota of the subject under this API key; None for the service's default.

    Raises:
        InvalidInput: The subject is empty, too long or not printable.
    """

    subject: str
    roles: frozenset[Role] = field(default_factory=frozenset)
    key_id: str | None = None
    requests_per_minute: float | None = None
    requests_per_day: int | None = None

    def __post_init__(self) -> None:
        check_subject(self.subject)

    @property
    def counted_as(self) -> str:
        """What rates are counted by: the API key, or the subject of a token."""
        return self.subject if self.key_id is None else self.key_id

    def scope(self, permission: Permission) -> Scope | None:
        """The widest scope in which any role of theirs has the permission; None without."""
        scopes = {PERMISSIONS[role][permission] for role in self.roles if permission in PERMISSIONS[role]}
        return max(scopes, key=lambda scope: scope is Scope.ANY, default=None)


def authorise(principal: Principal, permission: Permission, owner: str | None = None) -> None:
    """Lets a request pass, or raises.

    Args:
        principal: Who is calling.
        permission: What they want to do.
        owner: The subject that the thing belongs to; None for things that belong to nobody, or to the caller.

    Raises:
        Forbidden: No role of theirs allows it at all.
        NotFound: Their roles allow it on their own things, and this is somebody else's: that it exists is not told.
    """
    scope = principal.scope(permission)
    if scope is None:
        held = ", ".join(sorted(role.value for role in principal.roles)) or "no role"
        raise Forbidden(f"{permission.value} is not allowed to {held}; ask an admin for a role that has it")
    if scope is Scope.OWN and owner not in (None, principal.subject):
        raise NotFound("there is no such thing, or it is not yours")


def check_subject(subject: str) -> None:
    """Refuses what cannot name a subject.

    Raises:
        InvalidInput: The subject is empty, too long or not printable.
    """
    if not (0 < len(subject) <= LONGEST_SUBJECT and subject.isprintable()):
        raise InvalidInput(f"a subject has 1 to {LONGEST_SUBJECT} printable characters")
