"""What the commands say and keep, and the loop that they run on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from rich.console import Console
from rich.table import Table

from awarenet.errors import DataError

T = TypeVar("T")


def say(message: str) -> None:
    """Tells what is going on, on stderr: stdout is for tables."""
    sys.stderr.write(f"load: {message.removeprefix('load: ')}\n")


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end on uvloop, which leaves more of the cores to the service."""
    loop = uvloop.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(work)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def write(out: Path, result: Mapping[str, Any]) -> None:
    """Keeps a result as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def read(path: Path, remedy: str) -> Any:
    """Reads what `write` wrote.

    Args:
        path: The file.
        remedy: The command that makes it.

    Raises:
        DataError: It is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"load: {path} cannot be read ({error}); make it with `{remedy}`") from error


def show(head: tuple[str, ...], *rows: tuple[str, ...]) -> None:
    """Prints a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def milliseconds(value: float | None) -> str:
    """A duration for people."""
    return "-" if value is None else f"{value:.0f} ms"
