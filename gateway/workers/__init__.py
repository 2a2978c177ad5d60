"""Processes that touch media, so that a decoder that crashes, hangs or grows costs one of them and not the service."""

from gateway.workers.pool import Progress, WorkerPool
from gateway.workers.protocol import Task, WorkerOptions
from gateway.workers.tracing import Tracing

__all__ = ["Progress", "Task", "Tracing", "WorkerOptions", "WorkerPool"]
