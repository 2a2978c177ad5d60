"""For those who run the service: health, drain, metrics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.services import request_id, services

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Whether this process lives", response_model=None, **docs.LIVE)
async def live() -> dict[str, str]:
    """Answers as long as the event loop turns; restart the process when it does not."""
    return {"status": "alive"}


@router.get("/readyz", summary="Whether this instance answers rightly", response_model=None, **docs.READY)
async def ready(request: Request) -> dict[str, Any]:
    """Asks a question with a known answer through worker, decoder, face engine and every stage on Triton.

    The answer is kept for two seconds.
    """
    parts = services(request)
    parts.audit.check()
    await parts.readiness.check()
    return {"status": "ready", "workers": len(parts.pool.pids)}


@router.post("/drain", summary="Finish what is under way and take nothing new", **docs.DRAIN)
async def drain(
    request: Request,
    principal: Annotated[Principal, requires(Permission.DRAIN)],
    settle_s: Annotated[
        float, Query(ge=0, le=600, description="Seconds in which new work is still taken, while readiness is off.")
    ] = 0.0,
) -> JSONResponse:
    """Turns readiness off, refuses new work, and answers when what is under way is finished. It cannot be undone.

    From the first moment every response closes its connection, so that callers come back elsewhere.
    A second call may be shorter: new work is refused at the first that has settled.
    """
    parts = services(request)
    parts.audit.record(principal, "drain", request_id=request_id(request))
    drained = await parts.lifecycle.drain(parts.settings.drain_timeout_s, settle_s)
    return JSONResponse({"drained": drained, "in_flight": parts.lifecycle.in_flight})


@router.get("/metrics", summary="Prometheus metrics", response_class=Response, **docs.METRICS)
async def metrics(request: Request) -> Response:
    """What Prometheus reads: numbers alone, nothing about who or what."""
    return Response(services(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
