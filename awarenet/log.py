"""Structured logging: one set-up for every command. Logs go to stderr, results to stdout."""

from __future__ import annotations

import sys

import structlog


def configure(level: str = "info", *, json: bool | None = None) -> None:
    """Sets up structlog for this process.

    Args:
        level: Least severity that is written: debug, info, warning or error.
        json: One JSON object a line when True, text for people when False; None asks whether stderr is a terminal.
    """
    plain = sys.stderr.isatty() if json is None else not json
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if plain else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up at each line: stderr may be replaced while a process runs (tests do it).
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
