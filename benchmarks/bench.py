"""One run of the benchmark from model repository to result."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from awarenet.errors import InvalidInput
from awarenet.repository import ModelRepository
from benchmarks import machine, plan, stages
from benchmarks.contenders import client_cascade, eager, fastapi_server, in_process, triton
from benchmarks.contenders.service import serve
from benchmarks.workload import Workload, prepare

FAIRNESS = (
    "Every contender may use all cores and is measured with the number of callers that suits it best. Stages have the "
    "threads of their configuration in Triton and one ONNX Runtime thread each in FastAPI; in-process runs with one "
    "thread a call and with all cores a call, and the better one is what Triton is held against. Callers share the "
    "machine with what they call. Faces, models, thresholds and share deferred are the same for all; the eager "
    "ensemble runs every network on every face."
)


COMPARED = (plan.TRITON, f"{plan.IN_PROCESS}1t")
"""The contenders whose growth is measured: the product and its floor. The eager ensemble is always on."""


def run(
    repository: Path,
    folder: Path,
    *,
    training: Path,
    skip: Collection[str],
    deferred: float | None,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measures everything that can be measured here.

    Args:
        repository: The model repository.
        folder: Folder for the copy that is served.
        training: Folder of the stages' weights, for everything in FP32.
        skip: Names of contenders to leave out; Triton and in-process cannot be.
        deferred: Share of faces that go to the heavy stages; None takes what the policy deferred of its real faces.
        seconds: Time for measuring; starting and warming up come on top.
        say: Told what is being measured.

    Returns:
        The content of `bench.json`.
    """
    described = machine.describe()
    workload = prepare(repository, folder / "repository")
    share = workload.deferred_by_policy if deferred is None else deferred
    say("stages")
    by_stage = stages.measure(
        stages.files(ModelRepository.open(repository), training, folder / "float"), workload.doubtful, 0.1 * seconds
    )
    with ExitStack() as stack:
        opened, skipped = _open_all(stack, workload, training, skip)
        if missing := [stage for stage, entry in by_stage.items() if "fp32" not in entry]:
            what = f"{training} has no weights of {', '.join(missing)} (--run)"
            skipped["FP32 stages"] = f"{what}, or the extra `export` is not installed"
        differences = plan.check_answers(opened, workload)
        unit = 0.9 * seconds / count_windows([entry.contender.name for entry in opened])
        saturated = plan.saturation(opened, workload.requests(plan.BATCH, share), unit, say)
        trees = {entry.contender.name: machine.tree_memory(entry.running.pid) for entry in opened if entry.running.pid}
        latencies = plan.latency(opened, workload, unit, say)
        best = {name: entry["callers"] for name, entry in saturated.items()}
        compared = [entry for entry in opened if entry.contender.name in COMPARED]
        grown = plan.growth(compared, workload, share, best, unit, say)
    return {
        **plan.headlines(saturated, latencies),
        "serving_tree_rss_mb": trees[plan.TRITON]["rss_mb"],
        "serving_tree_pss_mb": trees[plan.TRITON]["pss_mb"],
        "share_deferred": share,
        "share_deferred_by_policy": workload.deferred_by_policy,
        "saturation": saturated,
        "latency": latencies,
        "stages": by_stage,
        "growth": grown,
        "memory": trees,
        "contenders": {entry.contender.name: entry.contender.what for entry in opened},
        "largest_difference_of_probability": differences,
        "skipped": skipped,
        "fairness": FAIRNESS,
        "faces_per_request": plan.BATCH,
        "seconds": seconds,
        "machine": described,
        "model_version": workload.repository.policy.model_version,
    }


def _open_all(
    stack: ExitStack, workload: Workload, training: Path, skip: Collection[str]
) -> tuple[list[plan.Opened], dict[str, str]]:
    root = workload.repository.root
    service = stack.enter_context(serve(root))
    contenders = [
        *(in_process.contender(root, threads) for threads in sorted({1, os.cpu_count() or 1})),
        triton.contender(service),
        client_cascade.contender(service, workload.repository),
        fastapi_server.contender(root),
    ]
    skipped = {}
    if why := eager.missing():
        skipped[plan.EAGER] = why
    else:
        contenders.append(eager.contender(training, workload.repository))
    for name in skip:
        if name not in {entry.name for entry in contenders} - {plan.TRITON} or name.startswith(plan.IN_PROCESS):
            raise InvalidInput(
                f"bench: {name} cannot be left out; --skip takes client_cascade, fastapi, eager_ensemble"
            )
        skipped[name] = "left out by --skip"
    chosen = [entry for entry in contenders if entry.name not in skip]
    return [plan.Opened.of(entry, stack.enter_context(entry.open())) for entry in chosen], skipped


def count_windows(names: Sequence[str]) -> int:
    """How many windows of one unit the plan has for these contenders; windows at saturation are two units long."""
    compared = sum(name in COMPARED for name in names)
    growth = len(plan.GROWTH_BATCHES) + len(plan.GROWTH_DEFERRED) + len(plan.GROWTH_FACES)
    return len(names) * (len(plan.CALLERS) + 2 * plan.ROUNDS + 2 * plan.ROUNDS) + 3 * compared * growth
