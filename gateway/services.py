"""Everything that a running gateway is made of, in one place for the routes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from gateway.access import Access
from gateway.auditing import Auditor
from gateway.cache import Idempotency
from gateway.job_runner import JobRunner
from gateway.jobs import JobStore
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.models import Models
from gateway.readiness import Readiness
from gateway.scoring import Scorer
from gateway.settings import Settings
from gateway.streams import Streams
from gateway.vault import Vault
from gateway.webhook_work import WebhookWork
from gateway.workers import WorkerPool


@dataclass
class Services:
    """The parts; see their classes."""

    settings: Settings
    lifecycle: Lifecycle
    metrics: Metrics
    models: Models
    pool: WorkerPool
    scorer: Scorer
    readiness: Readiness
    idempotency: Idempotency
    access: Access
    audit: Auditor
    streams: Streams
    jobs: JobStore
    job_runner: JobRunner
    clip_pool: WorkerPool
    webhooks: WebhookWork
    vault: Vault
    clip_uploads: asyncio.Semaphore


def services(connection: HTTPConnection) -> Services:
    """The parts of the gateway that a request came to."""
    return cast(Services, connection.app.state.services)


def request_id(connection: HTTPConnection) -> str:
    """The id of a request or connection."""
    return str(connection.scope["state"]["request_id"])
