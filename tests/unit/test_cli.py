"""The command line as programs and people meet it: real processes, the in-process runtime, the built-in face engine."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

import awarenet
from awarenet.cli import app
from awarenet.heatmap import GRID, Expected
from awarenet.repository import ModelRepository
from awarenet.verdict import schema
from tests import tiny_repository as tiny
from tests.samples import astronaut, save, save_clip

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("cli") / "repository")


def tinted(shift: int) -> NDArray[np.uint8]:
    """The astronaut with more or less red in her face, which the tiny fast filter takes for fake or real."""
    image = astronaut().astype(int)
    image[40:220, 130:310, 0] += shift
    return image.clip(0, 255).astype(np.uint8)


REAL, FAKE = tinted(-110), tinted(90)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder as people have them: media, a broken file, something else, something hidden."""
    folder = tmp_path / "media"
    (folder / "deeper").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    save(folder / "a real.png", REAL)
    save(folder / "deeper" / "fake.jpg", FAKE, quality=92)
    save_clip(folder / "clip.mp4", [FAKE] * 6)
    save(folder / "wall.bmp", np.full((200, 300, 3), 90, np.uint8))
    save(folder / "no suffix.png", REAL).rename(folder / "no suffix")
    (folder / "letter.jpg").write_text("Dear reader. " * 100)
    (folder / "notes.txt").write_text("not media")
    save(folder / ".hidden" / "thumbnail.png", REAL)
    return folder


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWARENET_YUNET", "AWARENET_SERVER"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str | Path) -> Result:
    """Calls the command in this process, which is quicker."""
    return CliRunner().invoke(app, list(map(str, arguments)), prog_name="awarenet")


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Starts the real program, for what only a process of its own can show."""
    return subprocess.Popen(
        [sys.executable, "-m", "awarenet.cli", *map(str, arguments)],
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'clients'}", "OMP_NUM_THREADS": "1"},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )


def here(models: Path) -> tuple[str | Path, ...]:
    return ("--in-process", "--model-repository", models, "--face-engine", "hog")


def detect(models: Path, *arguments: str | Path) -> Result:
    return run("detect", *arguments, *here(models))


def lines(answer: Result) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    for one in found:
        jsonschema.validate(one, schema())
    return {Path(one["path"]).name: one for one in found}


def test_a_folder_gives_one_json_object_a_file(models: Path, media: Path) -> None:
    answer = detect(models, media, "--json")
    assert answer.exit_code == 3, answer.stderr
    by_name = lines(answer)
    assert {name: one["verdict"] for name, one in by_name.items()} == {
        "a real.png": "real",
        "fake.jpg": "fake",
        "clip.mp4": "fake",
        "wall.bmp": "no_face",
        "no suffix": "real",
        "letter.jpg": None,
    }
    letter = by_name["letter.jpg"]
    assert letter["error_code"] == "unsupported_media" and "letter.jpg" in str(letter["error"])
    assert all(one["model_version"] and one["policy_version"] for one in by_name.values())
    (face,) = by_name["fake.jpg"]["faces"]
    assert {"box", "probability", "exit_stage", "track"} <= set(face)
    assert "skipped" in answer.stderr and "face_engine" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_all_scored_is_exit_code_zero_and_a_table_for_people(models: Path, tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.png", REAL), save(tmp_path / "b.png", FAKE)]
    answer = detect(models, *paths)
    assert answer.exit_code == 0, answer.stderr
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert rows[0][:3] == ["file", "verdict", "P(fake)"]
    assert [row[:2] for row in rows[1:]] == [[str(paths[0]), "real"], [str(paths[1]), "fake"]]
    assert [row[4] for row in rows[1:]] == ["fast_filter", "fast_filter"]


def test_the_full_route_is_passed_on(models: Path, tmp_path: Path) -> None:
    answer = detect(models, save(tmp_path / "a.png", FAKE), "--json", "--route", "full")
    (face,) = lines(answer)["a.png"]["faces"]
    assert face["exit_stage"] == 3


def test_frames_are_passed_on(models: Path, tmp_path: Path) -> None:
    answer = detect(models, save_clip(tmp_path / "a.mp4", [FAKE] * 9), "--json", "--frames", "3")
    assert len(lines(answer)["a.mp4"]["faces"]) == 3


def test_a_missing_file_fails_and_the_rest_is_delivered(models: Path, tmp_path: Path) -> None:
    answer = detect(models, tmp_path / "absent.png", save(tmp_path / "a.png", REAL), "--json")
    assert answer.exit_code == 3
    found = lines(answer)
    assert found["a.png"]["verdict"] == "real"
    assert found["absent.png"]["error_code"] == "media_error"


@pytest.mark.parametrize(
    "arguments",
    [
        ("detect",),
        ("detect", "a.png", "--route", "sideways"),
        ("detect", "a.png", "--frames", "0"),
        ("detect", "a.png", "--in-process", "--server", "grpc://127.0.0.1:1"),
        ("detect", "--no-such-option", "a.png"),
        ("no-such-command",),
    ],
)
def test_bad_usage_is_exit_code_two(arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == "" and "Traceback" not in answer.stderr


def test_a_folder_without_media_is_bad_usage(models: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not media")
    answer = detect(models, tmp_path)
    assert answer.exit_code == 2 and "no picture or clip" in answer.stderr


def test_models_that_are_not_there_are_said(tmp_path: Path) -> None:
    answer = detect(tmp_path / "nowhere", save(tmp_path / "a.png", REAL))
    assert answer.exit_code == 1
    assert "nowhere" in answer.stderr and "Traceback" not in answer.stderr


def test_a_server_that_was_asked_for_must_answer(tmp_path: Path) -> None:
    answer = run("detect", save(tmp_path / "a.png", REAL), "--server", "grpc://127.0.0.1:1")
    assert answer.exit_code == 1
    assert "127.0.0.1:1" in answer.stderr and "Traceback" not in answer.stderr


def test_without_a_server_the_models_run_here_and_the_log_says_so(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWARENET_SERVER", "grpc://127.0.0.1:1")
    path = save(tmp_path / "a.png", REAL)
    answer = run("detect", path, "--json", "--model-repository", models, "--face-engine", "hog")
    assert answer.exit_code == 0, answer.stderr
    assert "no server answers at grpc://127.0.0.1:1" in answer.stderr
    assert lines(answer)["a.png"]["verdict"] == "real"


def test_the_report_is_written_whole(models: Path, media: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    answer = detect(models, media, "--html", report)
    assert answer.exit_code == 3
    page = report.read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>") and "a real.png" in page
    assert list(tmp_path.glob(".report*")) == []
    assert str(report) in answer.stderr


def test_heatmaps_are_shown_in_the_report(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, page = save(tmp_path / "a.png", FAKE), tmp_path / "report.html"
    assert detect(models, file, "--heatmap").exit_code == 2, "a heatmap needs a report"
    refused = detect(models, file, "--html", page, "--heatmap")
    assert refused.exit_code == 2 and "--write-expected" in refused.stderr and not page.exists()
    version = ModelRepository.open(models).policy.model_version
    expected = tmp_path / "expected.json"
    expected.write_text(Expected(version, np.zeros((GRID, GRID), np.float32), 1).to_json(), encoding="utf-8")
    monkeypatch.setattr("awarenet.detect_command.Expected.load", partial(Expected.load, expected))
    answer = detect(models, file, "--html", page, "--heatmap")
    assert answer.exit_code == 0, answer.stderr
    text = page.read_text(encoding="utf-8")
    assert "bright where the score comes from" in text and "not what was forged" in text


def test_a_report_that_cannot_be_written_costs_no_result(models: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", REAL)
    answer = detect(models, path, "--json", "--html", tmp_path / "absent" / "report.html")
    assert answer.exit_code == 3
    assert lines(answer)["a.png"]["verdict"] == "real"
    assert "cannot write" in answer.stderr and "Traceback" not in answer.stderr


def test_a_disk_that_fills_up_leaves_the_old_report_and_no_half(models: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("the old one")
    process = start(
        *("detect", save(tmp_path / "a.png", REAL), "--json", "--html", report, *here(models)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    results, complaints = process.communicate(timeout=120)
    assert process.returncode == 3, complaints
    assert json.loads(results)["verdict"] == "real"
    assert "cannot write" in complaints and "Traceback" not in complaints
    assert report.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "report.html"]


def test_a_reader_that_goes_away_causes_no_traceback(models: Path, tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png", REAL) for number in range(4)]
    process = start("detect", *paths, "--json", *here(models))
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["verdict"] == "real"
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert "Traceback" not in complaints and "BrokenPipe" not in complaints


def test_a_full_disk_behind_stdout_is_said(models: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("detect", save(tmp_path / "a.png", REAL), "--json", *here(models), stdout=full)
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cannot write the results" in complaints and "Traceback" not in complaints


def test_ctrl_c_delivers_what_was_scored(models: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", REAL)
    process = start("detect", *[path] * 100, "--json", *here(models))
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=120)
    assert process.returncode == 130
    assert json.loads(first)["verdict"] == "real"
    assert len(rest.splitlines()) < 99 and all(json.loads(line)["verdict"] == "real" for line in rest.splitlines())
    assert "stopped" in complaints and "Traceback" not in complaints


def test_the_version_is_printed_without_loading_anything() -> None:
    answer = run("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"awarenet {awarenet.__version__}\n")
    heavy = ("numpy", "cv2", "onnxruntime", "tritonclient")
    code = f"import sys, awarenet.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=REPOSITORY).strip() == "[]"


def test_help_names_every_command() -> None:
    answer = run("--help")
    assert answer.exit_code == 0
    for name in ("detect", "watch", "serve", "evaluate", "models", "fetch-face-model"):
        assert name in answer.stdout


def test_fetching_says_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWARENET_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    answer = run("fetch-face-model")
    assert answer.exit_code == 1
    assert "set $AWARENET_YUNET" in answer.stderr and "Traceback" not in answer.stderr
