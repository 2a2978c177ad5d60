"""The kinds of job, and what follows from which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.jobs.job import Job, NewJob

CLIP: Final = "clip"
"""Media is judged; `request` has its `name`, the `route`, and the address of a `webhook` where one was named."""

WEBHOOK: Final = "webhook"
"""The owner of a finished `job` is told at a `url`."""


def follow(job: Job) -> Sequence[NewJob]:
    """The webhook that follows from a finished job which names an address; see `gateway.jobs.Follow`."""
    url = job.request.get("webhook")
    return [] if url is None or job.kind != CLIP else [NewJob(WEBHOOK, {"job": job.id, "url": url})]
