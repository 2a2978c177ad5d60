"""`make demo` on a real Triton server, without trained models: what it makes, prints and leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests import tiny_repository as tiny
from tests.samples import astronaut, save

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_scores_its_samples_and_files_of_ones_own(tmp_path: Path) -> None:
    models = tiny.build(tmp_path / "models")
    own = save(tmp_path / "own.png", np.ascontiguousarray(astronaut()[:, ::-1]))
    out = tmp_path / "demo"
    # A module that cannot be imported stands for torch: the demo must do without.
    (tmp_path / "without" / "torch").mkdir(parents=True)
    (tmp_path / "without" / "torch" / "__init__.py").write_text("raise ImportError('the demo imports torch')")
    paths = [tmp_path / "without", ROOT, ROOT / "clients"]
    answer = subprocess.run(
        [sys.executable, ROOT / "demo.py", own, "--model-repository", models, "--out", out],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": ":".join(map(str, paths))},
    )
    assert answer.returncode == 0, answer.stderr
    rows = answer.stdout.splitlines()
    assert len(rows) == 7 and "own.png" in rows[-1]
    assert all(word in rows[0] for word in ("file", "verdict", "P(fake)"))
    assert f"report: {out / 'report.html'}" in answer.stderr
    assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")

    real, *forgeries = (np.asarray(Image.open(path)) for path in sorted((out / "samples").glob("*.png")))
    assert np.array_equal(real, astronaut()) and len(forgeries) == 3
    for forgery in forgeries:
        changed = np.argwhere((forgery != real).any(axis=2))
        assert len(changed) > 500
        # Only the head and a little around it are touched.
        assert (changed.min(axis=0) >= [20, 120]).all() and (changed.max(axis=0) <= [230, 330]).all()


def test_the_demo_says_which_models_are_missing(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / "demo.py", "--model-repository", tmp_path / "nowhere", "--out", tmp_path / "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}"},
    )
    assert answer.returncode == 1
    assert "nowhere" in answer.stderr and "Traceback" not in answer.stderr
