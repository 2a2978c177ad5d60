"""The policy file: what it refuses, what it is tied to, and that its leakage can be recomputed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta

from awarenet.cascade import StageCall, StageOutputs, cascade, drive, sigmoid
from awarenet.errors import ConfigurationError, PolicyError
from awarenet.policy import Leakage, Policy, file_sha256
from awarenet.stages import FAST_FILTER, ExitStage

MODELS = {"fast_filter": "a" * 64, "efficientnet": "b" * 64, "genconvit": "c" * 64, "meta_model": "d" * 64}


def make(**changes: Any) -> Policy:
    values: dict[str, Any] = {
        "real_below": 0.1,
        "fake_above": 0.9,
        "decide_at": 0.5,
        "uncertain_margin": 0.1,
        "leakage": Leakage(0.01, 300, 0, 0.00994, 400, 250),
        "data": "validation",
        "models": MODELS,
    }
    return Policy(**{**values, **changes})


unit = st.floats(0, 1)


@given(st.lists(unit, min_size=3, max_size=3).map(sorted), unit, st.dictionaries(st.text(), st.text()), st.text())
def test_a_policy_survives_its_file(ordered: list[float], margin: float, models: dict[str, str], data: str) -> None:
    real_below, decide_at, fake_above = ordered
    policy = make(
        real_below=real_below,
        decide_at=decide_at,
        fake_above=fake_above,
        uncertain_margin=margin,
        models=models,
        data=data,
    )
    again = Policy.from_json(policy.to_json())
    assert again == policy
    assert (again.version, again.model_version) == (policy.version, policy.model_version)


@pytest.mark.parametrize("name", ["real_below", "fake_above", "decide_at", "uncertain_margin"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True])
def test_a_threshold_that_is_no_probability_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(PolicyError, match=name):
        make(**{name: value})


@given(unit, unit, unit)
def test_thresholds_that_contradict_each_other_are_refused(real_below: float, fake_above: float, at: float) -> None:
    if real_below <= at <= fake_above:
        make(real_below=real_below, fake_above=fake_above, decide_at=at)
    else:
        with pytest.raises(PolicyError, match="real_below <= decide_at <= fake_above"):
            make(real_below=real_below, fake_above=fake_above, decide_at=at)


def test_the_recorded_leakage_can_be_recomputed_from_the_scores() -> None:
    """What a policy claims is what its thresholds do to the validation logits: the same strict inequality."""
    generator = np.random.default_rng(2)
    fakes, reals = generator.normal(3, 2, 500), generator.normal(-3, 2, 500)
    threshold = 0.2
    leaked = int((sigmoid(fakes.astype(np.float32)) < threshold).sum())
    settled = int((sigmoid(reals.astype(np.float32)) < threshold).sum())
    assert 0 < leaked < settled
    upper = float(beta.ppf(0.95, leaked + 1, len(fakes) - leaked))
    policy = make(real_below=threshold, leakage=Leakage(0.02, len(fakes), leaked, upper, len(reals), settled))
    sides = np.full(500, np.nan, np.float32)
    for logits, expected in ((fakes, policy.leakage.leaked), (reals, policy.leakage.settled)):
        steps = cascade(np.zeros((500, 4, 4, 3), np.uint8), sides, np.zeros(500, bool), policy, lambda rows: rows[:, 0])
        decisions = drive(steps, lambda call, logits=logits: answer(call, logits))
        exits = decisions.exit_stage == ExitStage.FAST_FILTER
        assert int((exits & (decisions.probability < policy.decide_at)).sum()) == expected
    assert policy.leakage.leaked / policy.leakage.fakes < policy.leakage.upper_95


def answer(call: StageCall, logits: NDArray[np.float64]) -> tuple[StageOutputs, ...]:
    """The fast filter's logits where it is asked; the heavy stages answer 1 for each of their outputs."""
    if call.stages == (FAST_FILTER,):
        return ({"logit": logits[:, None].astype(np.float32)},)
    return tuple(
        {output.name: np.ones((len(call.rows), *output.shape), np.float32) for output in stage.outputs}
        for stage in call.stages
    )


def without(name: str) -> str:
    raw = json.loads(make().to_json())
    del raw[name]
    return json.dumps(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        "3",
        '{"leakage": 3}',
        make().to_json()[:-20],
        *(without(name) for name in json.loads(make().to_json())),
        json.dumps({**json.loads(make().to_json()), "surprise": 1}),
        json.dumps({**json.loads(make().to_json()), "leakage": {"target": 0.01}}),
    ],
)
def test_a_malformed_file_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(PolicyError, match="python -m training policy"):
        Policy.from_json(text)


def test_loading_holds_the_policy_against_the_models(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(make().to_json())
    assert Policy.load(path, MODELS) == make()
    for name in MODELS:
        with pytest.raises(PolicyError, match=rf"other models \({name} differ"):
            Policy.load(path, {**MODELS, name: "0" * 64})
        with pytest.raises(PolicyError, match=name):
            Policy.load(path, {key: value for key, value in MODELS.items() if key != name})
    with pytest.raises(PolicyError, match="another"):
        Policy.load(path, {**MODELS, "another": "0" * 64})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"absent\.json"):
        Policy.load(tmp_path / "absent.json", MODELS)
    with pytest.raises(PolicyError, match="cannot read"):
        Policy.load(tmp_path, MODELS)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"binary\.json"):
        Policy.load(binary, MODELS)


def test_versions_change_with_what_they_name() -> None:
    base = make()
    assert make(decide_at=0.51).version != base.version
    assert make(decide_at=0.51).model_version == base.model_version
    other = make(models={**MODELS, "genconvit": "e" * 64})
    assert other.model_version != base.model_version
    assert other.version != base.version
    reordered = make(models=dict(reversed(MODELS.items())))
    assert (reordered.version, reordered.model_version) == (base.version, base.model_version)


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    blocks = bytes(range(256)) * (3 << 12)  # longer than one read
    path.write_bytes(blocks)
    assert file_sha256(path) == hashlib.sha256(blocks).hexdigest()
