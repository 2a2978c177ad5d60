"""JSON Web Tokens against a real JWKS endpoint on loopback: who is let in, and every way of not being."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from awarenet.errors import ConfigurationError, Unauthorised, Unavailable
from gateway.identity import Permission, Role, TokenIssuer, TokenVerifier, authorise
from tests.issuer import EC, ED, ISSUER, OTHER, RSA, Endpoint, claims, jwk, published, token
from tests.stores import Clock


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with published() as running:
        yield running


@pytest.fixture
def verifier(endpoint: Endpoint) -> TokenVerifier:
    return TokenVerifier([issuer(endpoint)])


def issuer(endpoint: Endpoint, **changes: Any) -> TokenIssuer:
    return TokenIssuer(**{"issuer": ISSUER, "audience": "awarenet", "jwks_url": endpoint.url, **changes})


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")])
def test_a_good_token_tells_who_is_calling(verifier: TokenVerifier, key: Any, algorithm: str, kid: str) -> None:
    caller = verifier.authenticate(token(key, algorithm, kid))
    assert caller.subject == f"{ISSUER}#anna" and caller.roles == {Role.ANALYST}
    assert caller.key_id is None and caller.counted_as == caller.subject
    authorise(caller, Permission.DETECT)


def test_an_audience_among_several_and_an_access_tokens_type_are_good(verifier: TokenVerifier) -> None:
    verifier.authenticate(token(aud=["other", "awarenet"], headers={"typ": "at+jwt"}))


def unsigned(algorithm: str, signature: str = "") -> str:
    parts = ({"alg": algorithm, "kid": "rsa", "typ": "JWT"}, claims())
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts), signature]
    )


def signed_with_the_public_key() -> str:
    """The classic confusion: HMAC, with the published key as its secret (PyJWT will not make it, so by hand)."""
    import hashlib
    import hmac

    secret = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = unsigned("HS256").rstrip(".")
    signature = hmac.new(secret, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: unsigned("none"), "signed with 'none'"),
        (lambda: unsigned("None"), "signed with 'None'"),
        (lambda: unsigned("NONE", "e30"), "signed with 'NONE'"),
        (lambda: unsigned("RS256"), "signature or claims"),
        (signed_with_the_public_key, "signed with 'HS256'"),
        (lambda: token(OTHER), "signature or claims"),
        (lambda: token(OTHER, kid="nobody"), "does not publish"),
        (lambda: jwt.encode(claims(), RSA, "RS256"), "kid"),
        (lambda: token(algorithm="RS512"), "its key is for RS256"),
        (lambda: token(EC, "ES256", "rsa"), "its key is for RS256"),
        (lambda: token(exp=time.time() - 31), "has expired"),
        (lambda: token(nbf=time.time() + 60), "not valid yet"),
        (lambda: token(iat=time.time() + 60), "not valid yet"),
        (lambda: token(aud="another"), "another audience"),
        (lambda: token(aud=[]), "refused"),
        (lambda: token(aud=None), "refused"),
        (lambda: token(exp=None), "refused"),
        (lambda: token(sub=None), "refused"),
        (lambda: token(sub=""), "no subject"),
        (lambda: token(sub="a\nb"), "no subject"),
        (lambda: token(iss="https://evil.example.org"), "not trusted"),
        (lambda: token(iss=None), "not trusted"),
        (lambda: token(headers={"typ": "logout+jwt"}), "not an access token"),
        (lambda: token(headers={"typ": None}) + "x", "signature|JSON Web Token"),
        (lambda: token(filler="x" * 9000), "8192"),
        (lambda: "", "JSON Web Token"),
        (lambda: "a.b.c", "JSON Web Token"),
        (lambda: token()[:-4], "signature|JSON Web Token"),
        (lambda: token().replace(".", "", 1), "JSON Web Token"),
    ],
)
def test_a_bad_token_is_refused_with_its_reason(verifier: TokenVerifier, bad: Any, reason: str) -> None:
    with pytest.raises(Unauthorised, match=reason):
        verifier.authenticate(bad())


@given(st.text(max_size=300))
def test_no_text_gets_in_or_breaks_anything(text: str) -> None:
    far = TokenIssuer(issuer=ISSUER, audience="awarenet", jwks_url="https://id.example.org/jwks")
    with pytest.raises(Unauthorised):
        TokenVerifier([far]).authenticate(text)


def test_where_a_token_says_that_its_key_lies_is_not_looked_at(verifier: TokenVerifier, endpoint: Endpoint) -> None:
    with published() as trap:
        trap.publish(jwk(OTHER, "rsa", "RS256"))
        forged = token(OTHER, headers={"jku": trap.url, "x5u": trap.url, "jwk": jwk(OTHER, "rsa", "RS256")})
        with pytest.raises(Unauthorised):
            verifier.authenticate(forged)
    assert (trap.asked, endpoint.asked) == (0, 1)


def test_clocks_may_differ_by_the_leeway(verifier: TokenVerifier) -> None:
    verifier.authenticate(token(exp=time.time() - 20, nbf=time.time() - 100))
    verifier.authenticate(token(nbf=time.time() + 20, iat=time.time() + 20))


def test_keys_are_fetched_once_and_not_for_every_unknown_id(verifier: TokenVerifier, endpoint: Endpoint) -> None:
    for _ in range(5):
        verifier.authenticate(token())
    for number in range(20):
        with pytest.raises(Unauthorised, match="does not publish"):
            verifier.authenticate(token(kid=f"guess-{number}"))
    assert endpoint.asked == 1


def test_a_new_key_is_found_once_the_cooldown_is_over(endpoint: Endpoint) -> None:
    verifier = TokenVerifier([issuer(endpoint, cooldown_s=0.0)])
    verifier.authenticate(token())
    endpoint.publish(jwk(OTHER, "new", "RS256"))
    assert verifier.authenticate(token(OTHER, kid="new")).subject.endswith("#anna")
    with pytest.raises(Unauthorised):
        verifier.authenticate(token())


@pytest.mark.parametrize(("status", "body"), [(500, b""), (302, b""), (200, b"no json"), (200, b"[]"), (200, b"\xff")])
def test_an_endpoint_that_is_broken_is_unavailable_and_not_asked_at_every_token(
    endpoint: Endpoint, status: int, body: bytes
) -> None:
    clock = Clock()
    verifier = TokenVerifier([issuer(endpoint)], clock=clock)
    endpoint.status, good = status, endpoint.body
    endpoint.body = body
    for _ in range(5):
        with pytest.raises(Unavailable, match="cannot be fetched"):
            verifier.authenticate(token())
    assert endpoint.asked == 1
    endpoint.status, endpoint.body = 200, good
    clock.now += 31
    verifier.authenticate(token())


def test_an_endpoint_that_is_down_is_unavailable(endpoint: Endpoint) -> None:
    nowhere = TokenVerifier([issuer(endpoint, jwks_url="http://127.0.0.1:1/jwks")])
    with pytest.raises(Unavailable, match="cannot be fetched"):
        nowhere.authenticate(token())


def test_a_symmetric_key_that_is_published_opens_nothing(endpoint: Endpoint) -> None:
    secret = b"s" * 32
    oct_key = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode(), "kid": "oct", "alg": "HS256"}
    endpoint.publish(jwk(RSA, "rsa", "RS256"), oct_key)
    verifier = TokenVerifier([issuer(endpoint)])
    with pytest.raises(Unauthorised):
        verifier.authenticate(token(secret, "HS256", "oct"))


@pytest.mark.parametrize(
    ("settings", "given_claims", "roles"),
    [
        ({}, {"roles": "viewer admin"}, {Role.VIEWER, Role.ADMIN}),
        ({}, {"roles": ["analyst", "chef", 3, None]}, {Role.ANALYST}),
        ({}, {"roles": None}, set()),
        ({}, {"roles": {"admin": True}}, set()),
        ({"roles_claim": "realm_access.roles"}, {"realm_access": {"roles": ["operator"]}}, {Role.OPERATOR}),
        ({"roles_claim": "realm_access.roles"}, {"realm_access": "operator"}, set()),
        ({"roles": {"Desk": Role.ANALYST}}, {"roles": ["Desk", "admin"]}, {Role.ANALYST}),
    ],
)
def test_roles_come_from_the_configured_claim_alone(
    endpoint: Endpoint, settings: Any, given_claims: Any, roles: set[Role]
) -> None:
    assert TokenVerifier([issuer(endpoint, **settings)]).authenticate(token(**given_claims)).roles == roles


def test_subjects_of_two_issuers_never_meet(endpoint: Endpoint) -> None:
    other = "https://other.example.org"
    verifier = TokenVerifier([issuer(endpoint), issuer(endpoint, issuer=other)])
    assert verifier.authenticate(token()).subject != verifier.authenticate(token(iss=other)).subject


@pytest.mark.parametrize(
    "changes",
    [{"jwks_url": "http://id.example.org/jwks"}, {"jwks_url": "file:///etc/passwd"}, {"audience": ""}, {"issuer": ""}],
)
def test_an_issuer_that_is_not_safe_is_not_configured(endpoint: Endpoint, changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        issuer(endpoint, **changes)
    with pytest.raises(ConfigurationError, match="twice"):
        TokenVerifier([issuer(endpoint), issuer(endpoint)])
