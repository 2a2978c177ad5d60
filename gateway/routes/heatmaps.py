"""`POST /v1/heatmap`: where in a face its score comes from."""

from __future__ import annotations

import math
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from awarenet.errors import AwareNetError, InvalidInput
from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.scoring import unless_gone
from gateway.services import request_id, services
from gateway.uploads import receive
from gateway.workers import Task

router = APIRouter(tags=["pictures"])

COST: Final = 20
"""Requests that it counts as: it runs every stage a hundred times."""


@router.post("/v1/heatmap", summary="Explain the score of a face", response_class=JSONResponse, **docs.HEATMAP)
async def heatmap(
    request: Request,
    principal: Annotated[Principal, requires(Permission.DETECT)],
    box: Annotated[
        str, Query(max_length=200, description="A face's `box` of a verdict: `left,top,width,height` in pixels.")
    ],
) -> JSONResponse:
    """Says which parts of a face of a picture speak for a forgery.

    The values are logits of P(fake), above 0 where a part speaks for a forgery; real faces' own pattern is subtracted.
    It shows what the models looked at, not what was forged. It takes seconds, and counts as 20 requests.
    """
    parts = services(request)
    parts.audit.check()
    face = _box(box)
    await parts.access.spend(principal, COST - 1)
    settings = parts.settings
    async with receive(request, items=1, item_bytes=settings.picture_bytes) as (upload,):
        version = parts.models.policy.version
        task = Task("heatmap", upload.name, budget_s=settings.picture_timeout_s, policy=version, box=face)
        try:
            answer = await unless_gone(request, parts.pool.run(task, upload.descriptor))
        except AwareNetError as error:
            parts.metrics.refused(error.code)
            parts.audit.record(principal, "heatmap", error.code, request_id=request_id(request))
            raise
    parts.audit.record(principal, "heatmap", request_id=request_id(request))
    return JSONResponse({**answer["heatmap"], "request_id": request_id(request)})


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        left = top = width = height = math.nan
    if not all(map(math.isfinite, (left, top, width, height))):
        raise InvalidInput(f"box is {text[:100]!r}; give left,top,width,height in pixels")
    return left, top, width, height
