"""Quantisation-aware training: a trained stage teaches its own INT8 form; `quantize` reads from top to bottom.

The student begins as the stage itself with rounding inside (`training.fake_quantisation`) and learns from labels and,
more, from what the stage says in floats, softened (Hinton et al. 2015). A run takes minutes and writes at its end.
`python -m export int8` then makes its graph, and serves it where it is the better one.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.progress import Progress
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from awarenet.errors import ModelError
from awarenet.evaluation.metrics import auc
from awarenet.policy import file_sha256
from training import networks
from training.crops import CropCache
from training.distillation import load_teacher, soft_loss
from training.fake_quantisation import convert, hold_ranges, prepare
from training.loader import Schedule, TrainingPairs, training_batches
from training.trainer import REPORT_EVERY, Timed, one_cycle, validate

log = logging.getLogger(__name__)

FOLDER: Final = "qat"
"""Where in a run folder the students are: `<stage>.safetensors` and `<stage>.json`."""


@dataclass(frozen=True)
class QuantizeConfig:
    """How a stage learns to be rounded.

    Attributes:
        steps: Length of the run.
        pairs: Pairs of whole faces a batch, of full difficulty.
        learning_rate: Peak of the one-cycle schedule.
        soft: Share of the loss that is against the stage's own softened probability, in [0, 1]; the rest is against
            the label.
        temperature: What both logits are divided by first.
        hold: Share of the run after which ranges stay as they are.
        clip: Largest gradient norm.
        seed: Of data.
        draws: Forgeries a face in the validation.
    """

    steps: int = 300
    pairs: int = 16
    learning_rate: float = 1e-4
    soft: float = 0.7
    temperature: float = 4.0
    hold: float = 0.7
    clip: float = 2.0
    seed: int = 1
    draws: int = 2


def quantize(config: QuantizeConfig, stage: str, crops: Path, run: Path, *, workers: int = 1) -> dict[str, Any]:
    """Trains the INT8 form of a stage.

    Args:
        config: The recipe.
        stage: `fast_filter`, `efficientnet` or `genconvit`.
        crops: Crop cache of real faces with a split of people.
        run: Folder of the run, where the trained stage is and `qat/<stage>.safetensors` and `.json` will be.
        workers: Processes that make batches.

    Returns:
        The figures, as written to the note under `metrics`: AUC of every logit before and after, and the largest share
        of verdicts that flip, on validation people.

    Raises:
        DataError: The crop cache cannot be used.
        ModelError: The stage is missing or cannot be captured, or the loss is not a number any more.
    """
    fabric = Fabric(devices=1, precision="32-true")
    fabric.launch()
    cache = CropCache.open(crops)
    teacher = fabric.setup_module(load_teacher(run / stage).to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    teacher.eval().requires_grad_(False)
    bare = prepare(load_teacher(run / stage))
    parameters = list(bare.parameters())
    # Weights of a trained network that shall stay what it is: nothing decays.
    student, optimizer = fabric.setup(bare, torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0))

    schedule = Schedule(steps=config.steps, ramp=0.0, window_share=0.0, pairs=config.pairs)
    pairs = TrainingPairs(cache, cache.rows("train", 0), schedule, seed=config.seed)
    batches = Timed(training_batches(pairs, workers=workers))
    with Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(stage, total=config.steps)
        for step, batch in enumerate(batches):
            batch = batch.to(fabric.device)
            if step == round(config.hold * config.steps):
                hold_ranges(bare)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * one_cycle(step / config.steps)
            with torch.no_grad():
                taught = teacher(batch.faces)
            outputs = student(batch.faces)
            losses = losses_of(outputs, taught, batch.labels, config)
            fabric.backward(torch.stack(list(losses.values())).sum())
            norm = fabric.clip_gradients(student, optimizer, max_norm=config.clip, error_if_nonfinite=False)
            if norm is not None and not torch.isfinite(norm):
                raise ModelError(f"quantize: the gradient is {norm.item()} at step {step}; lower the learning rate")
            optimizer.step()
            optimizer.zero_grad()
            progress.update(task, completed=step + 1)
            if step % REPORT_EVERY == 0:
                parts = " ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
                apart = (outputs["logit"] - taught["logit"]).detach().square().mean().sqrt().item()
                log.info("step %d/%d | %s | apart %.3f | %.1f s", step, config.steps, parts, apart, batches.elapsed)

    figures: dict[str, Any] = {"pairs": config.steps * config.pairs, "seconds": round(batches.elapsed, 1)}
    figures["validation"] = compared(teacher, student, fabric, cache, config.draws)
    note = {
        "stage": stage,
        "teacher": file_sha256((run / stage).with_suffix(".safetensors")),
        "training": dataclasses.asdict(config),
        "metrics": figures,
    }
    networks.save(bare, run / FOLDER / stage, note)
    return figures


def losses_of(
    outputs: dict[str, torch.Tensor], taught: dict[str, torch.Tensor], labels: torch.Tensor, config: QuantizeConfig
) -> dict[str, torch.Tensor]:
    """The loss in its parts.

    Args:
        outputs: The student's, `logit` `[N, K]` among them.
        taught: The stage's own in floats, before temperatures.
        labels: float32 `[N]`.
        config: Weights and temperature.

    Returns:
        `hard` and `soft`, and of each further output the mean squared error in the stage's standard deviations.
    """
    logit = outputs["logit"]
    hard = functional.binary_cross_entropy_with_logits(logit, labels[:, None].expand_as(logit))
    losses = {
        "hard": (1 - config.soft) * hard,
        "soft": config.soft * soft_loss(logit, taught["logit"], config.temperature),
    }
    for name in outputs.keys() - {"logit"}:
        losses[name] = (outputs[name] - taught[name]).square().mean() / taught[name].var().clamp_min(1e-6)
    return losses


def compared(teacher: Any, student: Any, fabric: Fabric, cache: CropCache, draws: int) -> dict[str, Any]:
    """AUC of every logit in floats and with rounding, and the share of faces whose verdict flips, the largest."""
    before, after = (validate(network, fabric, cache, draws=draws) for network in (teacher, student))
    columns = range(before["logit"].shape[1])
    return {
        "faces": len(before["label"]),
        "auc_float": [auc(before["label"], before["logit"][:, column]) for column in columns],
        "auc": [auc(before["label"], after["logit"][:, column]) for column in columns],
        "flips": float(((before["logit"] >= 0) != (after["logit"] >= 0)).mean(axis=0).max()),
        "rms": float(np.sqrt(((before["logit"] - after["logit"]) ** 2).mean())),
    }


def trained_for(run: Path, stage: str) -> bool:
    """Whether a run has a student of a stage, made from the weights that the stage has now."""
    note, weights = (run / FOLDER / f"{stage}{suffix}" for suffix in (".json", ".safetensors"))
    if not (note.is_file() and weights.is_file()):
        return False
    teacher = json.loads(note.read_text(encoding="utf-8")).get("teacher")
    return bool(teacher == file_sha256((run / stage).with_suffix(".safetensors")))


def load(run: Path, stage: str) -> nn.Module:
    """Reads a student as its INT8 graph, the temperature that the stage has now folded into `logit`.

    Args:
        run: Folder of the run.
        stage: Name of the stage.

    Raises:
        ModelError: A file is missing, or it was made from other weights.
    """
    if not trained_for(run, stage):
        raise ModelError(
            f"quantize: {run / FOLDER} holds no weights that learned from {stage} as it is now; "
            "make them with `python -m training quantize`"
        )
    calibrated: Any = networks.load(run / stage)
    prepared = prepare(calibrated.network)
    prepared.load_state_dict(load_file(run / FOLDER / f"{stage}.safetensors"))
    calibrated.network = convert(prepared)
    result: nn.Module = calibrated.eval()
    return result


def command(
    stage: str,
    crops: Path,
    run: Path,
    steps: int = QuantizeConfig.steps,
    pairs: int = QuantizeConfig.pairs,
    learning_rate: float = QuantizeConfig.learning_rate,
    soft: float = QuantizeConfig.soft,
    temperature: float = QuantizeConfig.temperature,
    seed: int = QuantizeConfig.seed,
    workers: int = 1,
) -> None:
    """Trains the INT8 form of a stage with the stage itself as its teacher.

    Args:
        stage: fast_filter, efficientnet or genconvit.
        crops: Crop cache of real faces.
        run: Folder of the run, with the trained stage.
        steps: Length of the run.
        pairs: Pairs of faces a batch.
        learning_rate: Peak of the schedule.
        soft: Share of the loss against the teacher's probability; the rest is against the label.
        temperature: Of the softened probabilities.
        seed: Of data.
        workers: Processes that make batches.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    config = QuantizeConfig(
        steps=steps, pairs=pairs, learning_rate=learning_rate, soft=soft, temperature=temperature, seed=seed
    )
    log.info("%s", json.dumps(quantize(config, stage, crops, run, workers=workers), indent=2))
