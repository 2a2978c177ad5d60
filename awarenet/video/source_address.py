"""What names a live source, checked before anything is opened."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from awarenet.errors import InvalidInput

Kind = Literal["rtsp", "http", "pipe", "webcam"]

_SCHEMES: Final[dict[str, Kind]] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}

_KNOWN: Final = "give rtsp://..., http://..., - or fd:N or a named pipe, or /dev/videoN"


@dataclass(frozen=True)
class Address:
    """A source as it was named.

    Attributes:
        kind: What it is.
        text: The address as FFmpeg or the system takes it.
        shown: The address for messages: without user, password and query.
    """

    kind: Kind
    text: str
    shown: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Understands `rtsp://...`, `http://...`, `-` (standard input), `fd:N`, a named pipe, and `/dev/videoN`.

        Raises:
            InvalidInput: It is none of these.
        """
        if text == "-":
            return cls("pipe", "fd:0", "standard input")
        if text.startswith("fd:"):
            if not text[3:].isdecimal():
                raise InvalidInput(f"source: {text}: expected fd: and the number of an open file descriptor")
            return cls("pipe", text, text)
        if "://" in text:
            return cls(*_parse_url(text))
        path = Path(text)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise InvalidInput(f"source: {text}: cannot be opened ({error.strerror}); {_KNOWN}") from error
        if stat.S_ISFIFO(mode):
            return cls("pipe", text, text)
        if stat.S_ISCHR(mode) and path.name.startswith("video"):
            return cls("webcam", text, text)
        raise InvalidInput(f"source: {text}: no live source; score files with `awarenet detect`, or {_KNOWN}")


def _parse_url(text: str) -> tuple[Kind, str, str]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"source: not a valid address ({error}); {_KNOWN}") from error
    kind = _SCHEMES.get(parts.scheme.lower())
    if kind is None or not host:
        raise InvalidInput(f"source: {parts.scheme}://... is no live source that is read here; {_KNOWN}")
    host = f"[{host}]" if ":" in host else host
    return kind, text, f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"
