"""Model cards: what a person must know before trusting a stage, filled from the files of a run alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from awarenet.errors import DataError
from awarenet.policy import file_sha256
from awarenet.stages import CASCADE, META_MODEL, NETWORKS, POLICY_FILE, Stage
from training.calibration import CALIBRATION_FILE, read_calibration
from training.crops import NOTE_FILE, CropCache
from training.logits import LOGITS, OUTPUTS
from training.stacking import STACKING_FILE, TREES_FILE
from training.threshold_policy import REPORT_FILE

CARDS: Final = "cards"
CARD_FILE: Final = "README.md"
EVALUATION: Final = Path("evaluation") / "report.json"
"""Where `awarenet evaluate --out <run>/evaluation` leaves its figures, for the cascade's card."""

_LIMITS = (
    "The figures above hold for faces and forgeries like those in the tables. Forgeries made from real faces by code "
    "are not the forgeries of the world: read the cross-data-set figures, subset by subset, before any use.",
    "The people shown are not a sample of mankind: no statement about fairness between groups of people follows.",
    "A probability is evidence, not proof. Decisions about people need more than it.",
)

_SOURCES: Final[Mapping[str, str]] = {
    "open/us_officials": "Official portraits collected by CivilServiceUSA (us-house, us-senate, us-governors), MIT",
    "open/london_faces": "DeBruine & Jones (2017), Face Research Lab London Set, figshare, "
    "doi 10.6084/m9.figshare.5047666, CC BY 4.0",
}
"""Where the faces of a subset come from, as their licences ask to be told."""

Row = Sequence[object]


def write_cards(run: Path, crops: Path, out: Path | None = None) -> list[Path]:
    """Writes one Markdown card a stage, for the meta-model and for the cascade.

    Args:
        run: The run folder; a card is written for whatever has been finished in it.
        crops: The crop cache that the stages were trained on.
        out: Folder for `<stage>/README.md`, as in a model repository; `<run>/cards` when None.

    Returns:
        The files.

    Raises:
        DataError: A file is malformed, or nothing in the run is finished.
    """
    out = out or run / CARDS
    data = _data(crops)
    texts: dict[str, str] = {}
    for stage in NETWORKS:
        if (run / f"{stage.name}.json").is_file():
            texts[stage.name] = _network_card(run, stage, data)
    if (run / STACKING_FILE).is_file():
        texts[META_MODEL.name] = _meta_card(run, data)
    if (run / REPORT_FILE).is_file():
        texts[CASCADE.name] = _cascade_card(run)
    if not texts:
        raise DataError(f"{run}: nothing to describe; train a stage with `python -m training train`")
    paths = {name: out / name / CARD_FILE for name in texts}
    try:
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name], encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error}); name a writable folder") from error
    return list(paths.values())


def _network_card(run: Path, stage: Stage, data: str) -> str:
    note = _json(run / f"{stage.name}.json")
    metrics, settings = note.get("metrics") or {}, note.get("training") or {}
    parts = [
        f"# Model card: {stage.name}",
        _table(
            ("", ""),
            [
                ("network", _inline(note.get("network"))),
                ("started from", note.get("pretrained") or "scratch"),
                ("teacher", note.get("teacher") or "none"),
                *([("average of weights", _inline(note["averaged"]))] if "averaged" in note else []),
                ("temperature", _inline(note.get("temperature"))),
                ("labels", "0 real, 1 fake; outputs are logits of P(fake)"),
                *_files([run / f"{stage.name}.safetensors", run / "export" / "served" / stage.name / "1" / stage.file]),
                ("licence", "Apache-2.0"),
            ],
        ),
        "## Data",
        data,
        "## Training",
        _table(("setting", "value"), [(name, _inline(value)) for name, value in settings.items()]),
        _sentence("Pairs seen", metrics.get("pairs"))
        + _sentence(
            "Pairs seen in earlier runs", sum(run["pairs"] or 0 for run in note.get("earlier_runs", [])) or None
        )
        + _sentence("Resumed at step", metrics.get("resumed_at_step") or None)
        + _sentence("Seconds since the last start", metrics.get("seconds")),
        "## Forgeries of people it was not trained on",
        _training_figures(metrics.get("validation")),
        "## Development sets, never trained or selected on",
        _training_figures(metrics.get("development")),
    ]
    if (run / CALIBRATION_FILE).is_file():
        report = read_calibration(run)
        columns = [name for name in OUTPUTS[stage] if name in LOGITS]
        parts += ["## Calibration", *(_calibration(name, report[name]) for name in columns)]
    return _join([*parts, "## Limits", _list(_LIMITS)])


def _meta_card(run: Path, data: str) -> str:
    report = _json(run / STACKING_FILE)
    parts = [
        "# Model card: meta_model",
        _table(
            ("", ""),
            [
                ("model", f"LightGBM, {report['trees']} trees, rising with every logit"),
                ("seed", report["seed"]),
                *_files([run / TREES_FILE, run / "export" / "served" / META_MODEL.name / "1" / META_MODEL.file]),
                ("licence", "Apache-2.0"),
            ],
        ),
        "## Data",
        "Fitted on the calibration people, on whom no network was trained.\n\n" + data,
        "## Against each stage alone and the mean of logits",
    ]
    for split, figures in report["splits"].items():
        names = ("meta_model", "mean_of_logits", *LOGITS, "meta_minus_mean")
        parts += [
            f"### {split.replace('_', ' ')}: {figures['faces']} faces of {figures['groups']} people",
            _table(("score", "AUC", "95 % interval by person"), [(name, *_auc(figures[name])) for name in names]),
            _verdict(figures["meta_minus_mean"]),
            f"ECE {_number(figures['ece_equal_width'])} (15 bins of equal width), "
            f"{_number(figures['ece_equal_mass'])} (of equal numbers); Brier score {_number(figures['brier'])}.",
            _table(("kind of forgery", "AUC"), [(k, _number(v)) for k, v in figures["auc_by_kind"].items()]),
        ]
    gain = sorted(report["gain"].items(), key=lambda item: -item[1])
    parts += ["## What the trees use", _table(("feature", "gain"), [(name, _number(value)) for name, value in gain])]
    return _join([*parts, "## Limits", _list(_LIMITS)])


def _cascade_card(run: Path) -> str:
    policy, report = _json(run / POLICY_FILE), _json(run / REPORT_FILE)
    leakage = policy["leakage"]
    targets = report["targets"]
    parts = [
        "# Model card: cascade",
        policy["data"] + ".",
        "## Thresholds",
        _table(
            ("", "value", "measured", "target"),
            [
                (
                    "real below",
                    _number(policy["real_below"]),
                    f"leakage {leakage['leaked']} of {leakage['fakes']} fakes; 95 % upper bound "
                    f"{_number(leakage['upper_95'])}, counted by {report['unit']}",
                    _number(leakage["target"]),
                ),
                (
                    "fake above",
                    _number(policy["fake_above"]),
                    f"false alarms {_number(report['false_alarm'])}; bound {_number(report['false_alarm_upper_95'])}",
                    _number(targets["false_alarm"]),
                ),
                ("decide at", _number(policy["decide_at"]), "greatest balanced accuracy", ""),
                (
                    "uncertain within",
                    _number(policy["uncertain_margin"]),
                    f"errors in certain verdicts {_number(report['error_of_certain'])}; "
                    f"certain {_number(report['certain'])}",
                    _number(targets["error"]) + ("" if report["error_target_met"] else " (missed)"),
                ),
            ],
        ),
        f"Upper bound of the leakage counted by face {_number(report['leakage_upper_95_by_face'])}, by person "
        f"{_number(report['leakage_upper_95_by_group'])}. With these {report['groups_with_fakes']} people and no leak "
        f"at all, the bound by person would be {_number(report['least_bound_by_group'])}.",
        "## Cost and accuracy on the same faces",
        _table(
            ("", "share"),
            [
                ("reals settled by stage 1", _number(report["reals_settled"])),
                ("fakes settled by stage 1", _number(report["fakes_settled"])),
                ("faces deferred to the heavy stages", _number(report["deferred"])),
                *((f"AUC, {name.replace('_', ' ')}", _number(value)) for name, value in report["auc"].items()),
            ],
        ),
        "## Models",
        _table(("stage", "sha256"), [(name, f"`{value}`") for name, value in sorted(policy["models"].items())]),
        "## Other data sets",
        _evaluation(run / EVALUATION),
    ]
    return _join([*parts, "## Limits", _list(_LIMITS)])


def _data(crops: Path) -> str:
    """The people and faces behind a run, and the seed of their split."""
    table = CropCache.open(crops).table
    counts = [
        (subset, split, len(rows), int(rows["label"].sum()), rows["group"].nunique())
        for (subset, split), rows in table.groupby(["subset", "split"])
    ]
    note = _json(crops / NOTE_FILE) if (crops / NOTE_FILE).is_file() else {}
    heading = ("subset", "split", "faces", "of them fake", "people")
    sources = [
        f"{name}: {_SOURCES.get(name, 'source and licence not recorded')}." for name in sorted(set(table["subset"]))
    ]
    return "\n\n".join([_table(heading, counts), _sentence("Seed of the split", note.get("seed")), _list(sources)])


def _training_figures(summary: Mapping[str, Any] | None) -> str:
    """Figures of the trainer: `{logit: {auc, interval, kind: auc}}` beside counts and lists."""
    if not summary:
        return "Not measured."
    rows: list[Row] = []
    for name, entry in summary.items():
        if isinstance(entry, Mapping):
            interval = " to ".join(_number(edge) for edge in entry.get("interval") or ())
            rows.append((name, _number(entry.get("auc")), interval))
            rows += [
                (f"{name}: {kind}", _number(value), "")
                for kind, value in entry.items()
                if kind not in ("auc", "interval")
            ]
        elif isinstance(entry, list):
            rows.append((name, ", ".join(map(_number, entry)), ""))
    counted = _sentence("Faces", summary.get("faces")) + _sentence("Groups", summary.get("groups"))
    return _table(("", "AUC", "95 % interval by group"), rows) + "\n\n" + counted


def _calibration(name: str, entry: Mapping[str, Any]) -> str:
    rows = [
        (split, when, *_auc(f), _number(f["ece_equal_width"]), _number(f["ece_equal_mass"]), _number(f["brier"]))
        for split, figures in entry["splits"].items()
        for when, f in figures.items()
    ]
    limit = " It lies at the limit of the search: the logit is hardly better than chance." if entry["at_limit"] else ""
    heading = ("people", "", "AUC", "95 % interval by person", "ECE, equal width", "ECE, equal numbers", "Brier")
    told = "On the calibration people `after` is cross-fitted by person. ECE has 15 bins."
    return f"`{name}`: temperature {_number(entry['temperature'])}.{limit} {told}\n\n" + _table(heading, rows)


def _verdict(difference: Mapping[str, Any]) -> str:
    if difference["better"]:
        return "The meta-model is better than the mean of logits: the interval of the difference lies above zero."
    return "The meta-model is not shown to be better than the plain mean of logits: the difference may be zero."


def _evaluation(path: Path) -> str:
    if not path.is_file():
        return "Not measured here yet: run `awarenet evaluate` with `--out` set to the run's folder `evaluation`."
    report = _json(path)
    parts = []
    for part in ("subsets", "pairs", "methods"):
        rows = [
            (
                name,
                figures["n_real"],
                figures["n_fake"],
                *_auc(figures),
                _number(figures["eer"]),
                _number(figures["ece"]),
                _number(figures["leakage"]),
            )
            for name, figures in report.get(part, {}).items()
        ]
        if rows:
            heading = (part, "real", "fake", "AUC", "95 % interval by group", "EER", "ECE", "leakage")
            parts.append(_table(heading, rows))
    return "\n\n".join(parts) or "The evaluation holds no subset."


def _auc(figures: Mapping[str, Any]) -> tuple[str, str]:
    low, high = figures.get("auc_low"), figures.get("auc_high")
    return _number(figures.get("auc")), "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _files(paths: Iterable[Path]) -> list[Row]:
    return [
        (f"{path.name} ({path.stat().st_size / 1e6:.2f} MB)", f"sha256 `{file_sha256(path)}`")
        for path in paths
        if path.is_file()
    ]


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); make it again with `python -m training finish`") from error
    return content


def _number(value: object) -> str:
    if value is None:
        return "does not exist"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 0.01
        else (f"{value:.3f}" if isinstance(value, float) else str(value))
    )


def _inline(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _sentence(name: str, value: object) -> str:
    return "" if value is None else f"{name}: {_number(value)}. "


def _table(heading: Row, rows: Iterable[Row]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
