"""`WS /v1/stream`: binary frames in, one JSON answer a judged frame out.

A frame that comes while another is being judged replaces one that waits: who sends faster than the service judges gets
answers about the newest frames, and is told how many were dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from awarenet.errors import AwareNetError, Forbidden, InvalidInput, Overloaded, TooManyRequests
from gateway.identity import Permission, Principal
from gateway.problems import problem, respond
from gateway.services import Services, request_id, services
from gateway.streams import Session
from gateway.timing import within
from gateway.workers import Task

router = APIRouter()

PROTOCOL: Final = "awarenet.v1"
KEY_PROTOCOL: Final = "awarenet.key."
"""Browsers cannot send headers with a WebSocket: they offer `awarenet.v1` and this with the API key behind it."""

_SPEND_S: Final = 10.0
"""A stream counts as one request in so many seconds."""

_NORMAL, _GOING_AWAY, _POLICY, _RESTART = 1000, 1001, 1008, 1012


@router.websocket("/v1/stream")
async def stream(socket: WebSocket, session: str | None = None) -> None:
    """Judges a live stream; `session` names one to go on with."""
    parts = services(socket)
    try:
        principal = await _admit(parts, socket)
        held = (
            parts.streams.begin(principal.subject)
            if session is None
            else parts.streams.resume(session, principal.subject)
        )
    except AwareNetError as error:
        await socket.send_denial_response(respond(error, request_id(socket)))
        return
    offered = socket.scope.get("subprotocols", [])
    connection = _Connection(parts, socket, principal, held)
    parts.metrics.streams.inc()
    try:
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        await connection.run(resumed=session is not None)
    finally:
        parts.metrics.streams.dec()


async def _admit(parts: Services, socket: WebSocket) -> Principal:
    parts.lifecycle.check()
    parts.audit.check()
    headers = dict(socket.headers)
    origin = headers.get("origin")
    if origin and origin not in parts.settings.cors_origins and urlsplit(origin).netloc != headers.get("host"):
        raise Forbidden(f"pages of {origin[:100]} may not open streams here; add it to AWARENET_CORS_ORIGINS")
    for offered in socket.scope.get("subprotocols", []):
        if offered.startswith(KEY_PROTOCOL):
            headers["x-api-key"] = offered.removeprefix(KEY_PROTOCOL)
    address = socket.client.host if socket.client else ""
    return await parts.access.admit(headers, address, Permission.STREAM)


class _Connection:
    """One client and its session."""

    def __init__(self, parts: Services, socket: WebSocket, principal: Principal, session: Session) -> None:
        self._parts = parts
        self._socket = socket
        self._principal = principal
        self._session = session
        self._newest: tuple[int, float, bytes] | None = None
        self._arrived = asyncio.Event()
        self._finished = False

    async def run(self, *, resumed: bool) -> None:
        """Serves until the client ends or leaves, or the service does."""
        session = self._session
        self._audit("stream.resume" if resumed else "stream.begin")
        await self._say(
            {
                "type": "session",
                "session": session.token,
                "resumed": resumed,
                "frames": session.frames,
                "frame_bytes": self._parts.settings.frame_bytes,
                "resume_s": self._parts.settings.stream_resume_s,
            }
        )
        tasks = [
            asyncio.ensure_future(work) for work in (self._listen(), self._judge(), self._pay(), self._watch_drain())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self._finished:
                self._parts.streams.end(session)
            else:
                self._parts.streams.leave(session)
            self._audit("stream.end")
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, (WebSocketDisconnect, RuntimeError)):
                raise result

    async def _listen(self) -> None:
        """Takes frames; the newest replaces one that waits."""
        session, settings = self._session, self._parts.settings
        while True:
            try:
                message = await within(settings.stream_idle_s, self._socket.receive())
            except asyncio.TimeoutError:
                await self._close(_GOING_AWAY, f"no frame for {settings.stream_idle_s:g} s")
                return
            if message["type"] == "websocket.disconnect":
                return
            if (frame := message.get("bytes")) is not None:
                if self._newest is not None:
                    self._drop()
                self._newest = session.frames, session.now, frame
                session.frames += 1
                self._arrived.set()
            elif not await self._command(str(message.get("text"))):
                return

    async def _command(self, text: str) -> bool:
        """Does what a text message says; whether to go on."""
        try:
            command: Any = json.loads(text)
        except ValueError:
            command = None
        if not isinstance(command, dict) or command.get("type") != "end":
            error = InvalidInput('a text message must be {"type": "end"}; frames are binary messages')
            await self._say({"type": "error", "problem": problem(error, request_id(self._socket))})
            return True
        self._finished = True
        session = self._session
        await self._say(
            {"type": "summary", "frames": session.frames, "judged": session.judged, "dropped": session.dropped}
        )
        await self._close(_NORMAL, "ended")
        return False

    async def _judge(self) -> None:
        session = self._session
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._newest is None:
                continue
            (number, time_s, frame), self._newest = self._newest, None
            if len(frame) > self._parts.settings.frame_bytes:
                limit = self._parts.settings.frame_bytes
                await self._refuse(number, InvalidInput(f"frame {number} has more than {limit:,} bytes; scale it down"))
                continue
            begun = time.perf_counter()
            try:
                answer = await self._look(number, time_s, frame)
            except Overloaded:
                self._drop()
                continue
            except AwareNetError as error:
                self._parts.metrics.refused(error.code)
                await self._refuse(number, error)
                continue
            session.state, session.last = answer["state"], time_s
            session.judged += 1
            await self._say(
                {
                    "type": "verdict",
                    "frame": number,
                    **answer["score"],
                    "dropped": session.dropped,
                    "latency_ms": round((time.perf_counter() - begun) * 1000, 1),
                    "model_version": answer["model_version"],
                    "policy_version": answer["policy_version"],
                }
            )

    async def _look(self, number: int, time_s: float, frame: bytes) -> dict[str, Any]:
        session = self._session
        task = Task(
            "frame",
            f"frame {number}",
            budget_s=self._parts.settings.frame_timeout_s,
            policy=self._parts.models.policy.version,
            time_s=time_s,
            state=session.state,
            away_s=max(0.0, time_s - session.last),
        )
        media = os.memfd_create("frame", os.MFD_CLOEXEC)
        try:
            os.write(media, frame)
            return await self._parts.pool.run(task, media)
        finally:
            os.close(media)

    async def _pay(self) -> None:
        while True:
            await asyncio.sleep(_SPEND_S)
            try:
                await self._parts.access.spend(self._principal, 1)
            except TooManyRequests as error:
                await self._close(_POLICY, str(error))
                return

    async def _watch_drain(self) -> None:
        await self._parts.lifecycle.ending.wait()
        await self._say({"type": "ending", "detail": "this instance ends; connect again to begin a new session"})
        await self._close(_RESTART, "the service restarts")

    def _drop(self) -> None:
        self._session.dropped += 1
        self._parts.metrics.frames_dropped.inc()

    async def _refuse(self, number: int, error: AwareNetError) -> None:
        await self._say({"type": "error", "frame": number, "problem": problem(error, request_id(self._socket))})

    async def _say(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message, allow_nan=False))

    async def _close(self, code: int, reason: str) -> None:
        with suppress(RuntimeError):
            await self._socket.close(code, reason[:120])

    def _audit(self, action: str) -> None:
        self._parts.audit.record(self._principal, action, request_id=request_id(self._socket))
