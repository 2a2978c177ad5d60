"""New models on a device: proved or taken back, and runnable after a power cut at any step."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from awarenet.edge import updates as module
from awarenet.edge.updates import STARTS, Updates
from awarenet.errors import Conflict, ModelError, NotFound, StartupError
from awarenet.models import fetch as fetching
from awarenet.models.fetch import fetch
from awarenet.policy import file_sha256
from awarenet.repository import ModelRepository, model_path, policy_path, sign_manifest, write_manifest
from awarenet.signing import TrustedKeys, make_key
from awarenet.stages import FAST_FILTER
from tests.serving import eventually

ROOT = Path(__file__).resolve().parents[2]


def nothing(_: Path) -> None:
    """Examines nothing."""


def variant(repository: Path, folder: Path, data: str, model: bytes | None = None) -> Path:
    """A repository under another policy, and with another fast filter where one is given."""
    shutil.copytree(repository, folder)
    policy = dataclasses.replace(ModelRepository.open(repository).policy, data=data)
    if model is not None:
        model_path(folder, FAST_FILTER).write_bytes(model)
        digest = file_sha256(model_path(folder, FAST_FILTER))
        policy = dataclasses.replace(policy, models={**policy.models, FAST_FILTER.name: digest})
    policy_path(folder).write_text(policy.to_json(), encoding="utf-8")
    write_manifest(folder, policy)
    return folder


@pytest.fixture
def new(tiny_repository: Path, tmp_path: Path) -> Path:
    return variant(tiny_repository, tmp_path / "new", "new")


@pytest.fixture
def models(tiny_repository: Path, tmp_path: Path) -> Path:
    """The models in use."""
    fetch(str(tiny_repository), tmp_path / "models")
    return tmp_path / "models"


def data(models: Path) -> str:
    """Which models are in use; they are intact."""
    return ModelRepository.open(models).policy.data


OLD = "painted faces"


def test_new_models_are_on_trial_until_they_are_confirmed(models: Path, new: Path) -> None:
    updates = Updates(models)
    updates.update(str(new))  # They are really run.
    assert data(models) == "new" and updates.trial is not None
    with pytest.raises(Conflict, match="on trial"):
        updates.update(str(new))
    updates.start()
    updates.confirm()
    assert updates.trial is None
    for _ in range(STARTS + 1):
        updates.start()
    assert data(models) == "new"
    updates.rollback()
    assert data(models) == OLD


def test_models_that_do_not_come_to_life_are_taken_back(models: Path, new: Path) -> None:
    Updates(models).update(str(new), nothing)
    for _ in range(STARTS):
        Updates(models).start()
        assert data(models) == "new"
    Updates(models).start()
    assert data(models) == OLD and Updates(models).trial is None
    Updates(models).update(str(new), nothing)  # Another attempt copies nothing, but is a trial again.
    assert Updates(models).trial == module.Trial(models.parent.joinpath(".models", before(models)).name)


def before(models: Path) -> str:
    """The version that is not in use."""
    return next(
        p.name for p in (models.parent / ".models").iterdir() if p.is_dir() and p.name != models.readlink().name
    )


def test_the_first_models_are_on_no_trial(new: Path, tmp_path: Path) -> None:
    updates = Updates(tmp_path / "first")
    updates.update(str(new), nothing)
    assert updates.trial is None and data(tmp_path / "first") == "new"
    with pytest.raises(NotFound, match="no other models"):
        updates.rollback()


def test_models_that_cannot_be_run_never_come_into_use(models: Path, tiny_repository: Path, tmp_path: Path) -> None:
    broken = variant(tiny_repository, tmp_path / "broken", "broken", b"no network at all")
    with pytest.raises(StartupError, match="cannot load"):
        Updates(models).update(str(broken))
    assert data(models) == OLD and Updates(models).trial is None


def pack(folder: Path, path: Path) -> Path:
    """An archive of a repository."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, ".")
    return path


def test_a_bundle_on_a_stick_is_verified(models: Path, new: Path, tmp_path: Path) -> None:
    model = model_path(new, FAST_FILTER)
    right = model.read_bytes()
    model.write_bytes(right + b"tampered with")
    with pytest.raises(ModelError, match="was changed after it was assembled"):
        Updates(models).update(str(pack(new, tmp_path / "bad.tar.gz")), nothing)
    assert data(models) == OLD and Updates(models).trial is None
    model.write_bytes(right)
    bundle = pack(new, tmp_path / "good.tar.gz")
    with pytest.raises(ModelError, match="not the file of its sha256"):
        Updates(models).update(f"{bundle}#sha256={'0' * 64}", nothing)
    Updates(models).update(f"{bundle}#sha256={file_sha256(bundle)}", nothing)
    assert data(models) == "new"


def test_models_of_somebody_unknown_are_never_on_trial(models: Path, new: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    trusted = TrustedKeys.named([make_key(key)])
    with pytest.raises(ModelError, match="has no signature"):
        Updates(models).update(str(new), nothing, trusted)
    assert Updates(models).trial is None and data(models) != "new"
    sign_manifest(new, key)
    Updates(models).update(str(new), nothing, trusted)
    assert data(models) == "new"
    Updates(models).rollback()  # To those that were in use before there was a key.
    assert data(models) != "new"


def test_a_damaged_note_is_no_trial(models: Path, new: Path) -> None:
    Updates(models).update(str(new), nothing)
    (models.parent / ".models.trial").write_text('{"before": ')
    Updates(models).start()
    assert data(models) == "new" and not (models.parent / ".models.trial").exists()


# Power cuts. Every call that changes a file, a name or a folder is a step; the process dies just before it.

CHANGES = {
    "open", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.mkdir", "os.chmod", "os.truncate",
}  # fmt: skip


class Stick:
    """A folder as a source that is read without threads, which do not outlive a fork."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def version(self) -> str:
        return file_sha256(self._folder / "manifest.json")

    def copy(self, folder: Path, scratch: object) -> None:
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)


def dies_before(step: int, act: Callable[[], object]) -> bool:
    """Does something in a process that is killed just before a step; whether it came so far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            flags = arguments[2] if event == "open" else os.O_WRONLY
            if event in CHANGES and isinstance(flags, int) and flags & (os.O_RDWR | os.O_WRONLY):
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        signal.alarm(60)
        sys.addaudithook(watch)
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.fixture
def cut(models: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[Path]]:
    """Cuts the power before each step of something, each time on a device as it was before."""
    monkeypatch.setattr(fetching, "open_source", Stick)

    def cuts(act: Callable[[Path], object], *, updated: bool) -> Iterator[Path]:
        if updated:
            Updates(models).update(str(new), nothing)
        step, died = 0, True
        while died:
            # In memory: every step waits for the disk, and a disk may take its time.
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                device = shutil.copytree(tmp_path, Path(folder) / "device", symlinks=True)
                died = dies_before(step, lambda models=device / "models": act(models))
                yield device / "models"
            step += 1

    return cuts


def starts_until_settled(models: Path) -> str:
    """Starts a device again and again as if it never were well, and says which models it ends up with."""
    for _ in range(STARTS + 1):
        module.survive(Updates(models).start)
        assert data(models) in (OLD, "new")
    return data(models)


def test_a_power_cut_at_any_step_of_an_update_leaves_a_runnable_device(
    cut: Callable[..., Iterator[Path]], new: Path
) -> None:
    seen = []
    for models in cut(lambda models: Updates(models).update(str(new), nothing), updated=False):
        seen.append(data(models))
        assert starts_until_settled(models) == OLD  # Models that are never well do not stay.
        Updates(models).update(str(new), nothing)  # And the next update works.
        assert data(models) == "new"
    assert {*seen} == {OLD, "new"} and len(seen) > 20


def test_a_power_cut_at_any_step_of_going_back_leaves_a_runnable_device(cut: Callable[..., Iterator[Path]]) -> None:
    seen = []
    for models in cut(lambda models: Updates(models).rollback(), updated=True):
        seen.append(data(models))
        assert starts_until_settled(models) == OLD
    assert {*seen} == {OLD, "new"}


def test_a_power_cut_while_models_are_proved_leaves_a_runnable_device(cut: Callable[..., Iterator[Path]]) -> None:
    def prove(models: Path) -> None:
        Updates(models).start()
        Updates(models).confirm()

    for models in cut(prove, updated=True):
        assert data(models) == "new"
        expected = OLD if Updates(models).trial else "new"
        assert starts_until_settled(models) == expected


# The commands, with a device that runs.


def _command(tmp_path: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "awarenet.cli", "edge", *map(str, arguments), "--state", str(tmp_path / "state")]


@contextmanager
def running(tmp_path: Path, models: Path, *, minded: bool) -> Iterator[None]:
    """`awarenet edge run` over an empty folder; where it is minded, it is started anew whenever it ends."""
    (tmp_path / "in").mkdir()
    run = _command(tmp_path, "run", "--folder", tmp_path / "in", "--model-repository", models, "--face-engine", "hog")
    loop = 'while true; do "$@"; sleep 0.2; done' if minded else 'exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", loop, "device", *run],
        cwd=ROOT,
        env=_environment(),
        start_new_session=True,
    )
    try:
        assert eventually(lambda: (tmp_path / "state" / "pulse.json").exists(), 120)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}", "OMP_NUM_THREADS": "1"}


def edge(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(tmp_path, *arguments), cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=300
    )


def test_a_running_device_proves_new_models_and_goes_back(models: Path, new: Path, tmp_path: Path) -> None:
    with running(tmp_path, models, minded=True):
        done = edge(tmp_path, "update", new, "--model-repository", models)
        assert done.returncode == 0 and "proved" in done.stdout, done.stderr
        assert data(models) == "new" and Updates(models).trial is None
        done = edge(tmp_path, "rollback", "--model-repository", models)
        assert done.returncode == 0 and data(models) == OLD, done.stderr


def test_a_device_that_does_not_come_back_has_its_models_taken_back(models: Path, new: Path, tmp_path: Path) -> None:
    with running(tmp_path, models, minded=False):
        done = edge(tmp_path, "update", new, "--model-repository", models, "--patience", "3")
        assert done.returncode == 1 and "the models before are back" in done.stderr
        assert data(models) == OLD and Updates(models).trial is None


def test_without_a_running_device_the_next_start_decides(models: Path, new: Path, tmp_path: Path) -> None:
    done = edge(tmp_path, "update", new, "--model-repository", models)
    assert (done.returncode, "on trial" in done.stdout) == (0, True), done.stderr
    with running(tmp_path, models, minded=False):
        assert eventually(lambda: Updates(models).trial is None, 60)
    assert data(models) == "new"


def test_a_bad_bundle_is_exit_code_one_or_two(models: Path, tmp_path: Path) -> None:
    assert edge(tmp_path, "update", tmp_path / "absent.tar.gz", "--model-repository", models).returncode == 2
    (tmp_path / "bad.tar.gz").write_bytes(b"no archive")
    done = edge(tmp_path, "update", tmp_path / "bad.tar.gz", "--model-repository", models)
    assert done.returncode == 1 and "damaged" in done.stderr and "Traceback" not in done.stderr
