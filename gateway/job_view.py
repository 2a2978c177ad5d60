"""A job as its owner sees it: in answers, events and webhooks alike."""

from __future__ import annotations

from typing import Any

from gateway.jobs import Job
from gateway.problems import TYPE


def view(job: Job) -> dict[str, Any]:
    """The job as plain JSON values."""
    failed = None
    if job.error_code is not None:
        failed = {
            "type": TYPE + job.error_code,
            "title": "The job failed.",
            "detail": job.error,
            "code": job.error_code,
        }
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
        "problem": failed,
    }
