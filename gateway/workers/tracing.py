"""OpenTelemetry traces: from the request through a worker process to the request that Triton gets.

FastAPI makes the span of a request. A worker gets its context as a W3C `traceparent` with the task and gives back what
it did as plain JSON; the spans are made of that here, so that the process that touches media needs no way out and
cannot speak for another trace. Everything is sent in batches by a thread. Where no address is configured, there is
nothing of all this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from awarenet.errors import AwareNetError
from gateway.workers.protocol import Task
from gateway.workers.steps import MOST_STEPS, Step

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

_NAME: Final = re.compile(r"[a-z0-9 ]{1,40}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")


class Tracing:
    """Makes spans of tasks; of every task where it has a provider, and else of none.

    Args:
        endpoint: OTLP/HTTP address of the collector; None sends nothing.

    Attributes:
        provider: OpenTelemetry's, for FastAPI; None sends nothing.
    """

    provider: TracerProvider | None = None

    def __init__(self, endpoint: str | None) -> None:
        if endpoint is None:
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(resource=Resource.create({"service.name": "awarenet-gateway"}))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._processor: BatchSpanProcessor = BatchSpanProcessor(exporter)
        self.provider.add_span_processor(self._processor)
        self._tracer = self.provider.get_tracer("awarenet")

    def close(self) -> None:
        """Sends what waits."""
        if self.provider is not None:
            self.provider.shutdown()

    @contextmanager
    def of(self, task: Task) -> Iterator[Task]:
        """The span of a task, from the queue to the answer.

        Yields:
            The task with the ids that it is known by elsewhere.
        """
        known = structlog.contextvars.get_contextvars()
        task = replace(task, request_id=str(known.get("request_id") or known.get("job") or ""))
        if self.provider is None:
            yield task
            return
        attributes = {"awarenet.task": task.kind, "awarenet.request_id": task.request_id}
        with self._tracer.start_as_current_span(
            f"worker {task.kind}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield replace(task, traceparent=_traceparent(span.get_span_context()))
            except AwareNetError as error:
                span.set_status(Status(StatusCode.ERROR, error.code))
                raise

    def steps(self, answer: dict[str, Any]) -> None:
        """Makes spans of the steps in a worker's answer, below the current one, and takes them out of the answer."""
        said = answer.pop("steps", [])
        parent = trace.get_current_span().get_span_context()
        if self.provider is None or not parent.trace_flags.sampled or not isinstance(said, list):
            return
        for raw in said[:MOST_STEPS]:
            try:
                step = Step(**raw)
                if _NAME.fullmatch(step.name) and _SPAN_ID.fullmatch(step.span_id):
                    self._finished(step, parent)
            except (TypeError, ValueError):  # What a worker says is not believed: it touches untrusted media.
                continue

    def _finished(self, step: Step, parent: SpanContext) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        assert self.provider is not None
        flags = TraceFlags(TraceFlags.SAMPLED)
        self._processor.on_end(
            ReadableSpan(
                name=step.name,
                context=SpanContext(parent.trace_id, int(step.span_id, 16), is_remote=True, trace_flags=flags),
                parent=parent,
                resource=self.provider.resource,
                kind=SpanKind.CLIENT if step.calls else SpanKind.INTERNAL,
                attributes={"awarenet.faces": int(step.faces)} if step.faces is not None else {},
                status=Status(StatusCode.ERROR if step.failed else StatusCode.UNSET),
                start_time=int(step.begun_ns),
                end_time=max(int(step.begun_ns), int(step.ended_ns)),
                instrumentation_scope=InstrumentationScope("awarenet"),
            )
        )


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
