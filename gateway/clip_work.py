"""The work of a clip's job: its media is decrypted into memory and scored by a worker."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from gateway.job_runner import Advance
from gateway.jobs import CLIP, Lease
from gateway.scoring import Scorer
from gateway.vault import Vault
from gateway.workers import Task, WorkerPool


class ClipWork:
    """Scores clips.

    Args:
        vault: Where their media is.
        pool: Workers of their own: a clip takes seconds, and pictures must not wait for it.
        scorer: Knows the policy, and counts verdicts.
        timeout_s: Longest time for one attempt.
    """

    kind = CLIP
    action = "jobs.result"

    def __init__(self, vault: Vault, pool: WorkerPool, scorer: Scorer, timeout_s: float) -> None:
        self.slots = pool.size
        self._vault = vault
        self._pool = pool
        self._scorer = scorer
        self._timeout_s = timeout_s

    @property
    def ready(self) -> bool:
        """Whether Triton has ever said which models it has."""
        return self._scorer.models.known is not None

    async def do(self, lease: Lease, advance: Advance) -> dict[str, Any]:
        """Scores one clip; see `gateway.job_runner.Work`."""
        job = lease.job
        media = os.memfd_create("clip", os.MFD_CLOEXEC)
        try:
            await asyncio.to_thread(self._decrypt, str(job.media_id), media)
            task = Task(
                "media",
                str(job.request.get("name", "media")),
                job.request.get("route", "cascade"),
                self._timeout_s,
                self._scorer.models.policy.version,
            )
            answer = await self._scorer.run(task, media, pool=self._pool, progress=advance)
            return {name: answer[name] for name in ("verdict", "content_credentials")}
        finally:
            os.close(media)

    def noted(self, result: dict[str, Any]) -> dict[str, Any]:
        """The verdict, and who gave it."""
        return {name: result["verdict"][name] for name in ("verdict", "model_version", "policy_version")}

    def _decrypt(self, media_id: str, media: int) -> None:
        for part in self._vault.read(media_id):
            while part:
                part = part[os.write(media, part) :]
