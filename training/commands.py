"""The commands of `python -m training` that prepare data and finish a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from awarenet.errors import DataError

console = Console()

Run = Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False)]
Crops = Annotated[Path, typer.Option(help="Crop cache with a calibration and a validation split.")]
Draws = Annotated[int, typer.Option(help="Forgeries a face.", min=1)]


def manifest(
    kind: Annotated[str, typer.Argument(help="faceforensics, celeb_df, dfdc, df40, folder or table.")],
    root: Annotated[Path, typer.Argument(help="The data set's folder.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    table: Annotated[Path | None, typer.Option(help="The CSV file, for `table`.")] = None,
    reals: Annotated[list[Path] | None, typer.Option(help="Manifests with the reals, for `df40`.")] = None,
    base: Annotated[Path | None, typer.Option(help="Folder that paths shall be relative to; default: root.")] = None,
    subset: Annotated[str, typer.Option(help="Only subsets whose name starts with this.")] = "",
    group_pattern: Annotated[str, typer.Option(help="Regular expression of the group, for `folder`.")] = "",
    compression: Annotated[list[str] | None, typer.Option(help="raw, c23, c40, for `faceforensics`.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split of groups.")] = 0,
    reals_only: Annotated[bool, typer.Option(help="Leave out fakes: forgeries are made from the reals.")] = False,
) -> None:
    """Reads a data set in its official layout into one manifest, split by group."""
    import pandas as pd

    from training import datasets
    from training.datasets import manifest as contract

    joined = pd.concat([datasets.read_manifest(path) for path in reals]) if reals else None
    records = datasets.records(
        kind,
        root,
        table=table,
        subset=subset,
        reals=joined,
        group_pattern=group_pattern,
        compressions=compression or (),
    )
    rows = datasets.to_manifest(records)
    if base is not None:
        own = pd.Series(True, rows.index) if joined is None else ~rows["path"].isin(joined["path"])
        rows.loc[own, "path"] = contract.prefix(root, base) + rows.loc[own, "path"]
    rows = rows[rows["subset"].str.startswith(subset)]
    if reals_only:
        rows = rows[rows["label"] == contract.REAL]
    else:
        contract.require_both_classes(rows)
    rows = datasets.assign_splits(rows, seed=seed)
    datasets.write_manifest(rows, out)
    shown = Table("subset", "split", "real", "fake", "groups")
    for (name, split), part in rows.groupby(["subset", "split"]):
        fakes = int(part["label"].sum())
        shown.add_row(name, split, str(len(part) - fakes), str(fakes), str(part["group"].nunique()))
    console.print(shown)


def logits(
    run: Run,
    crops: Crops,
    draws: Draws = 6,
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage, to be remembered; may be repeated.")] = None,
) -> None:
    """Scores held-out people by the trained stages (logits.parquet)."""
    from awarenet.stages import NETWORKS
    from training.finish import score

    chosen = [network for network in NETWORKS if not stage or network.name in stage]
    if unknown := sorted({*(stage or ())} - {network.name for network in chosen}):
        raise DataError(f"logits: no stage {unknown[0]!r}; choose from {', '.join(n.name for n in NETWORKS)}")
    console.print(f"{len(score(run, crops, stages=chosen, draws=draws))} faces scored")


def calibrate(run: Run) -> None:
    """Fits one temperature a logit on the calibration people (calibration.json)."""
    from training.finish import REPORT
    from training.finish import calibrate as fit

    shown = Table("logit", "temperature", "ECE before", "ECE after", "AUC", title=f"on the {REPORT} people")
    for name, entry in fit(run).items():
        figures = entry["splits"].get(REPORT, entry["splits"]["calibration"])
        shown.add_row(
            name + (" (at its limit)" if entry["at_limit"] else ""),
            f"{entry['temperature']:.3f}",
            f"{figures['before']['ece_equal_width']:.3f}",
            f"{figures['after']['ece_equal_width']:.3f}",
            _interval(figures["after"]),
        )
    console.print(shown)


def stack(run: Run) -> None:
    """Fits the meta-model on the calibration people (trees.txt, stacking.json)."""
    from training.finish import stack as fit
    from training.logits import LOGITS

    report = fit(run)
    shown = Table("AUC", *report["splits"], title=f"{report['trees']} trees")
    for name in ("meta_model", "mean_of_logits", *LOGITS, "meta_minus_mean"):
        shown.add_row(name, *(_interval(figures[name]) for figures in report["splits"].values()))
    console.print(shown)


def policy(
    run: Run,
    crops: Crops,
    trained: Annotated[bool, typer.Option("--trained", help="Use the trained stages, before export.")] = False,
    leakage: Annotated[float, typer.Option(help="Largest share of fakes that stage 1 may pass.", min=0, max=1)] = 0.01,
    false_alarm: Annotated[float, typer.Option(help="Largest share of reals settled as fake.", min=0, max=1)] = 0.0,
    error: Annotated[float, typer.Option(help="Largest share of errors in certain verdicts.", min=0, max=1)] = 0.05,
    certain: Annotated[float, typer.Option(help="Least share of verdicts not uncertain.", min=0, max=1)] = 0.5,
    unit: Annotated[str, typer.Option(help="What bounds count: auto, group or face.")] = "auto",
    draws: Draws = 6,
) -> None:
    """Chooses the cascade's thresholds for stated targets (policy.json)."""
    from training.finish import choose_policy
    from training.threshold_policy import Targets

    if unit not in ("auto", "group", "face"):
        raise DataError(f"policy: unit must be auto, group or face, got {unit!r}")
    targets = Targets(leakage=leakage, false_alarm=false_alarm, error=error, certain=certain)
    chosen = choose_policy(run, crops, served=not trained, targets=targets, unit=unit, draws=draws)  # type: ignore[arg-type]
    console.print(chosen.to_json())


def card(
    run: Run,
    crops: Crops,
    out: Annotated[Path | None, typer.Option(help="Folder for <stage>/README.md; default: the run's cards.")] = None,
) -> None:
    """Writes the model cards from the files of a run (cards/<stage>/README.md)."""
    from training.model_card import write_cards

    for path in write_cards(run, crops, out):
        console.print(path)


def keep(
    run: Run, out: Annotated[Path, typer.Option(help="Folder for the copies.")] = Path("training/weights")
) -> None:
    """Copies the trained stages with kernels in fp16: what the repository keeps, and `train --init` starts from."""
    from awarenet.stages import NETWORKS
    from training.networks import halve

    for stage in NETWORKS:
        copy = halve(run / stage.name, out).with_suffix(".safetensors")
        console.print(f"{copy} ({copy.stat().st_size / 1e6:.1f} MB)")


def finish(run: Run, crops: Crops, draws: Draws = 6) -> None:
    """Trained stages to calibrated stages, meta-model, first policy and cards; next comes `python -m export`."""
    logits(run, crops, draws)
    calibrate(run)
    stack(run)
    policy(run, crops, trained=True, draws=draws)
    card(run, crops)


def _interval(figures: dict[str, float | None]) -> str:
    low, high = figures["auc_low"], figures["auc_high"]
    between = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    return f"{figures['auc']:.3f}{between}"
