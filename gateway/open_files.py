"""Room for connections: each takes a file descriptor, and systems allow 1,024 unless they are asked."""

from __future__ import annotations

import resource
from typing import Final

import structlog

_OWN: Final = 512
"""Descriptors for everything but connections: databases, media on its way, workers."""

_log = structlog.get_logger("gateway")


def make_room(streams: int, connections: int) -> int:
    """Raises this process's limit on open files as far as it is needed and allowed; says so where that is too little.

    Args:
        streams: WebSockets that shall be open at once.
        connections: Other connections that shall.

    Returns:
        The limit in force.
    """
    needed = streams + connections + _OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _log.warning(
            "too few open files are allowed; connections beyond will wait",
            allowed=allowed,
            needed=needed,
            streams=streams,
            connections=connections,
            remedy="raise the hard limit (`ulimit -Hn`, LimitNOFILE, the container's ulimits), or lower "
            "AWARENET_STREAMS or AWARENET_CONNECTIONS",
        )
    return allowed
