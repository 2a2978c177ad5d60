"""The file that Locust loads: `python -m loadtests users` starts it. Each user has a connection of its own.

A refusal (503 with Retry-After; UNAVAILABLE over gRPC; a dropped frame on a stream) is no failure and no answer either:
it is reported under a name of its own that ends in "refused". Everything else that is no right verdict is a failure.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from typing import Any, cast

import gevent
import grpc.experimental.gevent
import numpy as np
from awarenet_client import Client, ClientError, Unavailable
from locust import FastHttpUser, LoadTestShape, User, between, task
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from loadtests.corpus import TOLERANCE, Corpus
from loadtests.mix import SHARES, Mix, Source
from loadtests.sender import KEEP_ALIVE_S
from loadtests.users.environment import Told
from loadtests.users.faces import faces_of
from loadtests.users.shapes import SHAPES

grpc.experimental.gevent.init_gevent()

TOLD = Told.read()
CORPUS = Corpus.load(TOLD.corpus)
FACES = faces_of(TOLD.corpus)
_FRAMES = 20
_numbers = itertools.count()


def _source() -> Source:
    """Of one user: no other sends the same fresh bytes, in whichever process it is."""
    number = (os.getpid() << 20 | next(_numbers)) << 24
    return Source(CORPUS, Mix(SHARES, TOLD.repeats), random.Random(number), number=number)


class Rest(FastHttpUser):
    """Sends pictures over HTTP."""

    host = TOLD.url
    weight = 8
    network_timeout = 60.0
    connection_timeout = 60.0

    def wait_time(self) -> float:
        """Time to think; shorter than the gateway keeps an idle connection."""
        return min(random.expovariate(1 / TOLD.think_s), KEEP_ALIVE_S - 5)

    def on_start(self) -> None:
        """Gets something to send."""
        self.source = _source()

    @task
    def detect(self) -> None:
        """Has one picture judged; comes back when it is told to."""
        sending = self.source.next()
        with self.client.post(
            "/v1/detect", data=cast(str, sending.body), headers={"X-API-Key": TOLD.key}, catch_response=True
        ) as response:
            if response.status_code == 503:
                if (after := response.headers.get("Retry-After", "")).isdecimal():
                    response.request_meta["name"] = "/v1/detect refused"
                    response.success()
                    gevent.sleep(float(after) * random.uniform(1.0, 1.25))
                else:
                    response.failure("503 without Retry-After")
            elif response.status_code != 200:
                response.failure(f"status {response.status_code}: {(response.text or '')[:120]}")
            elif fault := sending.known.fault(response.json()):
                response.failure(f"wrong verdict: {fault}")
            else:
                response.success()


class Stream(User):
    """Sends frames over a WebSocket, the next when the last is judged."""

    wait_time = between(0.5, 1.5)
    weight = 1

    @task
    def stream(self) -> None:
        """One short session."""
        begun = time.perf_counter()
        try:
            url = TOLD.url.replace("http://", "ws://") + "/v1/stream"
            with connect(url, additional_headers={"X-API-Key": TOLD.key}, open_timeout=60) as socket:
                json.loads(socket.recv(60))
                self._report("open", begun)
                for known in random.choices([known for known in CORPUS.known if known.exits], k=_FRAMES):
                    sent = time.perf_counter()
                    socket.send(known.jpeg)
                    try:
                        said = json.loads(socket.recv(5))
                    except TimeoutError:  # A full gateway drops frames and says nothing of them.
                        self._report("frame refused", sent)
                        continue
                    if said.get("type") != "verdict":
                        self._report("frame", sent, ValueError(f"{said.get('problem', said)}"[:200]))
                    elif not said.get("tracks"):
                        self._report("frame", sent, ValueError(f"wrong verdict: nobody seen in {known.name}"))
                    else:
                        self._report("frame", sent)
                    gevent.sleep(0.2)
                socket.send(json.dumps({"type": "end"}))
        except (OSError, WebSocketException, ValueError) as error:
            self._report("session", begun, error)

    def _report(self, what: str, begun: float, error: Exception | None = None) -> None:
        _fire(self, "WS", f"/v1/stream {what}", begun, error)


class Cascade(User):
    """Sends faces straight to Triton's cascade over gRPC."""

    wait_time = between(0.5, 1.5)
    weight = 1

    def on_start(self) -> None:
        """Connects; no retries, which would hide refusals."""
        self.client = Client(TOLD.grpc_url, retries=0, shared_memory=False, timeout=60)

    def on_stop(self) -> None:
        """Leaves."""
        self.client.close()

    @task
    def score(self) -> None:
        """Has the faces of one picture scored."""
        name, (faces, sizes, expected) = random.choice(list(FACES.items()))
        begun = time.perf_counter()
        try:
            scores = self.client.score(faces, sizes)
        except Unavailable:
            _fire(self, "gRPC", "cascade refused", begun, None)
            return
        except ClientError as error:
            _fire(self, "gRPC", "cascade", begun, error)
            return
        far = float(np.abs(scores.probability - expected).max())
        wrong = ValueError(f"wrong verdict: {name} differs by {far:.3f}") if far > TOLERANCE else None
        _fire(self, "gRPC", "cascade", begun, wrong)


class Shape(LoadTestShape):
    """The chosen shape."""

    def tick(self) -> tuple[int, float] | None:
        """Users now, and how many may come or go in a second."""
        passed = self.get_run_time() / TOLD.seconds  # type: ignore[no-untyped-call]
        if passed >= 1:
            return None
        users = max(1, round(TOLD.most * SHAPES[TOLD.shape](passed)))
        return users, max(1.0, TOLD.most / 5)


def _fire(user: Any, kind: str, name: str, begun: float, error: Exception | None) -> None:
    user.environment.events.request.fire(
        request_type=kind,
        name=name,
        response_time=(time.perf_counter() - begun) * 1000,
        response_length=0,
        exception=error,
        context={},
    )
