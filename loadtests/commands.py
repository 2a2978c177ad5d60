"""The commands: each starts the service, loads it, prints a table and writes its result to `build/`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from awarenet.errors import AwareNetError
from awarenet.log import configure
from benchmarks.machine import allow_descriptors
from loadtests import clients as crowd
from loadtests import curve as curves
from loadtests import soak as soaking
from loadtests.capacity.commands import app as capacity
from loadtests.console import milliseconds, say, show, wait, write
from loadtests.corpus import Corpus
from loadtests.mix import SHARES, Mix
from loadtests.report import write_curve
from loadtests.service import running
from loadtests.users.environment import Told
from loadtests.users.faces import save_faces
from loadtests.users.shapes import OVERLOAD, SHAPES
from loadtests.users.swarm import swarm

P95_MS: Final = 500.0

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(capacity, name="capacity")

Repository = Annotated[Path, typer.Option("--model-repository", help="The models.")]
Repeats = Annotated[float, typer.Option(min=0, max=1, help="Share of requests whose bytes were sent before.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes of the gateway; by default one a core.")]


@app.callback()
def _about() -> None:
    """Load on the real service, and how large it must be."""


@app.command()
def clients(
    model_repository: Repository = Path("model_repository"),
    number: Annotated[int, typer.Option("--clients", min=1, help="Clients at once.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, help="Time with all of them.")] = 180,
    ramp: Annotated[float, typer.Option(min=1, help="Seconds over which they come.")] = 60,
    think: Annotated[float, typer.Option(min=0.1, help="Mean seconds between an answer and the next picture.")] = 30,
    repeats: Repeats = 0.5,
    workers: Workers = None,
    portraits: Annotated[int, typer.Option(min=6, help="Portraits in the corpus.")] = 48,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/load.json"),
) -> None:
    """Lets 10,000 clients at the gateway at once; exit code 1 where a request fails or a verdict is wrong."""
    allow_descriptors(number + 2000)
    plan = crowd.Plan(number, seconds, ramp, think, Mix(SHARES, repeats))
    say("making pictures and judging each in this process")
    corpus = Corpus.build(model_repository, portraits=portraits)
    say("starting the gateway and Triton")
    with running(model_repository, **_given(workers=workers)) as service:
        say(f"{number:,} clients, {ramp:g} s to come and {seconds:g} s to stay")
        result = wait(crowd.run(service, corpus, plan))
    write(out, result)
    memory = result["memory"]
    growth = (
        "too short" if memory["flat"] is None else f"{memory['mb_per_minute']:+.2f} MB/min at {memory['rss_mb']:.0f} MB"
    )
    show(
        ("figure", "measured", "target"),
        ("clients at once", f"{result['clients']:,}", f"{number:,}"),
        ("most open files of the gateway", f"{result['connections_at_once']:,}", ""),
        ("requests", f"{result['requests']:,}", ""),
        ("answered with a verdict", f"{result['answered']:,} ({result['answered_per_s']:.0f}/s)", ""),
        ("of these scored, not remembered, with all clients", f"{result['scored_per_s']:.1f}/s", ""),
        ("refused, 503 with Retry-After", f"{result['refused_503']:,} ({result['refused_per_s']:.0f}/s)", ""),
        ("other errors", str(result["errors"] or 0), "0"),
        ("never answered", str(result["unanswered"]), "0"),
        ("wrong verdicts", str(result["wrong_verdicts"]), "0"),
        ("p95 of accepted", milliseconds(result["p95_accepted_ms"]), f"< {P95_MS:g} ms"),
        ("p95 of scored", milliseconds(result["p95_scored_ms"]), ""),
        ("memory of the gateway", growth, f"<= {100 * crowd.GROWTH_PER_MINUTE:g} %/min"),
        ("face engine", result["face_engine"], ""),
        ("processor of the driver / its lag, p99", _driver(result["driver"]), ""),
    )
    for what, count in (result["errors_by_kind"] | result["wrong_by_kind"]).items():
        say(f"{count} x {what}")
    if not crowd.sound(result):
        raise typer.Exit(1)


@app.command()
def curve(
    model_repository: Repository = Path("model_repository"),
    seconds: Annotated[float, typer.Option(min=1, help="Time at each rate.")] = 20,
    repeats: Repeats = 0.0,
    workers: Workers = None,
    out: Annotated[Path, typer.Option(help="Where the result is written; its report beside it, as HTML.")] = Path(
        "build/load-curve.json"
    ),
) -> None:
    """Offers pictures at rates from a tenth of saturation to three times of it, whether they are answered or not."""
    allow_descriptors(8192)
    corpus = Corpus.build(model_repository)
    with running(model_repository, **_given(workers=workers)) as service:
        result = wait(curves.measure(service, corpus, curves.Plan(seconds=seconds, mix=Mix(SHARES, repeats)), say))
    write(out, result)
    write_curve(out.with_suffix(".html"), result)
    show(
        ("load", "offered/s", "answered/s", "refused", "p50", "p95", "p99", "errors", "wrong"),
        *(
            (
                f"{point['load']:g}",
                f"{point['offered_per_s']:.1f}",
                f"{point['goodput_per_s']:.1f}",
                f"{100 * point['refused_share']:.1f} %",
                *(milliseconds(point["accepted_ms"][name]) for name in ("p50", "p95", "p99")),
                str(point["errors"]),
                str(point["wrong_verdicts"]),
            )
            for point in result["points"]
        ),
    )
    knee = result["knee_per_s"]
    say(f"saturation {result['saturation_per_s']:.1f}/s; knee {'none' if knee is None else f'{knee:.1f}/s'}; {out}")
    if any(point["errors"] or point["wrong_verdicts"] for point in result["points"]):
        raise typer.Exit(1)


@app.command()
def soak(
    model_repository: Repository = Path("model_repository"),
    minutes: Annotated[float, typer.Option(min=0.5, help="How long.")] = 30,
    rate: Annotated[float, typer.Option(min=0.1, help="Pictures a second.")] = 8,
    repeats: Repeats = 0.5,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/load-soak.json"),
) -> None:
    """Works for a long time and looks for leaks; exit code 1 where there is one, or a request fails."""
    allow_descriptors(8192)
    say("watching a process that leaks on purpose")
    control = soaking.control()
    corpus = Corpus.build(model_repository)
    with running(model_repository, cached_results=64) as service:  # A small cache is full when counting begins.
        result = wait(soaking.run(service, corpus, Mix(SHARES, repeats), rate, minutes, say=say))
    write(out, result | {"control": control})
    show(
        ("figure", "median", "growth an hour (99 % interval)", "allowed", "leaks", "the leaking process"),
        *(
            (
                name,
                f"{found['median']:.0f}",
                f"{found['per_hour']:+.1f} ({found['per_hour_low']:+.1f} to {found['per_hour_high']:+.1f})",
                f"{found['allowed_per_hour']:g}",
                "yes" if found["leaks"] else "no",
                f"{control[name]['per_hour']:+.0f}, caught" if name in control else "",
            )
            for name, found in result["figures"].items()
        ),
    )
    say(f"{result['answered']:,} answered, {result['refused_503']:,} refused, {result['errors']} errors; {out}")
    if result["errors"] or result["wrong_verdicts"] or any(found["leaks"] for found in result["figures"].values()):
        raise typer.Exit(1)


@app.command()
def users(
    model_repository: Repository = Path("model_repository"),
    shape: Annotated[str, typer.Option(help=f"One of {', '.join(SHAPES)}.")] = "ramp",
    number: Annotated[int, typer.Option("--users", min=1, help="Users at full load.")] = 20,
    seconds: Annotated[float, typer.Option(min=5, help="Length of the shape.")] = 60,
    kinds: Annotated[str, typer.Option(help="Which: Rest, Stream, Cascade; several with commas.")] = "Rest",
    processes: Annotated[int, typer.Option(min=1, help="Processes of Locust that share the users.")] = 1,
    think: Annotated[float, typer.Option(min=0.01, help="Mean seconds between an answer and the next picture.")] = 1,
    repeats: Repeats = 0.5,
    out: Annotated[Path, typer.Option(help="Where Locust's report is written.")] = Path("build/load-users.html"),
) -> None:
    """Locust's users in a shape; its exit code is 1 where one request fails."""
    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r} is no shape; take one of {', '.join(SHAPES)}", param_hint="--shape")
    allow_descriptors(int(OVERLOAD * number) + 2000)
    out.parent.mkdir(parents=True, exist_ok=True)
    corpus = Corpus.build(model_repository)
    with tempfile.TemporaryDirectory() as kept, running(model_repository) as service:
        folder = Path(kept)
        corpus.save(folder)
        save_faces(corpus, model_repository, folder)
        told = Told(service.url, service.key, service.grpc_url, folder, shape, number, seconds, think, repeats)
        code = swarm(told, [name.strip() for name in kinds.split(",")], processes, out)
    say(f"{out}")
    if code:
        raise typer.Exit(1)


def main() -> None:
    """Runs a command; an error of ours becomes a line and exit code 1."""
    configure("warning")
    try:
        app()
    except AwareNetError as error:
        say(str(error))
        sys.exit(1)


def _given(**settings: object) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _driver(driver: Mapping[str, Any]) -> str:
    return f"{driver['processor_share']:.2f} cores / {milliseconds(driver['lag_ms']['p99'])}"
