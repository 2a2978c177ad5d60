"""`python -m benchmarks.formats RUN`: TFLite, ExecuTorch and ONNX Runtime, one face on one thread, in turns.

In the environment of `make formats`, after it has made the builds; those that are not there are left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import onnxruntime
import typer
from rich.console import Console
from rich.table import Table

from awarenet.errors import AwareNetError, ModelError
from awarenet.repository import model_path
from awarenet.runtime.golden import golden_faces
from awarenet.stages import FACE, NETWORKS, Stage
from benchmarks import machine
from benchmarks.turns import in_turns
from export.formats import FORMATS, open_format
from export.inference import Faces

_FEWEST_ROUNDS: Final = 9
_BASE: Final = "onnx int8"


def main(
    run: Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False)],
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring.")] = 60,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/formats.json"),
) -> None:
    """Measures every build of a run; prints a table and writes the result as JSON."""
    try:
        result = measure(run, [one for one in NETWORKS if not stage or one.name in stage], seconds)
    except AwareNetError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {error}")
        raise SystemExit(1) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    table = Table("stage", "build", "MB", "ms", f"{_BASE} / build")
    for label, builds in result["stages"].items():
        for name, entry in builds.items():
            table.add_row(label, name, f"{entry['mb']:.2f}", f"{entry['ms']:.2f}", f"{entry['base_over_build']:.2f}")
    console = Console(width=120)
    console.print(table)
    computer = result["machine"]
    console.print(
        f"one thread; {computer['cpu']}, {computer['cores']} cores, {' '.join(computer['flags'])}; "
        f"load before {computer['load_before']}, after {result['load_after']}",
        style="dim",
    )


def measure(run: Path, stages: Sequence[Stage], seconds: float) -> dict[str, Any]:
    """Runs every build of every stage, one face on one thread, in turns.

    Args:
        run: A run folder with graphs and builds.
        stages: The stages.
        seconds: Time for measuring; at least a few rounds are made.

    Returns:
        The content of `formats.json`: by stage and build its size, the median in milliseconds, and the median of the
        ratios of neighbouring runs (`base_over_build`, above 1 where the build is faster than the INT8 graph).

    Raises:
        ConfigurationError: The packages of a format are not in this environment.
        ModelError: A stage has no builds, or a runtime refuses one.
    """
    described = machine.describe()
    faces = golden_faces()
    measured: dict[str, Any] = {}
    for stage in stages:
        builds = {name: build for name, build in _builds(run, stage).items() if build[0].is_file()}
        if _BASE not in builds or len(builds) < 3:
            raise ModelError(f"{run} has no graphs or no builds of {stage.name}; they come from `make models formats`")
        runs = {name: load(path) for name, (path, load) in builds.items()}
        for infer in runs.values():
            infer(faces[:1])
        names = list(runs)
        turns = [lambda number, infer=infer: infer(faces[number % 2][None]) for infer in runs.values()]
        columns = in_turns(turns, seconds / len(stages), at_least=_FEWEST_ROUNDS)
        ratios = columns[:, [names.index(_BASE)]] / columns
        measured[stage.name] = {
            name: {
                "mb": builds[name][0].stat().st_size / 1e6,
                "ms": float(np.median(columns[:, index])),
                "base_over_build": float(np.median(ratios[:, index])),
                "rounds": len(columns),
            }
            for index, name in enumerate(names)
        }
    return {"stages": measured, "load_after": round(os.getloadavg()[0], 2), "machine": described}


def _builds(run: Path, stage: Stage) -> dict[str, tuple[Path, Callable[[Path], Callable[[Faces], Any]]]]:
    """The files of a stage, by name, and what opens them."""
    builds: dict[str, tuple[Path, Callable[[Path], Callable[[Faces], Any]]]] = {
        "onnx float": (model_path(run / "export" / "float", stage), _load_onnx),
        _BASE: (model_path(run / "export" / "served", stage), _load_onnx),
    }
    for name in FORMATS:
        form = open_format(name)
        for kind in ("float", "int8"):
            path = model_path(run / "export" / name / kind, stage).with_suffix(form.SUFFIX)
            builds[f"{name} {kind}"] = (path, lambda path, form=form: form.load(path, stage, 1))  # type: ignore[misc]
    return builds


def _load_onnx(path: Path) -> Callable[[Faces], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda face: session.run(None, {FACE.name: face})


if __name__ == "__main__":
    typer.run(main)
