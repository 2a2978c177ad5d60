"""`awarenet edge run` as a device runs it: real processes, media and streams, a receiver that goes away, and kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.receivers import Receiver
from tests.samples import astronaut, save, save_clip
from tests.serving import eventually
from tests.streams import chunks, http_stream, mpegts, paced

ROOT = Path(__file__).resolve().parents[2]
REAL_MODELS = ROOT / "model_repository"
STATE = "state"


class EdgeDevice:
    """A device in a folder of its own: its processes, and what they wrote."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.models = models
        self.inbox = folder / "in"
        self.inbox.mkdir()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: object, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Starts `awarenet edge run`."""
        command = ["run", "--state", self.folder / STATE, "--out", self.folder / "out.jsonl", "--settle", "0.5"]
        command += ["--model-repository", self.models, "--face-engine", "hog", *arguments]
        process = subprocess.Popen(
            [sys.executable, "-m", "awarenet.cli", "edge", *map(str, command)],
            cwd=ROOT,
            env=_environment() | (environment or {}),
            stderr=(self.folder / "errors.txt").open("ab"),
        )
        self.processes.append(process)
        return process

    def health(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs `awarenet edge health`."""
        command = [sys.executable, "-m", "awarenet.cli", "edge", "health", "--state", self.folder / STATE, *arguments]
        return subprocess.run(list(map(str, command)), cwd=ROOT, env=_environment(), capture_output=True, text=True)

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The events that were written so far."""
        path = self.folder / "out.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for line in lines if (event := json.loads(line))["type"].startswith(kind)]

    @property
    def errors(self) -> str:
        """What was written to stderr."""
        return (self.folder / "errors.txt").read_text()


def _environment() -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}", "OMP_NUM_THREADS": "1"}
    environment.pop("AWARENET_YUNET", None)
    return environment


@pytest.fixture
def device(tmp_path: Path, tiny_repository: Path) -> Iterator[EdgeDevice]:
    made = EdgeDevice(tmp_path, tiny_repository)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, and the exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def put(inbox: Path, name: str) -> Path:
    """A picture or clip with a face, put there at once."""
    made = inbox.parent / name
    if made.suffix == ".mp4":
        save_clip(made, [astronaut()] * 10)
    else:
        save(made, astronaut())
    return made.rename(inbox / name)


def test_pictures_and_clips_are_scored_once_over_a_stop_and_a_start(device: EdgeDevice) -> None:
    put(device.inbox, "a.jpg")
    put(device.inbox, "b.mp4")
    (device.inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    process = device.start("--folder", device.inbox)
    assert eventually(lambda: len(device.events()) == 3, 120), device.errors
    assert stop(process) == 0 and "Traceback" not in device.errors
    process = device.start("--folder", device.inbox)
    put(device.inbox, "c.jpg")
    assert eventually(lambda: len(device.events()) == 4, 120), device.errors
    time.sleep(2)
    assert stop(process) == 0
    names = [Path(event["data"]["path"]).name for event in device.events("file.verdict")]
    assert names == ["a.jpg", "b.mp4", "broken.jpg", "c.jpg"]
    by_name = dict(zip(names, device.events(), strict=True))
    assert by_name["a.jpg"]["data"]["verdict"] and by_name["broken.jpg"]["data"]["error_code"] == "damaged_media"


def test_a_half_written_file_is_left_until_it_is_complete(device: EdgeDevice) -> None:
    content = put(device.inbox, "a.jpg").read_bytes()
    (device.inbox / "a.jpg").unlink()
    process = device.start("--folder", device.inbox)
    assert eventually(lambda: (device.folder / STATE / "pulse.json").exists(), 120)
    with (device.inbox / "slow.jpg").open("wb") as stream:
        for start in range(0, len(content), len(content) // 20):
            stream.write(content[start : start + len(content) // 20])
            stream.flush()
            time.sleep(0.15)
    assert device.events() == []
    assert eventually(lambda: len(device.events()) == 1, 60)
    assert stop(process) == 0
    assert device.events()[0]["data"]["error"] is None


def test_no_verdict_is_lost_by_kills_and_a_receiver_that_is_away(device: EdgeDevice) -> None:
    receiver = Receiver()
    with receiver.there():
        pass  # It has a port now, and is gone.
    arguments = ("--folder", device.inbox, "--move-to", device.folder / "done", "--send", receiver.url)
    names = [f"{number}.jpg" for number in range(6)]
    for start, wanted in enumerate((2, 4)):
        for name in names[wanted - 2 : wanted]:
            put(device.inbox, name)
        process = device.start(*arguments)
        scored = 2 * start + 1
        assert eventually(lambda scored=scored: len(device.events("file.verdict")) >= scored, 120), device.errors
        process.kill()
        process.wait()
    for name in names[4:]:
        put(device.inbox, name)
    process = device.start(*arguments, environment={"AWARENET_EDGE_TOKEN": "secret"})
    assert eventually(lambda: len(list((device.folder / "done").glob("*.jpg"))) == 6, 120), device.errors
    assert receiver.events == []
    with receiver.there():
        assert eventually(lambda: {Path(e["data"]["path"]).name for e in receiver.events} == {*names}, 60)
        receiver.answers = [(500, {})]
        put(device.inbox, "last.jpg")
        assert eventually(lambda: len([e for e in receiver.events if "last" in e["data"]["path"]]) == 2, 60)
    assert eventually(lambda: ", 0 events wait, 0 were dropped" in device.health().stdout, 30)
    assert stop(process) == 0 and "secret" not in device.errors
    last = [event["id"] for event in receiver.events if "last" in event["data"]["path"]]
    assert last[0] == last[1] and receiver.headers[-1]["Authorization"] == "Bearer secret"


def test_a_file_that_ends_the_process_is_given_up(device: EdgeDevice) -> None:
    shutil.copy(save_clip(device.folder / "long.mp4", [astronaut()] * 400), device.inbox)
    for _ in range(3):
        process = device.start("--folder", device.inbox)
        assert eventually(lambda: '"begun"' in device.errors, 120), device.errors
        (device.folder / "errors.txt").write_text("")
        process.kill()
        process.wait()
    process = device.start("--folder", device.inbox)
    assert eventually(lambda: len(device.events()) == 1, 120), device.errors
    assert stop(process) == 0
    assert device.events()[0]["data"]["error_code"] == "worker_died"


def test_a_stream_that_breaks_off_is_waited_for_and_goes_on(device: EdgeDevice) -> None:
    stream = chunks(mpegts([np.asarray(astronaut()[::2, ::2])] * 100))
    sends = [paced(stream[: len(stream) // 2], 0.02), lambda write: time.sleep(4), paced(stream, 0.02)]
    with http_stream([*sends, paced(stream, 0.02)]) as address:
        process = device.start("--rtsp", address, "--lost-after", "1.5", "--every", "0.5")
        assert eventually(lambda: bool(device.events("source.back")), 120), device.errors
        assert eventually(lambda: device.events()[-1]["type"] == "live.verdict", 60)
        assert device.health().returncode == 0
        assert stop(process) == 0
    kinds = [event["type"] for event in device.events()]
    assert kinds.index("live.verdict") < kinds.index("source.lost") < kinds.index("source.back")
    verdicts = [event["data"] for event in device.events("live.verdict")]
    times = [verdict["time_s"] for verdict in verdicts]
    assert times == sorted(times) and verdicts[-1]["connections"] >= 2
    assert "Traceback" not in device.errors


def test_a_camera_that_is_not_there_is_waited_for(device: EdgeDevice) -> None:
    process = device.start("--camera", "63", "--lost-after", "1")
    assert eventually(lambda: bool(device.events("source.lost")), 120), device.errors
    sick = device.health()
    assert sick.returncode == 1 and "/dev/video63" in sick.stderr and "never came" in sick.stderr
    assert process.poll() is None and stop(process) == 0
    assert device.health().returncode == 1


def test_systemd_is_told(device: EdgeDevice) -> None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(device.folder / "notify"))
    channel.settimeout(120)
    run = device.folder / "run"
    run.mkdir()
    process = device.start(
        "--folder",
        device.inbox,
        environment={"NOTIFY_SOCKET": str(device.folder / "notify"), "RUNTIME_DIRECTORY": str(run)},
    )
    assert channel.recv(100) == b"READY=1"
    assert channel.recv(100) == channel.recv(100) == b"WATCHDOG=1"
    process.send_signal(signal.SIGSTOP)  # It hangs.
    assert (run / "pulse.json").exists()
    time.sleep(1.1)
    sick = subprocess.run(
        [sys.executable, "-m", "awarenet.cli", "edge", "health", "--state", device.folder / STATE, "--beat-age", "1"],
        cwd=ROOT,
        env=_environment() | {"RUNTIME_DIRECTORY": str(run)},
        capture_output=True,
        text=True,
    )
    assert sick.returncode == 1 and "not stirred" in sick.stderr
    process.send_signal(signal.SIGCONT)
    assert stop(process) == 0
    channel.close()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give one of"),
        (("--camera", "0", "--folder", "."), "give one of"),
        (("--camera", "0", "--move-to", "x"), "--move-to"),
        (("--rtsp", "ftp://host/x"), "no live source"),
        (("--folder", ".", "--send", "nowhere"), "--send"),
    ],
)
def test_bad_usage_is_exit_code_two(device: EdgeDevice, arguments: tuple[str, ...], complaint: str) -> None:
    assert device.start(*arguments).wait(60) == 2
    assert complaint in device.errors and "Traceback" not in device.errors


def test_models_that_were_altered_do_not_start(device: EdgeDevice, tmp_path: Path) -> None:
    altered = shutil.copytree(device.models, tmp_path / "altered")
    with (altered / "fast_filter" / "1" / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert device.start("--folder", device.inbox, "--model-repository", altered).wait(60) == 1
    assert "was changed after it was assembled" in device.errors


def test_the_whole_process_stays_within_its_memory(device: EdgeDevice) -> None:
    put(device.inbox, "portrait.jpg")
    save_clip(device.inbox / "wide.mp4", [np.asarray(np.tile(astronaut(), (2, 4, 1))[:1080, :1920])] * 30)
    large = np.tile(astronaut(), (5, 7, 1))  # 9.2 million pixels
    save(device.inbox / "large.jpg", large[: large.shape[0] * 9 // 10])
    save(device.inbox / "too-large.jpg", np.tile(large, (2, 2, 1)))
    process = device.start(
        "--folder", device.inbox, "--threads", "4", "--model-repository", REAL_MODELS, "--route", "full"
    )
    assert eventually(lambda: len(device.events()) == 4, 300), device.errors
    # Of the process since it was executed; getrusage would count what it inherited from this one.
    peak = next(
        int(line.split()[1])
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert stop(process) == 0
    sys.stdout.write(f"peak {peak / 1024:.0f} MB\n")
    assert peak <= 512 * 1024
    outcomes = {Path(event["data"]["path"]).name: event["data"]["error_code"] for event in device.events()}
    assert outcomes["too-large.jpg"] == "media_too_large"
    assert [name for name, error in outcomes.items() if error] in (["too-large.jpg"], ["large.jpg", "too-large.jpg"])
