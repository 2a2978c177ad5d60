"""One run from models to report: score, time, sum up."""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from awarenet.detector import Detector
from awarenet.errors import DataError, InvalidInput, ModelError, ServiceError
from awarenet.evaluation import evaluation, metrics
from awarenet.evaluation.manifest import read_manifest
from awarenet.evaluation.summary import summarise
from awarenet.face_engines import create_detector
from awarenet.policy import Policy
from awarenet.repository import ModelRepository, model_path
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FEATURES, NETWORKS
from benchmarks import machine, stages
from benchmarks.models import timing
from benchmarks.models.efficiency import efficiency
from benchmarks.models.form_process import FormProcess
from benchmarks.models.forms import FORMATS, FP32, SERVED, Form, at_hand, with_threads
from benchmarks.models.held_out import SPLIT, HeldOut, Scores
from benchmarks.models.regression import Former
from benchmarks.models.sensitivity import sweep
from export.difference import QUANTISED, compare

BASE = f"onnx-{SERVED}"
"""The form that is served, whose figures the report is about."""

REFERENCE = f"onnx-{FP32}"
"""The form that losses are measured against."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What to measure.

    Attributes:
        repository: The model repository.
        weights: Folder of the stages' weights, for everything in FP32.
        crops: Crop cache with a validation split.
        folder: Folder for what is made on the way.
        candidates: Folders of other files of the same networks, by the name of their precision.
        manifest: Labelled list of test pictures, or None.
        root: The folder that its paths are relative to.
        limit: The most pictures to score; None scores all.
        reals: Subsets whose reals stand in for subsets that have fakes alone.
        skip: Formats to leave out.
        faces: About how many held-out faces to score.
        seconds: Time for measuring times; starting and scoring come on top.
        video: Whether to measure clips as well.
    """

    repository: Path
    weights: Path
    crops: Path
    folder: Path
    candidates: Mapping[str, Path] = field(default_factory=dict)
    manifest: Path | None = None
    root: Path | None = None
    limit: int | None = None
    reals: Sequence[str] = ()
    skip: Collection[str] = ()
    faces: int = 320
    seconds: float = 100
    video: bool = False


@dataclass(frozen=True)
class Result:
    """What a run gives.

    Attributes:
        report: The content of the JSON file.
        table: The held-out faces as the cascade decided them, for plots.
        policy: The thresholds in force.
    """

    report: dict[str, Any]
    table: pd.DataFrame
    policy: Policy


def named_folders(wishes: Sequence[str]) -> dict[str, Path]:
    """Candidates as a user names them, `NAME=FOLDER` each.

    Raises:
        InvalidInput: One is written otherwise, or its name is taken.
    """
    found: dict[str, Path] = {}
    for wish in wishes:
        name, sign, folder = wish.partition("=")
        if not (name and sign and folder) or name in (SERVED, FP32, *found):
            raise InvalidInput(f"--candidate {wish}: write NAME=FOLDER, with a name that nothing else has")
        found[name] = Path(folder)
    return found


def run(task: Task, former: Former | None, say: Say) -> Result:
    """Measures everything that is at hand.

    Args:
        task: What to measure.
        former: A former report to hold this one against.
        say: Told what is being done.

    Raises:
        DataError: The crop cache or the manifest cannot be used, or the former report is of other faces.
        InvalidInput: Options contradict each other.
        ModelError: The models do not run, or a candidate has no files that anything here reads.
    """
    if (task.manifest is None) != (task.root is None):
        raise InvalidInput("--manifest and --root belong together; give both or none")
    if unknown := [name for name in task.skip if name not in FORMATS or name == BASE.split("-")[0]]:
        others = ", ".join(name for name in FORMATS if name != BASE.split("-")[0])
        raise InvalidInput(f"--skip {', '.join(unknown)}: cannot be left out; it takes {others}")
    described = machine.describe()
    opened = ModelRepository.open(task.repository)
    say("held-out faces")
    held_out = HeldOut.of(task.crops, task.faces)
    if former:
        former.check_faces(held_out.sha256)
    left_out = dict.fromkeys(task.skip, "left out by --skip")
    task.folder.mkdir(parents=True, exist_ok=True)
    say("graphs in FP32")
    forms = _forms(task, opened, left_out)
    with ExitStack() as stack:
        processes = _start(stack, forms, task, held_out, left_out, say)
        rows, failed = timing.measure(processes, 0.85 * task.seconds, say)
        left_out |= failed
        scores = _score(processes, held_out, task.folder / "scores.npz", left_out, say)
    if BASE not in scores or not any(row["form"] == BASE for row in rows):
        reasons = "; ".join(why for name, why in left_out.items() if name.startswith(BASE))
        raise ModelError(f"the models of {task.repository} do not run here ({reasons})")
    say("stages by themselves")
    networks = {(stage.name, form.name): form.files[stage.name] for stage in NETWORKS for form in forms
                if form.format == "onnx"}  # fmt: skip
    by_stage = stages.measure(networks, held_out.faces, 0.15 * task.seconds)
    served, policy = scores[BASE], opened.policy
    table = served.table(held_out, policy)
    summary = summarise(table, policy)
    report = {
        "model_version": policy.model_version,
        "policy_version": policy.version,
        "thresholds": {name: getattr(policy, name) for name in ("real_below", "fake_above", "decide_at",
                                                                "uncertain_margin")},
        "policy_data": policy.data,
        "held_out": {
            "faces": len(held_out.faces),
            "people": len(np.unique(held_out.groups)),
            "split": SPLIT,
            "sha256": held_out.sha256,
            "subsets": summary["subsets"],
            "methods": summarise(table.assign(subset="all"), policy)["methods"],
            "pooled": summary["pooled"],
        },
        "manifest": _evaluate(task, opened, held_out, left_out, say),
        "efficiency": efficiency(served, policy),
        "forms": _with_accuracy(rows, forms, scores, held_out, policy),
        "stages": _stages(forms, scores, by_stage, held_out),
        "sensitivity": sweep(served, policy),
        "video": _video(task, left_out, say),
        "left_out": left_out,
        "seconds": task.seconds,
        "machine": described,
        "load_after": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "against": None,
    }  # fmt: skip
    if former:
        report["against"] = former.compare(report)
    return Result(report, table, policy)


def _forms(task: Task, opened: ModelRepository, left_out: dict[str, str]) -> list[Form]:
    ready = task.weights / "export" / "float"
    if not all(model_path(ready, stage).is_file() for stage in NETWORKS):
        ready = task.folder / "float"
        shutil.rmtree(ready, ignore_errors=True)  # of other weights, perhaps
        stages.files(opened, task.weights, ready)
    found = at_hand(
        [(SERVED, task.repository), (FP32, ready), (FP32, task.weights), *task.candidates.items()],
    )
    names = {form.name for form in found}
    for name, folder in task.candidates.items():
        if not any(form.precision == name for form in found):
            raise ModelError(
                f"--candidate {name}: {folder} has no files of every network in a format that is known here "
                f"({', '.join(FORMATS)}); lay them out as in a model repository"
            )
    if REFERENCE not in names:
        left_out[REFERENCE] = (
            f"{task.weights} has no weights of every stage (--run), or the extra `export` is not installed; "
            "losses, compression and times against FP32 are unknown"
        )
    return [form for form in found if form.format not in task.skip]


def _start(
    stack: ExitStack, forms: Sequence[Form], task: Task, held_out: HeldOut, left_out: dict[str, str], say: Say
) -> list[FormProcess]:
    faces = task.folder / "faces.npy"
    np.save(faces, held_out.faces)
    processes = []
    for form in forms:
        for threads in sorted({1, os.cpu_count() or 1}):
            say(f"starting {with_threads(form.name, threads)}")
            try:
                processes.append(stack.enter_context(FormProcess(form, threads, task.repository, faces)))
            except ServiceError as error:
                left_out[form.name] = str(error)
                break
    return processes


def _score(
    processes: Sequence[FormProcess], held_out: HeldOut, out: Path, left_out: dict[str, str], say: Say
) -> dict[str, Scores]:
    """What every form says about the held-out faces."""
    scores: dict[str, Scores] = {}
    for process in processes:
        name = process.form.name
        if name in scores or process.name in left_out:
            continue
        say(f"scoring {len(held_out.faces)} faces: {name}")
        try:
            scores[name] = Scores(held_out.labels, held_out.groups, *process.score(out))
        except ServiceError as error:
            left_out[f"accuracy of {name}"] = str(error)
    return scores


def _with_accuracy(
    rows: Sequence[dict[str, Any]],
    forms: Sequence[Form],
    scores: Mapping[str, Scores],
    held_out: HeldOut,
    policy: Policy,
) -> list[dict[str, Any]]:
    """The rows of timing, with size, compression and what became of accuracy."""
    sizes = {form.name: sum(form.megabytes.values()) for form in forms}
    result = []
    for row in rows:
        name = row["form"]
        entry = row | {
            "megabytes": sizes[name],
            "share_of_fp32": sizes[name] / sizes[REFERENCE] if REFERENCE in sizes else None,
            "auc": None,
            "auc_loss": None,
            "flips": None,
            "words_changed": None,
        }
        if name in scores:
            entry["auc"] = metrics.auc(held_out.labels, scores[name].decided(policy))
        if name in scores and REFERENCE in scores:
            before, after = scores[REFERENCE], scores[name]
            difference = compare(
                before.decided(policy)[:, None],
                after.decided(policy)[:, None],
                held_out.labels,
                held_out.subsets,
                threshold=policy.decide_at,
            )
            entry |= {
                "auc_loss": difference.auc_loss,
                "flips": difference.flips,
                "words_changed": float((before.words(policy) != after.words(policy)).mean()),
            }
        result.append(entry)
    return result


def _stages(
    forms: Sequence[Form], scores: Mapping[str, Scores], by_stage: Mapping[str, Any], held_out: HeldOut
) -> list[dict[str, Any]]:
    """Each network in each form: size, latency, and how far its logits are from FP32."""
    rows = []
    for stage in NETWORKS:
        columns = [at for at, name in enumerate(FEATURES) if name.startswith(stage.name) and name.endswith("_logit")]
        sizes = {form.name: form.megabytes[stage.name] for form in forms}
        times = by_stage[stage.name]
        for form in forms:
            if form.name not in scores:
                continue
            logits = scores[form.name].evidence[:, columns]
            row: dict[str, Any] = {
                "stage": stage.name,
                "form": form.name,
                "megabytes": sizes[form.name],
                "share_of_fp32": sizes[form.name] / sizes[REFERENCE] if REFERENCE in sizes else None,
                "auc": [metrics.auc(held_out.labels, column) for column in logits.T],
                **{f"batch_{size}_ms": times.get(form.name, {}).get(f"batch_{size}_ms") for size in stages.BATCHES},
                "faster_than_fp32": None,
                "auc_loss": None,
                "flips": None,
                "rms": None,
                "within": None,
            }
            if form.name in times and REFERENCE in times and form.name != REFERENCE:
                row["faster_than_fp32"] = times[REFERENCE]["batch_1_ms"] / times[form.name]["batch_1_ms"]
            if REFERENCE in scores and form.name != REFERENCE:
                reference = scores[REFERENCE].evidence[:, columns]
                difference = compare(reference, logits, held_out.labels, held_out.subsets)
                row |= {
                    "auc_loss": difference.auc_loss,
                    "flips": difference.flips,
                    "rms": difference.rms_score,
                    "within": difference.within(QUANTISED),
                }
            rows.append(row)
    return rows


def _evaluate(
    task: Task, opened: ModelRepository, held_out: HeldOut, left_out: dict[str, str], say: Say
) -> dict[str, Any] | None:
    """The served cascade on the pictures of a manifest, but for the subsets that the stages were trained on."""
    if task.manifest is None or task.root is None:
        left_out["other data sets"] = (
            "no manifest was given (--manifest, --root); the forgeries here are of the kind that was trained on, and "
            "say nothing about others"
        )
        return None
    listed = sorted(set(read_manifest(task.manifest)["subset"]))
    subsets = [name for name in listed if name not in held_out.trained_on]
    left_out |= {f"manifest: {name}": "the stages were trained on it" for name in listed if name not in subsets}
    if not subsets:
        raise DataError(f"{task.manifest} has no subset that the stages were not trained on; give another manifest")
    wanted = evaluation.Task(
        task.manifest,
        task.root,
        task.folder / "evaluation",
        subsets=subsets,
        limit=task.limit,
        reals=tuple(task.reals),
        workers=os.cpu_count() or 1,
    )
    with closing(InProcessRuntime(opened)) as runtime:
        engine = evaluation.Engine(
            lambda: Detector(runtime, create_detector("auto"), frames=wanted.frames),
            opened.policy,
            "this process",
            create_detector("auto").name,
        )
        report = evaluation.evaluate(
            wanted, engine, scored=lambda done, total: say(f"{task.manifest}: {done} of {total} files")
        )
    kept = ("subsets", "methods", "pairs", "pooled", "n_failed", "face_engine", "limits", "reals")
    return {**report["manifest"], **{name: report[name] for name in kept}}


def _video(task: Task, left_out: dict[str, str], say: Say) -> dict[str, float] | None:
    """Source frames per second of a clip, from decoding to verdict."""
    if not task.video:
        left_out["clips"] = "not asked for (--video)"
        return None
    import skimage.data

    from benchmarks import video

    say("clips")
    portrait = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    clip = video.make_clip(task.folder / "speed.mp4", video.SECONDS, portrait)
    return video.throughput(video.detector(task.repository), clip)
