"""Who may do what, how fast and how much: `gateway.identity`, put together for requests."""

from __future__ import annotations

import asyncio
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
        return await asyncio.to_thread(self._admit, headers, address, permission, cost)

    async def spend(self, principal: Principal, cost: int) -> None:
        """Counts more work of a request that was let in.

        Raises:
            TooManyRequests: Their rate or quota is used up.
        """
        if cost > 0:
            await asyncio.to_thread(self._spend, principal, cost)

    def _admit(self, headers: Mapping[str, str], address: str, permission: Permission, cost: int) -> Principal:
        try:
            principal = self._authenticate(headers)
        except Unauthorised:
            self._failures.take(address)
            raise
        authorise(principal, permission)
        self._spend(principal, cost)
        return principal

    def _authenticate(self, headers: Mapping[str, str]) -> Principal:
        if key := headers.get("x-api-key"):
            return self._keys.authenticate(key)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token and self._tokens is not None:
            return self._tokens.authenticate(token)
        bearer = " or `Authorization: Bearer <token>`" if self._tokens is not None else ""
        raise Unauthorised(f"this needs a credential; send an API key as X-API-Key{bearer}")

    def _spend(self, principal: Principal, cost: int) -> None:
        self._rates.take(principal.counted_as, per_minute=principal.requests_per_minute, cost=cost)
        limit = principal.requests_per_day if principal.requests_per_day is not None else self._requests_per_day
        if limit is not None:
            self._quotas.spend(principal.subject, limit, cost)


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
