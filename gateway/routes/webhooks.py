"""`GET /v1/webhooks/secret`: what a receiver of webhooks checks them with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from awarenet.errors import InvalidInput
from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.outbound import OutboundRules
from gateway.services import services
from gateway.settings import Settings

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
    parts = services(request)
    outbound_rules(parts.settings)
    return JSONResponse({"secret": parts.webhooks.secret(principal.subject)}, headers={"Cache-Control": "no-store"})


def outbound_rules(settings: Settings) -> OutboundRules:
    """What webhooks may call.

    Raises:
        InvalidInput: Nothing: they are off.
    """
    if settings.webhooks == "off":
        raise InvalidInput("webhooks are off here; ask for the job instead, or have AWARENET_WEBHOOKS=public set")
    return OutboundRules(loopback_http=settings.webhooks == "local")
