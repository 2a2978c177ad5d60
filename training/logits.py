"""What every stage says about held-out people: the table that calibration, stacking and thresholds are chosen on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from awarenet.errors import DataError, ModelError
from awarenet.faces import CROP_SCALE
from awarenet.policy import file_sha256
from awarenet.quality import compression, sharpness
from awarenet.stages import EFFICIENTNET, FACE, FAST_FILTER, FEATURES, GENCONVIT, NETWORKS, Stage
from training.crops import CACHE_SCALE, TABLE_FILE, CropCache
from training.datasets.splits import require_apart
from training.loader import validation_pairs
from training.remembered import Remembered

LOGITS_FILE: Final = "logits.parquet"
SERVED_LOGITS_FILE: Final = "served_logits.parquet"
MEMORY: Final = "scored"
"""Folder of a run where the outputs of each network are kept, face by face."""

OUTPUTS: Final[Mapping[Stage, Mapping[str, tuple[str, int]]]] = {
    FAST_FILTER: {"fast_filter_logit": ("logit", 0)},
    EFFICIENTNET: {"efficientnet_logit": ("logit", 0)},
    GENCONVIT: {
        "genconvit_autoencoder_logit": ("logit", 0),
        "genconvit_variational_logit": ("logit", 1),
        "genconvit_residual": ("residual", 0),
    },
}
"""Feature name to output and column of each stage."""

LOGITS: Final = tuple(name for name in FEATURES if name.endswith("_logit"))

Faces = NDArray[np.uint8]
Scorer = Callable[[Faces], Mapping[str, NDArray[np.float32]]]
TrainStage = Callable[[Stage, Path, Path], None]
"""Trains a stage on a crop cache (second) into a run folder (third), as `<run>/<stage>.safetensors` and `.json`."""


def trained_scorers(run: Path, stages: Sequence[Stage] = NETWORKS) -> dict[Stage, Remembered]:
    """The saved stages of a run, without their temperatures; what they have scored before is remembered.

    Raises:
        ModelError: A stage is missing.
    """
    scorers: dict[Stage, Remembered] = {}
    for stage in stages:
        weights = run / f"{stage.name}.safetensors"
        if not weights.is_file():
            raise ModelError(f"{weights}: missing; train it with `python -m training train`")
        scorers[stage] = Remembered(partial(_trained, run, stage), _memory(run, stage, weights))
    return scorers


def served_scorers(run: Path, models: Path) -> dict[Stage, Remembered]:
    """The exported graphs, as they will be served; their logits carry their temperatures.

    Args:
        run: The run folder, where scores are remembered.
        models: Folder with `<stage>.onnx`, `<stage>/model.onnx` or `<stage>/1/model.onnx`.

    Raises:
        ModelError: A graph is missing; or, at the first face, does not load.
    """
    graphs = served_models(models)
    return {stage: Remembered(partial(_served, path), _memory(run, stage, path)) for stage, path in graphs.items()}


def served_models(models: Path) -> dict[Stage, Path]:
    """The exported graph of each stage below a folder.

    Raises:
        ModelError: One is missing.
    """
    found: dict[Stage, Path] = {}
    for stage in NETWORKS:
        places = [
            models / f"{stage.name}.onnx",
            models / stage.name / stage.file,
            models / stage.name / "1" / stage.file,
        ]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise ModelError(f"{models}: no {stage.name}.onnx; export it with `python -m export`")
        found[stage] = path
    return found


def stage_logits(
    scorers: Mapping[Stage, Scorer],
    cache: CropCache,
    *,
    splits: Sequence[str] = ("calibration", "validation"),
    draws: int = 4,
    seed: int = 31,
    batch: int = 16,
) -> pd.DataFrame:
    """Scores held-out people: forgeries of them beside their equally degraded real twins.

    Faces that are fake already (a data set with fakes) are scored as serving would cut them.

    Args:
        scorers: Every neural stage.
        cache: The faces.
        splits: Whose faces; never those that the stages were trained on.
        draws: Forgeries a real face.
        seed: Of the forgeries.
        batch: Faces at once.

    Returns:
        One row a face: path, label, subset, method, kind (of the pair that it belongs to), group, split, and
        `awarenet.stages.FEATURES` as float32. `face_px` is the side of the 1.3x crop in source pixels.

    Raises:
        DataError: The splits hold no face, or share people with the training split.
    """
    table = cache.table
    rows = np.flatnonzero(table["split"].isin([*splits]).to_numpy())
    if not len(rows):
        raise DataError(f"logits: no face in the splits {', '.join(splits)}; make the crops with those splits")
    trained_on = table.loc[(table["split"] == "train").to_numpy(), "group"]
    require_apart(trained_on, table["group"].iloc[rows], "logits")
    records: list[dict[str, object]] = []
    blocks: list[NDArray[np.float32]] = []
    pending: list[Faces] = []

    def flush() -> None:
        if pending:
            blocks.append(features(scorers, np.stack(pending)))
            pending.clear()

    count = int((table["label"].iloc[rows] == 0).sum()) * draws * 2 + int((table["label"].iloc[rows] == 1).sum())
    for record, face in track(_faces(cache, rows, draws, seed), "scoring", count):
        records.append(record)
        pending.append(face)
        if len(pending) == batch:
            flush()
    flush()
    for scorer in scorers.values():
        if isinstance(scorer, Remembered):
            scorer.save()
    scores = pd.DataFrame(np.concatenate(blocks), columns=list(FEATURES))
    named = pd.DataFrame(records)
    scores["face_px"] = named.pop("face_px").to_numpy(np.float32)
    return pd.concat([named, scores], axis=1)


def features(scorers: Mapping[Stage, Scorer], faces: Faces) -> NDArray[np.float32]:
    """The meta-model's features of faces, float32 `[N, F]`; `face_px` is NaN, for the caller to fill.

    Args:
        scorers: The neural stages; the columns of one that is not given stay NaN.
        faces: uint8 `[N, 256, 256, 3]`.
    """
    block = np.full((len(faces), len(FEATURES)), np.nan, np.float32)
    for stage, scorer in scorers.items():
        outputs = scorer(faces)
        for name, (output, column) in OUTPUTS[stage].items():
            block[:, FEATURES.index(name)] = outputs[output][:, column]
    block[:, FEATURES.index("sharpness")] = sharpness(faces)
    block[:, FEATURES.index("compression")] = compression(faces)
    return block


def out_of_fold(
    cache: Path,
    folds: Mapping[str, int],
    train_stage: TrainStage,
    work: Path,
    *,
    scorers: Callable[[Path], Mapping[Stage, Scorer]] = trained_scorers,
    draws: int = 4,
    seed: int = 31,
) -> pd.DataFrame:
    """Logits of every person from stages that never saw that person: each stage is trained anew for every fold.

    Args:
        cache: Crop cache. Its splits are replaced: fold k is held out, everybody else is trained on.
        folds: Group to number of its fold (`training.stacking.group_folds`).
        train_stage: Trains one stage.
        work: Folder for the caches and runs of the folds; a fold that is finished there is not trained again.
        scorers: Loads the stages of a run.
        draws: Forgeries a real face.
        seed: Of the forgeries.

    Returns:
        As `stage_logits`, all folds together, with a column `fold`.

    Raises:
        DataError: A person of the cache has no fold, or there are fewer than two folds.
    """
    table = CropCache.open(cache).table
    if homeless := sorted({*table["group"]} - folds.keys()):
        raise DataError(f"out of fold: {len(homeless)} groups have no fold, the first is {homeless[0]}; give all one")
    if len({*folds.values()}) < 2:
        raise DataError("out of fold: needs at least two folds")
    parts = []
    for fold in sorted({*folds.values()}):
        run = work / f"fold{fold}"
        crops = run / "crops"
        held = table["group"].map(folds) == fold
        crops.mkdir(parents=True, exist_ok=True)
        for pixels in cache.glob("*.npy"):  # shared by all folds; only the table differs
            if not (crops / pixels.name).exists():
                (crops / pixels.name).symlink_to(pixels.resolve())
        table.assign(split=np.where(held, "validation", "train")).to_parquet(crops / TABLE_FILE)
        for stage in NETWORKS:
            if not (run / f"{stage.name}.safetensors").exists():
                train_stage(stage, crops, run)
        part = stage_logits(scorers(run), CropCache.open(crops), splits=["validation"], draws=draws, seed=seed)
        parts.append(part.assign(fold=fold))
    return pd.concat(parts, ignore_index=True)


def train_with(configs: Path) -> TrainStage:
    """Trains stages by the trainer, with the configurations `<configs>/<stage>.yaml`."""

    def train_stage(stage: Stage, crops: Path, run: Path) -> None:
        from training.trainer import TrainConfig, train

        scratch = run / stage.name
        train(TrainConfig.read(configs / f"{stage.name}.yaml"), crops, scratch)
        # The note goes last: weights alone would pass for a finished stage on the next call.
        for suffix in (".json", ".safetensors"):
            shutil.move(scratch / f"{stage.name}{suffix}", run / f"{stage.name}{suffix}")

    return train_stage


def read_logits(run: Path, *, served: bool = False) -> pd.DataFrame:
    """The table of a run: that of the exported graphs (`served`), or that of the trained stages.

    Raises:
        DataError: It is not there.
    """
    path = run / (SERVED_LOGITS_FILE if served else LOGITS_FILE)
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); make it with `python -m training logits`") from error


def write_json(path: Path, content: object) -> None:
    """Writes JSON for people: indented, numbers that are not finite as null."""
    path.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _trained(run: Path, stage: Stage) -> Scorer:
    import torch

    from training import networks

    network = networks.load(run / stage.name).get_submodule("network")  # the logits before their temperature

    @torch.inference_mode()
    def score(faces: Faces) -> dict[str, NDArray[np.float32]]:
        return {name: value.float().numpy() for name, value in network(torch.from_numpy(faces)).items()}

    return score


def _served(path: Path) -> Scorer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise ModelError(f"{path}: ONNX Runtime cannot load it ({error}); export it again") from error
    names = [output.name for output in session.get_outputs()]
    return lambda faces: dict(zip(names, session.run(names, {FACE.name: faces}), strict=True))


def _memory(run: Path, stage: Stage, weights: Path) -> Path:
    return run / MEMORY / f"{stage.name}-{file_sha256(weights)[:16]}.npz"


def _faces(
    cache: CropCache, rows: NDArray[np.int64], draws: int, seed: int
) -> Iterator[tuple[dict[str, object], Faces]]:
    table = cache.table
    fake = (table["label"].to_numpy() == 1)[rows]

    def record(row: int, label: int, method: str, kind: str) -> dict[str, object]:
        kept = {name: table[name].iloc[row] for name in ("path", "subset", "group", "split")}
        face_px = table["face_px"].iloc[row] * CROP_SCALE / CACHE_SCALE
        return {**kept, "label": label, "method": method, "kind": kind, "face_px": face_px}

    for row, pair in validation_pairs(cache, rows[~fake], draws=draws, seed=seed):
        yield record(row, 0, table["method"].iloc[row], pair.kind), pair.real
        yield record(row, 1, pair.kind, pair.kind), pair.fake
    for row in map(int, rows[fake]):
        method = table["method"].iloc[row]
        yield record(row, 1, method, method), cache.serving_crop(row)
