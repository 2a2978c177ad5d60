"""`/v1/jobs`: clips, which take longer than a request should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from awarenet.errors import AwareNetError, NotFound, Overloaded
from gateway import documentation as docs
from gateway.access import requires
from gateway.identity import Permission, Principal, authorise
from gateway.job_view import view
from gateway.jobs import CLIP, Job, JobState, NewJob
from gateway.routes.pictures import IdempotencyKey, RouteChoice
from gateway.scoring import unless_gone
from gateway.services import Services, request_id, services
from gateway.uploads import Upload, receive
from gateway.vault import CHUNK

router = APIRouter(tags=["jobs"])

_POLL_S: Final = 0.25
_KEEP_ALIVE_S: Final = 15.0

JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The job's id.")]
Webhook = Annotated[
    str | None,
    Query(
        max_length=2000,
        description="An https address that is told when the job ends, where the service allows it; "
        "see `GET /v1/webhooks/secret`.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="The ETag of an earlier answer.")]


@router.post("/v1/jobs", status_code=202, summary="Judge a clip", response_class=JSONResponse, **docs.CREATE_JOB)
async def create(
    request: Request,
    principal: Annotated[Principal, requires(Permission.JOBS_CREATE)],
    route: RouteChoice = "cascade",
    webhook: Webhook = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Takes a clip (or a picture) and answers with the job that will judge it.

    The media is encrypted on disk until it is judged, and then deleted.
    """
    parts = services(request)
    parts.audit.check()
    if webhook is not None:
        parts.webhooks.check(webhook)
    if parts.clip_uploads.locked():
        raise Overloaded("as many clips are being received as there is room for; try again later", retry_after_s=5)
    async with (
        parts.clip_uploads,
        receive(request, items=1, item_bytes=parts.settings.clip_bytes) as (upload,),
    ):
        asked: dict[str, Any] = {"name": upload.name, "route": route}
        if webhook is not None:
            asked["webhook"] = webhook
        work = _enqueued(parts, principal, upload, asked, idempotency_key)
        job, new = await unless_gone(request, work)
    if new:
        parts.audit.record(principal, "jobs.create", request_id=request_id(request), resource=job.id)
        parts.job_runner.arrived()
    headers = {"Location": f"/v1/jobs/{job.id}", "ETag": _etag(job)}
    if not new:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(view(job), 202, headers)


@router.get("/v1/jobs", summary="Your jobs", response_class=JSONResponse, **docs.LIST_JOBS)
async def find(
    request: Request,
    principal: Annotated[Principal, requires(Permission.JOBS_READ)],
    limit: Annotated[int, Query(ge=1, le=100, description="Most jobs in the answer.")] = 20,
    before: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="The last job of the page before.")] = (
        None
    ),
) -> JSONResponse:
    """The jobs of the caller, the newest first."""
    store = services(request).jobs
    jobs = await asyncio.to_thread(lambda: store.find(principal.subject, kind=CLIP, limit=limit, before=before))
    return JSONResponse({"jobs": [view(job) for job in jobs]})


@router.get("/v1/jobs/{job_id}", summary="One job", response_class=JSONResponse, **docs.READ_JOB)
async def read(
    request: Request,
    job_id: JobId,
    principal: Annotated[Principal, requires(Permission.JOBS_READ)],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """How far a job is, and its verdict once it is finished."""
    job = await _job(services(request), principal, Permission.JOBS_READ, job_id)
    headers = {"ETag": _etag(job), "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _etag(job) in {tag.strip() for tag in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return JSONResponse(view(job), headers=headers)


@router.get("/v1/jobs/{job_id}/events", summary="Watch a job", response_class=StreamingResponse, **docs.JOB_EVENTS)
async def events(
    request: Request,
    job_id: JobId,
    principal: Annotated[Principal, requires(Permission.JOBS_READ)],
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", description="Where to go on.")] = None,
) -> StreamingResponse:
    """Server-sent events: `job` with the job whenever it changes, until it is finished."""
    parts = services(request)
    await _job(parts, principal, Permission.JOBS_READ, job_id)
    since = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else -1
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_watch(parts, job_id, since), media_type="text/event-stream", headers=headers)


@router.delete("/v1/jobs/{job_id}", status_code=204, summary="Delete a job", response_class=Response, **docs.DELETE_JOB)
async def delete(
    request: Request, job_id: JobId, principal: Annotated[Principal, requires(Permission.JOBS_DELETE)]
) -> Response:
    """Stops a job if it runs, and deletes it with its media and its verdict."""
    parts = services(request)
    await _job(parts, principal, Permission.JOBS_DELETE, job_id)
    await asyncio.to_thread(parts.jobs.delete, job_id)
    parts.audit.record(principal, "jobs.delete", request_id=request_id(request), resource=job_id)
    return Response(status_code=204)


async def _enqueued(
    parts: Services, principal: Principal, upload: Upload, asked: dict[str, Any], key: str | None
) -> tuple[Job, bool]:
    """The job, and whether it is new; of a caller who leaves meanwhile nothing stays."""
    enqueuing = asyncio.ensure_future(asyncio.to_thread(_enqueue, parts, principal, upload, asked, key))
    try:
        return await asyncio.shield(enqueuing)
    except asyncio.CancelledError:
        await asyncio.wait({enqueuing})  # A thread cannot be stopped, and this one reads the upload.
        if enqueuing.exception() is None and enqueuing.result()[1]:
            with contextlib.suppress(AwareNetError):
                await asyncio.to_thread(parts.jobs.delete, enqueuing.result()[0].id)
        raise


def _enqueue(
    parts: Services, principal: Principal, upload: Upload, asked: dict[str, Any], key: str | None
) -> tuple[Job, bool]:
    media_id = parts.vault.write(_parts(upload))
    taken = False
    try:
        job, taken = parts.jobs.enqueue(principal.subject, NewJob(CLIP, asked, media_id, upload.sha256, key))
        return job, taken
    finally:
        if not taken:
            with contextlib.suppress(AwareNetError):  # What stays is swept later.
                parts.vault.delete(media_id)


def _parts(upload: Upload) -> Iterator[bytes]:
    for offset in range(0, upload.size, CHUNK):
        yield os.pread(upload.descriptor, CHUNK, offset)


async def _job(parts: Services, principal: Principal, permission: Permission, job_id: str) -> Job:
    """A job that the caller may see or change; another's is not there."""
    job = await asyncio.to_thread(parts.jobs.get, job_id)
    if job.kind != CLIP:
        raise NotFound(f"there is no job {job_id}")
    authorise(principal, permission, job.owner)
    return job


async def _watch(parts: Services, job_id: str, since: int) -> AsyncIterator[str]:
    quiet = 0.0
    while not parts.lifecycle.draining:
        try:
            job = await asyncio.to_thread(parts.jobs.get, job_id)
        except NotFound:
            yield "event: deleted\ndata: {}\n\n"
            return
        except AwareNetError:
            return  # The client comes back with Last-Event-ID.
        if job.version != since:
            yield f"id: {job.version}\nevent: job\ndata: {json.dumps(view(job))}\n\n"
            since, quiet = job.version, 0.0
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            return
        quiet += _POLL_S
        if quiet >= _KEEP_ALIVE_S:
            yield ": still there\n\n"
            quiet = 0.0
        await asyncio.sleep(_POLL_S)


def _etag(job: Job) -> str:
    return f'"{job.id}-{job.version}"'
