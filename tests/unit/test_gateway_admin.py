"""The stores together: what is held about a subject, what is deleted, and the commands over them."""

from __future__ import annotations

import io
import json
import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from awarenet.errors import Cancelled, ConfigurationError, TamperedData, Unauthorised, Unavailable
from gateway.admin import commands
from gateway.audit import AuditEvent
from gateway.identity import Role
from gateway.jobs import Job, NewJob
from gateway.stores import Retention, Secrets, Stores, open_stores

SECRET = b"s" * 32

Run = Callable[..., Result]


def opened(folder: Path, **changes: Any) -> Stores:
    secrets = changes.pop("secrets", None) or Secrets.derive(SECRET)
    return open_stores(f"sqlite:///{folder / 'gateway.db'}", folder, secrets, **changes)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return opened(tmp_path)


@pytest.fixture
def run(tmp_path: Path, stores: Stores) -> Run:
    app = typer.Typer()
    for name, group in commands(lambda: opened(tmp_path)).items():
        app.add_typer(group, name=name)
    return lambda *arguments, **options: CliRunner().invoke(app, arguments, **options)


def job_with_media(stores: Stores, owner: str, content: bytes) -> Job:
    return stores.jobs.enqueue(owner, NewJob("clip", {"name": f"{owner}.mp4"}, stores.vault.write([content])))[0]


def lived(stores: Stores, subject: str) -> str:
    """Somebody who has used everything; returns their API key."""
    _, key = stores.keys.create(subject, [Role.ANALYST])
    stores.quotas.spend(subject, 10)
    who = stores.pseudonyms.of(subject)
    stores.audit.append(AuditEvent("detect", "allowed", who=who, verdict="fake"))
    job = job_with_media(stores, subject, subject.encode() * 1000)
    stores.audit.append(AuditEvent("jobs.create", "allowed", who=who, resource=job.id))
    return key


def test_an_export_holds_all_of_one_subject_and_nothing_of_another(stores: Stores) -> None:
    key = lived(stores, "anna")
    lived(stores, "bert")
    target = io.BytesIO()
    stores.subjects.export("anna", target)
    with zipfile.ZipFile(target) as archive:
        held = json.loads(archive.read("subject.json"))
        (job,) = held["jobs"]
        assert archive.namelist() == [f"media/{job['id']}", "subject.json"]
        assert archive.read(f"media/{job['id']}") == b"anna" * 1000
        text = archive.read("subject.json").decode()
    assert job["request"] == {"name": "anna.mp4"}
    assert [line["action"] for line in held["audit"]] == ["detect", "jobs.create"]
    assert list(held["use_by_day"].values()) == [1]
    assert held["api_keys"][0]["roles"] == ["analyst"]
    assert "bert" not in text and key.rsplit("_", 1)[1] not in text


def test_an_export_of_nobody_is_empty(stores: Stores) -> None:
    target = io.BytesIO()
    stores.subjects.export("nobody", target)
    with zipfile.ZipFile(target) as archive:
        held = json.loads(archive.read("subject.json"))
    assert held["jobs"] == held["api_keys"] == held["audit"] == []
    assert stores.pseudonyms.known("nobody") is None  # asking leaves no trace


def test_an_export_says_when_media_was_altered(stores: Stores, tmp_path: Path) -> None:
    lived(stores, "anna")
    (media,) = (tmp_path / "media").glob("*.media")
    media.write_bytes(media.read_bytes()[:-1])
    with pytest.raises(TamperedData):
        stores.subjects.export("anna", io.BytesIO())


def test_an_erased_subject_is_in_no_file_any_more_and_the_audit_log_is_whole(stores: Stores, tmp_path: Path) -> None:
    subject = "anna-to-be-erased"
    key = lived(stores, subject)
    kept = lived(stores, "bert")
    lease = stores.jobs.claim("worker", ("clip",))
    assert lease is not None
    gone = stores.subjects.erase(subject)
    assert (gone.jobs, gone.keys) == (1, 1)
    stores.close()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or subject.encode() not in path.read_bytes(), path
    again = opened(tmp_path)
    with pytest.raises(Unauthorised):
        again.keys.authenticate(key)
    with pytest.raises(Cancelled):
        again.jobs.complete(lease, {})
    assert again.keys.authenticate(kept).subject == "bert"
    assert len(again.vault.ids()) == len(again.jobs.find()) == 1
    assert again.audit.verify().whole and again.audit.verify().lines == 4
    assert again.subjects.erase(subject).jobs == 0


def test_an_erasure_that_broke_off_is_finished_by_another(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(stores, "anna")

    def broken(_: str) -> None:
        raise Unavailable("the disk is broken")

    with monkeypatch.context() as patched:
        patched.setattr(stores.vault, "delete", broken)
        with pytest.raises(Unavailable, match="disk is broken"):
            stores.subjects.erase("anna")
    assert len(stores.jobs.find("anna")) == 1
    assert stores.subjects.erase("anna").jobs == 1
    assert stores.vault.ids() == [] and stores.jobs.find("anna") == []


def test_tidying_deletes_what_is_old_and_what_crashes_left(tmp_path: Path) -> None:
    now = [time.time()]
    stores = opened(tmp_path, clock=lambda: now[0])
    job = job_with_media(stores, "anna", b"content")
    lease = stores.jobs.claim("worker", ("clip",))
    assert lease is not None
    left_over = stores.vault.write([b"its request died before the job was there"])
    then = time.time() - 7200
    os.utime(tmp_path / "media" / f"{left_over}.key", (then, then))
    assert stores.tidy(Retention(finished_s=100)) == 1
    assert stores.vault.ids() == [job.media_id]
    stores.jobs.complete(lease, {"verdict": "real"})
    assert stores.tidy(Retention(finished_s=100)) == 1
    assert stores.vault.ids() == [] and stores.jobs.get(job.id).result == {"verdict": "real"}
    now[0] += 101
    assert stores.tidy(Retention(finished_s=100)) == 1
    assert stores.jobs.find() == []


def test_one_secret_gives_keys_that_have_nothing_in_common() -> None:
    made = Secrets.derive(SECRET)
    assert len({made.api_keys, made.audit, made.webhooks, SECRET}) == 4
    assert made.api_keys == Secrets.derive(SECRET).api_keys != Secrets.derive(b"t" * 32).api_keys
    assert "s" * 8 not in repr(made) and made.api_keys.hex() not in repr(made)
    for short in ({"secret": b"x"}, {"secret": SECRET, "media_secret": b"x"}, {"secret": SECRET, "older": [b"x"]}):
        with pytest.raises(ConfigurationError, match="at least 32"):
            Secrets.derive(**short)  # type: ignore[arg-type]


def test_the_secret_of_media_can_be_turned_by_itself(tmp_path: Path, run: Run) -> None:
    before = opened(tmp_path)
    media_id = before.vault.write([b"content"])
    _, key = before.keys.create("anna", [Role.VIEWER])
    both = opened(tmp_path, secrets=Secrets.derive(SECRET, media_secret=b"n" * 32, older=[SECRET]))
    assert both.vault.rotate() == 1
    after = opened(tmp_path, secrets=Secrets.derive(SECRET, media_secret=b"n" * 32))
    assert b"".join(after.vault.read(media_id)) == b"content"
    assert after.keys.authenticate(key).subject == "anna"
    assert after.audit.verify().whole


def test_a_key_is_made_listed_rotated_and_revoked(run: Run, stores: Stores) -> None:
    made = run("keys", "create", "--subject", "anna", "--role", "analyst", "--role", "viewer", "--days", "30")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert key.startswith("awn_") and key not in made.stderr
    assert stores.keys.authenticate(key).roles == {Role.ANALYST, Role.VIEWER}
    key_id = key.split("_")[1]
    listed = run("keys", "list")
    assert key_id in listed.stdout and "analyst viewer" in listed.stdout and key not in listed.stdout
    rotated = run("keys", "rotate", key_id, "--overlap-hours", "0")
    new = rotated.stdout.strip()
    with pytest.raises(Unauthorised, match="expired"):
        stores.keys.authenticate(key)
    new_id = new.split("_")[1]
    assert run("keys", "revoke", new_id).exit_code == 0
    with pytest.raises(Unauthorised, match="revoked"):
        stores.keys.authenticate(new)
    rows = [json.loads(line) for line in run("keys", "list", "--subject", "anna", "--json").stdout.splitlines()]
    assert [row["id"] for row in rows] == [key_id, new_id] and rows[1]["revoked"] is not None
    assert [json.loads(line)["action"] for line in audit_lines(stores)] == ["keys.create", "keys.rotate", "keys.revoke"]


def audit_lines(stores: Stores) -> list[str]:
    folder: Path = stores.audit._folder
    return (folder / "audit-000001.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["keys", "create", "--subject", "anna", "--role", "chef"], 2, "chef"),
        (["keys", "create", "--subject", "", "--role", "viewer"], 2, "a subject has"),
        (["keys", "create", "--subject", "anna", "--role", "viewer", "--days", "-1"], 2, "lifetime"),
        (["keys", "revoke", "nosuch"], 2, "there is no API key nosuch"),
        (["jobs", "delete", "nosuch"], 2, "there is no job nosuch"),
        (["audit", "verify", "--anchor", "nonsense"], 2, "NUMBER:HASH"),
        (["subject", "export", "anna", "/nonexistent/anna.zip"], 1, "cannot be written"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(run: Run, arguments: list[str], code: int, message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code and message in done.stderr and "Traceback" not in done.output


def test_the_audit_command_prints_an_anchor_and_finds_a_broken_log(run: Run, stores: Stores) -> None:
    lived(stores, "anna")
    first = run("audit", "verify")
    assert first.exit_code == 0
    anchor = first.stdout.strip()
    assert anchor.startswith("2:") and run("audit", "verify", "--anchor", anchor).exit_code == 0
    file: Path = stores.audit._folder / "audit-000001.jsonl"
    file.write_text(file.read_text().replace("fake", "real"))
    broken = run("audit", "verify")
    assert broken.exit_code == 3 and "audit-000001.jsonl, line 1" in broken.stderr


def test_jobs_are_listed_cancelled_deleted_and_tidied(run: Run, stores: Stores) -> None:
    job = job_with_media(stores, "anna", b"content")
    assert job.id in run("jobs", "list").stdout
    assert run("jobs", "cancel", job.id).exit_code == 0
    (row,) = [json.loads(line) for line in run("jobs", "list", "--owner", "anna", "--json").stdout.splitlines()]
    assert row["state"] == "cancelled"
    assert run("jobs", "tidy").stdout == "1\n"
    assert run("jobs", "delete", job.id).exit_code == 0
    assert stores.jobs.find() == [] and run("media", "rotate").stdout == "0\n"


def test_a_subject_is_exported_into_a_file_of_ones_own_and_erased(run: Run, stores: Stores, tmp_path: Path) -> None:
    lived(stores, "anna")
    target = tmp_path / "anna.zip"
    assert run("subject", "export", "anna", str(target)).exit_code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert zipfile.ZipFile(target).testzip() is None
    assert run("subject", "erase", "anna", input="n\n").exit_code == 1
    assert len(stores.jobs.find("anna")) == 1
    done = run("subject", "erase", "anna", "--yes")
    assert done.exit_code == 0 and "1 jobs and 1 API keys" in done.stdout
    assert stores.jobs.find("anna") == [] and stores.audit.verify().whole


def test_an_export_that_fails_leaves_no_file(run: Run, stores: Stores, tmp_path: Path) -> None:
    lived(stores, "anna")
    next((tmp_path / "media").glob("*.media")).unlink()
    (tmp_path / "out").mkdir()
    done = run("subject", "export", "anna", str(tmp_path / "out" / "anna.zip"))
    assert done.exit_code == 1 and "missing" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
