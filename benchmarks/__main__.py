"""`python -m benchmarks [COMMAND]`: measures, prints a table, writes the result as JSON; see `--help`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from awarenet.errors import AwareNetError
from awarenet.options import FaceEngine, InProcess, Repository, Server
from awarenet.runtime.choice import DEFAULT_REPOSITORY
from awarenet.runtime.engines import EngineName
from benchmarks import video as video_benchmark
from benchmarks.bench import run
from benchmarks.table import show

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    model_repository: Annotated[Path, typer.Option(help="The models to measure.")] = Path("model_repository"),
    training: Annotated[
        Path, typer.Option("--run", help="Folder of the weights behind them, for everything in FP32.")
    ] = Path("training/weights"),
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/bench.json"),
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring.")] = 300,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave out client_cascade, fastapi or eager_ensemble; repeat.")
    ] = None,
    deferred: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of faces that need the heavy stages [policy's own].")
    ] = None,
) -> None:
    """Measures the cascade on Triton and everything it is compared with, in one run."""
    # Unwinds, so that no server outlives a benchmark that is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if context.invoked_subcommand:
        return
    console = Console(stderr=True)
    try:
        with console.status("starting") as status:
            result = run(
                model_repository,
                out.parent / "bench",
                training=training,
                skip=skip or [],
                deferred=deferred,
                seconds=seconds,
                say=status.update,
            )
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except (AwareNetError, OSError) as error:
        console.print(f"bench: {error}", style="red")
        sys.exit(1)
    show(result, Console())


@app.command()
def video(
    model_repository: Annotated[Path, typer.Option(help="The models to measure.")] = Path("model_repository"),
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/bench-video.json"),
) -> None:
    """Measures clips from decoding to verdict, their memory, and how well forged stretches show."""
    console = Console(stderr=True)
    try:
        with console.status("starting") as status:
            result = video_benchmark.run(model_repository, out.parent / "bench-video", say=status.update)
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except (AwareNetError, OSError) as error:
        console.print(f"bench: {error}", style="red")
        sys.exit(1)
    video_benchmark.show(result, Console())


@app.command()
def live(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the stream that counts.")] = 30,
    people: Annotated[int, typer.Option(min=1, max=4, help="Heads in the picture.")] = 1,
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    face_engine: FaceEngine = "auto",
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/live.json"),
) -> None:
    """Plays a live stream of 720p and measures the time from each frame to its answer."""
    from benchmarks import live as bench

    with _reported(out) as write:
        result = bench.measure(
            model_repository, seconds, people=people, server=server, in_process=in_process, face_engine=face_engine
        )
        write(result)
        bench.show(result, Console())


@app.command()
def heatmap(
    crops: Annotated[Path, typer.Option(help="Crop cache with a calibration and a validation split.")],
    faces: Annotated[int, typer.Option(min=2, help="Forgeries (or real faces, with --write-expected).")] = 16,
    write_expected: Annotated[
        bool, typer.Option("--write-expected", help="Measure what real faces show, and keep it for these models.")
    ] = False,
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/heatmap.json"),
) -> None:
    """Measures whether heatmaps point at what was forged."""
    from awarenet.heatmap import EXPECTED_FILE
    from benchmarks import heatmap as bench

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        if write_expected:
            bench.write_expected(
                crops,
                model_repository,
                EXPECTED_FILE,
                faces=faces,
                server=server,
                in_process=in_process,
                say=status.update,
            )
            return
        result = bench.measure(
            crops, model_repository, faces=faces, server=server, in_process=in_process, say=status.update
        )
        write(result)
        bench.show(result, Console())


@app.command()
def robustness(
    crops: Annotated[Path, typer.Option(help="Crop cache with a validation split.")],
    faces: Annotated[int, typer.Option(min=2, help="Real faces to look at; as many forgeries.")] = 80,
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/robustness.json"),
) -> None:
    """Measures what darkness, tints, grey, compression, noise and small faces do to scores."""
    from benchmarks import robustness as bench

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        result = bench.measure(
            crops, model_repository, faces=faces, server=server, in_process=in_process, say=status.update
        )
        write(result)
        bench.show(result, Console())


@app.command()
def adversarial(
    crops: Annotated[Path, typer.Option(help="Crop cache with a validation split.")],
    faces: Annotated[int, typer.Option(min=2, help="Real faces to look at; as many forgeries.")] = 40,
    weights: Annotated[Path, typer.Option(help="Weights of the stages.", file_okay=False)] = Path("training/weights"),
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/adversarial.json"),
) -> None:
    """Measures how little it takes to mislead a stage, and the cascade by it, for who has the weights."""
    from benchmarks import adversarial as bench

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        result = bench.measure(
            crops, model_repository, weights, faces=faces, server=server, in_process=in_process, say=status.update
        )
        write(result)
        bench.show(result, Console())


@app.command()
def engines(
    engine: Annotated[
        EngineName, typer.Option(help="What is compared with ONNX Runtime on the processor.")
    ] = "openvino",
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of each.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring.")] = 30,
    model_repository: Repository = DEFAULT_REPOSITORY,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/engines.json"),
) -> None:
    """Measures what another engine makes of each stage, in turns with ONNX Runtime, and how far its scores differ."""
    from benchmarks import engines as bench

    with _reported(out) as write, Console(stderr=True).status("measuring"):
        result = bench.measure(model_repository, engine, threads=threads, seconds=seconds)
        write(result)
        bench.show(result, Console())


@app.command()
def models(
    crops: Annotated[
        Path | None, typer.Option(help="Crop cache with a validation split; else that in the folder of --run.")
    ] = None,
    model_repository: Annotated[Path, typer.Option(help="The models to measure.")] = DEFAULT_REPOSITORY,
    weights: Annotated[
        Path, typer.Option("--run", help="Folder of the weights behind them, for everything in FP32.")
    ] = Path("training/weights"),
    candidate: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of other files of the same networks, such as QAT's; repeat.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV of test pictures, as for `awarenet evaluate`; with --root.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that the manifest's paths are relative to.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many of its files.")] = 600,
    reals: Annotated[
        list[str] | None, typer.Option(help="Subset whose reals stand in where a subset has fakes alone; repeat.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave out a format, such as openvino; repeat.")] = None,
    faces: Annotated[int, typer.Option(min=4, help="About how many held-out faces to score.")] = 320,
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring times.")] = 100,
    with_video: Annotated[bool, typer.Option("--video", help="Measure clips as well.")] = False,
    against: Annotated[
        Path | None, typer.Option(help="Former report; exit code 1 where this one is worse than allowed.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the result is written; the page beside it.")] = Path(
        "build/bench-models.json"
    ),
) -> None:
    """Measures the models: accuracy, what the cascade saves, every form's time, memory and size, the thresholds."""
    from benchmarks.models import bench, page, table
    from benchmarks.models.regression import Former

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        task = bench.Task(
            repository=model_repository,
            weights=weights,
            crops=crops or weights / "crops",
            folder=out.parent / "bench-models",
            candidates=bench.named_folders(candidate or []),
            manifest=manifest,
            root=root,
            limit=limit,
            reals=tuple(reals or ()),
            skip=tuple(skip or ()),
            faces=faces,
            seconds=seconds,
            video=with_video,
        )
        result = bench.run(task, Former.read(against) if against else None, status.update)
        write(result.report)
        out.with_suffix(".html").write_text(page.render(result), encoding="utf-8")
    console = Console()
    table.show(result.report, console)
    console.print(f"report: {out.with_suffix('.html')}", markup=False)
    if result.report["against"] and not result.report["against"]["passed"]:
        sys.exit(1)


@app.command()
def quantization(
    run: Annotated[Path, typer.Option(help="Run folder after `python -m export int8`.", exists=True, file_okay=False)],
    crops: Annotated[Path, typer.Option(help="Crop cache with a validation split.")],
    faces: Annotated[int, typer.Option(min=2, help="About how many faces outputs are compared on.")] = 400,
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring latency.")] = 60,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/quantization.json"),
) -> None:
    """Measures what rounding, and learning to be rounded, does to each stage: file, latency, memory, decisions."""
    from benchmarks import quantization as bench

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        result = bench.measure(run, crops, faces=faces, seconds=seconds, say=status.update)
        write(result)
        bench.show(result, Console())


@app.command()
def connections(
    http: Annotated[int, typer.Option(min=0, help="Idle HTTP connections.")] = 10_000,
    streams: Annotated[int, typer.Option(min=0, help="WebSockets.")] = 2_000,
    frames: Annotated[int, typer.Option(min=0, help="WebSockets that get a frame judged.")] = 40,
    model_repository: Repository = DEFAULT_REPOSITORY,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/connections.json"),
) -> None:
    """Holds thousands of connections to the gateway open at once and proves each alive."""
    from benchmarks import connections as bench

    with _reported(out) as write, Console(stderr=True).status("starting") as status:
        result = bench.measure(model_repository, http=http, streams=streams, frames=frames, say=status.update)
        write(result)
        bench.show(result, Console())
    if result["errors"]:
        sys.exit(1)


@contextmanager
def _reported(out: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Writes the result; errors that a user can meet become exit code 1."""

    def write(result: dict[str, Any]) -> None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    try:
        yield write
    except (AwareNetError, OSError) as error:
        Console(stderr=True).print(f"bench: {error}", style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
