"""Errors as the caller sees them: RFC 9457 problem details, made from `awarenet.errors` in this one place."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from awarenet.errors import AwareNetError, Cancelled, InvalidInput, ServiceError, kinds

MEDIA_TYPE: Final = "application/problem+json"

TYPE: Final = "/docs#problem-"
"""Every kind of problem has its place in the documentation: this and its code."""

_CODES: Final = {401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class BodyTooLarge(InvalidInput):
    """The body has more bytes than this endpoint takes."""

    code = "body_too_large"
    status = 413


class BodyTooSlow(InvalidInput):
    """The body did not arrive in time."""

    code = "body_too_slow"
    status = 408


class Abandoned(ServiceError):
    """The process that did the job ended at each attempt."""

    code = "abandoned"
    status = 500


class KeyReused(InvalidInput):
    """An `Idempotency-Key` was sent again with another request."""

    code = "idempotency_key_reused"
    status = 422


def problem(error: AwareNetError, instance: str) -> dict[str, Any]:
    """An error as problem details.

    Args:
        error: What went wrong.
        instance: The request's id.
    """
    return _details(type(error), str(error), f"urn:awarenet:request:{instance}")


def job_problem(code: str, detail: str, job_id: str) -> dict[str, Any]:
    """Why a job failed, from what was kept of it.

    Args:
        code: The error's code.
        detail: Its message.
        job_id: The job.
    """
    return _details(kinds().get(code, ServiceError), detail, f"urn:awarenet:job:{job_id}") | {
        "type": TYPE + code,
        "code": code,
    }


def _details(kind: type[AwareNetError], detail: str, instance: str) -> dict[str, Any]:
    status = HTTPStatus(kind.status) if kind.status != Cancelled.status else None
    title = (kind.__doc__ or "").strip().splitlines()[0]
    return {
        "type": TYPE + kind.code,
        "title": title,
        "status": kind.status,
        "detail": detail or (status.description if status else title),
        "code": kind.code,
        "instance": instance,
    }


def respond(error: AwareNetError, instance: str) -> JSONResponse:
    """The response for an error."""
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    wait = getattr(error, "retry_after_s", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    elif error.status == 503:
        headers["Retry-After"] = "1"
    return JSONResponse(problem(error, instance), error.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes an application answer every error with problem details."""

    @app.exception_handler(AwareNetError)
    async def ours(request: Request, error: AwareNetError) -> JSONResponse:
        return respond(error, _instance(request))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return respond(InvalidInput(f"{faults}; see /docs for what this endpoint takes"), _instance(request))

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "http_error")
        named = type("Named", (AwareNetError,), {"code": code, "status": error.status_code, "__doc__": error.detail})
        answer = respond(named(f"{request.method} {request.url.path}: {error.detail}; see /docs"), _instance(request))
        answer.headers.update(error.headers or {})
        return answer


def _instance(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))
