"""Temperatures and calibration errors on logits whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.evaluation import metrics
from tests.unit.synthetic_logits import make_table
from training import calibration
from training.logits import LOGITS, OUTPUTS


@pytest.mark.parametrize("truth", [0.3, 1.0, 4.0])
def test_the_temperature_is_found_again(truth: float) -> None:
    table = make_table(400, temperature=truth)
    for column in LOGITS:
        found = calibration.fit_temperature(table[column], table["label"])
        assert found.value == pytest.approx(truth, rel=0.12)
        assert found.nll <= found.nll_before and not found.at_limit


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.2, 5.0))
def test_the_fit_is_a_minimum_and_moves_with_the_scale(seed: int, factor: float) -> None:
    table = make_table(30, seed=seed)
    logit, label = table["efficientnet_logit"].to_numpy(), table["label"].to_numpy()
    found = calibration.fit_temperature(logit, label)
    for nearby in (0.9, 1.1):
        assert found.nll <= calibration.negative_log_likelihood(logit / (found.value * nearby), label) + 1e-9
    assert calibration.fit_temperature(logit * factor, label).value == pytest.approx(found.value * factor, rel=1e-2)


def test_the_likelihood_is_the_cross_entropy() -> None:
    logit, label = np.array([2.0, -1.0, 60.0]), np.array([1, 0, 1])
    by_hand = -np.mean([np.log(1 / (1 + np.exp(-2))), np.log(1 - 1 / (1 + np.exp(1))), 0.0])
    assert calibration.negative_log_likelihood(logit, label) == pytest.approx(by_hand)


def test_inverted_labels_drive_the_temperature_to_its_limit() -> None:
    table = make_table(200)
    found = calibration.fit_temperature(table["fast_filter_logit"], 1 - table["label"])
    assert found.at_limit and found.value == pytest.approx(calibration.LIMITS[1], rel=0.02)


def test_one_class_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="reals \\(0\\) and fakes"):
        calibration.fit_temperature([1.0, 2.0], [1, 1])
    with pytest.raises(DataError, match="not finite"):
        calibration.fit_temperature([1.0, float("nan")], [0, 1])
    with pytest.raises(DataError, match="no row in the split"):
        calibration.calibrate(make_table(10), split="elsewhere")


def test_equal_mass_error_against_a_count_by_hand() -> None:
    probability = np.array([0.1, 0.2, 0.7, 0.9])
    label = np.array([0, 1, 1, 1])
    # Two bins of two rows: means 0.15 and 0.8, shares of fakes 0.5 and 1.
    assert calibration.equal_mass_calibration_error(label, probability, bins=2) == pytest.approx(0.5 * 0.35 + 0.5 * 0.2)
    assert np.isnan(calibration.equal_mass_calibration_error([], []))


def test_calibration_repairs_overconfident_logits_on_other_people() -> None:
    table = make_table(150, temperature=4.0)
    other = make_table(150, temperature=4.0, split="validation", seed=1)
    other["group"] = "other" + other["group"]
    both = np.concatenate([table, other])
    both_table = table.iloc[:0].reindex(range(len(both))).assign(**dict(zip(table.columns, both.T, strict=True)))
    report = calibration.calibrate(both_table.infer_objects())
    for column in LOGITS:
        for split in ("calibration", "validation"):
            before, after = report[column]["splits"][split]["before"], report[column]["splits"][split]["after"]
            assert after["ece_equal_width"] < 0.05 < before["ece_equal_width"]
            assert after["ece_equal_mass"] < 0.05 < before["ece_equal_mass"]
            assert after["brier"] < before["brier"]
            assert after["auc"] == pytest.approx(before["auc"], abs=0.02)
    scaled = calibration.apply_temperatures(table, report)
    for column in LOGITS:
        assert scaled[column].dtype == np.float32
        error = metrics.expected_calibration_error(table["label"], sigmoid(scaled[column].to_numpy()))
        assert error < 0.05


def test_temperatures_reach_the_notes_of_the_stages(tmp_path: Path) -> None:
    for stage in OUTPUTS:
        (tmp_path / f"{stage.name}.json").write_text(json.dumps({"stage": stage.name, "temperature": None}))
    report = calibration.calibrate(make_table(40, temperature=2.0))
    calibration.store_temperatures(tmp_path, report)
    assert calibration.read_calibration(tmp_path).keys() == {*LOGITS}
    stored = json.loads((tmp_path / "genconvit.json").read_text())["temperature"]
    branches = ("genconvit_autoencoder_logit", "genconvit_variational_logit")
    assert stored == [report[name]["temperature"] for name in branches]
    (tmp_path / "efficientnet.json").unlink()
    with pytest.raises(DataError, match=r"efficientnet\.json: cannot be updated"):
        calibration.store_temperatures(tmp_path, report)
    with pytest.raises(DataError, match="training calibrate"):
        calibration.read_calibration(tmp_path / "nowhere")


def test_the_reliability_diagram_is_written(tmp_path: Path) -> None:
    table = make_table(20)
    table["p"] = sigmoid(table["fast_filter_logit"].to_numpy())
    calibration.plot_reliability(table, ["p"], tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
