"""A live session on a clock of the test's own: smoothing, alarm, people, time, and the queue before it."""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.errors import DamagedMedia, InvalidInput, Unavailable
from awarenet.faces import FaceBox
from awarenet.policy import Leakage, Policy
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.video.frame_queue import FrameQueue
from awarenet.video.live import MAX_TRACKS, LiveConfiguration, LiveDetector, LiveScore, LiveSession, LiveState
from tests import tiny_repository as tiny
from tests.samples import ASTRONAUT_FACE, astronaut

POLICY = Policy(0.05, 0.95, 0.5, 0.1, Leakage(0.01, 300, 0, 0.01, 300, 200), "made up", {"fast_filter": "0"})
RATE = 25


def box(x: float = 0.0, side: float = 100.0) -> FaceBox:
    return FaceBox(x, 0.0, side, side, 1.0)


def run(
    session: LiveSession,
    times: Iterable[float],
    probability: float | Callable[[float], float],
    boxes: list[FaceBox] | None = None,
) -> list[LiveScore]:
    """Shows the same faces at these times; every face that is to be scored gets the same score."""
    answers = []
    for time_s in times:
        due = session.follow(time_s, [box()] if boxes is None else boxes)
        score = probability(time_s) if callable(probability) else probability
        answers.append(session.judge(dict.fromkeys(due, score)))
    return answers


def seconds(start: float, stop: float, rate: float = RATE) -> list[float]:
    return [start + index / rate for index in range(round((stop - start) * rate))]


def test_nobody_is_no_face_and_a_stranger_is_uncertain_before_anything_else() -> None:
    session = LiveSession(POLICY)
    (answer,) = run(session, [0.0], 0.01, [])
    assert (answer.verdict, answer.probability, answer.tracks) == ("no_face", None, ())
    (answer,) = run(session, [0.04], 0.01)
    assert answer.verdict == "uncertain" and answer.probability == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("probability", "word"), [(0.01, "real"), (0.99, "fake"), (0.5, "uncertain")])
def test_a_steady_score_becomes_a_steady_verdict(probability: float, word: str) -> None:
    answers = run(LiveSession(POLICY), seconds(0, 3), probability)
    assert {answer.verdict for answer in answers[RATE * 2 :]} == {word}
    assert answers[-1].probability == pytest.approx(probability, rel=1e-3)


def test_a_face_is_scored_now_and_then_and_answered_for_in_every_frame() -> None:
    session = LiveSession(POLICY, LiveConfiguration(score_every_s=0.2))
    answers = run(session, seconds(0, 2), 0.9)
    assert len(answers) == 50 and all(answer.probability is not None for answer in answers)
    assert sum(answer.scored for answer in answers) == session.counts.scored == 10


def test_the_longest_unscored_faces_go_first_and_no_frame_scores_more_than_allowed() -> None:
    session = LiveSession(POLICY, LiveConfiguration(faces_per_frame=2, score_every_s=1.0))
    crowd = [box(200.0 * index) for index in range(5)]
    due = []
    for index in range(3):
        wanted = session.follow(index * 0.04, crowd)
        session.judge(dict.fromkeys(wanted, 0.5))
        due.append(wanted)
    assert due == [[0, 1], [2, 3], [4]]


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 3.0), st.sampled_from([4, 5, 10, 25, 50]))
def test_smoothing_follows_time_and_not_the_number_of_frames(step_s: float, rate: int) -> None:
    """After a step the smoothed logit has gone 1 - exp(-t / tau) of the way, at any rate of frames."""
    configuration = LiveConfiguration(smoothing_s=0.8, score_every_s=0.0, forget_after_s=10)
    session = LiveSession(POLICY, configuration)
    run(session, seconds(0, 8, rate), 0.1)
    after = seconds(8, 8 + step_s, rate)
    probability = run(session, after, 0.9)[-1].probability
    assert probability is not None
    gone = 1 - math.exp(-(after[-1] - 8 + 1 / rate) / 0.8)
    assert math.log(probability / (1 - probability)) == pytest.approx((2 * gone - 1) * math.log(9), abs=0.01)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 1.5), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_smoothed_score_lies_between_the_scores(samples: list[tuple[float, float]]) -> None:
    session = LiveSession(POLICY, LiveConfiguration(score_every_s=0.0))
    time_s = 0.0
    for gap_s, probability in samples:
        time_s += gap_s
        (answer,) = run(session, [time_s], probability)
    values = [probability for _, probability in samples]
    assert answer.probability is not None
    assert min(*values, 0.997) - 0.003 <= answer.probability <= max(*values, 0.003) + 0.003


def test_one_sure_frame_raises_no_alarm() -> None:
    session = LiveSession(POLICY)
    run(session, seconds(0, 2), 0.3)
    answers = run(session, seconds(2, 4), lambda time_s: 1.0 if 2.15 < time_s < 2.25 else 0.3)
    assert session.counts.scored > 15
    assert "fake" not in {answer.verdict for answer in answers}


def test_the_alarm_waits_to_be_raised_and_to_be_cleared_and_holds_in_between() -> None:
    configuration = LiveConfiguration(
        smoothing_s=0.05, score_every_s=0.0, settle_s=0.01, alarm_after_s=0.5, clear_after_s=1.0
    )
    session = LiveSession(POLICY, configuration)
    raised = [answer.time_s for answer in run(session, seconds(0, 1), 0.9) if answer.verdict == "fake"]
    assert 0.5 <= raised[0] <= 0.6
    between = run(session, seconds(1, 5), 0.55)
    assert {answer.verdict for answer in between} == {"fake"}  # under alarm_at, not under clear_at
    words = {answer.time_s: answer.verdict for answer in run(session, seconds(5, 8), 0.1)}
    cleared = min(time_s for time_s, word in words.items() if word != "fake")
    assert 6.0 <= cleared <= 6.3 and words[max(words)] == "real"


def test_a_score_that_swings_around_the_threshold_does_not_make_the_alarm_flicker() -> None:
    session = LiveSession(POLICY)
    answers = run(session, seconds(0, 20), lambda time_s: 0.85 if math.sin(7 * time_s) > 0 else 0.25)
    words = [answer.verdict for answer in answers]
    assert sum(one != other for one, other in itertools.pairwise(words)) <= 2


def test_the_worst_person_decides_and_nobody_s_scores_mix() -> None:
    session = LiveSession(POLICY, LiveConfiguration(faces_per_frame=2))
    people = [box(0.0), box(300.0)]
    for index, time_s in enumerate(seconds(0, 3)):
        shown = people if index % 2 else people[::-1]
        due = session.follow(time_s, shown)
        answer = session.judge({face: 0.02 if shown[face].x == 0 else 0.97 for face in due})
    assert answer.verdict == "fake" and answer.probability == pytest.approx(0.97, abs=0.005)
    by_place = {track.box[0]: track for track in answer.tracks}
    assert (by_place[0.0].verdict, by_place[300.0].verdict) == ("real", "fake")
    assert by_place[0.0].probability == pytest.approx(0.02, abs=0.005)


def test_a_face_too_small_to_judge_is_never_scored_and_stays_uncertain() -> None:
    session = LiveSession(POLICY)
    answers = run(session, seconds(0, 2), 0.99, [box(side=40.0)])
    assert session.counts.scored == 0
    assert {(answer.verdict, answer.probability) for answer in answers} == {("uncertain", None)}


def test_who_is_away_for_a_moment_is_remembered_and_for_longer_is_forgotten() -> None:
    session = LiveSession(POLICY, LiveConfiguration(forget_after_s=2.0))
    run(session, seconds(0, 3), 0.99)
    gone = run(session, seconds(3, 4), 0.0, [])
    assert {answer.verdict for answer in gone} == {"fake"}
    (back,) = run(session, [4.0], 0.99)
    assert [track.track for track in back.tracks] == [0] and back.verdict == "fake"
    gone = run(session, seconds(4.04, 8), 0.0, [])
    assert gone[-1].verdict == "no_face"
    (stranger,) = run(session, [8.0], 0.99)
    assert [track.track for track in stranger.tracks] == [1] and stranger.verdict == "uncertain"


def test_after_a_gap_in_the_stream_everybody_is_a_stranger() -> None:
    session = LiveSession(POLICY, LiveConfiguration(forget_after_s=2.0))
    run(session, seconds(0, 3), 0.99)
    (answer,) = run(session, [3600.0], 0.01)
    assert answer.verdict == "uncertain" and [track.track for track in answer.tracks] == [1]
    assert session.counts.restarts == 1


def test_a_frame_out_of_order_is_ignored_and_counted() -> None:
    session = LiveSession(POLICY)
    before = run(session, seconds(0, 3), 0.99)[-1]
    again, earlier = run(session, [before.time_s, before.time_s - 0.3], 0.0, [box(500.0)])
    assert again.tracks == earlier.tracks == before.tracks and again.scored == 0
    assert (session.counts.out_of_order, session.counts.frames) == (2, 75)


def test_a_clock_that_starts_anew_starts_the_session_anew() -> None:
    session = LiveSession(POLICY)
    run(session, seconds(1000, 1003), 0.99)
    (answer,) = run(session, [0.0], 0.01)
    assert (answer.verdict, answer.time_s, session.counts.restarts) == ("uncertain", 0.0, 1)
    assert run(session, seconds(0.04, 3), 0.01)[-1].verdict == "real"


@pytest.mark.parametrize("time_s", [math.nan, math.inf, "now", None, True])
def test_a_time_that_is_none_is_refused_and_changes_nothing(time_s: object) -> None:
    session = LiveSession(POLICY)
    run(session, seconds(0, 1), 0.99)
    before = session.state()
    with pytest.raises(InvalidInput, match="time_s must be a finite number"):
        session.follow(time_s, [])  # type: ignore[arg-type]
    assert session.state() == before


@pytest.mark.parametrize("scores", [{0: math.nan}, {0: 1.5}, {7: 0.5}, {-1: 0.5}, {0: 0.5, 7: 0.5}])
def test_a_score_that_is_none_is_refused_and_changes_nothing(scores: dict[int, float]) -> None:
    session = LiveSession(POLICY)
    session.follow(0.0, [box()])
    before = session.state()
    with pytest.raises(InvalidInput):
        session.judge(scores)
    assert session.state() == before


def test_judging_comes_after_following() -> None:
    with pytest.raises(InvalidInput, match="must be followed"):
        LiveSession(POLICY).judge({})


def test_after_a_cut_the_same_place_is_somebody_else() -> None:
    session = LiveSession(POLICY)
    run(session, seconds(0, 3), 0.99)
    session.cut()
    (answer,) = run(session, [3.0], 0.01)
    assert [track.track for track in answer.tracks] == [1] and answer.verdict == "uncertain"


def test_without_scores_the_evidence_fades_to_uncertain() -> None:
    session = LiveSession(POLICY)
    assert run(session, seconds(0, 3), 0.99)[-1].verdict == "fake"
    for time_s in seconds(3, 6):
        session.follow(time_s, [box()])
        answer = session.judge({}, error="the server is away")
    assert answer.verdict == "uncertain" and answer.error == "the server is away"


def test_a_crowd_is_followed_within_bounds() -> None:
    session = LiveSession(POLICY)
    run(session, [0.0], 0.5, [box(200.0 * index) for index in range(MAX_TRACKS + 40)])
    (answer,) = run(session, [0.04], 0.5, [box(-200.0 * index - 200) for index in range(MAX_TRACKS)])
    assert len(answer.tracks) == MAX_TRACKS and {track.seen_s for track in answer.tracks} == {0.04}


@pytest.mark.parametrize("split", [0.32, 1.72, 3.0])
def test_a_session_goes_on_elsewhere_as_if_it_had_never_moved(split: float) -> None:
    def score(time_s: float) -> float:
        return 0.5 + 0.45 * math.sin(3 * time_s)

    whole = run(LiveSession(POLICY), seconds(0, 5), score)
    first = LiveSession(POLICY)
    run(first, seconds(0, split), score)
    text = first.state().to_json()
    second = LiveSession(POLICY, state=LiveState.from_json(text), away_s=1 / RATE)
    # The other machine's clock has another origin.
    moved = run(second, [time_s + 9000 for time_s in seconds(split, 5)], lambda time_s: score(time_s - 9000))
    for one, other in zip(whole[-len(moved) :], moved, strict=True):
        assert other.verdict == one.verdict
        assert other.probability == pytest.approx(one.probability, rel=1e-6)


def test_whoever_was_away_for_too_long_resumes_with_nobody() -> None:
    first = LiveSession(POLICY)
    run(first, seconds(0, 3), 0.99)
    second = LiveSession(POLICY, state=first.state(), away_s=60.0)
    (answer,) = run(second, [0.0], 0.01)
    assert answer.verdict == "uncertain" and [track.track for track in answer.tracks] == [1]


def test_a_state_of_a_fresh_session_can_be_resumed() -> None:
    state = LiveState.from_json(LiveSession(POLICY).state().to_json())
    assert run(LiveSession(POLICY, state=state), seconds(0, 2), 0.01)[-1].verdict == "real"


def test_a_state_of_another_policy_is_refused() -> None:
    other = Policy(0.05, 0.95, 0.6, 0.1, POLICY.leakage, "made up", POLICY.models)
    with pytest.raises(InvalidInput, match="start a new session"):
        LiveSession(POLICY, state=LiveSession(other).state())


def test_a_state_that_was_tampered_with_is_refused() -> None:
    session = LiveSession(POLICY)
    run(session, seconds(0, 1), 0.99)
    sound = json.loads(session.state().to_json())
    LiveState.from_json(json.dumps(sound))
    for change in (
        {"evidence": 2.0},
        {"evidence": None},
        {"logit": 1e9},
        {"logit": None},
        {"unseen_s": -1},
        {"box": [0, 0, 0, 10]},
        {"box": [0, 0, 10]},
        {"box": 5},
        {"alarm": "yes"},
        {"track": 99},
        {"track": "0"},
        {"more": 1},
    ):
        broken = sound | {"tracks": [sound["tracks"][0] | change]}
        with pytest.raises(InvalidInput, match="live"):
            LiveState.from_json(json.dumps(broken))
    twice = sound | {"tracks": sound["tracks"] * 2}
    for text in ("", "[]", "null", "{}", "NaN", json.dumps(twice), "[" * 100_000):
        with pytest.raises(InvalidInput, match="live state"):
            LiveState.from_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smoothing_s", 0),
        ("smoothing_s", math.nan),
        ("score_every_s", -1),
        ("alarm_at", 1.5),
        ("forget_after_s", "2"),
        ("faces_per_frame", 0),
        ("faces_per_frame", 1.5),
        ("waiting", 3),
        ("deadline_s", 0),
    ],
)
def test_a_configuration_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        LiveConfiguration(**{name: value})  # type: ignore[arg-type]


def test_an_alarm_that_clears_above_where_it_is_raised_is_refused() -> None:
    with pytest.raises(InvalidInput, match="clear_at"):
        LiveSession(POLICY, LiveConfiguration(alarm_at=0.6, clear_at=0.7))


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_newest_frame_replaces_what_waits() -> None:
    queue: FrameQueue[int] = FrameQueue(deadline_s=1, size=1, clock=Clock())
    for frame in range(5):
        queue.put(frame)
    taken = queue.take()
    assert taken is not None and taken.frame == 4
    assert queue.take() is None
    assert (queue.counts.arrived, queue.counts.replaced, queue.counts.late, queue.counts.taken) == (5, 4, 0, 1)


def test_a_frame_past_its_deadline_is_dropped_when_it_is_its_turn() -> None:
    clock = Clock()
    queue: FrameQueue[int] = FrameQueue(deadline_s=0.1, size=2, clock=clock)
    queue.put(0)
    clock.now = 0.05
    queue.put(1)
    clock.now = 0.12
    taken = queue.take()
    assert taken is not None and (taken.frame, taken.arrived_s) == (1, 0.05)
    clock.now = 5.0
    assert queue.take() is None
    assert (queue.counts.late, queue.counts.dropped) == (1, 1)


def test_a_closed_queue_gives_what_waits_then_its_error_and_takes_nothing_more() -> None:
    queue: FrameQueue[int] = FrameQueue(deadline_s=1)
    queue.put(0)
    queue.close(DamagedMedia("the stream is broken"))
    queue.close()
    queue.put(1)
    taken = queue.take()
    assert taken is not None and taken.frame == 0 and not queue.ended
    with pytest.raises(DamagedMedia, match="broken"):
        queue.take()


def test_a_waiting_consumer_is_woken_by_a_frame_and_by_the_end() -> None:
    queue: FrameQueue[int] = FrameQueue(deadline_s=10)
    taken: list[object] = []

    def consume() -> None:
        while (arrived := queue.take(30)) is not None:
            taken.append(arrived.frame)

    consumer = threading.Thread(target=consume)
    consumer.start()
    queue.put(7)
    while not taken:
        pass
    queue.close()
    consumer.join(10)
    assert not consumer.is_alive() and taken == [7]


@pytest.mark.parametrize(("deadline_s", "size"), [(0.0, 1), (math.nan, 1), (1.0, 0), (1.0, 3)])
def test_a_queue_out_of_range_is_refused(deadline_s: float, size: int) -> None:
    with pytest.raises(InvalidInput, match="live"):
        FrameQueue(deadline_s=deadline_s, size=size)


class OneFace:
    """A face engine that finds the astronaut's face where it is known to be."""

    name = "known"

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        return [ASTRONAUT_FACE]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("live") / "repository")


def test_frames_are_cut_scored_and_answered_by_real_models(models: Path) -> None:
    runtime = InProcessRuntime(models)
    red, green = astronaut().copy(), astronaut().copy()
    red[40:240, 130:320, 0], green[40:240, 130:320, 0] = 255, 0
    try:
        for image, word in ((red, "fake"), (green, "real")):
            detector = LiveDetector(runtime, OneFace(), LiveSession(runtime.policy))
            assert [detector.look(image, time_s) for time_s in seconds(0, 2)][-1].verdict == word
    finally:
        runtime.close()


def test_a_cut_to_another_person_at_the_same_place_is_another_person(models: Path) -> None:
    runtime = InProcessRuntime(models)
    red, other = astronaut().copy(), 255 - astronaut()[:, ::-1]
    red[40:240, 130:320, 0] = 255
    other[40:240, 130:320, 0] = 0
    detector = LiveDetector(runtime, OneFace(), LiveSession(runtime.policy))
    try:
        before = [detector.look(red, time_s) for time_s in seconds(0, 2)][-1]
        after = [detector.look(other, time_s) for time_s in seconds(2, 4)]
    finally:
        runtime.close()
    assert before.verdict == "fake" and [track.track for track in before.tracks] == [0]
    assert after[0].verdict == "uncertain" and [track.track for track in after[0].tracks] == [1]
    assert after[-1].verdict == "real"


class Away:
    """A runtime whose server does not answer."""

    policy = POLICY

    def score(self, *faces: object, **options: object) -> Decisions:
        raise Unavailable("no server answers")

    def close(self) -> None:
        pass


def test_a_server_that_is_away_costs_scores_and_not_the_stream() -> None:
    detector = LiveDetector(Away(), OneFace(), LiveSession(POLICY))
    answer = detector.look(astronaut(), 0.0)
    assert (answer.verdict, answer.error) == ("uncertain", "no server answers")
    assert json.loads(json.dumps(answer.to_dict()))["tracks"][0]["probability"] is None
