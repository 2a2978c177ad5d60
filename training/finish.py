"""From trained stages to a policy: the steps that need no gradient, each reading and writing a run folder.

    <run>/<stage>.safetensors, .json       trained stages (the trainer's)
    <run>/logits.parquet                   what they say about held-out people, before temperatures   `score`
    <run>/scored/*.npz                     the same face by face, so that no network runs twice on one face
    <run>/calibration.json, reliability.png, and the temperatures in <run>/<stage>.json               `calibrate`
    <run>/trees.txt, stacking.json         the meta-model                                              `stack`
    <run>/export/served/...                INT8 graphs and compiled trees (`python -m export`)
    <run>/served_logits.parquet            what those graphs say about the same people                 `choose_policy`
    <run>/policy.json, policy_report.json, deferral.csv, deferral.png                                  `choose_policy`
    <run>/cards/<stage>/README.md          model cards                                     `training.model_card`

People: temperatures and trees are fitted on the calibration people, and reported out of fold on them and plainly on the
validation people. Thresholds are chosen on both, because no stage was trained on either and a bound needs people; the
meta-model's scores of the calibration people are out of fold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from awarenet.cascade import sigmoid
from awarenet.errors import DataError, ModelError
from awarenet.evaluation import metrics
from awarenet.policy import Policy, file_sha256
from awarenet.stages import META_MODEL, NETWORKS, Stage
from training import calibration, stacking, threshold_policy
from training.crops import CropCache
from training.logits import (
    LOGITS,
    LOGITS_FILE,
    SERVED_LOGITS_FILE,
    read_logits,
    served_models,
    served_scorers,
    stage_logits,
    trained_scorers,
    write_json,
)
from training.threshold_policy import Scores, Targets

FIT: Final = "calibration"
REPORT: Final = "validation"
RELIABILITY_FILE: Final = "reliability.png"
DRAWS: Final = 6
SEED: Final = 31

SERVED: Final = Path("export") / "served"
"""Where `python -m export` puts the models of a run that will be served, in the layout of a model repository."""

UnitChoice = Literal["auto", "group", "face"]


def score(
    run: Path, crops: Path, *, stages: Sequence[Stage] = NETWORKS, draws: int = DRAWS, seed: int = SEED
) -> pd.DataFrame:
    """Scores held-out people by the trained stages; writes `logits.parquet` when these are all stages.

    What a network has scored is remembered below the run, so a stage can be scored as soon as it is trained, and
    repeating this costs little.

    Raises:
        ModelError: A stage is missing.
        DataError: The crops are, or hold no held-out people.
    """
    scorers = trained_scorers(run, stages)
    table = stage_logits(scorers, CropCache.open(crops), splits=(FIT, REPORT), draws=draws, seed=seed)
    if len(scorers) == len(NETWORKS):
        table.to_parquet(run / LOGITS_FILE, index=False)
    return table


def calibrate(run: Path, *, seed: int = 0) -> dict[str, Any]:
    """Fits temperatures; writes them to `calibration.json` and into the notes of the stages, and draws reliability.

    Raises:
        DataError: The logits are missing.
    """
    table = read_logits(run)
    report = calibration.calibrate(table, seed=seed, split=FIT)
    calibration.store_temperatures(run, report)
    shown = calibration.apply_temperatures(table, report)
    shown = shown[shown["split"] == REPORT]
    probabilities = {name: sigmoid(shown[name].to_numpy(np.float32)) for name in LOGITS}
    if len(shown):
        calibration.plot_reliability(shown.assign(**probabilities), LOGITS, run / RELIABILITY_FILE)
    return report


def stack(run: Path, *, seed: int = 0) -> dict[str, Any]:
    """Fits the meta-model on the calibration people; writes `trees.txt` and `stacking.json`.

    Raises:
        DataError: Logits or temperatures are missing.
    """
    table = _calibrated(run)
    fitted, other = table[table["split"] == FIT], table[table["split"] == REPORT]
    model = stacking.fit(fitted, seed=seed)
    stacking.save(model.booster, run / stacking.TREES_FILE)
    report: dict[str, Any] = {
        "trees": model.booster.num_trees(),
        "seed": seed,
        "parameters": stacking.PARAMETERS,
        "gain": dict(zip(model.booster.feature_name(), model.booster.feature_importance("gain").tolist(), strict=True)),
        "splits": {f"{FIT}_out_of_fold": _meta_figures(fitted, model.out_of_fold)},
    }
    if len(other):
        scores = stacking.predict(model.booster, stacking.feature_matrix(other))
        report["splits"][REPORT] = _meta_figures(other, scores)
    write_json(run / stacking.STACKING_FILE, report)
    return report


def choose_policy(
    run: Path,
    crops: Path,
    *,
    served: bool = True,
    targets: Targets | None = None,
    unit: UnitChoice = "auto",
    draws: int = DRAWS,
    seed: int = 0,
) -> Policy:
    """Chooses thresholds for the models that will be served; writes `policy.json` and the evidence for it.

    Args:
        run: The run folder, stacked.
        crops: The crop cache.
        served: Measure with the exported models, whose hashes the policy then carries. False measures with the trained
            stages: good for looking at before export, but no model repository accepts such a policy.
        targets: What is to be achieved; its unit is overruled by `unit`.
        unit: What bounds count. `auto` counts groups where there are enough of them to prove the leakage target, and
            faces where not; the policy says which.
        draws: Forgeries a face, as for `score`.
        seed: As for `stack`.

    Raises:
        DataError: A step before this one is missing.
        ModelError: A served model is missing.
    """
    hashes = _hashes(run, served)
    model = stacking.fit(_rows(_calibrated(run), FIT), seed=seed)
    if file_text(run / stacking.TREES_FILE) != model.booster.model_to_string():
        raise DataError(f"{run / stacking.TREES_FILE}: not the trees of these logits; run `python -m training stack`")
    if served:
        scorers = served_scorers(run, run / SERVED)
        table = stage_logits(scorers, CropCache.open(crops), splits=(FIT, REPORT), draws=draws, seed=SEED)
        table.to_parquet(run / SERVED_LOGITS_FILE, index=False)
    else:
        table = _calibrated(run)
    table = pd.concat([_rows(table, FIT), _rows(table, REPORT)], ignore_index=True)
    fast = sigmoid(table["fast_filter_logit"].to_numpy(np.float32))
    meta = _meta_scores(model, table)
    chosen = _with_unit(targets or Targets(), unit, table)
    people = table["group"].nunique()
    words = (
        f"{len(table)} faces of {people} people in {', '.join(sorted(set(table['subset'])))} on whom no stage was "
        f"trained, half of them forgeries of the others"
    )
    choice = threshold_policy.choose(
        Scores.of(table["label"], fast, meta, table["group"]), chosen, data=words, models=hashes
    )
    threshold_policy.write(choice, run)
    return choice.policy


def finish(run: Path, crops: Path, *, draws: int = DRAWS) -> None:
    """Everything between trained stages and export, in one go, with a first policy for the trained stages."""
    from training import model_card

    score(run, crops, draws=draws)
    calibrate(run)
    stack(run)
    choose_policy(run, crops, served=False)
    model_card.write_cards(run, crops)


def file_text(path: Path) -> str:
    """The text of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run `python -m training finish`") from error


def _calibrated(run: Path) -> pd.DataFrame:
    return calibration.apply_temperatures(read_logits(run), calibration.read_calibration(run))


def _rows(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[table["split"] == split]


def _meta_figures(rows: pd.DataFrame, scores: stacking.Floats) -> dict[str, Any]:
    label = rows["label"].to_numpy()
    kinds = {
        str(kind): metrics.auc(label[part], scores[part])
        for kind in sorted(set(rows["kind"]))
        for part in [(rows["kind"] == kind).to_numpy()]
    }
    return {**stacking.compare(rows, scores), **_own(label, scores, rows["group"].to_numpy()), "auc_by_kind": kinds}


def _own(label: Any, scores: Any, group: Any) -> dict[str, Any]:
    own = calibration.figures(label, scores, group)
    return {name: own[name] for name in ("ece_equal_width", "ece_equal_mass", "brier", "fakes")}


def _meta_scores(model: stacking.Stack, table: pd.DataFrame) -> stacking.Floats:
    """P(fake) of the meta-model; for people that it was fitted on, of the trees that did not see them."""
    matrix = stacking.feature_matrix(table)
    scores = stacking.predict(model.booster, matrix)
    own = (table["split"] == FIT).to_numpy()
    dealt = stacking.group_folds(table.loc[own, "group"], len(model.fold_boosters), seed=model.seed)
    fold = table.loc[own, "group"].map(dealt).to_numpy(np.int64)
    scores[own] = stacking.predict_by_fold(model.fold_boosters, matrix[own], fold)
    return scores


def _with_unit(targets: Targets, unit: UnitChoice, table: pd.DataFrame) -> Targets:
    if unit == "auto":
        groups = table.loc[table["label"] == 1, "group"].nunique()
        unit = "group" if metrics.clopper_pearson_upper(0, groups) <= targets.leakage else "face"
    return dataclasses.replace(targets, unit=unit)


def _hashes(run: Path, served: bool) -> dict[str, str]:
    """sha256 of the model files that the thresholds were measured with."""
    if served:
        files = {stage.name: path for stage, path in served_models(run / SERVED).items()}
        files[META_MODEL.name] = run / SERVED / META_MODEL.name / "1" / META_MODEL.file
    else:
        files = {stage.name: run / f"{stage.name}.safetensors" for stage in NETWORKS}
        files[META_MODEL.name] = run / stacking.TREES_FILE
    if missing := [str(path) for path in files.values() if not path.is_file()]:
        raise ModelError(f"policy: {missing[0]} is missing; run `python -m export` for {run} to its end")
    return {name: file_sha256(path) for name, path in files.items()}
