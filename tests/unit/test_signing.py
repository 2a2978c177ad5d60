"""Models are taken only from those whose key is trusted, where a key is; everything here runs as its user runs it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from awarenet.cli import app
from awarenet.errors import ModelError
from awarenet.models.fetch import fetch
from awarenet.models.keys import KEYS_VARIABLE
from awarenet.models.plans import install_plans
from awarenet.models.tensorrt import Machine
from awarenet.repository import ModelRepository, model_path, write_manifest
from awarenet.signing import TrustedKeys
from awarenet.stages import CASCADE, NETWORKS


def models(*arguments: object, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)], env=environment)


def make_key(path: Path) -> str:
    """A key at `path`, and its public one as a line."""
    answer = models("keygen", path)
    assert answer.exit_code == 0, answer.output
    return answer.stdout.strip()


def alter(repository: Path) -> None:
    """What who may write the bucket can do: other code, and a manifest that lists it."""
    policy = ModelRepository.open(repository).policy
    with model_path(repository, CASCADE).open("a") as file:
        file.write("# evil\n")
    write_manifest(repository, policy)
    ModelRepository.open(repository)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def trusted(key: Path) -> TrustedKeys:
    keys = TrustedKeys.named([f"{key}.pub"])
    assert keys is not None
    return keys


@pytest.fixture
def signed(tiny_repository: Path, tmp_path: Path, key: Path) -> Path:
    shutil.copytree(tiny_repository, tmp_path / "signed")
    answer = models("sign", tmp_path / "signed", "--key", key)
    assert answer.exit_code == 0, answer.output
    return tmp_path / "signed"


# Keys


def test_a_private_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_key(tmp_path / "key")
    finally:
        os.umask(before)
    content = (tmp_path / "key").read_bytes(), (tmp_path / "key.pub").read_bytes()
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    answer = models("keygen", tmp_path / "key")
    assert answer.exit_code == 1 and "is there already" in answer.stderr
    (tmp_path / "key.pub").unlink()
    answer = models("keygen", tmp_path / "key")
    assert answer.exit_code == 1 and not (tmp_path / "key.pub").exists()
    assert (tmp_path / "key").read_bytes() == content[0]


def test_a_public_key_is_named_by_its_file_or_its_line(signed: Path, key: Path, tmp_path: Path) -> None:
    line = Path(f"{key}.pub").read_text().splitlines()[1]
    other = make_key(tmp_path / "other")
    for named in (f"{key}.pub", line):
        assert models("verify", signed, "--trusted-key", named).exit_code == 0
    assert models("verify", signed, environment={KEYS_VARIABLE: f"{other} {line}"}).exit_code == 0
    assert models("verify", signed, environment={KEYS_VARIABLE: other}).exit_code == 1


@pytest.mark.parametrize("named", ["", "nonsense", "AAAA", "/no/such/file"])
def test_what_is_no_public_key_is_refused(signed: Path, named: str) -> None:
    answer = models("verify", signed, "--trusted-key", named)
    assert answer.exit_code == 2 and "awarenet models keygen" in answer.stderr


def test_a_private_key_is_not_taken_for_a_public_one_nor_another_kind_for_ours(signed: Path, key: Path) -> None:
    assert models("verify", signed, "--trusted-key", key).exit_code == 2
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    key.write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*form))
    answer = models("sign", signed, "--key", key)
    assert answer.exit_code == 2 and "no key of Ed25519" in answer.stderr
    assert models("sign", signed, "--key", f"{key}.pub").exit_code == 2
    assert models("sign", signed, "--key", f"{key}.absent").exit_code == 2


def test_openssl_agrees(signed: Path, key: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{key}.pub", "-rawin"]
    command += ["-in", str(signed / "manifest.json"), "-sigfile", str(signed / "manifest.sig")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "Verified Successfully" in done.stdout, done.stderr


# Fetching


def test_signed_models_are_fetched_with_their_signature(signed: Path, trusted: TrustedKeys, tmp_path: Path) -> None:
    fetch(str(signed), tmp_path / "models", trusted=trusted)
    ModelRepository.open(tmp_path / "models", trusted)


def test_a_manifest_made_anew_for_other_files_is_refused(
    signed: Path, trusted: TrustedKeys, tmp_path: Path, key: Path
) -> None:
    fetch(str(signed), tmp_path / "models", trusted=trusted)
    before = (tmp_path / "models").resolve()
    alter(signed)
    with pytest.raises(ModelError, match=r"none of the 1 trusted keys, or manifest\.json was changed"):
        fetch(str(signed), tmp_path / "models", trusted=trusted)
    assert (tmp_path / "models").resolve() == before
    assert models("fetch", signed, tmp_path / "models").exit_code == 0  # Nobody is asked without a key.
    assert (tmp_path / "models").resolve() != before
    answer = models("fetch", signed, tmp_path / "models", "--trusted-key", f"{key}.pub")
    assert answer.exit_code == 1 and "trusted keys" in answer.stderr


@pytest.mark.parametrize("signature", [None, b"", b"\0" * 64, b"\0" * 100])
def test_without_a_good_signature_nothing_is_switched_to(
    signed: Path, trusted: TrustedKeys, tmp_path: Path, signature: bytes | None
) -> None:
    if signature is None:
        (signed / "manifest.sig").unlink()
    else:
        (signed / "manifest.sig").write_bytes(signature)
    with pytest.raises(ModelError, match="has no signature" if signature is None else "none of the 1 trusted keys"):
        fetch(str(signed), tmp_path / "models", trusted=trusted)
    assert not (tmp_path / "models").exists()


def test_one_key_follows_another(signed: Path, key: Path, tmp_path: Path) -> None:
    old, new = Path(f"{key}.pub").read_text().splitlines()[1], make_key(tmp_path / "new")
    both, alone = TrustedKeys.named([old, new]), TrustedKeys.named([new])
    fetch(str(signed), tmp_path / "models", trusted=both)
    before = (tmp_path / "models").resolve()
    with pytest.raises(ModelError, match="trusted keys"):  # Although the same manifest is there already.
        fetch(str(signed), tmp_path / "models", trusted=alone)
    assert models("sign", signed, "--key", tmp_path / "new").exit_code == 0
    fetch(str(signed), tmp_path / "models", trusted=both)
    assert (tmp_path / "models").resolve() == before
    fetch(str(signed), tmp_path / "models", trusted=alone)
    ModelRepository.open(tmp_path / "models", alone)


def test_models_that_were_fetched_before_they_were_signed_are_fetched_anew(
    signed: Path, tiny_repository: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    fetch(str(tiny_repository), tmp_path / "models")
    fetch(str(signed), tmp_path / "models", trusted=trusted)
    ModelRepository.open(tmp_path / "models", trusted)


# What a machine adds


def test_plans_that_are_built_here_leave_the_signature_whole(
    signed: Path, trusted: TrustedKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Machine("NVIDIA H100 80GB HBM3", "9.0", "10.5.0")
    monkeypatch.setattr(Machine, "here", lambda: here)
    (tmp_path / "plans").mkdir()
    for stage in NETWORKS:
        (tmp_path / "plans" / here.plan_name(model_path(signed, stage), stage)).write_text("a plan")
    folder = tmp_path / "models"
    fetch(str(signed), folder)
    install_plans(folder, tmp_path / "plans")
    assert ModelRepository.open(folder, trusted).has_plans
    # The plans of models that nobody signed are not gone back to.
    (folder / "manifest.sig").unlink()
    fetch(str(signed), folder, trusted=trusted)
    install_plans(folder, tmp_path / "plans", trusted)
    assert ModelRepository.open(folder, trusted).has_plans
    # Nor are they shipped.
    with pytest.raises(ModelError, match=r"model\.plan is not in manifest\.json"):
        fetch(str(archive(folder, tmp_path)), tmp_path / "elsewhere")


def test_a_list_of_plans_lists_nothing_else(signed: Path) -> None:
    (signed / "plans.json").write_text('{"files": {"cascade/1/model.py": "' + "0" * 64 + '"}}')
    with pytest.raises(ModelError, match="which is no plan"):
        ModelRepository.open(signed)


def test_byte_code_cannot_go_before_what_was_signed(signed: Path, trusted: TrustedKeys, tmp_path: Path) -> None:
    byte_code = model_path(signed, CASCADE).parent / "__pycache__"
    byte_code.mkdir()
    (byte_code / "model.cpython-311.pyc").write_bytes(b"evil")
    with pytest.raises(ModelError, match="is byte code"):
        ModelRepository.open(signed, trusted)
    fetch(str(archive(signed, tmp_path)), tmp_path / "models", trusted=trusted)
    assert not list((tmp_path / "models").resolve().rglob("*.pyc"))


def archive(repository: Path, folder: Path) -> Path:
    """A repository as an archive."""
    return Path(shutil.make_archive(str(folder / "archive"), "gztar", repository.resolve()))
