"""The parts of the gateway that need no server: configuration, caches, names, sessions, errors, drain."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from awarenet import errors
from awarenet.errors import (
    AwareNetError,
    ConfigurationError,
    Conflict,
    NotFound,
    Overloaded,
    Unauthorised,
    Unavailable,
)
from gateway.auditing import Auditor
from gateway.cache import Idempotency, ResultCache, ResultKey
from gateway.identity import Role, new_key
from gateway.job_runner import JobRunner
from gateway.jobs import NewJob
from gateway.jobs.kinds import CLIP, WEBHOOK
from gateway.lifecycle import Lifecycle
from gateway.problems import KeyReused, problem, respond
from gateway.settings import Settings
from gateway.state import first_key, open_state
from gateway.stores import Retention
from gateway.streams import Streams
from gateway.timing import within
from gateway.uploads import _harmless
from gateway.workers.protocol import Task, error_message, error_of
from gateway.workers.turns import LONGEST_S, Turns
from tests.stores import Clock


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AWARENET_"):
            monkeypatch.delenv(name)


def test_arguments_go_before_the_environment_and_the_environment_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('port = 1\nqueue = 2\nworkers = 3\ncors_origins = ["https://a.example"]\n')
    monkeypatch.setenv("AWARENET_CONFIG", str(file))
    monkeypatch.setenv("AWARENET_PORT", "10")
    monkeypatch.setenv("AWARENET_QUEUE", "20")
    settings = Settings.load(port=100)
    assert (settings.port, settings.queue, settings.workers) == (100, 20, 3)
    assert settings.cors_origins == ("https://a.example",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("FACE_ENGINE", "eyes"),
        ("CORS_ORIGINS", '["*"]'),
        ("CORS_ORIGINS", '["https://a.example/path/"]'),
        ("MASTER_KEY", "secret-secret"),
        ("TOKEN_ISSUER", "https://issuer.example"),
        ("CONFIG", "/nowhere.toml"),
    ],
)
def test_values_that_make_no_sense_are_named_and_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"AWARENET_{name}", value)
    with pytest.raises(ConfigurationError, match="settings: ") as refused:
        Settings.load()
    assert "secret-secret" not in str(refused.value)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_first_key_and_every_secret_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    settings = Settings.load(state_folder=tmp_path / "state")
    keys = []
    for _ in range(2):
        state = open_state(settings)
        keys.append(_read(first_key(state.keys, settings)))
        state.close()
    assert keys[0] == keys[1]
    state.keys.revoke(state.keys.find()[0].id)
    assert _read(first_key(state.keys, settings)) != keys[0], "a key that works no more is replaced"
    state.close()


def _read(file: Path | None) -> str:
    assert file is not None
    return file.read_text()


def test_a_given_first_key_works_on_every_gateway_and_is_written_nowhere(tmp_path: Path) -> None:
    given = new_key()
    for _ in range(2):
        settings = Settings.load(state_folder=tmp_path / "state", first_api_key=given)
        state = open_state(settings)
        assert first_key(state.keys, settings) is None
        assert Role.ADMIN in state.keys.authenticate(given).roles
        assert not (tmp_path / "state" / "api_key").exists()
    state.keys.revoke(state.keys.find()[0].id)
    first_key(state.keys, settings)
    with pytest.raises(Unauthorised, match="revoked"):
        state.keys.authenticate(given)
    state.close()


def test_a_first_key_of_another_form_is_refused_by_its_remedy(tmp_path: Path) -> None:
    settings = Settings.load(state_folder=tmp_path / "state", first_api_key="hunter2")
    state = open_state(settings)
    with pytest.raises(ConfigurationError, match="keys generate") as refused:
        first_key(state.keys, settings)
    assert "hunter2" not in str(refused.value)
    state.close()


def key(sha256: str, route: str = "cascade", policy: str = "p") -> ResultKey:
    return ResultKey(sha256, "m", policy, "hog", route)  # type: ignore[arg-type]


def test_a_verdict_is_found_for_the_same_bytes_models_policy_and_route_alone() -> None:
    cache = ResultCache(10)
    cache.put(key("a"), {"verdict": "real"})
    assert cache.get(key("a")) == {"verdict": "real"}
    assert cache.get(key("b")) is cache.get(key("a", "full")) is cache.get(key("a", policy="q")) is None
    assert len({key("a").etag, key("b").etag, key("a", "full").etag, key("a", policy="q").etag}) == 4


def test_the_cache_is_bounded_and_forgets_what_was_not_asked_for_longest() -> None:
    cache = ResultCache(2)
    cache.put(key("a"), {})
    cache.put(key("b"), {})
    cache.get(key("a"))
    cache.put(key("c"), {})
    assert len(cache) == 2 and cache.get(key("b")) is None and cache.get(key("a")) is not None
    nothing = ResultCache(0)
    nothing.put(key("a"), {})
    assert len(nothing) == 0


async def test_work_under_a_key_is_done_once_and_failures_are_not_kept() -> None:
    done = 0

    async def work() -> int:
        nonlocal done
        done += 1
        if done == 1:
            raise Unavailable("not yet")
        await asyncio.sleep(0)
        return done

    once = Idempotency(60)
    with pytest.raises(Unavailable):
        await once.once("me", "k", "f", work)
    assert await once.once("me", "k", "f", work) == (2, False)
    assert await once.once("me", "k", "f", work) == (2, True)
    assert await once.once("you", "k", "f", work) == (3, False), "keys of others are others'"
    with pytest.raises(KeyReused):
        await once.once("me", "k", "other", work)
    first = asyncio.ensure_future(once.once("me", "slow", "f", work))
    await asyncio.sleep(0)
    with pytest.raises(Conflict):
        await once.once("me", "slow", "f", work)
    await first


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.jpg", "b.jpg"),
        ("", "media"),
        ("..", "media"),
        ("a\x00b\r\n\x1b[0m.png", "ab[0m.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("straße.png", "straße.png"),
    ],
)
def test_names_are_made_harmless(given: str, shown: str) -> None:
    assert _harmless(given) == shown


def test_sessions_wait_for_their_own_client_and_not_for_ever() -> None:
    streams = Streams(2, resume_s=0.0)
    session = streams.begin("me")
    with pytest.raises(Conflict):
        streams.resume(session.token, "me")
    streams.leave(session)
    session.left += 60
    with pytest.raises(NotFound):
        streams.resume(session.token, "you")
    assert streams.resume(session.token, "me") is session
    streams.begin("me")
    with pytest.raises(Overloaded):
        streams.begin("me")
    streams.leave(session)
    session.left -= 60
    streams.begin("me")
    with pytest.raises(NotFound):
        streams.resume(session.token, "me")


async def test_draining_waits_for_what_is_under_way_and_refuses_the_rest() -> None:
    lifecycle = Lifecycle(2)
    lifecycle.enter()
    lifecycle.enter()
    with pytest.raises(Overloaded):
        lifecycle.enter()
    assert not await lifecycle.drain(0.01)
    with pytest.raises(Unavailable):
        lifecycle.enter()
    waiting = asyncio.ensure_future(lifecycle.drain(10))
    await lifecycle.leave()
    await lifecycle.leave()
    assert await waiting


def test_every_error_becomes_a_problem_with_its_status_code_and_remedy() -> None:
    content = problem(errors.MediaTooLarge("a.png: too large; scale it down"), "id")
    assert content == {
        "type": "/docs#problem-media_too_large",
        "title": "The media exceeds a limit on bytes, pixels or duration; nothing was decoded.",
        "status": 413,
        "detail": "a.png: too large; scale it down",
        "code": "media_too_large",
        "instance": "urn:awarenet:request:id",
    }
    assert respond(Overloaded("full", retry_after_s=2.1), "id").headers["retry-after"] == "3"
    assert respond(Unavailable("away"), "id").headers["retry-after"] == "1"
    assert problem(errors.Cancelled(""), "id")["status"] == 499


def test_workers_and_the_gateway_understand_each_other() -> None:
    task = Task("frame", "näme", "full", 1.5, "p", 2.0, '{"a": 1}', 0.1)
    assert Task.decode(task.encode()) == task
    for kind in (errors.DamagedMedia, errors.Unavailable, errors.DeadlineExceeded):
        error = error_of(error_message(kind("why"))["error"])
        assert type(error) is kind and str(error) == "why"
    assert isinstance(error_of({"code": "invented", "message": "x"}), AwareNetError)
    assert errors.kinds()["worker_died"] is errors.WorkerDied


async def test_waiting_ends_in_time_and_gives_up_what_it_waited_for() -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, never)
    assert never.cancelled()


async def test_waiting_swallows_no_cancellation_that_comes_as_it_ends() -> None:
    """The case in which `asyncio.wait_for` goes on: both happen in the same turn of the loop."""
    done = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(within(60, done))
    await asyncio.sleep(0)
    done.set_result("done")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_refused_callers_are_told_to_come_one_after_the_other() -> None:
    clock = Clock()
    turns = Turns(clock)
    assert [turns.next(0.5, 0.1) for _ in range(3)] == pytest.approx([0.6, 0.7, 0.8])
    clock.now += 0.2  # Two of them have come meanwhile.
    assert turns.next(0.5, 0.1) == pytest.approx(0.7)
    clock.now += 100
    assert turns.next(0.5, 0.1) == pytest.approx(0.6)


def test_nobody_is_told_to_wait_for_longer_than_a_minute() -> None:
    clock = Clock()
    turns = Turns(clock)
    assert max(turns.next(0.1, 0.1) for _ in range(10_000)) == pytest.approx(LONGEST_S)
    clock.now += 30
    assert turns.next(0.1, 0.1) == pytest.approx(30.1)


# Jobs


async def test_the_database_is_asked_for_what_is_watched_alone(tmp_path: Path) -> None:
    stores = open_state(Settings.load(state_folder=tmp_path / "state"))
    for kind in (CLIP, WEBHOOK, WEBHOOK):
        stores.jobs.enqueue("somebody", NewJob(kind=kind, request={}))
    runner = JobRunner(stores, Retention(), [], Auditor(stores.audit, stores.pseudonyms), [CLIP])
    runner.start()
    try:
        for _ in range(1000):
            if not math.isnan(runner.waiting(CLIP).jobs):
                break
            await asyncio.sleep(0.01)
        assert runner.waiting(CLIP).jobs == 1 and math.isnan(runner.waiting(WEBHOOK).jobs)
    finally:
        await runner.close()
        stores.close()
