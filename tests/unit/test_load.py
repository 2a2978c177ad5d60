"""The parts of the load tests that need no service: what is sent, what is counted, what is called a leak."""

from __future__ import annotations

import io
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from awarenet.errors import InvalidInput, ServiceError
from loadtests import curve
from loadtests.capacity.autoscaler import Autoscaler, Replica, spike
from loadtests.corpus import TOLERANCE, Corpus, Known
from loadtests.mix import Mix, Source
from loadtests.open_loop import poisson
from loadtests.pictures import fresh, make_pictures
from loadtests.report import write_curve
from loadtests.slope import Trend
from loadtests.soak import control
from loadtests.tally import Latencies, Tally
from loadtests.users.environment import Told
from loadtests.users.shapes import OVERLOAD, SHAPES

KNOWN = Known("one.jpg", "doubtful", "fake", (0.9, 0.2), (3, 1), b"\xff\xd8rest")
RIGHT = {"verdict": "fake", "faces": [{"probability": 0.9, "exit_stage": 3}, {"probability": 0.2, "exit_stage": 1}]}


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return make_pictures(6)


def test_the_same_seed_makes_the_same_pictures(pictures: dict[str, bytes]) -> None:
    assert make_pictures(6) == pictures
    assert len(set(pictures.values())) == len(pictures) == 8


def test_a_fresh_copy_has_other_bytes_and_the_same_pixels(pictures: dict[str, bytes]) -> None:
    jpeg = pictures["portrait 1.jpg"]
    copies = {fresh(jpeg, number) for number in range(50)}
    assert len(copies) == 50 and jpeg not in copies
    pixels = [np.asarray(Image.open(io.BytesIO(one))) for one in (jpeg, copies.pop())]
    assert np.array_equal(*pixels)


def test_a_right_verdict_has_no_fault() -> None:
    assert KNOWN.fault(RIGHT) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"verdict": "real"}, "verdict"),
        ({"verdict": None, "faces": None}, "verdict"),
        ({"faces": RIGHT["faces"][:1]}, "1 faces"),
        ({"faces": [{"probability": 0.9, "exit_stage": 1}, RIGHT["faces"][1]]}, "stage 1"),
        ({"faces": [{"probability": 0.9 + 2 * TOLERANCE, "exit_stage": 3}, RIGHT["faces"][1]]}, "P(fake)"),
    ],
)
def test_a_wrong_verdict_has_a_fault_that_says_what_is_wrong(change: dict[str, object], word: str) -> None:
    fault = KNOWN.fault(RIGHT | change)
    assert fault is not None and word in fault and KNOWN.name in fault


def test_a_corpus_refuses_a_service_that_says_something_else_without_load(tmp_path: Path) -> None:
    corpus = Corpus([KNOWN])
    corpus.confirm({KNOWN.name: RIGHT})
    with pytest.raises(ServiceError, match=r"one\.jpg.*same models"):
        corpus.confirm({KNOWN.name: RIGHT | {"verdict": "real"}})
    corpus.save(tmp_path)
    assert Corpus.load(tmp_path).known == corpus.known


def test_a_mix_keeps_its_shares_and_repeats() -> None:
    corpus = Corpus([replace(KNOWN, name=kind, kind=kind) for kind in ("empty", "settled", "doubtful")])
    mix = Mix({"empty": 0.2, "settled": 0.3, "doubtful": 0.5}, repeats=0.25)
    source = Source(corpus, mix, random.Random(1))
    drawn = [source.next() for _ in range(8000)]
    counted = Counter(sending.known.kind for sending in drawn)
    for kind, share in mix.shares.items():
        assert counted[kind] / len(drawn) == pytest.approx(share, abs=0.03)
    repeated = [sending for sending in drawn if sending.repeated]
    assert len(repeated) / len(drawn) == pytest.approx(0.25, abs=0.03)
    assert {sending.body for sending in repeated} == {KNOWN.jpeg}
    bodies = [sending.body for sending in drawn if not sending.repeated]
    assert len(set(bodies)) == len(bodies)


def test_a_kind_without_pictures_leaves_its_share_to_the_others() -> None:
    source = Source(Corpus([KNOWN]), Mix(repeats=0.0), random.Random(1))
    assert {source.next().known.name for _ in range(20)} == {KNOWN.name}
    with pytest.raises(InvalidInput, match="no picture"):
        Source(Corpus([KNOWN]), Mix({"empty": 1.0}), random.Random(1))


@pytest.mark.parametrize("mix", [{"empty": 0.5}, {"empty": -0.5, "settled": 1.5}])
def test_shares_that_make_no_sense_are_refused(mix: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="sum to 1"):
        Mix(mix)  # type: ignore[arg-type]


def test_a_histogram_gives_percentiles_to_three_digits() -> None:
    latencies, draw = Latencies(), random.Random(3)
    values = [draw.lognormvariate(-3, 1) for _ in range(20_000)]
    for value in values:
        latencies.add(value)
    for percent in (50, 90, 95, 99):
        expected = float(np.percentile(values, percent, method="inverted_cdf")) * 1000
        assert latencies.ms(percent) == pytest.approx(expected, rel=2e-3)
    assert latencies.count == len(values)
    assert Latencies().ms(50) is None


def test_a_refusal_must_say_when_to_come_again() -> None:
    tally = Tally()
    assert tally.refuse(0.1, "7") == 7.0
    assert (tally.refused, tally.sound) == (1, True)
    tally.refuse(0.1, None)
    tally.refuse(0.1, "soon")
    assert tally.errors == {"503 without Retry-After": 2} and tally.refused == 1 and not tally.sound


def test_a_wrong_verdict_is_counted_though_it_is_an_answer() -> None:
    tally = Tally()
    tally.answer(0.1, None, repeated=False)
    tally.answer(0.3, "another verdict", repeated=True)
    assert (tally.answered, tally.scored.count, tally.accepted.count, tally.sound) == (2, 1, 2, False)
    assert tally.summary()["wrong_verdicts"] == 1


def test_arrivals_are_those_of_a_poisson_process() -> None:
    instants = list(poisson(50, 400, random.Random(5)))
    gaps = np.diff(instants)
    assert len(instants) / 400 == pytest.approx(50, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.03)  # Exponential: the mean is the deviation.
    assert instants == sorted(instants) and instants[-1] < 400


def noise(count: int, seed: int) -> np.ndarray:
    """Noise whose samples resemble the one before them, as memory does."""
    draw = np.random.default_rng(seed)
    values = np.zeros(count)
    for number in range(1, count):
        values[number] = 0.7 * values[number - 1] + draw.normal()
    return values


def test_a_slow_leak_is_caught_in_noise_and_outliers() -> None:
    seconds = np.arange(600.0)
    values = 300 + 0.02 * seconds + noise(600, 1)
    values[::50] += 80
    trend = Trend.of(list(seconds), list(values))
    assert trend.low < 0.02 < trend.high
    assert trend.grows(0.01) and not trend.grows(0.03)


def test_noise_and_a_single_step_are_no_leak() -> None:
    seconds = list(np.arange(600.0))
    grown = sum(Trend.of(seconds, list(300 + noise(600, seed))).grows() for seed in range(200))
    assert grown <= 6  # Half of 1 % by chance alone; blocks leave some likeness.
    step = 300 + noise(600, 3)
    step[550:] += 20
    assert not Trend.of(seconds, list(step)).grows(1 / 600)


def test_too_few_samples_say_nothing() -> None:
    with pytest.raises(InvalidInput, match="20 samples"):
        Trend.of([0.0] * 19, [0.0] * 19)


def test_a_process_that_leaks_on_purpose_is_caught() -> None:
    found = control(4.0)
    assert {name for name, verdict in found.items() if verdict["leaks"]} == {"rss_mb", "descriptors", "shared_mb"}
    assert not list(Path("/dev/shm").glob("awarenet-leak-*"))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_stays_within_its_bounds(name: str) -> None:
    users = [SHAPES[name](passed / 100) for passed in range(100)]
    assert min(users) >= 0 and max(users) <= (OVERLOAD if name == "overload" else 1.0)
    assert users[99] == pytest.approx({"spike": 0.1}.get(name, 1.0), abs=0.02)


def test_users_are_told_what_they_need_through_the_environment(tmp_path: Path) -> None:
    told = Told("http://127.0.0.1:1", "key", "grpc://127.0.0.1:2", tmp_path, "spike", 7, 30.0, 1.0, 0.5)
    assert Told.read(told.variables()) == told


def point(offered: float, p95: float | None, refused: float = 0.0) -> dict[str, object]:
    """A point of a curve."""
    names = ("p50", "p95", "p99", "p99.9")
    return {
        "load": offered / 10,
        "offered_per_s": offered,
        "goodput_per_s": offered * (1 - refused),
        "refused_share": refused,
        "accepted_ms": dict.fromkeys(names, p95),
        "errors": 0,
        "wrong_verdicts": 0,
    }


def test_the_knee_is_the_highest_rate_up_to_which_all_is_well() -> None:
    well = [point(2, 100.0), point(5, 300.0)]
    assert curve.knee([*well, point(8, 600.0), point(9, 200.0)]) == 5
    assert curve.knee([*well, point(8, 200.0, refused=0.02)]) == 5
    assert curve.knee([point(1, None)]) is None


def test_the_report_is_a_page_with_plots(tmp_path: Path) -> None:
    result = {"points": [point(2, 100.0), point(5, 300.0)], "knee_per_s": 5, "saturation_per_s": 10.0}
    write_curve(tmp_path / "curve.html", result)
    page = (tmp_path / "curve.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "5.0 pictures/s" in page and page.rstrip().endswith("</html>")


REPLICA = Replica(per_s=20.0, workers=2, queue=2, starts_s=60.0)


def test_a_spike_is_refused_until_there_are_replicas_enough() -> None:
    result = spike(Autoscaler(), REPLICA, 20, 400, 1800)
    assert result["pods_at_end"] >= 400 / REPLICA.per_s
    assert REPLICA.starts_s < result["room_after_s"] < 300
    # Two replicas hold 40 of the 400 a second until the first new ones are there.
    assert result["refused"] >= 360 * REPLICA.starts_s
    assert result["refused"] < result["offered"] / 4


def test_a_spike_beyond_the_most_replicas_is_never_all_served() -> None:
    scaler = Autoscaler(most=4)
    result = spike(scaler, REPLICA, 20, 400, 900)
    assert result["room_after_s"] is None and result["pods_at_end"] == 4


def test_an_even_load_between_the_thresholds_moves_nothing() -> None:
    result = spike(Autoscaler(), REPLICA, 20, 20, 900)
    assert (result["refused"], result["room_after_s"], result["pods_at_end"]) == (0, 0, 2)


def test_replicas_go_slowly_when_the_load_has_gone() -> None:
    scaler = Autoscaler(least=2, most=50)
    assert scaler.wanted(10, {"pictures": 1.0}) == math.ceil(1.0 / 0.5)  # Aims at the middle of the band.
    assert scaler.wanted(10, {"pictures": 5.0}) == 10
    assert scaler.wanted(10, {"pictures": 5.0, "rejects": 20.0}) == 29
