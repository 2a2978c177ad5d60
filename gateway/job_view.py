"""A job as its owner sees it: in answers, events and webhooks alike."""

from __future__ import annotations

from typing import Any

from gateway.jobs import Job
from gateway.problems import job_problem


def view(job: Job) -> dict[str, Any]:
    """The job as plain JSON values."""
    result = job.result or {}
    return {
        "id": job.id,
        "state": job.state.value,
        "progress": job.progress,
        "attempts": job.attempts,
        "name": job.request.get("name"),
        "route": job.request.get("route"),
        "webhook": job.request.get("webhook"),
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "verdict": result.get("verdict"),
        "content_credentials": result.get("content_credentials"),
        "problem": None if job.error_code is None else job_problem(job.error_code, job.error or "", job.id),
    }
