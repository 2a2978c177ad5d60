"""Commands for whoever runs the service: `python -m gateway keys | audit | jobs | media | subject`.

They work on the stores directly, beside running gateways, and leave their own lines in the audit log.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from awarenet.errors import AwareNetError, InvalidInput, ReportError
from gateway.audit import AuditEvent, Head
from gateway.identity import ApiKey, Role, new_key
from gateway.jobs import Job
from gateway.stores import Retention, Stores

FAILED: Final = 1
BAD_USAGE: Final = 2
BROKEN: Final = 3
"""Exit code of `audit verify` when the log is broken."""

_DAY_S: Final = 86_400.0
_WIDTH: Final = 10_000
"""Columns of a table where it does not go to a terminal: a row stays one line."""

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")]
JobId = Annotated[str, typer.Argument(help="Id of the job.")]
Subject = Annotated[str, typer.Argument(help="The subject.")]


def commands(open_stores: Callable[[], Stores]) -> dict[str, typer.Typer]:
    """The groups of commands, by the names under which to mount them.

    Args:
        open_stores: Opens the stores as the service's settings say; called by each command, closed at its end.
    """
    stores = _opened(open_stores)
    return {
        "keys": _keys(stores),
        "audit": _audit(stores),
        "jobs": _jobs(stores),
        "media": _media(stores),
        "subject": _subject(stores),
    }


_Opened = Callable[[], Any]
"""A context manager of `Stores` that turns errors into messages and exit codes."""


def _opened(open_stores: Callable[[], Stores]) -> _Opened:
    @contextmanager
    def opened() -> Iterator[Stores]:
        try:
            stores = open_stores()
            try:
                yield stores
            finally:
                stores.close()
        except AwareNetError as error:
            sys.stderr.write(f"gateway: {error}\n")
            raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else FAILED) from error

    return opened


def _keys(opened: _Opened) -> typer.Typer:
    app = _group("API keys.")

    @app.command()
    def create(
        subject: Annotated[str, typer.Option(help="Whom the key speaks for.")],
        role: Annotated[list[Role], typer.Option(help="What its bearer is; may be given several times.")],
        name: Annotated[str, typer.Option(help="What people call it.")] = "",
        days: Annotated[float | None, typer.Option(help="Days until it expires; never without.")] = None,
        per_minute: Annotated[float | None, typer.Option(help="Its own rate limit.")] = None,
        per_day: Annotated[int | None, typer.Option(help="Its own daily quota.")] = None,
    ) -> None:
        """Makes a key and prints it, this once, alone on stdout."""
        with opened() as stores:
            made, key = stores.keys.create(
                subject,
                role,
                name=name,
                lifetime_s=None if days is None else days * _DAY_S,
                requests_per_minute=per_minute,
                requests_per_day=per_day,
            )
            _note(stores, "keys.create", made.id)
            _tell_key(made, key)

    @app.command()
    def generate() -> None:
        """Prints a new key for AWARENET_FIRST_API_KEY, and keeps nothing."""
        sys.stdout.write(f"{new_key()}\n")

    @app.command("list")
    def show(
        subject: Annotated[str | None, typer.Option(help="Only this subject's.")] = None, as_json: Json = False
    ) -> None:
        """Lists keys; their secrets are not known to the service."""
        with opened() as stores:
            found = stores.keys.find(subject)
        if as_json:
            _write_json([_plain(key) for key in found])
            return
        columns = ("id", "subject", "name", "roles", "created", "expires", "revoked", "last used")
        _write_table(columns, [_key_row(key) for key in found])

    @app.command()
    def rotate(
        key_id: KeyId,
        overlap_hours: Annotated[float, typer.Option(min=0, help="Hours for which the old key still works.")] = 24.0,
    ) -> None:
        """Makes a new key in the place of an old one and prints it, this once, alone on stdout."""
        with opened() as stores:
            made, key = stores.keys.rotate(key_id, overlap_s=overlap_hours * 3600.0)
            _note(stores, "keys.rotate", key_id)
            _tell_key(made, key)

    @app.command()
    def revoke(key_id: KeyId) -> None:
        """Ends a key at once."""
        with opened() as stores:
            stores.keys.revoke(key_id)
            _note(stores, "keys.revoke", key_id)

    return app


def _audit(opened: _Opened) -> typer.Typer:
    app = _group("The audit log.")

    @app.command()
    def verify(
        anchor: Annotated[
            str | None,
            typer.Option(help="NUMBER:HASH as an earlier run printed it; the log must still hold that line."),
        ] = None,
    ) -> None:
        """Checks every line of the log; exit 0 when it is whole, 3 when not.

        Prints the last good line as NUMBER:HASH. Keep it elsewhere and give it as the anchor next time.
        """
        with opened() as stores:
            found = stores.audit.verify(None if anchor is None else _head(anchor))
        sys.stdout.write(f"{found.head.number}:{found.head.hash}\n")
        if found.broken is not None:
            sys.stderr.write(f"gateway: the audit log is broken: {found.broken}\n")
            raise typer.Exit(BROKEN)

    return app


def _jobs(opened: _Opened) -> typer.Typer:
    app = _group("Jobs.")

    @app.command("list")
    def show(
        owner: Annotated[str | None, typer.Option(help="Only this subject's.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=500, help="Most jobs listed.")] = 50,
        as_json: Json = False,
    ) -> None:
        """Lists jobs, the newest first."""
        with opened() as stores:
            found = stores.jobs.find(owner, limit=limit)
        if as_json:
            _write_json([_plain(job) for job in found])
            return
        columns = ("id", "kind", "owner", "state", "progress", "attempts", "created", "finished", "error")
        _write_table(columns, [_job_row(job) for job in found])

    @app.command()
    def cancel(job_id: JobId) -> None:
        """Ends a job that is not finished."""
        with opened() as stores:
            stores.jobs.cancel(job_id)
            _note(stores, "jobs.cancel", job_id)

    @app.command()
    def delete(job_id: JobId) -> None:
        """Deletes a job and its media for good."""
        with opened() as stores:
            stores.jobs.delete(job_id)
            _note(stores, "jobs.delete", job_id)

    @app.command()
    def tidy(
        keep_days: Annotated[float, typer.Option(min=0, help="Days for which finished jobs are kept.")] = 7.0,
        keep_media_days: Annotated[float, typer.Option(min=0, help="Days for which their media is kept.")] = 0.0,
    ) -> None:
        """Deletes what was kept long enough and what crashes left, as running gateways do by themselves."""
        with opened() as stores:
            gone = stores.tidy(Retention(keep_days * _DAY_S, keep_media_days * _DAY_S))
        sys.stdout.write(f"{gone}\n")

    return app


def _media(opened: _Opened) -> typer.Typer:
    app = _group("Media of jobs.")

    @app.callback()
    def group() -> None:
        """Media of jobs."""

    @app.command()
    def rotate() -> None:
        """Wraps every data key under the current master key; the older master keys can be thrown away after it."""
        with opened() as stores:
            turned = stores.vault.rotate()
            _note(stores, "media.rotate")
        sys.stdout.write(f"{turned}\n")

    return app


def _subject(opened: _Opened) -> typer.Typer:
    app = _group("All that is held about a subject.")

    @app.command()
    def export(subject: Subject, file: Annotated[Path, typer.Argument(help="The ZIP archive to write.")]) -> None:
        """Writes all that is held about a subject into an archive that nobody else can read."""
        with opened() as stores:
            _export(stores, subject, file)
            _note(stores, "subject.export", who=stores.pseudonyms.known(subject))

    @app.command()
    def erase(
        subject: Subject,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Deletes all that is held about a subject for good."""
        if not yes:
            typer.confirm(f"Delete every job, medium and API key of {subject} for good?", abort=True)
        with opened() as stores:
            _note(stores, "subject.erase", who=stores.pseudonyms.known(subject))
            gone = stores.subjects.erase(subject)
        sys.stdout.write(f"{gone.jobs} jobs and {gone.keys} API keys deleted\n")

    return app


def _group(help_text: str) -> typer.Typer:
    app = typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(lambda: None)  # a group, also where it has one command alone
    return app


def _note(stores: Stores, action: str, resource: str | None = None, who: str | None = None) -> None:
    """Leaves a line in the audit log; who works at the console is not known to the service."""
    stores.audit.append(AuditEvent(action, "console", who=who, resource=resource))


def _export(stores: Stores, subject: str, file: Path) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            stores.subjects.export(subject, target)
        temporary.replace(file)
    except OSError as error:
        raise ReportError(f"{file} cannot be written ({error.strerror}); choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def _head(text: str) -> Head:
    number, _, digest = text.partition(":")
    if not (number.isascii() and number.isdigit() and len(digest) == 64):
        raise InvalidInput(f"{text} is no anchor; give NUMBER:HASH as `audit verify` printed it")
    return Head(int(number), digest)


def _tell_key(made: ApiKey, key: str) -> None:
    sys.stderr.write(f"key {made.id} of {made.subject}; it is shown this once:\n")
    sys.stdout.write(f"{key}\n")


def _key_row(key: ApiKey) -> list[str]:
    roles = " ".join(sorted(role.value for role in key.roles))
    times = [_time(at) for at in (key.created, key.expires, key.revoked, key.last_used)]
    return [key.id, key.subject, key.name, roles, *times]


def _job_row(job: Job) -> list[str]:
    times = [_time(at) for at in (job.created, job.finished)]
    done = f"{job.progress:.0%}"
    return [job.id, job.kind, job.owner, job.state.value, done, str(job.attempts), *times, job.error_code or ""]


def _time(at: float | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(record: ApiKey | Job) -> dict[str, Any]:
    values = dataclasses.asdict(record)
    if isinstance(record, ApiKey):
        values["roles"] = sorted(role.value for role in record.roles)
    return values


def _write_json(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write(captured.get())
