"""`POST /v1/detect` and `POST /v1/batch`: pictures in, verdicts out at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from awarenet.errors import AwareNetError
from awarenet.stages import Route
from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal
from gateway.problems import problem
from gateway.scoring import Scored, unless_gone
from gateway.services import Services, request_id, services
from gateway.uploads import Upload, receive

router = APIRouter(tags=["pictures"])

Caller = Annotated[Principal, requires(Permission.DETECT)]
RouteChoice = Annotated[Route, Query(description="`full` runs every stage on every face, for audits.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A name for this request: sent again under it, it gets the first answer and costs nothing.",
    ),
]


@router.post("/v1/detect", summary="Judge one picture", response_class=JSONResponse, **docs.DETECT)
async def detect(
    request: Request, principal: Caller, route: RouteChoice = "cascade", idempotency_key: IdempotencyKey = None
) -> Response:
    """Finds the faces of a picture and says of each how likely it is forged.

    The body is a multipart form with one file, or the bytes of the picture themselves. What it is is decided by its
    content.
    """
    parts = services(request)
    parts.audit.check()
    async with receive(request, items=1, item_bytes=parts.settings.picture_bytes) as (upload,):

        async def work() -> Scored:
            try:
                scored = await parts.scorer.picture(upload, route)
            except AwareNetError as error:
                parts.audit.record(principal, "detect", error.code, request_id=request_id(request))
                raise
            _audit(parts, principal, request, scored.verdict)
            return scored

        fingerprint = _fingerprint("detect", route, [upload])
        once = parts.idempotency.once(principal.subject, idempotency_key, fingerprint, work)
        scored, repeated = await unless_gone(request, once)
    answer = {
        **scored.verdict,
        "content_credentials": scored.content_credentials,
        "request_id": request_id(request),
    }
    return _json(answer, {"ETag": scored.etag, **_repeated(repeated)})


@router.post("/v1/batch", summary="Judge several pictures", response_class=JSONResponse, **docs.BATCH)
async def batch(
    request: Request, principal: Caller, route: RouteChoice = "cascade", idempotency_key: IdempotencyKey = None
) -> Response:
    """Judges the files of a multipart form, in order; each gets a verdict or a problem of its own."""
    parts = services(request)
    parts.audit.check()
    settings = parts.settings
    async with receive(request, items=settings.batch_items, item_bytes=settings.picture_bytes) as uploads:
        await parts.access.spend(principal, len(uploads) - 1)
        room = asyncio.Semaphore(parts.pool.size)

        async def one(upload: Upload) -> dict[str, Any]:
            async with room:
                try:
                    scored = await parts.scorer.picture(upload, route, admitted=True)
                except AwareNetError as error:
                    parts.audit.record(principal, "detect", error.code, request_id=request_id(request))
                    return {"name": upload.name, "problem": problem(error, request_id(request))}
                _audit(parts, principal, request, scored.verdict)
                return {
                    "name": upload.name,
                    "verdict": scored.verdict,
                    "content_credentials": scored.content_credentials,
                }

        async def work() -> list[dict[str, Any]]:
            return list(await asyncio.gather(*map(one, uploads)))

        fingerprint = _fingerprint("batch", route, uploads)
        once = parts.idempotency.once(principal.subject, idempotency_key, fingerprint, work)
        items, repeated = await unless_gone(request, once)
    return _json({"request_id": request_id(request), "items": items}, _repeated(repeated))


def _audit(parts: Services, principal: Principal, request: Request, verdict: dict[str, Any]) -> None:
    parts.audit.record(
        principal,
        "detect",
        request_id=request_id(request),
        verdict=verdict["verdict"],
        model_version=verdict["model_version"],
        policy_version=verdict["policy_version"],
    )


def _fingerprint(what: str, route: Route, uploads: list[Upload]) -> str:
    asked = json.dumps([what, route, [[upload.name, upload.sha256] for upload in uploads]])
    return hashlib.sha256(asked.encode()).hexdigest()


def _repeated(repeated: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if repeated else {}


def _json(content: dict[str, Any], headers: dict[str, str]) -> Response:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=headers)
