"""JSON Web Tokens of OpenID Connect issuers (RFC 7519, RFC 8725, RFC 9068), verified by PyJWT.

Only asymmetric algorithms are accepted, and keys come from the configured address alone: what a token says about where
its key lies (`jku`, `x5u`, `jwk`) is never looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from jwt import PyJWKClient
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWKClientConnectionError,
    PyJWTError,
)

from awarenet.errors import ConfigurationError, InvalidInput, Unauthorised, Unavailable
from gateway.identity.permissions import Principal, Role, check_subject

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a token may be signed with."""

_LONGEST_TOKEN: Final = 8192
"""Characters."""
_TYPES: Final = {None, "JWT", "AT+JWT", "APPLICATION/AT+JWT"}
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class TokenIssuer:
    """An OpenID Connect issuer that is trusted.

    Attributes:
        issuer: Its `iss`, to the letter.
        audience: What `aud` must hold: this service's name at the issuer.
        jwks_url: Where its public keys are; https, or http on loopback.
        roles_claim: Dotted path of the claim that lists roles (`realm_access.roles`, say); text parts at spaces.
        roles: The issuer's names of roles to ours; names that are not listed give nothing.
        leeway_s: How far clocks may differ.
        keys_s: Seconds for which fetched keys are used.
        cooldown_s: Least seconds between two fetches, failed ones included.
        timeout_s: Longest wait for a fetch.

    Raises:
        ConfigurationError: A field is empty, or the address of the keys is not safe.
    """

    issuer: str
    audience: str
    jwks_url: str
    roles_claim: str = "roles"
    roles: Mapping[str, Role] | None = None
    leeway_s: float = 30.0
    keys_s: float = 300.0
    cooldown_s: float = 30.0
    timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if not (self.issuer and self.audience and self.roles_claim):
            raise ConfigurationError("an issuer needs its name, the audience and the claim of the roles")
        url = urlsplit(self.jwks_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ConfigurationError(f"keys of {self.issuer} would come from {self.jwks_url}; give an https address")


class TokenVerifier:
    """Tells from a bearer token who is calling. May be used from any thread; a fetch of keys blocks the thread.

    Args:
        issuers: The issuers that are trusted, each once.
        clock: Monotone seconds, for the cooldown.

    Raises:
        ConfigurationError: An issuer is there twice.
    """

    def __init__(self, issuers: Sequence[TokenIssuer], *, clock: Callable[[], float] = time.monotonic) -> None:
        if len({issuer.issuer for issuer in issuers}) < len(issuers):
            raise ConfigurationError("an issuer of tokens is configured twice")
        self._issuers = {issuer.issuer: (issuer, _Keys(issuer, clock)) for issuer in issuers}

    def authenticate(self, token: str) -> Principal:
        """Who the token speaks of. Their subject is `<issuer>#<sub>`, so that no two issuers share one.

        Args:
            token: What follows `Bearer `.

        Returns:
            The caller, with the roles that the token gives; possibly none, and then nothing is allowed.

        Raises:
            Unauthorised: The token is malformed, unsigned, signed by another key or a forbidden algorithm, expired, not
                yet valid, or meant for another audience.
            Unavailable: The keys of the issuer cannot be fetched.
        """
        if len(token) > _LONGEST_TOKEN:
            raise Unauthorised(f"the token has more than {_LONGEST_TOKEN} characters; ask for fewer claims")
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
        except PyJWTError as error:
            raise Unauthorised("the token is no JSON Web Token; send `Authorization: Bearer <token>`") from error
        header, claimed = unverified["header"], unverified["payload"].get("iss")
        found = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if found is None:
            raise Unauthorised("the token is of an issuer that is not trusted here")
        issuer, keys = found
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise Unauthorised(
                f"the token is signed with {str(algorithm)[:20]!r}; it must be one of {', '.join(ALGORITHMS)}"
            )
        kind = header.get("typ")
        if (kind.upper() if isinstance(kind, str) else kind) not in _TYPES:
            raise Unauthorised("the token is not an access token; its typ must be JWT or at+jwt")
        claims = _verified(token, issuer, keys.of(header.get("kid"), algorithm), algorithm)
        try:
            check_subject(claims["sub"])
            return Principal(f"{issuer.issuer}#{claims['sub']}", _roles(claims, issuer))
        except InvalidInput as error:
            raise Unauthorised("the token's sub names no subject") from error


class _Keys(PyJWKClient):
    """PyJWT's cache of an issuer's keys, which in addition waits after a failed fetch before it tries again."""

    def __init__(self, issuer: TokenIssuer, clock: Callable[[], float]) -> None:
        super().__init__(
            issuer.jwks_url, lifespan=issuer.keys_s, timeout=issuer.timeout_s, cooldown_duration=issuer.cooldown_s
        )
        self._issuer = issuer
        self._clock = clock
        self._failed: float | None = None

    def of(self, kid: object, algorithm: str) -> jwt.PyJWK:
        """The key of that id, if it may be used with that algorithm."""
        if not isinstance(kid, str):
            raise Unauthorised("the token does not say which key signed it (kid)")
        try:
            key = self.get_signing_key(kid)
        except PyJWKClientConnectionError as error:
            raise Unavailable(f"the keys of {self._issuer.issuer} cannot be fetched ({error}); try again") from error
        except (PyJWTError, ValueError) as error:
            raise Unauthorised("the token is signed by a key that its issuer does not publish") from error
        if key.algorithm_name != algorithm:
            raise Unauthorised(f"the token is signed with {algorithm}, its key is for {key.algorithm_name}")
        return key

    def fetch_data(self) -> Any:
        now = self._clock()
        if self._failed is not None and now - self._failed < self.cooldown_duration:
            raise PyJWKClientConnectionError("the last fetch failed a moment ago")
        try:
            fetched = super().fetch_data()
        except (PyJWTError, ValueError, OSError) as error:
            self._failed = now
            raise PyJWKClientConnectionError(str(error)) from error
        self._failed = None
        return fetched


def _verified(token: str, issuer: TokenIssuer, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=issuer.leeway_s,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except ExpiredSignatureError as error:
        raise Unauthorised("the token has expired; get a new one") from error
    except ImmatureSignatureError as error:
        raise Unauthorised("the token is not valid yet; check the clocks") from error
    except InvalidAudienceError as error:
        raise Unauthorised(f"the token is for another audience; ask for one for {issuer.audience}") from error
    except (MissingRequiredClaimError, InvalidIssuerError) as error:
        raise Unauthorised(f"the token is refused: {error}") from error
    except PyJWTError as error:
        raise Unauthorised("the token's signature or claims are not valid") from error
    return claims


def _roles(claims: Mapping[str, Any], issuer: TokenIssuer) -> frozenset[Role]:
    value: Any = claims
    for part in issuer.roles_claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    known = issuer.roles if issuer.roles is not None else {role.value: role for role in Role}
    return frozenset(known[name] for name in names if isinstance(name, str) and name in known)
