"""The benchmark of the models: its figures, its gate, its forms, its page, and one short run over tiny models."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from awarenet.errors import DataError, InvalidInput, ModelError, ServiceError
from awarenet.policy import Leakage, Policy
from awarenet.repository import model_path
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import EFFICIENTNET, FAST_FILTER, FEATURES, NETWORKS
from benchmarks.__main__ import app
from benchmarks.models import bench, forms, page, timing
from benchmarks.models.efficiency import efficiency
from benchmarks.models.form_process import FormProcess
from benchmarks.models.held_out import Scores
from benchmarks.models.regression import KINDS, Former
from benchmarks.models.sensitivity import WORDS, shares, sweep
from benchmarks.models.targets import Target, targets
from benchmarks.workload import sample_faces
from tests import tiny_crops
from tests import tiny_repository as tiny
from tests.samples import astronaut, save

ROOT = Path(__file__).resolve().parents[2]
POLICY = Policy(0.2, 0.9, 0.5, 0.1, Leakage(0.01, 4, 0, 0.5, 4, 2), "made-up faces", {})


def scores(labels: list[int], fast: list[float], meta: list[float]) -> Scores:
    evidence = np.full((len(labels), len(FEATURES)), np.nan, np.float32)
    probability = np.asarray(fast, np.float64)
    evidence[:, FEATURES.index("fast_filter_logit")] = np.log(probability / (1 - probability))
    groups = np.array([f"person{number}" for number in range(len(labels))])
    return Scores(np.array(labels, np.int8), groups, np.array(meta, np.float32), evidence)


MADE_UP = scores(
    [0, 0, 0, 0, 1, 1, 1, 1],
    [0.1, 0.3, 0.6, 0.95, 0.1, 0.4, 0.7, 0.95],
    [0.3, 0.1, 0.3, 0.8, 0.9, 0.8, 0.55, 0.2],
)


def colours() -> np.ndarray[Any, Any]:
    random = np.random.default_rng(0)
    return tiny.paint(*(tuple(int(value) for value in random.integers(0, 254, 3)) for _ in range(24)))


def test_scores_decide_as_the_cascade_does(tiny_repository: Path) -> None:
    faces = colours()
    runtime = InProcessRuntime(tiny_repository)
    every, cascade = (runtime.score(faces, route=route) for route in ("full", "cascade"))
    found = Scores(np.zeros(24, np.int8), np.array(["a"] * 24), every.probability, every.evidence)
    np.testing.assert_array_equal(found.settled(runtime.policy), cascade.exit_stage == 1)
    np.testing.assert_allclose(found.decided(runtime.policy), cascade.probability, atol=1e-6)
    assert 0 < found.settled(runtime.policy).sum() < 24
    assert found.words(runtime.policy).tolist() == [runtime.policy.word(float(p)) for p in cascade.probability]


def test_efficiency_says_who_decides_what() -> None:
    found = efficiency(MADE_UP, POLICY)
    assert found["filtration"] == {"all": 0.5, "reals": 0.5, "fakes": 0.5}
    assert found["stage_2"] == found["meta_model"]["decides"] == 0.5
    # Of the four that are deferred: two reals called real, one fake called fake, one fake left uncertain.
    assert [found["meta_model"][word] for word in ("real", "fake", "uncertain")] == [0.5, 0.25, 0.25]
    # 0.6 -> 0.3 (a real) and 0.4 -> 0.8 (a fake) change sides, both rightly.
    assert found["meta_model"]["overturns"] == 0.5 and found["meta_model"]["overturns_rightly"] == 1
    assert found["leakage"]["share"] == 0.25 and found["leakage"]["fakes"] == found["leakage"]["groups"] == 4
    assert found["leakage"]["upper_95_by_face"] == pytest.approx(0.7514, abs=1e-4)
    assert found["auc"]["every_stage"] == (4 + 3.5 + 3 + 1) / 16  # pairs that are ranked rightly


def test_each_curve_passes_through_the_policy_and_keeps_the_order_of_thresholds() -> None:
    curves = sweep(MADE_UP, POLICY, points=9)
    assert list(curves) == ["real_below", "fake_above", "decide_at", "uncertain_margin"]
    for name, rows in curves.items():
        here = next(row for row in rows if row["value"] == getattr(POLICY, name))
        assert here == {"value": here["value"], **shares(MADE_UP, POLICY)}
        assert all(sum(row[word] for word in WORDS) == pytest.approx(1) for row in rows)  # type: ignore[misc]
    for name, figure, rising in (
        ("real_below", "deferred", False),
        ("real_below", "leakage", True),
        ("fake_above", "deferred", True),
        ("uncertain_margin", "uncertain", True),
        ("decide_at", "fake", False),
    ):
        values = [row[figure] for row in curves[name]]
        assert values == sorted(values, reverse=not rising) and len(set(values)) > 1, (name, figure)  # type: ignore[type-var]


def test_nothing_certain_has_no_error() -> None:
    widest = sweep(MADE_UP, POLICY, points=3)["uncertain_margin"][-1]
    assert widest["uncertain"] == 1 and widest["error"] is None


def test_a_target_is_met_missed_or_not_measured() -> None:
    least, most = (Target("", 3.0, 3.0, least, "{:.0f} ms") for least in (True, False))
    assert least.met and most.met and (least.found, most.wanted) == ("3 ms", "at most 3 ms")
    assert Target("", 2.9, 3.0, True, "{}").met is False and Target("", None, 3.0, True, "{}").met is None


def test_a_format_is_found_where_all_its_files_are(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder:
        one_by_one, tolerance, asked = True, 0.0, None

        def check(self) -> None: ...

        def load(self, stage: Any, path: Path, threads: int) -> Any:
            self.asked = path
            return None

    monkeypatch.setattr(
        forms,
        "FORMATS",
        {**forms.FORMATS, "tflite": forms.Format(lambda folder, stage: folder / f"{stage.name}.tflite", Recorder)},
    )
    for stage in NETWORKS[1:]:
        (tmp_path / f"{stage.name}.tflite").write_bytes(b"12345")
    assert forms.at_hand([("int8", tmp_path)]) == []
    (tmp_path / f"{NETWORKS[0].name}.tflite").write_bytes(b"12345")
    served, mine = forms.at_hand([("served", tiny_repository), ("int8", tmp_path)])[::2]
    assert (served.name, mine.name) == ("onnx-served", "tflite-int8")
    assert sum(mine.megabytes.values()) == pytest.approx(15e-6)
    assert forms.Form.from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    engine = mine.engine()
    engine.load(EFFICIENTNET, Path("elsewhere/model.onnx"), 1)
    assert engine.inner.asked == tmp_path / "efficientnet.tflite"  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.npy"
    np.save(path, colours())
    return path


def onnx(folder: Path, precision: str = "served") -> forms.Form:
    return next(form for form in forms.at_hand([(precision, folder)]) if form.format == "onnx")


def test_a_form_in_its_own_process_scores_like_this_one(tiny_repository: Path, painted: Path, tmp_path: Path) -> None:
    with FormProcess(onnx(tiny_repository), 1, tiny_repository, painted) as process:
        probability, evidence = process.score(tmp_path / "scores.npz")
        taken, window = process.latency(0.05), process.throughput(8, 0.05)
    here = InProcessRuntime(tiny_repository).score(colours(), route="full")
    np.testing.assert_allclose(probability, here.probability, atol=1e-6)
    np.testing.assert_allclose(evidence, here.evidence, atol=1e-4)
    assert len(taken["cascade"]) == len(taken["full"]) > 0 and window["faces_per_s"] > 0
    assert 10 < process.peak_mb <= window["peak_mb"]


def test_a_form_that_does_not_load_says_why(tiny_repository: Path, painted: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_repository, tmp_path / "broken")
    (broken / "genconvit" / "1" / "model.onnx").write_bytes(b"no network")
    with pytest.raises(ServiceError, match=r"onnx-broken, 1 thread: genconvit: .*cannot load"):
        FormProcess(onnx(broken, "broken"), 1, tiny_repository, painted)


def test_a_form_that_dies_is_left_out_and_the_others_go_on(tiny_repository: Path, painted: Path) -> None:
    with (
        FormProcess(onnx(tiny_repository), 1, tiny_repository, painted) as lasting,
        FormProcess(onnx(tiny_repository, "other"), 1, tiny_repository, painted) as dying,
    ):

        def say(what: str) -> None:
            if what.startswith("round 2") and "other" in what:
                dying._process.kill()

        rows, failed = timing.measure([lasting, dying], 0.2, say)
    assert [row["form"] for row in rows] == ["onnx-served"]
    assert "SIGKILL" in failed["onnx-other, 1 thread"]


@pytest.fixture(scope="module")
def task(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> bench.Task:
    folder = tmp_path_factory.mktemp("bench")
    tiny_crops.build(folder / "run" / "crops", people=24)
    for stage in NETWORKS:  # the same graphs again, as those in FP32
        shutil.copytree(tiny_repository / stage.name, folder / "run" / "export" / "float" / stage.name)
    rows = [("a", 0, "tiny"), ("b", 0, "other"), ("c", 0, "other"), ("d", 1, "other")]
    for number, (name, _, _) in enumerate(rows):
        save(folder / f"{name}.png", np.roll(astronaut(), number, axis=1))
    lines = [f"{name}.png,{label},{subset},x,{name}" for name, label, subset in rows]
    (folder / "manifest.csv").write_text("\n".join(["path,label,subset,method,group", *lines]) + "\n")
    return bench.Task(
        repository=tiny_repository,
        weights=folder / "run",
        crops=folder / "run" / "crops",
        folder=folder / "out",
        candidates={"copy": tiny_repository},
        manifest=folder / "manifest.csv",
        root=folder,
        skip=("openvino",),
        faces=12,
        seconds=1,
    )


@pytest.fixture(scope="module")
def result(task: bench.Task) -> Iterator[bench.Result]:
    yield bench.run(task, None, lambda what: None)


def test_a_short_run_gives_every_figure(task: bench.Task, result: bench.Result) -> None:
    report = json.loads(json.dumps(result.report, allow_nan=False))
    assert {row["form"] for row in report["forms"]} == {"onnx-served", "onnx-fp32", "onnx-copy"}
    assert {row["threads"] for row in report["forms"]} == {1, os.cpu_count() or 1}
    for row in report["forms"]:
        assert row["auc_loss"] == row["flips"] == row["words_changed"] == 0 and row["share_of_fp32"] == 1
        assert 0 < row["p50_ms"] <= row["p95_ms"] and set(row["faces_per_s"]) == {"1", "8", "32"}
        assert 10 < row["peak_mb"] <= row["peak_batch_mb"]
        assert ("onnx-fp32" in row["faster_than"]) == (row["form"] != "onnx-fp32")
    assert len(report["stages"]) == 3 * 3
    assert len({row["rms"] for row in report["stages"] if row["form"] != "onnx-fp32"}) == 1
    assert report["held_out"]["people"] == 3 and report["held_out"]["pooled"]["n"] == report["held_out"]["faces"]
    assert set(report["held_out"]["methods"]) <= {"blend", "decoded", "decoded_blend"}
    assert set(report["manifest"]["subsets"]) == {"other"} and report["manifest"]["rows_used"] == 3
    assert report["left_out"]["manifest: tiny"] == "the stages were trained on it"
    assert {"openvino", "clips"} <= set(report["left_out"])
    assert sum(target.value is None for target in targets(report)) == 1  # eager PyTorch has no weights here


def test_without_float_weights_and_manifest_the_report_says_what_is_missing(
    task: bench.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    bare = bench.Task(task.repository, tmp_path, task.crops, tmp_path / "out", skip=("openvino",), faces=4, seconds=1)
    found = bench.run(bare, None, lambda what: None)
    assert "has no weights of every stage" in found.report["left_out"]["onnx-fp32"]
    assert "no manifest was given" in found.report["left_out"]["other data sets"]
    assert found.report["manifest"] is None and found.report["forms"][0]["auc_loss"] is None
    assert "no weights of every stage" in page.render(found)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"root": None}, InvalidInput, "belong together"),
        ({"skip": ("onnx",)}, InvalidInput, "cannot be left out"),
        ({"skip": ("onxn",)}, InvalidInput, "cannot be left out"),
        ({"candidates": {"qat": Path("absent")}}, ModelError, "--candidate qat: absent has no files"),
        ({"crops": Path("absent")}, DataError, "is no crop cache"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    task: bench.Task, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bench.run(dataclasses.replace(task, **change), None, lambda what: None)


def test_candidates_are_named() -> None:
    assert bench.named_folders(["qat=a/b", "pruned=c"]) == {"qat": Path("a/b"), "pruned": Path("c")}
    for wrong in (["qat"], ["=a"], ["qat="], ["served=a"], ["a=b", "a=c"]):
        with pytest.raises(InvalidInput, match="--candidate"):
            bench.named_folders(wrong)


def doctored(report: dict[str, Any], where: str, by: float) -> dict[str, Any]:
    """A former report in which one figure was so much higher."""
    changed = copy.deepcopy(report)
    at: Any = changed
    *steps, last = where.split(".")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] += by
    return changed


def test_a_run_passes_against_itself(result: bench.Result) -> None:
    compared = Former("itself", result.report).compare(result.report)
    assert compared["passed"] and not compared["notes"]
    assert {change["status"] for change in compared["changes"]} == {"same"}
    assert {change["kind"] for change in compared["changes"]} == set(KINDS)


@pytest.mark.parametrize(
    ("where", "by", "passes"),
    [
        ("held_out.pooled.auc", 0.004, True),
        ("held_out.pooled.auc", 0.006, False),
        ("held_out.pooled.ece", -0.02, False),
        ("held_out.pooled.ece", 0.02, True),
        ("manifest.subsets.other.brier", -0.006, False),
        ("efficiency.stage_2", -0.06, False),
        ("forms.0.cost", -0.5, False),
        ("forms.0.faster_than.onnx-fp32", 50.0, False),
        ("forms.0.peak_mb", -50.0, False),
        ("forms.0.p95_ms", -1000.0, True),  # times by themselves are not compared
        ("stages.0.megabytes", -1.0, False),
        ("stages.0.flips", -0.02, False),
    ],
)
def test_the_gate_refuses_what_is_worse_than_allowed(result: bench.Result, where: str, by: float, passes: bool) -> None:
    former = doctored(result.report, where, by)
    assert Former("old.json", former).compare(result.report)["passed"] is passes


def test_ratios_of_another_machine_and_other_pictures_are_not_compared(result: bench.Result) -> None:
    former = doctored(result.report, "forms.0.faster_than.onnx-fp32", 50.0)
    former["machine"]["cpu"] = "another"
    compared = Former("old.json", former).compare(result.report)
    assert compared["passed"] and "another machine" in compared["notes"][0]
    former = doctored(result.report, "manifest.subsets.other.brier", -0.5)
    former["manifest"]["sha256"] = "another"
    compared = Former("old.json", former).compare(result.report)
    assert compared["passed"] and "another manifest" in compared["notes"][0]


def test_a_figure_that_is_gone_does_not_pass(result: bench.Result) -> None:
    less = copy.deepcopy(result.report)
    less["forms"] = [row for row in less["forms"] if row["form"] != "onnx-copy"]
    compared = Former("old.json", result.report).compare(less)
    assert not compared["passed"] and "gone" in {change["status"] for change in compared["changes"]}
    assert Former("old.json", less).compare(result.report)["passed"]


def test_a_report_of_other_faces_or_of_something_else_is_refused(result: bench.Result, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="measured on other faces"):
        Former("old.json", result.report).check_faces("0" * 64)
    for number, content in enumerate(("{}", "no JSON", "[]", '{"machine": {}}')):
        path = tmp_path / f"{number}.json"
        path.write_text(content)
        with pytest.raises(DataError, match="no report of this version"):
            Former.read(path)
    with pytest.raises(DataError, match="no report"):
        Former.read(tmp_path / "absent.json")


def test_the_page_stands_alone_and_names_its_plots_and_tables(result: bench.Result) -> None:
    former = doctored(result.report, "held_out.pooled.auc", 0.1)
    report = result.report | {"against": Former("old <b>.json", former).compare(result.report)}
    text = page.render(bench.Result(report, result.table, result.policy))
    assert not re.search(r"<(script|link|img)|(?:src|href)=\"(?!#)|url\((?!#)|<b>", text)
    plots = re.findall(r"<svg role=\"img\".*?</svg>", text, re.DOTALL)
    assert len(plots) == 4 and all(re.search(r"<title>\s*\S", plot) for plot in plots)
    assert "#2d3748" not in "".join(plots)  # what is ink follows the page, light or dark
    assert text.count("<table") == text.count("<caption>") > 6
    assert not re.search(r"<th(?! scope=\"(?:col|row)\")[ >]", text)
    assert "prefers-color-scheme: dark" in text and 'class="bad">over<' in text
    assert result.report["machine"]["cpu"] in text


def test_the_command_fails_where_the_gate_does(
    task: bench.Task, result: bench.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # another machine: no ratio of times decides
    former = doctored(result.report, "held_out.pooled.auc", 0.1) | {"manifest": None}
    former["forms"] = [row for row in former["forms"] if row["form"] != "onnx-copy" and row["threads"] == 1]
    former["stages"] = [row for row in former["stages"] if row["form"] != "onnx-copy"]
    (tmp_path / "old.json").write_text(json.dumps(former))
    options = ["models", "--model-repository", str(task.repository), "--run", str(task.weights), "--faces", "12"]
    options += ["--skip", "openvino", "--seconds", "1", "--out", str(tmp_path / "new.json")]
    ended = CliRunner().invoke(app, [*options, "--against", str(tmp_path / "old.json")], env={"COLUMNS": "200"})
    assert ended.exit_code == 1 and "worse than allowed" in ended.output, ended.output
    against = json.loads((tmp_path / "new.json").read_text())["against"]
    refused = [(change["kind"], change["of"]) for change in against["changes"] if change["status"] in ("over", "gone")]
    assert refused == [("auc", "held-out people: all")]
    assert "failed" in (tmp_path / "new.html").read_text()
    refusal = CliRunner().invoke(app, [*options, "--against", str(tmp_path / "absent.json")])
    assert refusal.exit_code == 1 and not (tmp_path / "absent.json").exists()


def test_eager_pytorch_and_what_is_served_are_the_same_network() -> None:
    (shipped,) = forms.at_hand([("fp32", ROOT / "training" / "weights")])
    assert shipped.name == "pytorch-fp32"
    engine = shipped.engine()
    engine.check()
    faces = sample_faces(8)
    eager = engine.load(FAST_FILTER, Path("elsewhere"), 1)(faces)[0]
    served = forms.FORMATS["onnx"].open().load(FAST_FILTER, model_path(ROOT / "model_repository", FAST_FILTER), 1)
    assert eager.shape == (8, 1) and np.std(eager) > 0.3
    assert np.abs(eager - served(faces)[0]).mean() < np.std(eager) / 2  # INT8 moves single scores
