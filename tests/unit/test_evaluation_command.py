"""`awarenet evaluate` on real pictures, a real face detector and the tiny model repository, in-process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner

from awarenet.evaluation.command import evaluate
from awarenet.policy import Policy
from tests import tiny_repository

HEADER = "path,label,subset,method,group\n"

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    return tiny_repository.build(tmp_path_factory.mktemp("tiny") / "repository")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A real face tinted blue (real to the tiny repository) or red (fake), a picture without a face, a text file."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    lines = []
    for number in range(12):
        tint = (1.5, 0.7, 0.7) if number % 2 else (0.4, 0.8, 1.2)
        light = draw.uniform(0.7, 1.3)
        picture = np.clip(astronaut() * np.array(tint) * light, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
        lines.append(
            f"{number}.png,{('real', 'fake')[number % 2]},tinted,{('photo', 'tint')[number % 2]},{number // 2}"
        )
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(folder / "wall.png")
    (folder / "manifest.csv").write_text(HEADER + "\n".join([*lines, "wall.png,real,tinted,photo,wall"]) + "\n")
    (folder / "text.jpg").write_text("not a picture")
    return folder


def run(manifest: Path, root: Path, out: Path, *options: str):
    arguments = [manifest, "--root", root, "--out", out, "--face-engine", "hog", *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_pictures_to_report(pictures, repository, tmp_path):
    options = ("--in-process", "--model-repository", str(repository))
    result = run(pictures / "manifest.csv", pictures, tmp_path, *options)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    entry = report["subsets"]["tinted"]
    assert (entry["n"], entry["n_fake"], entry["n_scored"], entry["n_no_face"]) == (13, 6, 12, 1)
    assert entry["auc"] == 1.0
    policy = Policy.from_json((repository / "cascade" / "1" / "policy.json").read_text())
    assert (report["model_version"], report["policy_version"]) == (policy.model_version, policy.version)
    assert (report["runtime"], report["face_engine"]) == ("this process", "hog")
    table = pd.read_csv(tmp_path / "scores.csv").set_index("path")
    assert table["verdict"]["wall.png"] == "no_face"
    assert table["probability"]["1.png"] > 0.5 > table["probability"]["0.png"]
    assert (tmp_path / "report.html").stat().st_size > 10_000

    full = run(pictures / "manifest.csv", pictures, tmp_path / "full", *options, "--route", "full", "--limit", "4")
    assert full.exit_code == 0, full.output
    table = pd.read_csv(tmp_path / "full" / "scores.csv")
    assert table["exit_stage"].tolist() == [3] * 4


def test_some_failed(pictures, repository, tmp_path):
    (tmp_path / "m.csv").write_text(HEADER + "0.png,0,s,photo,a\ntext.jpg,1,s,m,b\nabsent.png,1,s,m,c\n")
    result = run(tmp_path / "m.csv", pictures, tmp_path, "--in-process", "--model-repository", str(repository))
    assert result.exit_code == 3, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["n_failed"] == 2
    assert report["subsets"]["s"]["n_scored"] == 1
    assert "only reals" in report["subsets"]["s"]["auc_reason"]
    errors = pd.read_csv(tmp_path / "scores.csv")["error"]
    assert errors.notna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (HEADER, ("--in-process",), "lists no file"),
        (HEADER + "a.png,maybe,s,m,g\n", ("--in-process",), "unknown label"),
        (HEADER + "a.png,1,s,m,g\n", ("--in-process", "--server", "grpc://x:1"), "exclude each other"),
        (HEADER + "a.png,1,s,m,g\n", ("--in-process", "--subset", "t"), "no subset t"),
        (HEADER + "a.png,1,s,m,g\n", ("--route", "shortcut"), "shortcut"),
    ],
)
def test_bad_usage(repository, tmp_path, text, options, message):
    (tmp_path / "m.csv").write_text(text)
    result = run(tmp_path / "m.csv", tmp_path, tmp_path / "out", *options, "--model-repository", str(repository))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out" / "scores.csv").exists()


def test_no_server_is_not_bad_usage(pictures, tmp_path):
    result = run(pictures / "manifest.csv", pictures, tmp_path, "--server", "grpc://127.0.0.1:9")
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.output


def test_interrupt_keeps_what_was_scored(pictures, repository, tmp_path):
    """Ctrl-C on the real process; the same command then goes on."""
    lines = []
    for number in range(50):
        (tmp_path / f"{number}.png").symlink_to(pictures / f"{number % 12}.png")
        lines.append(f"{number}.png,{number % 2},s,m,{number}")
    (tmp_path / "m.csv").write_text(HEADER + "\n".join(lines))
    out = tmp_path / "out"
    call = "import typer; from awarenet.evaluation.command import evaluate; typer.run(evaluate)"
    arguments = [tmp_path / "m.csv", "--root", tmp_path, "--out", out, "--in-process"]
    arguments += ["--model-repository", repository, "--face-engine", "hog", "--workers", "1"]
    command = [sys.executable, "-c", call, *map(str, arguments)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        rows = 0
        while rows < 5 and process.poll() is None:
            time.sleep(0.02)
            rows = sum(len(path.read_text().splitlines()) for path in out.glob("*.partial.csv"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "same command again" in " ".join(said.split())
    assert not (out / "scores.csv").exists()
    (partial,) = out.glob("*.partial.csv")
    assert len(pd.read_csv(partial)) >= 4
    subprocess.run(command, check=True, capture_output=True)
    assert len(pd.read_csv(out / "scores.csv")) == 50
    assert not partial.exists()
