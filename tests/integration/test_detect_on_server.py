"""`awarenet detect` on a real Triton server gives what it gives without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from awarenet.cli import app
from awarenet.runtime.server import TritonServer
from tests import tiny_repository as tiny
from tests.samples import astronaut, mosaic, save, save_clip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("detect") / "repository")


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[TritonServer]:
    with TritonServer(models) as running:
        yield running


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    save(folder / "portrait.png", astronaut())
    save(folder / "crowd.png", mosaic(6, 10, 96))
    save(folder / "wall.png", np.full((100, 100, 3), 90, np.uint8))
    save_clip(folder / "clip.mp4", [astronaut()] * 5)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


def detect(*arguments: str | Path) -> tuple[int, dict[str, dict[str, Any]], str]:
    answer = CliRunner().invoke(app, ["detect", "--json", "--face-engine", "hog", *map(str, arguments)])
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return answer.exit_code, {Path(one["path"]).name: one for one in found}, answer.stderr


def test_a_server_and_this_process_agree(
    server: TritonServer, models: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, here, _ = detect(media, "--in-process", "--model-repository", models)
    assert code == 3 and len(here["crowd.png"]["faces"]) == 60
    monkeypatch.setenv("AWARENET_SERVER", server.grpc_url)
    found_code, found, log = detect(media)
    assert server.grpc_url in log
    http_code, http, _ = detect(media, "--server", server.http_url)
    for there_code, there in ((found_code, found), (http_code, http)):
        assert (there_code, there.keys()) == (code, here.keys())
        for name, verdict in here.items():
            assert there[name]["verdict"] == verdict["verdict"]
            assert there[name]["error_code"] == verdict["error_code"]
            assert there[name]["policy_version"] == verdict["policy_version"]
            assert [face["exit_stage"] for face in there[name]["faces"]] == [
                face["exit_stage"] for face in verdict["faces"]
            ]
            assert [face["probability"] for face in there[name]["faces"]] == pytest.approx(
                [face["probability"] for face in verdict["faces"]], abs=1e-5
            )
