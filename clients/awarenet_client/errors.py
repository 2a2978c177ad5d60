"""The client's exception tree: the same errors over gRPC and HTTP."""

from __future__ import annotations

from typing import Final


class ClientError(Exception):
    """Root of the tree; catch it to catch everything that this package raises on purpose."""


class InvalidRequest(ClientError):
    """The request cannot be answered as it is; sending it again will not help."""


class ServerError(ClientError):
    """The server failed, or it is no AWARE-NET server."""


class Unavailable(ServerError):
    """The server is absent, starting, draining, or its queue is full; a retry later may succeed."""


class DeadlineExceeded(ClientError):
    """The deadline passed before the answer was there."""


class Cancelled(ClientError):
    """The request was withdrawn before it was answered."""


_BY_STATUS: Final[dict[str, type[ClientError]]] = {
    # gRPC status names, and the HTTP statuses that Triton and the proxies before it answer with.
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "RESOURCE_EXHAUSTED": InvalidRequest,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CANCELLED": Cancelled,
    "400": InvalidRequest,
    "413": InvalidRequest,
    "408": DeadlineExceeded,
    "504": DeadlineExceeded,
    "499": Cancelled,
    "429": Unavailable,
    "502": Unavailable,
    "503": Unavailable,
}

_REMEDY: Final[dict[type[ClientError], str]] = {
    InvalidRequest: "correct the request",
    ServerError: "see the server's log",
    Unavailable: "start it with `awarenet serve`, check the address, or try again later",
    DeadlineExceeded: "raise `timeout`, send smaller batches, or lower the load",
    Cancelled: "send it again if the answer is still wanted",
}

_LATE: Final = ("timeout expired", "deadline exceeded")
"""Triton has no code of its own for a deadline that passes in a queue or between stages: it answers UNAVAILABLE."""

_PASSING: Final = ("is not healthy", "no available versions", "not at ready state")
"""Triton calls a model whose process died, or that is draining or loaded again, INTERNAL or NOT_FOUND: both pass."""


def from_status(url: str, status: str, detail: str) -> ClientError:
    """The error for a status of either protocol.

    Args:
        url: The server, as the caller named it.
        status: gRPC status (`StatusCode.UNAVAILABLE` or `UNAVAILABLE`) or HTTP status (`503`).
        detail: The server's or the network's own words.
    """
    kind = _BY_STATUS.get(status.removeprefix("StatusCode."), ServerError)
    if kind is ServerError and any(words in detail for words in _PASSING):
        kind = Unavailable
    if kind is Unavailable and any(words in detail.lower() for words in _LATE):
        kind = DeadlineExceeded
    words = " ".join(detail.split()) or status
    return kind(f"{url}: {words}; {_REMEDY[kind]}")
