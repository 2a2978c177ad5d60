"""Trains one stage; `train` reads from top to bottom.

Every batch is a pure function of (seed, step), and so is every random number drawn on the way, so a run that was killed
goes on from its last checkpoint along the same curve. Devices, precision and several GPUs (`torchrun`) are Lightning
Fabric's business.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

from awarenet.errors import DataError, ModelError
from awarenet.evaluation.metrics import auc, bootstrap_interval
from awarenet.policy import file_sha256
from training import networks
from training.crops import CropCache
from training.distillation import Distillation, Recipe, load_teacher
from training.loader import Batch, Schedule, TrainingPairs, training_batches, validation_pairs
from training.networks import imagenet
from training.networks.stage_network import StageNetwork

log = logging.getLogger(__name__)

CHECKPOINT_SUFFIX = ".checkpoint"
VALIDATION_SEED = 20
REPORT_EVERY = 20


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run.

    Attributes:
        stage: `fast_filter`, `efficientnet` or `genconvit`.
        network: Options of `training.networks.create`.
        seed: Of weights, data and noise.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: AdamW's.
        clip: Largest gradient norm.
        mask_weight: Weight of the mask head's loss.
        distillation: What a teacher has to say, where there is one.
        average: Decay per step of the moving average of the weights, which is what is kept.
        precision: Lightning Fabric's name for it, e.g. `32-true` or `bf16-mixed`.
        schedule: What is shown when.
        validations: How often in a run the averaged weights are validated.
        draws: Forgeries a face in the final validation; one in those on the way.
    """

    stage: str
    network: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    clip: float = 2.0
    mask_weight: float = 2.0
    distillation: Recipe = field(default_factory=Recipe)
    average: float = 0.995
    precision: str = "bf16-mixed"
    schedule: Schedule = field(default_factory=lambda: Schedule(steps=4000))
    validations: int = 10
    draws: int = 4

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """Reads a YAML file of these fields.

        Raises:
            DataError: The file cannot be read, or holds a field that is none of these.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            parts = {"schedule": Schedule(**raw["schedule"]), "distillation": Recipe(**raw.get("distillation", {}))}
            return cls(**{**raw, **parts})
        except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
            raise DataError(f"training: {path} is not a training configuration ({error})") from error


def train(  # noqa: C901  (a trainer reads top to bottom)
    config: TrainConfig,
    crops: Path,
    run: Path,
    *,
    minutes: float | None = None,
    init: Path | None = None,
    teacher: Path | None = None,
    development: Path | None = None,
    workers: int = 1,
    checkpoint_every: int = 200,
) -> dict[str, Any]:
    """Trains a stage, or goes on with a run that was killed.

    Args:
        config: The run.
        crops: Crop cache of real faces with a split of people.
        run: Folder of the run, shared by its stages: `<stage>.checkpoint`, TensorBoard's `<stage>/`, and at the end
            `<stage>.safetensors` and `<stage>.json`.
        minutes: Wall-clock budget; replaces the schedule's length by what the measured step rate allows.
        init: Weights (`.safetensors`) to start from.
        teacher: A saved stage (path without suffix) to learn from.
        development: Crop cache that is reported on at the end and never selected on.
        workers: Processes that make batches.
        checkpoint_every: Steps between checkpoints.

    Returns:
        The figures, as written to `<run>/<stage>.json` under `metrics`.

    Raises:
        DataError: The crop cache cannot be used.
        ModelError: The loss is not a number any more; the checkpoint holds the last good weights.
    """
    fabric = Fabric(precision=config.precision)  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(config.seed)
    cache = CropCache.open(crops)
    reported = None if development is None else CropCache.open(development)

    bare = networks.create(config.stage, **config.network)
    if init is not None:
        bare.load_state_dict(load_file(init))
    bare.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    schedule, start = config.schedule, 0
    checkpoint = run / (config.stage + CHECKPOINT_SUFFIX)
    if minutes is not None and not checkpoint.exists():
        schedule = fit_schedule(minutes * 60, fabric, copy.deepcopy(bare), cache, config, workers)
        log.info("%.1f minutes allow %d steps", minutes, schedule.steps)

    average = copy.deepcopy(bare).to(fabric.device).eval().requires_grad_(False)
    distance = None if teacher is None else Distillation(load_teacher(teacher), bare, config.distillation)
    groups = parameter_groups(bare, config.weight_decay) + parameter_groups(distance, 0.0)
    # Fused: one call for all tensors; on CPU the loop over them would cost a fifth of a step.
    network, optimizer = fabric.setup(bare, torch.optim.AdamW(groups, lr=config.learning_rate, fused=True))
    modules: dict[str, Any] = {"network": network, "optimizer": optimizer}
    distillation = None if distance is None else fabric.setup_module(distance)
    if distillation is not None:
        modules["distillation"] = distillation
    if checkpoint.exists():
        rest = fabric.load(checkpoint, modules)
        average.load_state_dict(rest["average"])
        schedule, start = Schedule(**rest["schedule"]), rest["step"]
        log.info("resumed at step %d of %d", start, schedule.steps)

    run.mkdir(parents=True, exist_ok=True)
    board = SummaryWriter(str(run / config.stage)) if fabric.is_global_zero else None
    pairs = TrainingPairs(cache, cache.rows("train", 0), schedule, seed=config.seed, rank=fabric.global_rank)
    batches = Timed(training_batches(pairs, start=start, workers=workers))
    validate_every = max(1, schedule.steps // max(1, config.validations))
    before = seen = schedule.pairs_before(start) * fabric.world_size
    with Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(config.stage, total=schedule.steps, completed=start)
        for step, batch in enumerate(batches, start):
            batch = batch.to(fabric.device)
            seen += len(batch.faces) // 2 * fabric.world_size
            torch.manual_seed(step_seed(config.seed, fabric.global_rank, step))
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * one_cycle(step / schedule.steps)

            network.train()
            outputs = network(batch.faces)
            losses = losses_of(outputs, batch, config.mask_weight)
            if distillation is not None:
                losses["classify"] = (1 - config.distillation.soft) * losses["classify"]
                losses |= distillation(batch.faces, outputs)
            fabric.backward(torch.stack(list(losses.values())).sum())
            norm = fabric.clip_gradients(network, optimizer, max_norm=config.clip, error_if_nonfinite=False)
            if norm is not None and not torch.isfinite(norm):
                raise ModelError(
                    f"training: the gradient is {norm.item()} at step {step}; {checkpoint} holds the last good "
                    "weights: lower the learning rate and start anew, or go on from there with --init"
                )
            optimizer.step()
            optimizer.zero_grad()
            update_average(average, bare, min(config.average, (step + 1) / (step + 10)))

            done = step + 1
            progress.update(task, completed=done)
            if board is not None and step % REPORT_EVERY == 0:
                report(board, step, schedule, losses, (seen - before) / batches.elapsed, batches.wait_share)
            if done % checkpoint_every == 0:
                save_checkpoint(fabric, checkpoint, modules, average, schedule, done)
            if board is not None and done % validate_every == 0 and done < schedule.steps:
                report_validation(board, done, seen, average, validate(average, fabric, cache, draws=1))

    figures: dict[str, Any] = {
        "pairs": seen,
        "resumed_at_step": start,
        "seconds": round(batches.elapsed, 1),
        "wait_share": round(batches.wait_share, 4),
    }
    figures["validation"] = summarise(average, validate(average, fabric, cache, draws=config.draws))
    if reported is not None:
        figures["development"] = summarise(average, score_cache(average, fabric, reported))
    if board is not None:
        board.close()
        note = {
            "stage": config.stage,
            "network": config.network,
            "temperature": None,
            "training": {**dataclasses.asdict(config), "schedule": dataclasses.asdict(schedule)},
            "pretrained": pretrained(config, init),
            "teacher": teacher.name if teacher else None,
            "earlier_runs": earlier_runs(init),
            "metrics": figures,
        }
        networks.save(average, run / config.stage, note)
    return figures


def note_beside(weights: Path) -> dict[str, Any]:
    """What was written down of a run with its weights; nothing where there is no note."""
    path = weights.with_suffix(".json")
    note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return note


def earlier_runs(init: Path | None) -> list[dict[str, Any]]:
    """The runs that a run goes on from, oldest first: sha256 of the weights that were taken, seed, and pairs seen."""
    if init is None:
        return []
    note = note_beside(init)
    last = {
        "sha256": file_sha256(init),
        "seed": note.get("training", {}).get("seed"),
        "pairs": note.get("metrics", {}).get("pairs"),
    }
    return [*note.get("earlier_runs", []), last]


def pretrained(config: TrainConfig, init: Path | None) -> str | None:
    """Whose weights the first of a chain of runs started from; None for our own, from scratch."""
    if init is not None:
        found: str | None = note_beside(init).get("pretrained")
        return found
    if config.network.get("pretrained") == "never":
        return None
    return imagenet.provenance(config.network.get("architecture", ""))


def report(
    board: SummaryWriter,
    step: int,
    schedule: Schedule,
    losses: dict[str, torch.Tensor],
    pairs_per_second: float,
    wait: float,
) -> None:
    """Writes the losses and rates of a step to TensorBoard and to the log."""
    board.add_scalar("loader/wait_share", wait, step)
    board.add_scalar("loader/pairs_per_second", pairs_per_second, step)
    for name, loss in losses.items():
        board.add_scalar(f"loss/{name}", loss.item(), step)
    parts = " ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
    log.info(
        "step %d/%d difficulty %.2f | %s | %.1f pairs/s, waiting %.1f %%",
        *(step, schedule.steps, schedule.difficulty(step), parts, pairs_per_second, 100 * wait),
    )


def report_validation(
    board: SummaryWriter, step: int, pairs: int, network: StageNetwork, scores: dict[str, NDArray[Any]]
) -> None:
    """Writes the AUC of every logit to TensorBoard and to the log."""
    for column, name in enumerate(network.logits):
        value = auc(scores["label"], scores["logit"][:, column])
        board.add_scalar(f"validation/auc_{name}", value, step)
        log.info("validation at step %d, %d pairs: AUC %s %.3f", step, pairs, name, value)


class Timed(Iterator[Batch]):
    """Batches, and the share of the time that was spent waiting for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._began = time.monotonic()
        self._waited = 0.0

    def __next__(self) -> Batch:
        asked = time.monotonic()
        try:
            return next(self._batches)
        finally:
            self._waited += time.monotonic() - asked

    @property
    def elapsed(self) -> float:
        """Seconds since the first batch was asked for."""
        return time.monotonic() - self._began

    @property
    def wait_share(self) -> float:
        """Seconds of waiting per second elapsed, in [0, 1]."""
        return self._waited / max(1e-9, self.elapsed)


def losses_of(outputs: dict[str, torch.Tensor], batch: Batch, mask_weight: float) -> dict[str, torch.Tensor]:
    """The loss in its parts: classification by every branch, the mask head, and what the network adds by itself."""
    logit = outputs["logit"].float()
    predicted = outputs["mask"].float()
    rows, columns = predicted.shape[2:]
    fine = batch.masks[:, None].float() / 255
    mask = functional.adaptive_avg_pool2d(fine, (rows, columns))
    # Face X-ray (Li et al. 2020, section 3.1): 1 in the middle of the seam, 0 inside and outside.
    seam = functional.adaptive_max_pool2d(4 * fine * (1 - fine), (rows, columns))
    return {
        "classify": functional.binary_cross_entropy_with_logits(logit, batch.labels[:, None].expand_as(logit)),
        "mask": mask_weight * functional.binary_cross_entropy_with_logits(predicted, torch.cat([mask, seam], dim=1)),
        **{name[len("loss_") :]: value for name, value in outputs.items() if name.startswith("loss_")},
    }


def parameter_groups(network: nn.Module | None, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms; nothing for no network."""
    if network is None:
        return []
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def one_cycle(progress: float, warm_up: float = 0.1) -> float:
    """Share of the peak learning rate at a share of the run: up along a line, down along a cosine."""
    if progress < warm_up:
        return max(0.02, progress / warm_up)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def step_seed(seed: int, rank: int, step: int) -> int:
    """The seed of dropout and latent noise at a step."""
    return int(np.random.SeedSequence([seed, rank, step]).generate_state(1)[0])


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves the average of weights and running statistics towards the network's."""
    kept, new = average.state_dict(), network.state_dict()
    floating = [name for name, tensor in kept.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([kept[name] for name in floating], [new[name] for name in floating], 1 - decay)
    for name in kept.keys() - floating:
        kept[name].copy_(new[name])


def save_checkpoint(
    fabric: Fabric,
    path: Path,
    modules: dict[str, Any],
    average: nn.Module,
    schedule: Schedule,
    step: int,
) -> None:
    """Writes what a resumed run needs; a kill in the middle leaves the previous checkpoint whole."""
    draft = path.with_suffix(".draft")
    state = {
        **modules,
        "average": average.state_dict(),
        "schedule": dataclasses.asdict(schedule),
        "step": step,
    }
    fabric.save(draft, state)
    if fabric.is_global_zero:
        draft.replace(path)
    fabric.barrier()


def fit_schedule(
    seconds: float, fabric: Fabric, probe: nn.Module, cache: CropCache, config: TrainConfig, workers: int
) -> Schedule:
    """The schedule at the length that fits a time, from a few measured steps on windows and on whole faces.

    Args:
        seconds: The time.
        fabric: Devices.
        probe: A copy of the network; its statistics are spoilt.
        cache: The faces.
        config: The run.
        workers: Processes that make batches.
    """
    warm_up, measured = 3, 6
    network = fabric.setup(probe)
    network.train()
    trial = dataclasses.replace(config.schedule, steps=1000)
    pairs = TrainingPairs(cache, cache.rows("train", 0), trial, seed=config.seed)
    costs = []
    for start in (0, trial.steps - warm_up - measured):
        began = 0.0
        stop = start + warm_up + measured
        for index, batch in enumerate(training_batches(pairs, start=start, stop=stop, workers=workers)):
            if index == warm_up:
                began = time.monotonic()
            batch = batch.to(fabric.device)
            losses = losses_of(network(batch.faces), batch, config.mask_weight)
            fabric.backward(torch.stack(list(losses.values())).sum())
            network.zero_grad()
        costs.append((time.monotonic() - began) / measured)
    log.info("a step takes %.2f s on windows, %.2f s on whole faces", *costs)
    share = config.schedule.window_share
    # An eighth is left for optimizer, average and validations.
    steps = int(seconds * 0.875 / (share * costs[0] + (1 - share) * costs[1]))
    return dataclasses.replace(config.schedule, steps=fabric.broadcast(max(10, steps)))


@torch.no_grad()
def score(
    network: StageNetwork, fabric: Fabric, faces: Iterable[NDArray[np.uint8]], size: int = 32
) -> dict[str, NDArray[Any]]:
    """Outputs of a network in evaluation mode, in batches: name to float32 `[N, K]`."""
    network.eval()
    parts: list[dict[str, torch.Tensor]] = []
    pending: list[NDArray[np.uint8]] = []

    def flush() -> None:
        if pending:
            outputs = network(torch.from_numpy(np.stack(pending)).to(fabric.device))
            parts.append({name: value.float().cpu() for name, value in outputs.items()})
            pending.clear()

    for face in faces:
        pending.append(face)
        if len(pending) == size:
            flush()
    flush()
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def validate(network: StageNetwork, fabric: Fabric, cache: CropCache, *, draws: int) -> dict[str, NDArray[Any]]:
    """Scores pairs of full difficulty from validation people: outputs, `label`, `group`, `kind`, one row a face."""
    labels: list[int] = []
    groups: list[str] = []
    kinds: list[str] = []

    def faces() -> Iterator[NDArray[np.uint8]]:
        for row, pair in validation_pairs(cache, cache.rows("validation", 0), draws=draws, seed=VALIDATION_SEED):
            for label, face in enumerate((pair.real, pair.fake)):
                labels.append(label)
                groups.append(str(cache.table["group"].iloc[row]))
                kinds.append(pair.kind)
                yield face

    with fabric.autocast():
        scores = score(network, fabric, faces())
    return {**scores, "label": np.array(labels), "group": np.array(groups), "kind": np.array(kinds)}


def score_cache(network: StageNetwork, fabric: Fabric, cache: CropCache) -> dict[str, NDArray[Any]]:
    """Scores a cache of real and fake faces as serving would cut them; `kind` is the method."""
    with fabric.autocast():
        scores = score(network, fabric, map(cache.serving_crop, range(len(cache.table))))
    columns = {"label": "label", "group": "group", "kind": "method"}
    return {**scores, **{name: cache.table[column].to_numpy() for name, column in columns.items()}}


def summarise(network: StageNetwork, scores: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """AUC of every logit with its interval by group, and against each kind of fake."""
    label, kind = scores["label"], scores["kind"]
    result: dict[str, Any] = {"faces": len(label), "groups": len(np.unique(scores["group"]))}
    for column, name in enumerate(network.logits):
        logit = scores["logit"][:, column]
        result[name] = {
            "auc": auc(label, logit),
            "interval": bootstrap_interval(auc, label, logit, scores["group"]),
        }
        for fake in np.unique(kind[label == 1]):
            # Reals of the same kind where pairs were made, all reals where a data set was scored.
            reals = (label == 0) & ((kind == fake) if np.any((label == 0) & (kind == fake)) else True)
            keep = reals | ((label == 1) & (kind == fake))
            result[name][str(fake)] = auc(label[keep], logit[keep])
    return result


def command(
    config: Path,
    crops: Path,
    run: Path,
    minutes: float | None = None,
    init: Path | None = None,
    teacher: Path | None = None,
    development: Path | None = None,
    workers: int = 1,
) -> None:
    """Trains a stage, or goes on with its run.

    Args:
        config: YAML file, e.g. `training/configs/fast_filter.yaml`.
        crops: Crop cache of real faces.
        run: Folder of the run.
        minutes: Wall-clock budget instead of the configuration's number of steps.
        init: Weights to start from.
        teacher: Saved stage, without suffix, to learn from, e.g. `runs/first/efficientnet`.
        development: Crop cache to report on at the end, never selected on.
        workers: Processes that make batches.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    figures = train(
        TrainConfig.read(config),
        crops,
        run,
        minutes=minutes,
        init=init,
        teacher=teacher,
        development=development,
        workers=workers,
    )
    log.info("%s", json.dumps(figures, indent=2))
