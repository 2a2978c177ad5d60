"""Live sessions over WebSocket: what is kept of each, and for how long."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Final

from awarenet.errors import Conflict, NotFound, Overloaded

_TOKEN_BYTES: Final = 24


@dataclass(eq=False)
class Session:
    """One live session. No picture is kept, only scores.

    Attributes:
        token: What its client names it by; not to be guessed.
        owner: The subject that it belongs to.
        begun: Monotone instant of its beginning.
        state: What is known of the people in it (`awarenet.video.live.LiveState`); None before the first frame.
        last: Stream time of the last frame that was judged.
        frames: Frames received.
        dropped: Frames that a newer one replaced.
        judged: Frames judged.
        connected: Whether its client is there.
        left: Monotone instant at which the client was last there.
    """

    token: str
    owner: str
    begun: float = field(default_factory=time.monotonic)
    state: str | None = None
    last: float = 0.0
    frames: int = 0
    dropped: int = 0
    judged: int = 0
    connected: bool = True
    left: float = 0.0

    @property
    def now(self) -> float:
        """Stream time, in seconds from the session's beginning."""
        return time.monotonic() - self.begun


class Streams:
    """The sessions of one gateway.

    Args:
        limit: Most sessions, waiting ones included.
        resume_s: Seconds for which a session waits for its client to come back.
    """

    def __init__(self, limit: int, resume_s: float) -> None:
        self._limit = limit
        self._resume_s = resume_s
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, owner: str) -> Session:
        """A new session.

        Raises:
            Overloaded: There are too many.
        """
        self._forget()
        if len(self._sessions) >= self._limit:
            raise Overloaded(f"{self._limit} streams are open, which is the limit; try again later", retry_after_s=5)
        session = Session(secrets.token_urlsafe(_TOKEN_BYTES), owner)
        self._sessions[session.token] = session
        return session

    def resume(self, token: str, owner: str) -> Session:
        """A session whose client has come back.

        Raises:
            NotFound: It is not known any more, or another's.
            Conflict: It is in use.
        """
        self._forget()
        session = self._sessions.get(token)
        if session is None or session.owner != owner:
            raise NotFound("there is no such session, or it has ended; begin a new one")
        if session.connected:
            raise Conflict("this session is in use by another connection; close that first")
        session.connected = True
        return session

    def leave(self, session: Session) -> None:
        """Keeps a session for its client to come back."""
        session.connected, session.left = False, time.monotonic()

    def end(self, session: Session) -> None:
        """Forgets a session."""
        self._sessions.pop(session.token, None)

    def _forget(self) -> None:
        oldest = time.monotonic() - self._resume_s
        for session in list(self._sessions.values()):
            if not session.connected and session.left < oldest:
                self.end(session)
