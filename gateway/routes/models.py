"""`GET /v1/model`: what judges here, by which thresholds, and within which limits."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from awarenet import __version__
from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.services import services

router = APIRouter(tags=["models"])


@router.get("/v1/model", summary="Models, thresholds and limits", response_class=JSONResponse, **docs.MODEL)
async def model(
    request: Request,
    _principal: Annotated[Principal, requires(Permission.MODELS_READ)],
    if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer.")] = None,
) -> Response:
    """Which models and policy are in force, how the thresholds were measured, and what this service takes."""
    parts = services(request)
    policy, settings = parts.models.policy, parts.settings
    thresholds = {name: getattr(policy, name) for name in docs.THRESHOLDS}
    content: dict[str, Any] = {
        "version": __version__,
        "model_version": policy.model_version,
        "policy_version": policy.version,
        "face_engine": parts.pool.face_engine,
        "thresholds": thresholds,
        "leakage": dataclasses.asdict(policy.leakage),
        "data": policy.data,
        "models": dict(policy.models),
        "limits": {name: getattr(settings, name) for name in docs.LIMITS},
    }
    text = json.dumps(content)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and etag in {tag.strip() for tag in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)
