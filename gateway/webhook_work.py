"""The work of a webhook's job: the owner of a finished job is told at the address that the job names."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any, Final

from awarenet.errors import InvalidInput, NotFound, ServiceError
from gateway.job_runner import Advance
from gateway.job_view import view
from gateway.jobs import WEBHOOK, JobStore, Lease
from gateway.webhooks import WebhookSender, secret_of

_SLOTS: Final = 8
"""Deliveries at once: nearly all of their time is waiting for others."""


class WebhookWork:
    """Delivers webhooks: `{"type": "job.succeeded", "timestamp": "...", "data": JOB}`, or `job.failed`.

    The id of a delivery is that of its job in the queue, the same at every attempt.

    Args:
        jobs: The queue.
        sender: Delivers.
        master: Master secret of webhooks.
        allowed: Whether new jobs may name an address; those that have one are told in any case.
    """

    kind = WEBHOOK
    slots = _SLOTS
    action = "webhook"
    ready = True

    def __init__(self, jobs: JobStore, sender: WebhookSender, master: bytes, *, allowed: bool) -> None:
        self._jobs = jobs
        self._sender = sender
        self._master = master
        self._allowed = allowed

    def check(self, url: str) -> None:
        """Refuses an address that can never be called.

        Raises:
            InvalidInput: It is none, or webhooks are off.
        """
        self._check_allowed()
        self._sender.check(url)

    def secret(self, subject: str) -> str:
        """What a subject checks its webhooks with.

        Raises:
            InvalidInput: Webhooks are off.
        """
        self._check_allowed()
        return secret_of(self._master, subject)

    def _check_allowed(self) -> None:
        if not self._allowed:
            raise InvalidInput("webhooks are off here; ask for the job instead, or have AWARENET_WEBHOOKS=public set")

    async def do(self, lease: Lease, advance: Advance) -> dict[str, Any]:
        """Delivers one webhook; see `gateway.job_runner.Work`.

        Raises:
            InvalidInput: The receiver refused it, or its address may not be called; another attempt is of no use.
            ServiceError: The receiver did not take it.
        """
        request = lease.job.request
        try:
            job = await asyncio.to_thread(self._jobs.get, str(request["job"]))
        except NotFound:
            return {"delivered": False, "reason": "the job was deleted before"}
        payload = {
            "type": f"job.{job.state.value}",
            "timestamp": datetime.fromtimestamp(job.finished or job.created, timezone.utc).isoformat(),
            "data": view(job),
        }
        url = str(request["url"])
        made = await self._sender.deliver(url, secret_of(self._master, job.owner), lease.job.id, payload)
        if made.delivered:
            return {"delivered": True, "status": made.status, "attempts": made.attempts}
        raise (ServiceError if made.again else InvalidInput)(f"the webhook of job {job.id} failed: {made.error}")

    def noted(self, result: dict[str, Any]) -> dict[str, Any]:
        """Nothing beyond that it was done."""
        return {}
