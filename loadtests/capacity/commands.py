"""`python -m loadtests capacity COMMAND`: measure, validate, fleet, autoscale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from awarenet.repository import ModelRepository
from awarenet.stages import NETWORKS
from benchmarks.machine import allow_descriptors
from loadtests import curve as curves
from loadtests.capacity import demands as measuring
from loadtests.capacity.autoscaler import Autoscaler, Replica, spike
from loadtests.capacity.demands import Demands
from loadtests.capacity.fleet import Assumptions, fleet, highest_rate, replica
from loadtests.capacity.operations import giga_operations
from loadtests.capacity.validation import compare
from loadtests.console import read, say, show, wait, write
from loadtests.corpus import Corpus
from loadtests.mix import SHARES, Mix
from loadtests.service import running

app = typer.Typer(help="How large the service must be.", no_args_is_help=True)

DEMANDS: Final = Path("build/capacity/demands.json")
_LOADS: Final = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)

Repository = Annotated[Path, typer.Option("--model-repository", help="The models.")]
Measured = Annotated[Path, typer.Option("--demands", help="What `capacity measure` wrote.")]
Given = Annotated[Path, typer.Option("--assumptions", help="What is not measured.")]
ASSUMPTIONS: Final = Path(__file__).with_name("accelerators.yaml")


@app.command()
def measure(
    model_repository: Repository = Path("model_repository"),
    seconds: Annotated[float, typer.Option(min=4, help="In all.")] = 60,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = DEMANDS,
) -> None:
    """Measures what each kind of picture costs each part of the service."""
    corpus = Corpus.build(model_repository)
    with running(model_repository, cached_results=0) as service:
        found = wait(measuring.measure(service, corpus, Mix(SHARES, 0.0), seconds, say))
    write(out, found.to_dict())
    parts = list(next(iter(found.costs.values())).parts)
    show(
        ("kind", "share", "pictures", "latency", *parts),
        *(
            (
                kind,
                f"{found.shares[kind]:.2f}",
                str(cost.pictures),
                f"{1000 * cost.latency_s:.0f} ms",
                *(f"{1000 * cost.parts[part]:.1f}" for part in parts),
            )
            for kind, cost in found.costs.items()
        ),
    )
    say(f"processor ms a picture by part; speed of a core when all are busy {found.busy_speed:.2f}; {out}")


@app.command()
def validate(
    model_repository: Repository = Path("model_repository"),
    demands: Measured = DEMANDS,
    seconds: Annotated[float, typer.Option(min=1, help="Time at each rate.")] = 30,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/capacity/validation.json"),
) -> None:
    """Measures curves with one and with two workers, and holds the simulation against them."""
    known = Demands.from_dict(read(demands, "python -m loadtests capacity measure"))
    corpus = Corpus.build(model_repository)
    allow_descriptors(8192)
    measured: dict[int, dict[str, Any]] = {}
    queue, callers = 2, 1
    for workers in (1, 2):
        say(f"{workers} worker processes")
        with running(model_repository, cached_results=0, workers=workers, queue=queue) as service:
            plan = curves.Plan(seconds, _LOADS, Mix(SHARES, 0.0), workers + callers)
            measured[workers] = wait(curves.measure(service, corpus, plan, say))
    result = compare(known, measured, queue, callers)
    write(out, result | {"measured": measured})
    show(
        ("workers", "offered/s", "goodput/s", "simulated", "p50 ms", "simulated", "p95 ms", "simulated"),
        *(
            (
                str(row["workers"]),
                "saturated" if row["offered_per_s"] is None else f"{row['offered_per_s']:.1f}",
                *(
                    "" if (value := row[side].get(name)) is None else f"{value:.1f}"
                    for name in ("goodput_per_s", "p50", "p95")
                    for side in ("measured", "simulated")
                ),
            )
            for row in result["rows"]
        ),
    )
    for name, error in result["errors"].items():
        say(f"{name}: error {100 * error['mean']:.1f} % on average, {100 * error['largest']:.1f} % at most")


@app.command("fleet")
def fleet_command(
    model_repository: Repository = Path("model_repository"),
    demands: Measured = DEMANDS,
    assumptions: Given = ASSUMPTIONS,
    clients: Annotated[int, typer.Option(min=1, help="Clients at once.")] = 10_000,
    think: Annotated[float, typer.Option(min=0, help="Mean seconds between an answer and the next picture.")] = 30,
    repeats: Annotated[float, typer.Option(min=0, max=1, help="Share that the cache answers.")] = 0.5,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/capacity/fleet.json"),
) -> None:
    """How many replicas of which kind serve so many clients, p95 under 500 ms, and what 1,000 pictures cost."""
    known = Demands.from_dict(read(demands, "python -m loadtests capacity measure"))
    rate = clients / (think + 0.25) * (1 - repeats)
    rows = fleet(known, Assumptions.read(assumptions), _operations(model_repository), rate)
    write(out, {"pictures_per_s": rate, "rows": rows})
    say(f"{clients:,} clients that think for {think:g} s ask for {rate:.0f} new pictures/s; cards are not measured")
    show(
        ("kind", "share of peak", "pictures/s each", "replicas", "price of 1,000 pictures"),
        *(
            (
                row["kind"],
                f"{row['efficiency']:.2f}",
                f"{row['pictures_per_s_each']:.0f}",
                str(row["replicas"]),
                f"{row['price_per_1000_pictures']:.4f}" if row["price_per_1000_pictures"] else "-",
            )
            for row in rows
        ),
    )


@app.command()
def autoscale(
    model_repository: Repository = Path("model_repository"),
    demands: Measured = DEMANDS,
    assumptions: Given = ASSUMPTIONS,
    values: Annotated[Path | None, typer.Option(help="The chart's values; without them, the numbers built in.")] = None,
    kind: Annotated[str | None, typer.Option(help="One of the kinds assumed; without it, this machine.")] = None,
    factor: Annotated[float, typer.Option(min=1, help="The spike, as a multiple of what two replicas hold.")] = 10,
    starts: Annotated[float, typer.Option(min=1, help="Seconds from asking for a replica to its first answer.")] = 90,
    seconds: Annotated[float, typer.Option(min=60, help="Time after the spike.")] = 1800,
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/capacity/autoscale.json"),
) -> None:
    """A spike from two replicas: how long until there is room, and how many are refused until then."""
    known = Demands.from_dict(read(demands, "python -m loadtests capacity measure"))
    scaler = Autoscaler() if values is None else Autoscaler.read(values)
    host = known.host(known.cores, known.cores)
    if kind is not None:
        given = Assumptions.read(assumptions)
        chosen = next((one for one in given.kinds if one.name == kind), None)
        if chosen is None:
            raise typer.BadParameter(f"take one of {', '.join(one.name for one in given.kinds)}", param_hint="--kind")
        host = replica(known, chosen, given, _operations(model_repository), given.efficiency)
    each = highest_rate(host, known.pictures())
    pod = Replica(each, host.workers, host.queue, starts)
    before = 0.5 * scaler.least * each
    result = spike(scaler, pod, before, factor * scaler.least * each, seconds)
    write(out, result | {"per_s_each": each})
    room = result["room_after_s"]
    show(
        ("figure", "simulated"),
        ("a replica holds", f"{each:.1f} pictures/s"),
        ("spike", f"from {before:.0f} to {factor * scaler.least * each:.0f} pictures/s at once"),
        ("room for all after", "never" if room is None else f"{room} s"),
        ("refused until then", f"{result['refused']:,.0f}"),
        ("replicas at the end", str(result["pods_at_end"])),
    )


def _operations(repository: Path) -> dict[str, float]:
    models = ModelRepository.open(repository)
    return {stage.name: giga_operations(models.model_path(stage)) for stage in NETWORKS}
