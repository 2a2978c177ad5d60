"""API keys, permissions, rates and quotas."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from awarenet.errors import ConfigurationError, Forbidden, InvalidInput, NotFound, TooManyRequests, Unauthorised
from gateway.database import Database
from gateway.identity import ApiKeys, DailyQuotas, Permission, Principal, Pseudonyms, RateLimiter, Role, authorise
from gateway.identity.permissions import PERMISSIONS, Scope
from tests.stores import Clock

HASH_KEY = b"h" * 32
DAY = 86_400


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database, HASH_KEY)


def test_a_key_tells_who_bears_it(keys: ApiKeys) -> None:
    made, key = keys.create(
        "anna", {Role.ANALYST, Role.VIEWER}, name="laptop", requests_per_minute=30, requests_per_day=5
    )
    assert re.fullmatch(r"awn_[a-z2-7]{16}_[a-z2-7]{52}", key) and made.id in key
    bearer = keys.authenticate(key)
    assert bearer == Principal("anna", frozenset({Role.ANALYST, Role.VIEWER}), made.id, 30, 5)
    assert bearer.counted_as == made.id


def test_the_secret_is_not_in_the_database(keys: ApiKeys, database: Database) -> None:
    _, key = keys.create("anna", [Role.ADMIN])
    secret = key.rsplit("_", 1)[1]
    with database.reading() as connection:
        stored = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert secret not in stored and "anna" in stored


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key + "\n",
        lambda key: key.upper(),
        lambda key: key.replace("awn", "sk"),
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "q"),
        lambda key: "awn_" + "a" * 16 + key[20:],
        lambda key: "\u0430" + key[1:],
        lambda key: "' OR 1=1 --",
        lambda key: "x" * 1_000_000,
    ],
)
def test_a_key_that_is_not_to_the_letter_is_refused(keys: ApiKeys, spoil: Callable[[str], str]) -> None:
    _, key = keys.create("anna", [Role.ADMIN])
    with pytest.raises(Unauthorised, match="not valid"):
        keys.authenticate(spoil(key))


UNREACHABLE = ApiKeys(Database("sqlite:////nonexistent/x.db"), HASH_KEY)


@given(st.text())
def test_no_text_but_a_key_is_let_in(text: str) -> None:
    with pytest.raises(Unauthorised):
        UNREACHABLE.authenticate(text)


def test_a_key_ends_when_it_expires_or_is_revoked(keys: ApiKeys, clock: Clock) -> None:
    short, short_key = keys.create("anna", [Role.VIEWER], lifetime_s=100)
    long, long_key = keys.create("anna", [Role.VIEWER])
    clock.now += 99
    assert keys.authenticate(short_key).key_id == short.id
    clock.now += 1
    with pytest.raises(Unauthorised, match="expired"):
        keys.authenticate(short_key)
    keys.revoke(long.id)
    keys.revoke(long.id)
    with pytest.raises(Unauthorised, match="revoked"):
        keys.authenticate(long_key)
    with pytest.raises(NotFound, match="nosuch"):
        keys.revoke("nosuch")


def test_a_rotated_key_works_on_for_the_overlap(keys: ApiKeys, clock: Clock) -> None:
    old, old_key = keys.create("anna", [Role.ANALYST], name="ci", lifetime_s=1000, requests_per_day=9)
    clock.now += 500
    new, new_key = keys.rotate(old.id, overlap_s=60)
    assert (new.subject, new.roles, new.name, new.requests_per_day) == ("anna", old.roles, "ci", 9)
    assert new.expires == clock.now + 1000
    assert {keys.authenticate(key).subject for key in (old_key, new_key)} == {"anna"}
    clock.now += 60
    assert keys.authenticate(new_key).key_id == new.id
    with pytest.raises(Unauthorised, match="expired"):
        keys.authenticate(old_key)
    with pytest.raises(InvalidInput, match="does not work any more"):
        keys.rotate(old.id)
    with pytest.raises(NotFound):
        keys.rotate("nosuch")


def test_rotating_never_makes_an_old_key_live_longer(keys: ApiKeys, clock: Clock) -> None:
    old, old_key = keys.create("anna", [Role.VIEWER], lifetime_s=10)
    keys.rotate(old.id, overlap_s=1000)
    clock.now += 10
    with pytest.raises(Unauthorised, match="expired"):
        keys.authenticate(old_key)


def test_the_last_use_is_known_to_the_minute(keys: ApiKeys, clock: Clock) -> None:
    _, key = keys.create("anna", [Role.VIEWER])
    assert keys.find("anna")[0].last_used is None
    first = clock.now
    for later, known in ((0, first), (59, first), (60, first + 60)):
        clock.now = first + later
        keys.authenticate(key)
        assert keys.find("anna")[0].last_used == known


@pytest.mark.parametrize("column", ["roles = 'admin'", "subject = 'root'", "hash = 'x'"])
def test_who_can_write_the_database_still_cannot_rise(keys: ApiKeys, database: Database, column: str) -> None:
    _, key = keys.create("anna", [Role.VIEWER])
    with database.writing() as connection:
        connection.execute(text(f"UPDATE api_keys SET {column}"))
    with pytest.raises(Unauthorised):
        keys.authenticate(key)


def test_another_hash_key_voids_every_key(keys: ApiKeys, database: Database) -> None:
    _, key = keys.create("anna", [Role.VIEWER])
    with pytest.raises(Unauthorised):
        ApiKeys(database, b"i" * 32).authenticate(key)
    with pytest.raises(ConfigurationError, match="at least 32"):
        ApiKeys(database, b"short")


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": "a\nb"},
        {"subject": "x" * 401},
        {"roles": []},
        {"name": "x" * 101},
        {"lifetime_s": 0},
        {"requests_per_minute": float("nan")},
        {"requests_per_day": -1},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(keys: ApiKeys, wrong: dict[str, object]) -> None:
    values = {"subject": "anna", "roles": [Role.VIEWER], **wrong}
    with pytest.raises(InvalidInput):
        keys.create(values.pop("subject"), values.pop("roles"), **values)  # type: ignore[arg-type]
    assert keys.find() == []


def test_every_role_has_exactly_what_the_table_says() -> None:
    """The table once more, as a person would read it out; a change of rights must be made in both."""
    own = {Permission.JOBS_CREATE, Permission.JOBS_DELETE, Permission.SUBJECT_EXPORT, Permission.SUBJECT_ERASE}
    expected = {
        Role.VIEWER: {Permission.MODELS_READ: "any", Permission.JOBS_READ: "own"},
        Role.ANALYST: {
            Permission.MODELS_READ: "any",
            Permission.DETECT: "any",
            Permission.STREAM: "any",
            Permission.JOBS_READ: "own",
            Permission.JOBS_CANCEL: "own",
            **dict.fromkeys(own, "own"),
        },
        Role.OPERATOR: {
            Permission.MODELS_READ: "any",
            Permission.JOBS_READ: "own",
            Permission.JOBS_CANCEL: "any",
            Permission.METRICS_READ: "any",
            Permission.DRAIN: "any",
            Permission.AUDIT_VERIFY: "any",
        },
        Role.ADMIN: dict.fromkeys(Permission, "any"),
    }
    assert {role: {p: s.value for p, s in table.items()} for role, table in PERMISSIONS.items()} == expected


@given(st.frozensets(st.sampled_from(Role)), st.sampled_from(Permission), st.sampled_from([None, "anna", "bert"]))
def test_a_request_passes_if_and_only_if_a_role_allows_it(
    roles: frozenset[Role], permission: Permission, owner: str | None
) -> None:
    scopes = {PERMISSIONS[role].get(permission) for role in roles}
    anna = Principal("anna", roles)
    if Scope.ANY in scopes or (Scope.OWN in scopes and owner != "bert"):
        authorise(anna, permission, owner)
    elif Scope.OWN in scopes:
        with pytest.raises(NotFound):
            authorise(anna, permission, owner)
    else:
        with pytest.raises(Forbidden, match=permission.value):
            authorise(anna, permission, owner)


def test_another_persons_job_is_not_found_rather_than_forbidden() -> None:
    with pytest.raises(NotFound) as refused:
        authorise(Principal("anna", frozenset({Role.ANALYST})), Permission.JOBS_READ, "bert")
    assert refused.value.status == 404 and "bert" not in str(refused.value)


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    clock = Clock(0.0)
    limiter = RateLimiter(60, 3, clock=clock)
    for _ in range(3):
        limiter.take("k")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("k")
    assert refused.value.retry_after_s == pytest.approx(1.0)
    limiter.take("other")
    clock.now += refused.value.retry_after_s
    limiter.take("k")
    with pytest.raises(TooManyRequests):
        limiter.take("k")
    clock.now += 1e6
    for _ in range(3):
        limiter.take("k", cost=1)
    with pytest.raises(TooManyRequests, match="6 requests a minute") as slow:
        limiter.take("k", per_minute=6)
    assert slow.value.retry_after_s == pytest.approx(10.0)


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5), st.integers(1, 600))
def test_no_pattern_of_requests_gets_more_than_burst_and_rate(gaps: list[float], burst: int, per_minute: int) -> None:
    clock = Clock(0.0)
    limiter = RateLimiter(per_minute, burst, clock=clock)
    passed = 0
    for gap in gaps:
        clock.now += gap
        try:
            limiter.take("k")
            passed += 1
        except TooManyRequests as refused:
            clock.now += refused.retry_after_s
            limiter.take("k")  # who waits as told is let in
            passed += 1
        assert passed <= burst + clock.now * per_minute / 60 + 1e-6


def test_a_quota_is_spent_and_begins_anew_at_midnight(database: Database, clock: Clock) -> None:
    quotas = DailyQuotas(database)
    clock.now = 20_000 * DAY + 100.0
    assert [quotas.spend("anna", 5, cost) for cost in (1, 3)] == [4, 1]
    with pytest.raises(TooManyRequests, match="quota of 5") as refused:
        quotas.spend("anna", 5, 2)
    assert refused.value.retry_after_s == DAY - 100
    assert quotas.spend("anna", 5) == 0
    assert quotas.spend("bert", 5) == 4
    with pytest.raises(TooManyRequests):
        quotas.spend("carl", 5, 6)
    quotas.give_back("anna", 2)
    assert quotas.used("anna") == {20_000: 3}
    clock.now += DAY
    assert quotas.spend("anna", 5) == 4
    clock.now += DAY
    quotas.purge()
    assert quotas.used("anna") == {20_001: 1}
    quotas.erase("anna")
    assert quotas.used("anna") == {}


def test_a_pseudonym_lasts_until_it_is_erased(database: Database) -> None:
    pseudonyms = Pseudonyms(database)
    first = pseudonyms.of("anna")
    assert Pseudonyms(database).of("anna") == first != pseudonyms.of("bert")
    assert "anna" not in first
    pseudonyms.erase("anna")
    assert pseudonyms.known("anna") is None
    assert pseudonyms.of("anna") != first
