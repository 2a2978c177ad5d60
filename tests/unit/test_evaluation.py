"""An evaluation from manifest to report: what is refused, computed, written, kept and resumed."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from awarenet.errors import DataError, ReportError, Unavailable
from awarenet.evaluation.evaluation import Engine, Task, evaluate
from awarenet.evaluation.manifest import read_manifest
from awarenet.evaluation.metrics import auc
from awarenet.evaluation.scoring import GIVE_UP_AFTER, score_all
from awarenet.policy import Leakage, Policy
from awarenet.verdict import FaceVerdict, Verdict

HEADER = "path,label,subset,method,group\n"
POLICY = Policy(0.1, 0.95, 0.5, 0.05, Leakage(0.01, 300, 2, 0.02, 500, 200), "made-up scores", {"fast_filter": "a"})


def logit_of(path: Path) -> float:
    """The scripted scores: `<anything>_<fast logit>_<heavy logit>.png`."""
    return float(path.stem.split("_")[1])


class ScriptedDetector:
    """Answers from the file's name what a cascade under `POLICY` would; the cascade itself is tested elsewhere."""

    def detect(self, path: Path, *, route: str = "cascade") -> Verdict:
        name = str(path)
        blank = {"model_version": "m", "policy_version": "p", "face_engine": "scripted"}
        if "broken" in name:
            return Verdict(name, None, None, [], error="damaged:\nsend it again", error_code="damaged_media", **blank)
        if "noface" in name:
            return Verdict(name, "no_face", None, [], **blank)
        fast, heavy = (1 / (1 + math.exp(-float(part))) for part in path.stem.split("_")[1:3])
        sure = route == "cascade" and not POLICY.real_below <= fast <= POLICY.fake_above
        probability = fast if sure else heavy
        face = FaceVerdict((0, 0, 9, 9), 0, probability, 1 if sure else 3, {"fast_filter_logit": logit_of(path)}, False)
        return Verdict(name, "fake" if probability >= 0.5 else "real", probability, [face], **blank)


def engine(detector=ScriptedDetector) -> Engine:
    return Engine(detector, POLICY, "scripted", "scripted")


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two subsets with both classes, one of fakes alone, one of reals alone; some broken, some without a face."""
    draw = np.random.default_rng(0)
    rows = []
    for subset, labels, methods in (
        ("paired", (0, 1), ("swap", "splice")),
        ("other", (0, 1), ("swap",)),
        ("fakes", (1,), ("gan", "diffusion")),
        ("reals", (0,), ()),
    ):
        for number in range(60):
            label = labels[number % len(labels)]
            fast, heavy = draw.normal(3 * label - 1.5, (2.5, 1.5))
            stem = {7: "broken", 11: "noface"}.get(number, "x")
            rows.append(
                {
                    "path": f"{subset}/{number}{stem}_{fast:.4f}_{heavy:.4f}.png",
                    "label": ("real", "fake")[label],
                    "subset": subset,
                    "method": methods[number // 2 % len(methods)] if label else "photo",
                    "group": f"{subset}{number // 4}",
                    "extra": "ignored",
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def task(tmp_path: Path, rows: pd.DataFrame) -> Task:
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    return Task(tmp_path / "manifest.csv", tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "lists no file"),
        ("path,label,subset,group\na.png,real,s,g\n", "lacks the column method"),
        (HEADER + "a.png,real,s,m,g\nb.png,genuine,s,m,g\n", "row 3 has an unknown label.*'genuine'"),
        (HEADER + "a.png,,s,m,g\n", "row 2 has an unknown label"),
        (HEADER + "a.png,1,s,m,g\na.png,1,s,m,g\n", "row 3 repeats a path.*'a.png'"),
        (HEADER + ",1,s,m,g\n", "row 2 has no path"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_a_manifest_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "m.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(DataError, match="cannot read"):
            read_manifest(path)


def test_labels_as_words_or_numbers_with_the_one_polarity(tmp_path):
    (tmp_path / "m.csv").write_text("\ufeff" + HEADER + "a,real,s,NA,\nb,Fake,s,m,g\nc,0,s,m,g\nd, 1 ,s,m,g\n", "utf-8")
    rows = read_manifest(tmp_path / "m.csv")
    assert rows["label"].tolist() == [0, 1, 0, 1]
    assert rows["group"].tolist() == ["a", "g", "g", "g"]
    assert rows["method"][0] == "NA"


def test_subset_and_limit_choose_rows_from_every_class(task):
    rows = read_manifest(task.manifest, limit=6)
    assert sorted(zip(rows["subset"], rows["label"], strict=True)) == [
        ("fakes", 1), ("other", 0), ("other", 1), ("paired", 0), ("paired", 1), ("reals", 0),
    ]  # fmt: skip
    assert set(read_manifest(task.manifest, subsets=["other", "reals"])["subset"]) == {"other", "reals"}
    with pytest.raises(DataError, match="no subset nowhere; it has fakes, other"):
        read_manifest(task.manifest, subsets=["nowhere"])


def test_figures_per_subset_method_and_pair(task, rows):
    report = evaluate(Task(task.manifest, task.root, task.out, reals=("reals", "paired")), engine())
    table = pd.read_csv(task.out / "scores.csv", keep_default_na=True)
    assert table["path"].tolist() == rows["path"].tolist()

    paired = report["subsets"]["paired"]
    scored = table[(table["subset"] == "paired") & table["probability"].notna()]
    assert (paired["n"], paired["n_fake"], paired["n_failed"], paired["n_no_face"]) == (60, 30, 1, 1)
    assert paired["no_face_rate"] == pytest.approx(1 / 59)
    assert paired["auc"] == pytest.approx(auc(scored["label"], scored["probability"]))
    assert paired["auc_low"] < paired["auc"] < paired["auc_high"]
    assert paired["n_groups"] == 15
    assert paired["exit_shares"]["meta_model"] == pytest.approx((scored["exit_stage"] == 3).mean())
    fakes = scored[scored["label"] == 1]
    leaked = ((fakes["exit_stage"] == 1) & (fakes["probability"] < POLICY.real_below)).sum()
    assert (paired["leaked"], paired["leakage"]) == (leaked, pytest.approx(leaked / len(fakes)))
    assert paired["leakage"] < paired["leakage_upper_95"] < 1

    # The method of two subsets has two entries, each against the reals of its own subset.
    assert set(report["methods"]) == {"paired: swap", "other: swap", "splice", "gan", "diffusion"}
    splice = scored[(scored["label"] == 0) | (scored["method"] == "splice")]
    assert report["methods"]["splice"]["auc"] == pytest.approx(auc(splice["label"], splice["probability"]))

    # One class has no AUC, and says so; the pair has one under a name that says whose reals they are.
    assert report["subsets"]["fakes"]["auc"] is None
    assert "only fakes" in report["subsets"]["fakes"]["auc_reason"]
    assert "only reals" in report["subsets"]["reals"]["auc_reason"]
    assert set(report["pairs"]) == {
        f"{fakes} against reals of reals + paired" for fakes in ("fakes", "fakes: gan", "fakes: diffusion")
    }
    pair = report["pairs"]["fakes against reals of reals + paired"]
    assert (pair["n_fake"], pair["n_real"]) == (60, 90)
    assert pair["auc"] > 0.7
    assert report["pooled"]["pooled"] is True
    assert report["pooled"]["n"] == 240


def test_leakage_does_not_depend_on_the_route(task):
    by_route = {}
    for route in ("cascade", "full"):
        report = evaluate(Task(task.manifest, task.root, task.out / route, route=route), engine())
        by_route[route] = report["pooled"]
    assert by_route["full"]["exit_shares"] == {"fast_filter": 0.0, "meta_model": 1.0}
    assert by_route["full"]["leaked"] == by_route["cascade"]["leaked"] > 0


def test_report_names_what_made_it(task):
    report = evaluate(task, engine())
    assert json.loads((task.out / "report.json").read_text()) == report
    assert report["model_version"] == POLICY.model_version
    assert report["policy_version"] == POLICY.version
    assert report["failures"] == {"damaged_media": 4}
    assert len(report["manifest"]["sha256"]) == 64
    assert any("Fewer than 20 independent groups" in remark for remark in report["limits"])


class Outline(HTMLParser):
    """Collects what a self-contained page must and must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.svgs = 0
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.svgs += tag == "svg"
        names = ("src", "href") if tag not in {"use", "a"} else ()
        self.loads += [value for name, value in attrs if name in names and not (value or "").startswith("#")]

    def handle_data(self, data):
        self.text += data


def test_page_is_self_contained_and_escapes_names(tmp_path):
    lines = [f"x{number}_{number - 5}_{number - 5}.png,{number % 2},<script>s,<b>m,g{number}" for number in range(12)]
    (tmp_path / "m.csv").write_text(HEADER + "\n".join(lines))
    evaluate(Task(tmp_path / "m.csv", tmp_path, tmp_path / "out"), engine())
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Outline()
    page.feed(html)
    assert "<script>" not in html
    assert "<b>m" not in html
    assert page.loads == []
    assert page.svgs == 2  # the overview and the four panels of the one subset
    assert "<script>s" in page.text


def test_every_file_failing_is_reported_and_not_a_crash(tmp_path):
    (tmp_path / "m.csv").write_text(HEADER + "broken1.png,0,s,m,a\nbroken2.png,1,s,m,b\n")
    report = evaluate(Task(tmp_path / "m.csv", tmp_path, tmp_path / "out"), engine())
    entry = report["subsets"]["s"]
    assert (entry["n_failed"], entry["auc"], entry["ece"], entry["no_face_rate"]) == (2, None, None, None)
    assert "no scored file" in entry["auc_reason"]
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert table["error"].tolist() == ["damaged: send it again"] * 2


class Interrupted(ScriptedDetector):
    """Stops the run, as Ctrl-C would, at the n-th file."""

    def __init__(self, calls: list[str], stop_at: int | None) -> None:
        self.calls, self.stop_at = calls, stop_at

    def detect(self, path: Path, *, route: str = "cascade") -> Verdict:
        self.calls.append(path.name)
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        return super().detect(path, route=route)


def test_interrupted_run_goes_on_where_it_stopped(task, rows, tmp_path):
    first: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        evaluate(task, engine(lambda: Interrupted(first, 100)))
    assert not (task.out / "scores.csv").exists()
    (partial,) = task.out.glob("scores.*.partial.csv")
    kept = pd.read_csv(partial)
    assert 90 <= len(kept) < 110

    # A kill in the middle of a row leaves a torn line; it is dropped, the rest is kept.
    with partial.open("a") as stream:
        stream.write('paired/torn_0.1_0.2.png,"0.5')
    second: list[str] = []
    resumed = evaluate(task, engine(lambda: Interrupted(second, None)))
    assert len(second) == len(rows) - (kept["error"].fillna("") == "").sum()
    assert not list(task.out.glob("*.partial.csv"))

    whole = evaluate(Task(task.manifest, task.root, tmp_path / "whole"), engine())
    assert (task.out / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()
    assert resumed["subsets"] == whole["subsets"]


def test_other_models_do_not_continue_a_partial_table(task):
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        evaluate(task, engine(lambda: Interrupted(calls, 50)))
    other = Policy(**{**vars(POLICY), "models": {"fast_filter": "b"}})
    again: list[str] = []
    evaluate(task, Engine(lambda: Interrupted(again, None), other, "scripted", "scripted"))
    assert len(again) == 240


class Gone(ScriptedDetector):
    """A server that dies after some files."""

    answers = 10

    def detect(self, path: Path, *, route: str = "cascade") -> Verdict:
        Gone.answers -= 1
        if Gone.answers >= 0:
            return super().detect(path, route=route)
        return Verdict(str(path), None, None, [], "m", "p", "e", error="no answer", error_code="unavailable")


def test_a_dead_server_ends_the_run_and_keeps_what_was_scored(task):
    with pytest.raises(Unavailable, match="run the same command to go on"):
        evaluate(Task(task.manifest, task.root, task.out, workers=1), engine(Gone))
    (partial,) = task.out.glob("*.partial.csv")
    kept = pd.read_csv(partial)
    assert (kept["error_code"] == "unavailable").sum() == GIVE_UP_AFTER
    assert len(kept) == 10 + GIVE_UP_AFTER


def test_files_that_end_together_are_counted_in_their_order():
    paths = [f"face_0.1_0.{number}.png" for number in range(10, 60)]
    seen = []
    for score in score_all(paths, Path(), ScriptedDetector, route="cascade", workers=1):
        seen.append(score.path)
        time.sleep(0.002)  # meanwhile, all files in flight end
    assert seen == paths


def test_few_files_are_in_flight_and_each_worker_has_its_detector(task):
    opened: list[int] = []

    def open_detector() -> ScriptedDetector:
        opened.append(threading.get_ident())
        return ScriptedDetector()

    evaluate(Task(task.manifest, task.root, task.out, workers=2), engine(open_detector))
    assert 1 <= len(opened) <= 2
    assert len(set(opened)) == len(opened)
    assert threading.get_ident() not in opened


def test_output_folder_that_is_a_file_is_refused_before_scoring(task):
    task.out.write_text("a file")
    calls: list[str] = []
    with pytest.raises(ReportError, match="choose another --out"):
        evaluate(task, engine(lambda: Interrupted(calls, None)))
    assert calls == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_touches_no_former_result_and_keeps_the_scores(task):
    task.out.mkdir()
    (task.out / "report.json").write_text("former")
    (task.out / f".report.json.{os.getpid()}.new").symlink_to("/dev/full")
    with pytest.raises(ReportError, match="No space left"):
        evaluate(task, engine())
    assert (task.out / "report.json").read_text() == "former"
    assert not (task.out / "scores.csv").exists()
    assert not list(task.out.glob(".*.new"))
    (partial,) = task.out.glob("*.partial.csv")
    assert len(pd.read_csv(partial)) == 240
