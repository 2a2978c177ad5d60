"""`GET /v1/webhooks/secret`: what a receiver of webhooks checks them with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.services import services

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/webhooks/secret", summary="The secret of your webhooks", response_class=JSONResponse, **docs.WEBHOOK_SECRET
)
async def secret(request: Request, principal: Annotated[Principal, requires(Permission.JOBS_CREATE)]) -> JSONResponse:
    """The secret that signs the webhooks of the caller's jobs, in the format of Standard Webhooks.

    A webhook is a POST of `{"type": "job.succeeded", "timestamp": "...", "data": JOB}` (or `job.failed`) with the
    headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. It may come more than once: drop ids that you
    have seen.
    """
    told = services(request).webhooks.secret(principal.subject)
    return JSONResponse({"secret": told}, headers={"Cache-Control": "no-store"})
