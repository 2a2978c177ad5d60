"""Traces as a collector gets them: one trace from the caller through the gateway and a worker to Triton's request."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import awarenet_client
import grpc
import numpy as np
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tritonclient.grpc import service_pb2

from awarenet.runtime.server import TritonServer
from gateway.workers import Task, Tracing
from tests.gateway import Gateway, running
from tests.integration.test_gateway import finished, other
from tests.listening import listening
from tests.samples import astronaut, save_clip
from tests.serving import eventually

CALLER = "0af7651916cd43dd8448eb211c80319c"
"""The trace that the caller began."""


class Collector:
    """An OTLP/HTTP receiver."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Span]:
        """All spans so far."""
        requests = [read(body) for body in list(self.bodies)]
        scopes = [scope for one in requests for resource in one.resource_spans for scope in resource.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def trace(self, trace_id: str, least: int) -> dict[str, Span]:
        """The spans of a trace by their names, once there are enough."""

        def found() -> list[Span]:
            return [span for span in self.spans() if span.trace_id.hex() == trace_id]

        assert eventually(lambda: len(found()) >= least, timeout_s=60), [span.name for span in found()]
        return {span.name: span for span in found()}


def read(body: bytes) -> ExportTraceServiceRequest:
    """A request as protobuf, or as JSON, where ids are hexadecimal (OTLP 1.5, JSON Protobuf encoding)."""
    if not body.startswith(b"{"):
        return ExportTraceServiceRequest.FromString(body)
    document = json.loads(body, object_hook=lambda part: {name: _id(name, value) for name, value in part.items()})
    return json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)


def _id(name: str, value: Any) -> Any:
    ours = name in ("traceId", "spanId", "parentSpanId")
    return base64.b64encode(bytes.fromhex(value)).decode() if ours else value


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector until the end of the block."""
    collector = Collector()
    with listening(collector.server):
        yield collector


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(
    collector: Collector, triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    state = tmp_path_factory.mktemp("traced") / "state"
    with running(triton_server.grpc_url, tiny_repository, state, traces_endpoint=collector.url) as started:
        yield started


def attributes(span: Span) -> dict[str, Any]:
    return {entry.key: entry.value.string_value or entry.value.int_value for entry in span.attributes}


def test_one_trace_goes_from_the_caller_to_triton(gateway: Gateway, collector: Collector) -> None:
    headers = {"traceparent": f"00-{CALLER}-b7ad6b7169203331-01", "X-Request-Id": "traced.1"}
    with gateway.client() as client:
        assert client.post("/v1/detect", content=other(1), headers=headers | {"X-API-Key": gateway.key}).is_success
    spans = collector.trace(CALLER, 5)
    steps = ["decode", "detect faces", "triton cascade"]
    assert {"worker picture", *steps} < set(spans)
    request = next(span for span in spans.values() if span.kind == Span.SPAN_KIND_SERVER)
    worker = spans["worker picture"]
    assert request.parent_span_id.hex() == "b7ad6b7169203331" and "/v1/detect" in request.name
    assert attributes(worker)["awarenet.request_id"] == "traced.1"
    assert spans["triton cascade"].kind == Span.SPAN_KIND_CLIENT
    assert attributes(spans["triton cascade"])["awarenet.faces"] == 1
    instants = [worker.start_time_unix_nano]
    for step in steps:  # Made in another process, one after the other, within the worker's span.
        assert spans[step].parent_span_id == worker.span_id
        instants += [spans[step].start_time_unix_nano, spans[step].end_time_unix_nano]
    instants.append(worker.end_time_unix_nano)
    assert instants == sorted(instants)
    assert gateway.key.encode() not in b"".join(collector.bodies)


def test_what_fails_is_seen_in_its_trace(gateway: Gateway, collector: Collector) -> None:
    trace_id = "1" * 32
    with gateway.client() as client:
        headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "X-API-Key": gateway.key}
        assert client.post("/v1/detect", content=b"\xff\xd8\xff\xe0 no more", headers=headers).status_code == 422
    spans = collector.trace(trace_id, 3)
    assert spans["decode"].status.code == spans["worker picture"].status.code == Status.STATUS_CODE_ERROR
    assert spans["worker picture"].status.message == "damaged_media"


def test_a_job_has_a_trace_named_after_it(gateway: Gateway, collector: Collector, tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip.mp4", [astronaut()] * 6).read_bytes()
    with gateway.client() as client:
        job = client.post("/v1/jobs", content=clip).json()["id"]
        assert finished(client, job)["state"] == "succeeded"

    def of_job() -> list[Span]:
        return [span for span in collector.spans() if attributes(span).get("awarenet.request_id") == job]

    assert eventually(lambda: bool(of_job()))
    spans = collector.trace(of_job()[0].trace_id.hex(), 3)
    assert {"worker media", "analyse", "triton cascade"} <= set(spans)


def test_a_caller_that_is_not_traced_costs_nothing(gateway: Gateway, collector: Collector) -> None:
    quiet, heard = "2" * 32, "3" * 32
    with gateway.client() as client:
        for trace_id, sampled in ((quiet, "00"), (heard, "01")):
            headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-{sampled}", "X-API-Key": gateway.key}
            assert client.post("/v1/detect", content=other(7), headers=headers).is_success
    collector.trace(heard, 1)
    assert quiet not in {span.trace_id.hex() for span in collector.spans()}


def test_a_worker_cannot_speak_for_others(collector: Collector) -> None:
    """What a worker says is taken for what it is: steps of its own task."""
    with collecting() as own:
        tracing = Tracing(own.url)
        good = {"name": "decode", "span_id": "a" * 16, "begun_ns": 5, "ended_ns": 3}
        bad = [
            {**good, "span_id": "a" * 17},
            {**good, "name": "<script>"},
            {**good, "trace_id": "4" * 32},
            {**good, "begun_ns": "soon"},
            "nonsense",
            7,
        ]
        with tracing.of(Task("picture")) as task:
            for steps in (bad, [good] * 500, "nonsense", None):
                tracing.steps({"steps": steps})
        tracing.close()
        spans = own.spans()
    assert task.traceparent is not None
    assert {span.trace_id.hex() for span in spans} == {task.traceparent.split("-")[1]}
    assert [span.name for span in spans].count("decode") == 64 == len(spans) - 1


def test_without_an_address_nothing_is_made() -> None:
    tracing = Tracing(None)
    with tracing.of(Task("picture")) as task:
        tracing.steps({"steps": [{}]})
    assert task.traceparent is None and tracing.provider is None


def test_triton_gets_context_and_id() -> None:
    got: list[tuple[dict[str, Any], str]] = []

    def infer(request: Any, context: grpc.ServicerContext) -> Any:
        got.append((dict(context.invocation_metadata()), request.id))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "seen enough")

    handler = grpc.unary_unary_rpc_method_handler(
        infer,
        request_deserializer=service_pb2.ModelInferRequest.FromString,
        response_serializer=service_pb2.ModelInferResponse.SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    traceparent = f"00-{CALLER}-b7ad6b7169203331-01"
    try:
        with awarenet_client.Client(f"grpc://127.0.0.1:{port}", shared_memory=False, headers={"a": "b"}) as client:
            faces = np.zeros((1, 256, 256, 3), np.uint8)
            with pytest.raises(awarenet_client.InvalidRequest, match="seen enough"):
                client.score(faces, request_id="mine", traceparent=traceparent)
    finally:
        server.stop(None)
    metadata, request_id = got[0]
    assert (metadata["traceparent"], metadata["a"], request_id) == (traceparent, "b", "mine")


def test_triton_adds_the_stages_to_the_callers_trace_and_makes_no_trace_of_its_own(
    tiny_repository: Path, collector: Collector
) -> None:
    heard = [f"{number:02d}" * 16 for number in range(40, 60)]
    faces = np.full((1, 256, 256, 3), 128, np.uint8)
    before = {span.trace_id.hex() for span in collector.spans()}

    def found() -> set[str]:
        return {span.trace_id.hex() for span in collector.spans()} - before

    with (
        TritonServer(tiny_repository, traces_endpoint=collector.url) as server,
        awarenet_client.Client(server.grpc_url) as client,
    ):
        for _ in range(3):
            client.score(faces, route="full")
        for trace_id in heard:
            client.score(faces, route="full", traceparent=f"00-{trace_id}-b7ad6b7169203331-01")
        assert eventually(lambda: bool(found()), timeout_s=60)  # Triton 24.10 loses the spans of some requests.
        spans = collector.trace(min(found()), 9)
    assert found() <= {*heard}
    request, cascade = spans["InferRequest"], spans["cascade"]
    assert request.parent_span_id.hex() == "b7ad6b7169203331" and cascade.parent_span_id == request.span_id
    for stage in ("fast_filter", "efficientnet", "genconvit"):
        assert spans[stage].parent_span_id == cascade.span_id
        assert cascade.start_time_unix_nano < spans[stage].start_time_unix_nano
        assert spans[stage].end_time_unix_nano < cascade.end_time_unix_nano
