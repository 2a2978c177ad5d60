"""What every job store must do, whatever database is under it.

The unit tests run it on SQLite and the integration tests on PostgreSQL, by the fixtures `database` and `clock`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from awarenet.errors import (
    Cancelled,
    Conflict,
    DamagedMedia,
    InvalidInput,
    LeaseLost,
    NotFound,
    ServiceError,
    TooManyRequests,
    Unavailable,
)
from gateway.database import Database
from gateway.jobs import Job, JobLimits, JobState, JobStore, Lease, NewJob, Waiting
from tests.stores import Clock, NotedMedia

CLIP = ("clip",)
LIMITS = JobLimits(lease_s=30, attempts=3, backoff_s=4, longest_backoff_s=60, open_jobs=20, open_jobs_per_owner=10)


@pytest.fixture
def media() -> NotedMedia:
    return NotedMedia()


@pytest.fixture
def store(database: Database, media: NotedMedia) -> JobStore:
    return JobStore(database, media, LIMITS)


def claimed(store: JobStore, holder: str = "worker") -> Lease:
    lease = store.claim(holder, CLIP)
    assert lease is not None
    return lease


def new(**changes: Any) -> NewJob:
    return NewJob(**{"kind": "clip", "request": {"frames": 8}, **changes})


def test_a_job_goes_from_the_queue_to_its_result(store: JobStore, clock: Clock) -> None:
    job, is_new = store.enqueue("anna", new(media_id="m1"))
    assert is_new and job.state is JobState.QUEUED and job.request == {"frames": 8} and not job.state.final
    lease = claimed(store)
    assert lease.job.id == job.id and lease.job.state is JobState.RUNNING and lease.job.attempts == 1
    clock.now += 5
    store.heartbeat(lease, 0.5, {"frame": 4})
    store.heartbeat(lease, 0.25)
    seen = store.get(job.id)
    assert (seen.progress, seen.detail) == (0.5, {"frame": 4})
    store.complete(lease, {"verdict": "fake", "name": "snow \u2603 \x00"})
    done = store.get(job.id)
    assert done.state is JobState.SUCCEEDED and done.state.final
    assert done.result == {"verdict": "fake", "name": "snow \u2603 \x00"}
    assert (done.progress, done.started, done.finished) == (1.0, clock.now - 5, clock.now)
    assert store.claim("worker", CLIP) is None


def test_jobs_are_taken_in_order_and_by_kind(store: JobStore, clock: Clock) -> None:
    ids = []
    for kind in ("clip", "webhook", "clip"):
        ids.append(store.enqueue("anna", new(kind=kind))[0].id)
        clock.now += 1
    taken = [store.claim("w", kinds) for kinds in (("webhook",), ("webhook",), CLIP, ("clip", "webhook"), CLIP)]
    assert [lease and lease.job.id for lease in taken] == [ids[1], None, ids[0], ids[2], None]


def test_a_lease_that_ran_out_goes_to_another_and_the_late_result_is_refused(store: JobStore, clock: Clock) -> None:
    job, _ = store.enqueue("anna", new())
    first = claimed(store, "first")
    clock.now += 29
    assert store.claim("second", CLIP) is None
    clock.now += 2
    second = claimed(store, "second")
    assert second.job.id == job.id and second.fence > first.fence
    late: list[Callable[[], object]] = [
        lambda: store.complete(first, {"verdict": "wrong"}),
        lambda: store.fail(first, Unavailable("no")),
        lambda: store.heartbeat(first),
        lambda: store.release(first),
    ]
    for say in late:
        with pytest.raises(LeaseLost, match="another worker"):
            say()
    store.complete(second, {"verdict": "right"})
    for say in late:
        with pytest.raises(LeaseLost):
            say()
    assert store.get(job.id).result == {"verdict": "right"}


def test_a_late_result_that_nobody_overtook_counts(store: JobStore, clock: Clock) -> None:
    job, _ = store.enqueue("anna", new())
    lease = claimed(store)
    clock.now += 1000
    store.complete(lease, {"verdict": "real"})
    assert store.get(job.id).result == {"verdict": "real"}


@pytest.fixture
def followed(database: Database, media: NotedMedia) -> JobStore:
    """A store where a webhook follows from every clip."""
    return JobStore(
        database,
        media,
        LIMITS,
        lambda job: [NewJob("webhook", {"job": job.id, "state": job.state.value})] if job.kind == "clip" else [],
    )


def follows(store: JobStore) -> list[dict[str, Any]]:
    return [job.request for job in store.find("anna", kind="webhook")]


def test_what_waits_is_counted_by_kind_and_for_how_long_it_could_have_been_begun(store: JobStore, clock: Clock) -> None:
    assert store.waiting("clip") == Waiting(0, 0)
    for kind in ("clip", "clip", "webhook"):
        store.enqueue("anna", new(kind=kind))
        clock.now += 5
    assert (store.waiting("clip"), store.waiting("webhook")) == (Waiting(2, 15), Waiting(1, 5))
    first = claimed(store)
    assert store.waiting("clip") == Waiting(1, 10), "what is under way does not wait"
    store.complete(claimed(store), {})
    store.fail(first, ServiceError("away"))
    assert store.waiting("clip") == Waiting(1, 0), "it waits, and is not due yet"


def test_saying_the_result_twice_is_saying_it_once(followed: JobStore) -> None:
    job, _ = followed.enqueue("anna", new())
    lease = claimed(followed)
    for _ in range(2):
        followed.complete(lease, {"verdict": "real"})
    assert follows(followed) == [{"job": job.id, "state": "succeeded"}]
    lease = followed.claim("w", ("webhook",))
    assert lease is not None
    followed.complete(lease, {})
    assert followed.depth()[JobState.QUEUED] == 0, "nothing follows from what follows"


def test_something_follows_from_the_last_failure_alone(followed: JobStore, clock: Clock) -> None:
    job, _ = followed.enqueue("anna", new())
    for _ in range(LIMITS.attempts):
        assert follows(followed) == []
        followed.fail(claimed(followed), ServiceError("no"))
        clock.now += LIMITS.longest_backoff_s
    assert follows(followed) == [{"job": job.id, "state": "failed"}]


def test_something_follows_from_a_job_that_killed_its_workers(followed: JobStore, clock: Clock) -> None:
    job, _ = followed.enqueue("anna", new())
    for _ in range(LIMITS.attempts):
        claimed(followed)
        clock.now += LIMITS.lease_s + 1
    assert followed.claim("other", CLIP) is None
    assert follows(followed) == [{"job": job.id, "state": "failed"}]


def test_nothing_follows_from_a_cancelled_job(followed: JobStore) -> None:
    job, _ = followed.enqueue("anna", new())
    followed.cancel(job.id)
    assert follows(followed) == []


def test_heartbeats_keep_a_lease(store: JobStore, clock: Clock) -> None:
    store.enqueue("anna", new())
    lease = claimed(store)
    for _ in range(10):
        clock.now += 29
        store.heartbeat(lease)
        assert store.claim("other", CLIP) is None


def test_a_failure_is_retried_later_and_later_and_then_is_final(store: JobStore, clock: Clock) -> None:
    job, _ = store.enqueue("anna", new())
    for attempt, longest in ((1, 4.0), (2, 8.0)):
        lease = claimed(store)
        assert lease.job.attempts == attempt
        assert store.fail(lease, ServiceError("Triton is away")) is JobState.QUEUED
        clock.now += longest / 2 - 0.01
        assert store.claim("worker", CLIP) is None
        clock.now += longest / 2 + 0.01
    assert store.fail(claimed(store), ServiceError("Triton is\x00 away \ud800")) is JobState.FAILED
    failed = store.get(job.id)
    assert (failed.state, failed.error_code, failed.error) == (JobState.FAILED, "service", "Triton is away ?")
    clock.now += 1e6
    assert store.claim("worker", CLIP) is None


def test_a_fault_of_the_input_is_not_retried(store: JobStore) -> None:
    job, _ = store.enqueue("anna", new())
    assert store.fail(claimed(store), DamagedMedia("clip: no frame")) is JobState.FAILED
    assert store.get(job.id).error_code == "damaged_media"


def test_a_job_that_kills_its_workers_fails_in_the_end(store: JobStore, clock: Clock) -> None:
    job, _ = store.enqueue("anna", new())
    for _ in range(3):
        claimed(store)
        clock.now += 31
    assert store.claim("worker", CLIP) is None
    failed = store.get(job.id)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "abandoned")


def test_a_job_given_back_waits_for_no_one_and_costs_no_attempt(store: JobStore) -> None:
    store.enqueue("anna", new())
    for _ in range(5):
        lease = claimed(store)
        assert lease.job.attempts == 1
        store.release(lease)


def test_a_cancelled_job_tells_its_worker(store: JobStore) -> None:
    job, _ = store.enqueue("anna", new())
    lease = claimed(store)
    assert store.cancel(job.id).state is JobState.CANCELLED
    assert store.cancel(job.id).state is JobState.CANCELLED
    with pytest.raises(Cancelled, match="cancelled"):
        store.heartbeat(lease)
    with pytest.raises(Cancelled):
        store.complete(lease, {"verdict": "fake"})
    assert store.get(job.id).result is None
    assert store.claim("worker", CLIP) is None


def test_a_finished_job_cannot_be_cancelled(store: JobStore) -> None:
    job, _ = store.enqueue("anna", new())
    store.complete(claimed(store), {})
    with pytest.raises(Conflict, match="succeeded"):
        store.cancel(job.id)


def test_a_deleted_job_is_gone_and_so_is_its_media(store: JobStore, media: NotedMedia) -> None:
    job, _ = store.enqueue("anna", new(media_id="m1"))
    lease = claimed(store)
    store.delete(job.id)
    assert media.deleted == ["m1"]
    for ask in (store.get, store.delete, store.cancel, lambda job_id: store.changed(job_id, 1)):
        with pytest.raises(NotFound, match=job.id):
            ask(job.id)
    with pytest.raises(Cancelled, match="deleted"):
        store.complete(lease, {})


def test_media_that_cannot_be_deleted_keeps_the_job_so_that_it_can_be_tried_again(
    store: JobStore, media: NotedMedia
) -> None:
    job, _ = store.enqueue("anna", new(media_id="m1"))
    media.broken = True
    with pytest.raises(OSError, match="broken"):
        store.delete(job.id)
    assert store.get(job.id).state is JobState.CANCELLED
    assert store.media_in_use() == {"m1"}
    media.broken = False
    store.delete(job.id)
    assert store.media_in_use() == set()


def test_the_same_request_under_one_key_is_one_job(store: JobStore) -> None:
    asked = new(idempotency_key="k", request={"a": 1, "b": 2}, media_sha256="0" * 64)
    job, _ = store.enqueue("anna", asked)
    again = new(idempotency_key="k", request={"b": 2, "a": 1}, media_sha256="0" * 64)
    found, is_new = store.enqueue("anna", again)
    assert (found.id, is_new) == (job.id, False)
    other_owner, is_new = store.enqueue("bert", asked)
    assert is_new and other_owner.id != job.id
    for changed in ({"request": {"a": 1}}, {"media_sha256": "1" * 64}, {"kind": "picture"}):
        with pytest.raises(Conflict, match="Idempotency-Key"):
            store.enqueue("anna", new(**{"idempotency_key": "k", "request": {"a": 1, "b": 2}, **changed}))


def test_one_key_from_many_threads_at_once_is_one_job(store: JobStore) -> None:
    start = threading.Barrier(6)
    found: list[tuple[str, bool]] = []

    def enqueue() -> None:
        start.wait()
        job, is_new = store.enqueue("anna", new(idempotency_key="same"))
        found.append((job.id, is_new))

    run([enqueue] * 6)
    assert len({job_id for job_id, _ in found}) == 1
    assert Counter(is_new for _, is_new in found) == {True: 1, False: 5}


def test_workers_at_once_never_hold_the_same_job(store: JobStore) -> None:
    ids = {store.enqueue("anna", new())[0].id for _ in range(10)}
    start = threading.Barrier(5)
    taken: list[str] = []

    def work() -> None:
        start.wait()
        while lease := store.claim("worker", CLIP):
            taken.append(lease.job.id)
            store.complete(lease, {})

    run([work] * 5)
    assert sorted(taken) == sorted(ids)
    assert store.depth()[JobState.SUCCEEDED] == 10


def test_a_full_queue_refuses_and_says_who_is_at_fault(store: JobStore) -> None:
    for _ in range(10):
        store.enqueue("anna", new())
    with pytest.raises(TooManyRequests, match="10 unfinished") as refused:
        store.enqueue("anna", new())
    assert refused.value.retry_after_s > 0
    for _ in range(10):
        store.enqueue("bert", new())
    with pytest.raises(Unavailable, match="queue is full"):
        store.enqueue("carl", new())
    store.complete(claimed(store), {})
    store.enqueue("carl", new())


def test_a_list_is_the_owners_own_newest_first_in_pages(store: JobStore, clock: Clock) -> None:
    ids = []
    for number in range(7):
        ids.append(store.enqueue("anna", new())[0].id)
        clock.now += number % 2  # some of one instant
    store.enqueue("bert", new())
    pages: list[list[Job]] = []
    before = None
    while page := store.find("anna", limit=3, before=before):
        pages.append(page)
        before = page[-1].id
    listed = [job for page in pages for job in page]
    assert sorted(job.id for job in listed) == sorted(ids)
    times = [job.created for job in listed]
    assert times == sorted(times, reverse=True)
    assert len(store.find()) == 8 and len(store.find("anna", kind="webhook")) == 0
    with pytest.raises(InvalidInput, match="limit"):
        store.find("anna", limit=0)
    with pytest.raises(NotFound):
        store.find("anna", before="gone")


def test_every_visible_change_has_its_own_version(store: JobStore) -> None:
    job, _ = store.enqueue("anna", new())
    assert store.changed(job.id, job.version) is None
    seen = [job.version]

    def note() -> None:
        changed = store.changed(job.id, seen[-1])
        assert changed is not None
        seen.append(changed.version)

    lease = claimed(store)
    note()
    store.heartbeat(lease)
    assert store.changed(job.id, seen[-1]) is None
    store.heartbeat(lease, 0.5)
    note()
    store.complete(lease, {})
    note()
    assert seen == sorted(set(seen))


def test_finished_jobs_go_after_their_time_and_their_media_before(
    store: JobStore, media: NotedMedia, clock: Clock
) -> None:
    done, _ = store.enqueue("anna", new(media_id="m1"))
    store.complete(claimed(store), {"verdict": "real"})
    waiting, _ = store.enqueue("anna", new(media_id="m2"))
    assert store.purge(finished_s=100) == 1
    assert media.deleted == ["m1"]
    kept = store.get(done.id)
    assert kept.media_id is None and kept.result == {"verdict": "real"}
    assert store.purge(finished_s=100) == 0
    clock.now += 101
    assert store.purge(finished_s=100) == 1
    with pytest.raises(NotFound):
        store.get(done.id)
    assert store.get(waiting.id).media_id == "m2"
    assert media.deleted == ["m1"]


@pytest.mark.parametrize("jump", [-3600.0, -20.0, 20.0, 3600.0])
def test_no_jump_of_the_clock_loses_or_doubles_a_job(store: JobStore, clock: Clock, jump: float) -> None:
    job, _ = store.enqueue("anna", new())
    waiting, _ = store.enqueue("anna", new())
    lease = claimed(store)
    assert store.fail(lease, ServiceError("again")) is JobState.QUEUED
    first = claimed(store)
    clock.now += jump
    results = []
    for _ in range(8):
        if got := store.claim("other", CLIP):
            store.complete(got, {"by": "other"})
            results.append(got.job.id)
        clock.now += 15
    if first.job.id in results:
        with pytest.raises(LeaseLost):
            store.complete(first, {"by": "first"})
    assert sorted(results) == sorted({job.id, waiting.id})
    assert {store.get(job_id).result["by"] for job_id in results} == {"other"}  # type: ignore[index]


@pytest.mark.parametrize("key", ["", "x" * 256, "snow \u2603", "a\nb"])
def test_an_idempotency_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency key"):
        new(idempotency_key=key)


def run(targets: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
