"""Writing results to stdout, whatever becomes of the reader."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

NOT_STARTED: Final = 1
PIPE_CLOSED: Final = 141


def deliver(command: str, text: str) -> None:
    """Writes results to stdout at once.

    Args:
        command: Name of the command, for the complaint.
        text: What to write.

    Raises:
        Exit: Nobody reads any more (`| head`), or stdout cannot take more.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        complain(command, f"cannot write the results to stdout ({error.strerror}); free space or send them elsewhere")
        raise typer.Exit(NOT_STARTED) from None


def complain(command: str, message: object) -> None:
    """Tells people on stderr what is the matter."""
    sys.stderr.write(f"awarenet {command}: {message}\n")
