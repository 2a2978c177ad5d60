"""Who may do what, how fast and how much: `gateway.identity`, put together for requests."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from awarenet.errors import Unauthorised
from gateway.identity import (
    ApiKeys,
    DailyQuotas,
    Permission,
    Principal,
    RateLimiter,
    TokenVerifier,
    authorise,
)

_FAILURES_PER_MINUTE: Final = 30
"""Wrong credentials from one address; beyond it the address waits, whatever it sends."""

REMEMBERED_S: Final = 1.0
"""Seconds for which a credential that was good is taken as good: asking the database costs more than all the rest of a
small request. A key that is revoked, and a token that expires, end at most so much later."""

_MOST_KNOWN: Final = 10_000

_API_KEY: Final = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key.")
_BEARER: Final = HTTPBearer(auto_error=False, description="A token of a trusted OpenID Connect issuer.")


class Access:
    """Lets requests in.

    Args:
        keys: API keys.
        tokens: Trusted issuers of tokens; None trusts none.
        rates: Limits by credential.
        quotas: Limits by subject and day.
        requests_per_day: Requests of a subject in a day whose credential does not say otherwise; None for no limit.
    """

    def __init__(
        self,
        keys: ApiKeys,
        tokens: TokenVerifier | None,
        rates: RateLimiter,
        quotas: DailyQuotas,
        requests_per_day: int | None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._rates = rates
        self._quotas = quotas
        self._requests_per_day = requests_per_day
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._failures = RateLimiter(_FAILURES_PER_MINUTE, _FAILURES_PER_MINUTE)

    async def admit(
        self, headers: Mapping[str, str], address: str, permission: Permission, *, cost: int = 1
    ) -> Principal:
        """Who is calling, if they may do this now.

        Args:
            headers: Of the request.
            address: Where it comes from.
            permission: What they want to do.
            cost: How many requests it counts for.

        Raises:
            Unauthorised: No credential, or a bad one.
            Forbidden: Their roles do not allow it.
            TooManyRequests: Their rate or quota is used up.
        """
        credential = _digest(headers)
        principal = self._remembered(credential)
        if principal is None:
            principal = await asyncio.to_thread(self._identify, headers, address)
            self._known[credential] = principal, time.monotonic()
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        authorise(principal, permission)
        await self.spend(principal, cost)
        return principal

    async def spend(self, principal: Principal, cost: int) -> None:
        """Counts more work of a request that was let in.

        Raises:
            TooManyRequests: Their rate or quota is used up.
        """
        if cost <= 0:
            return
        self._rates.take(principal.counted_as, per_minute=principal.requests_per_minute, cost=cost)
        limit = principal.requests_per_day if principal.requests_per_day is not None else self._requests_per_day
        if limit is not None:
            await asyncio.to_thread(self._quotas.spend, principal.subject, limit, cost)

    def _remembered(self, credential: bytes) -> Principal | None:
        principal, since = self._known.get(credential, (None, 0.0))
        return principal if time.monotonic() - since < REMEMBERED_S else None

    def _identify(self, headers: Mapping[str, str], address: str) -> Principal:
        try:
            return self._authenticate(headers)
        except Unauthorised:
            self._failures.take(address)
            raise

    def _authenticate(self, headers: Mapping[str, str]) -> Principal:
        if key := headers.get("x-api-key"):
            return self._keys.authenticate(key)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token and self._tokens is not None:
            return self._tokens.authenticate(token)
        bearer = " or `Authorization: Bearer <token>`" if self._tokens is not None else ""
        raise Unauthorised(f"this needs a credential; send an API key as X-API-Key{bearer}")


def _digest(headers: Mapping[str, str]) -> bytes:
    """What a credential is remembered by: not the credential itself."""
    sent = f"{headers.get('x-api-key', '')}\n{headers.get('authorization', '')}"
    return hashlib.sha256(sent.encode()).digest()


def requires(permission: Permission) -> Any:
    """The FastAPI dependency that gives the `Principal` of a request that may do this."""

    async def dependency(
        request: Request,
        _key: Annotated[str | None, Security(_API_KEY)] = None,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
    ) -> Principal:
        access: Access = request.app.state.services.access
        address = request.client.host if request.client else ""
        principal = await access.admit(request.headers, address, permission)
        request.state.principal = principal
        return principal

    return Depends(dependency)
