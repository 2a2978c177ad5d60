"""The application: every part, put together, started in order and ended in the opposite one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from awarenet import __version__
from awarenet.errors import AwareNetError
from awarenet.runtime.golden import TOLERANCE
from gateway import documentation, problems
from gateway.access import Access
from gateway.auditing import Auditor
from gateway.cache import Idempotency, ResultCache
from gateway.clip_work import ClipWork
from gateway.edge import Edge
from gateway.identity import RateLimiter, TokenIssuer, TokenVerifier
from gateway.job_runner import JobRunner
from gateway.jobs import CLIP
from gateway.leakage import LeakageCheck
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.models import Models, forget_regions
from gateway.outbound import OutboundRules
from gateway.readiness import Readiness
from gateway.routes import heatmaps, jobs, models, operations, pages, pictures, stream, webhooks
from gateway.scoring import Scorer
from gateway.services import Services
from gateway.settings import Settings
from gateway.shadow import Shadow
from gateway.stores import Retention, Stores
from gateway.streams import Streams
from gateway.webhook_work import WebhookWork
from gateway.webhooks import WebhookSender, WebhookSettings
from gateway.workers import Tracing, WorkerOptions, WorkerPool

_FORM_BYTES: Final = 64 << 10
"""What a multipart form may have beside its files."""

_log = structlog.get_logger("gateway")


def create_app(
    settings: Settings, stores: Stores, server: str, *, tolerance: float = TOLERANCE["onnxruntime"]
) -> FastAPI:
    """Makes the application.

    Args:
        settings: The configuration.
        stores: What is kept; stays the caller's.
        server: URL of the Triton server.
        tolerance: The largest difference of a logit from its known value that readiness accepts.
    """
    lifecycle, metrics = Lifecycle(settings.requests), Metrics()
    tracing = Tracing(settings.traces_endpoint)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = _assemble(settings, stores, server, lifecycle, metrics, tracing, tolerance)
        app.state.services = parts
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, tracing.close)
            await parts.models.start()
            stack.push_async_callback(parts.models.close)
            await parts.audit.start()
            stack.push_async_callback(parts.audit.close)
            await parts.pool.start()
            stack.push_async_callback(parts.pool.close)
            stack.push_async_callback(parts.scorer.leakage_check.close)
            if parts.scorer.shadow is not None:
                await parts.scorer.shadow.start()
                stack.push_async_callback(parts.scorer.shadow.close)
            if parts.clip_pool.size:
                await parts.clip_pool.start()
                stack.push_async_callback(parts.clip_pool.close)
            parts.job_runner.start()
            stack.push_async_callback(parts.job_runner.close)
            stack.callback(asyncio.create_task(_warm_up(parts.readiness)).cancel)
            stack.callback(asyncio.create_task(_stop_at_drain(parts)).cancel)
            yield

    app = FastAPI(
        title="AWARE-NET",
        version=__version__,
        description=documentation.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={
            "tracing": tracing.provider is not None,
            "tracer_provider": tracing.provider,
            "metrics": False,  # Those are Prometheus's.
            "logs": False,
            "operation_spans": False,
        },
    )
    for routes in (pictures, heatmaps, jobs, webhooks, models, operations, stream):
        app.include_router(routes.router)
    pages.install(app, settings.web_folder)
    problems.install(app)
    documentation.complete(app)
    app.add_middleware(
        Edge,
        lifecycle=lifecycle,
        metrics=metrics,
        body_bytes={
            "/v1/detect": settings.picture_bytes + _FORM_BYTES,
            "/v1/heatmap": settings.picture_bytes + _FORM_BYTES,
            "/v1/batch": settings.batch_items * settings.picture_bytes + _FORM_BYTES,
            "/v1/jobs": settings.clip_bytes + _FORM_BYTES,
        },
        upload_timeout_s=settings.upload_timeout_s,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["X-API-Key", "Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Request-Id", "Idempotency-Replayed"],
        )
    return app


def _assemble(
    settings: Settings,
    stores: Stores,
    server: str,
    lifecycle: Lifecycle,
    metrics: Metrics,
    tracing: Tracing,
    tolerance: float,
) -> Services:
    options = WorkerOptions(
        server,
        settings.face_engine,
        settings.worker_memory_bytes,
        settings.media_limits,
        settings.frames,
        None if settings.trust_anchors is None else settings.trust_anchors.read_text(encoding="utf-8"),
        str(settings.heatmap_expected),
    )
    cleaning: set[asyncio.Task[None]] = set()

    def died(pid: int) -> None:
        task = asyncio.ensure_future(forget_regions(server, pid))
        cleaning.add(task)
        task.add_done_callback(cleaning.discard)

    pool = WorkerPool(options, settings.workers, settings.queue, died=died, tracing=tracing)
    clip_pool = WorkerPool(
        options, settings.clip_workers, settings.clip_workers, patient=False, died=died, tracing=tracing
    )
    policy = Models(server)
    shadow = None
    if settings.shadow_server is not None:
        shadow_pool = WorkerPool(replace(options, server=settings.shadow_server), 1, 1, died=died)
        shadow = Shadow(shadow_pool, settings.shadow_share, metrics, settings.picture_timeout_s)
    leakage_check = LeakageCheck(pool, policy, metrics, settings.leakage_check_share, settings.picture_timeout_s)
    scorer = Scorer(
        pool, policy, ResultCache(settings.cached_results), metrics, settings.picture_timeout_s, leakage_check, shadow
    )
    audit = Auditor(stores.audit, stores.pseudonyms)
    clip_work = ClipWork(stores.vault, clip_pool, scorer, settings.clip_timeout_s)
    sender = WebhookSender(WebhookSettings(rules=OutboundRules(loopback_http=settings.webhooks == "local")))
    webhook_work = WebhookWork(stores.jobs, sender, stores.webhook_secret, allowed=settings.webhooks != "off")
    metrics.watch("queue", "Pictures and frames that wait for a worker", lambda: pool.waiting)
    metrics.watch("queue_limit", "Pictures and frames that may wait for a worker", lambda: pool.queue)
    metrics.watch("running", "Pictures and frames in the hands of workers", lambda: pool.running)
    metrics.watch("workers", "Workers that are ready", lambda: len(pool.pids))
    metrics.watch("workers_wanted", "Workers that there shall be", lambda: pool.size)
    metrics.watch("worker_deaths", "Workers that ended unasked", lambda: pool.deaths + clip_pool.deaths)
    metrics.watch("in_flight", "Requests under way", lambda: lifecycle.in_flight)
    metrics.watch("in_flight_limit", "Requests that may be under way", lambda: lifecycle.limit)
    runner = JobRunner(stores, Retention(finished_s=settings.job_keep_s), [clip_work, webhook_work], audit, [CLIP])
    metrics.watch("clips_waiting", "Clips that wait, on all gateways together", lambda: runner.waiting(CLIP).jobs)
    metrics.watch(
        "clips_waiting_seconds",
        "Seconds for which the first of them could have been begun",
        lambda: runner.waiting(CLIP).seconds,
    )
    metrics.watch_space("state", "the state folder", settings.state_folder)
    metrics.watch_space("shared_memory", "shared memory", Path("/dev/shm"))
    return Services(
        settings=settings,
        lifecycle=lifecycle,
        metrics=metrics,
        models=policy,
        pool=pool,
        scorer=scorer,
        readiness=Readiness(pool, policy, lifecycle, settings.model_repository, tolerance, metrics),
        idempotency=Idempotency(settings.idempotency_s),
        access=Access(
            stores.keys,
            _token_verifier(settings),
            RateLimiter(settings.requests_per_minute, settings.requests_burst),
            stores.quotas,
            settings.requests_per_day,
        ),
        audit=audit,
        streams=Streams(settings.streams, settings.stream_resume_s),
        jobs=stores.jobs,
        job_runner=runner,
        clip_pool=clip_pool,
        webhooks=webhook_work,
        vault=stores.vault,
        clip_uploads=asyncio.Semaphore(settings.clip_uploads),
    )


def _token_verifier(settings: Settings) -> TokenVerifier | None:
    if settings.token_issuer is None or settings.token_audience is None or settings.token_keys_url is None:
        return None
    issuer = TokenIssuer(
        settings.token_issuer, settings.token_audience, settings.token_keys_url, settings.token_roles_claim
    )
    return TokenVerifier([issuer])


async def _warm_up(readiness: Readiness) -> None:
    """Computes the known answer before somebody waits for it."""
    with contextlib.suppress(AwareNetError):
        await readiness.check()


async def _stop_at_drain(parts: Services) -> None:
    await parts.lifecycle.ending.wait()
    parts.job_runner.stop()
