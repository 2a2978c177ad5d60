"""The driver of the cluster tests, held against a service that behaves, and against each way of not behaving."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cluster.traffic import Traffic
from tests.listening import listening
from tests.serving import eventually

EXPECTED = {"m1": ("real", 0.25)}
ANSWER = {"verdict": "real", "probability": 0.25, "model_version": "m1"}

Behaviour = Callable[[int], tuple[int, dict[str, Any]]]


@contextmanager
def service(behave: Behaviour) -> Iterator[str]:
    """Answers the nth request as `behave(n)` says."""
    count = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = behave(next(count))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with listening(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def drive(behave: Behaviour, *, answers: int = 30) -> Traffic:
    """Traffic over a service, with marks around it."""
    with service(behave) as url:
        traffic = Traffic(url, "key", b"picture", rate=30)
        with traffic.running():
            traffic.mark("begin")
            sent = len(traffic.answers)
            assert eventually(lambda: len(traffic.answers) >= sent + answers, 60)
            traffic.mark("end")
    return traffic


def test_a_service_that_answers_alike_passes() -> None:
    traffic = drive(lambda _: (200, ANSWER))
    window = traffic.between("begin", "end")
    window.judge(EXPECTED, rate=0.1)
    assert window.versions == {"m1": len(window.answers)}


@pytest.mark.parametrize(
    ("behave", "complaint"),
    [
        (lambda n: (503, {}) if n == 7 else (200, ANSWER), "1 of"),
        (lambda n: (200, {**ANSWER, "verdict": "fake"} if n == 7 else ANSWER), "in place of"),
        (lambda n: (200, {**ANSWER, "probability": 0.26} if n == 7 else ANSWER), "in place of"),
        (lambda n: (200, {**ANSWER, "model_version": "m2"} if n == 7 else ANSWER), "nobody released"),
    ],
)
def test_one_bad_answer_in_many_is_found(behave: Behaviour, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        drive(behave).between("begin", "end").judge(EXPECTED, rate=0.1)


def test_a_sample_that_proves_nothing_is_no_proof() -> None:
    window = drive(lambda _: (200, ANSWER), answers=3).between("begin", "end")
    with pytest.raises(AssertionError, match="prove nothing"):
        window.judge(EXPECTED, rate=0.1)


def test_a_driver_that_fell_behind_is_no_proof() -> None:
    window = drive(lambda _: (200, ANSWER)).between("begin", "end")
    with pytest.raises(AssertionError, match="were meant"):
        window.judge(EXPECTED, rate=1e6)


def test_a_service_that_is_away_is_a_failure() -> None:
    traffic = Traffic("http://127.0.0.1:9", "key", b"picture", rate=30)
    with traffic.running():
        traffic.mark("begin")
        assert eventually(lambda: len(traffic.answers) >= 40, 60)
        traffic.mark("end")
    with pytest.raises(AssertionError, match="failed"):
        traffic.between("begin", "end").judge(EXPECTED, rate=0.1)
