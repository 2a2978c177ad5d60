"""`awarenet probe`: whether a gateway or a Triton server really answers, by an inference with a known answer."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer

from awarenet.errors import AwareNetError, InvalidInput, StartupError, Unavailable
from awarenet.runtime.control import Control
from awarenet.runtime.golden import TOLERANCE, Golden, finish_computing, golden_faces, start_computing

KEY_VARIABLE: Final = "AWARENET_FIRST_API_KEY"
"""Environment variable with the API key for a gateway."""

_PAUSE_S: Final = 2.0


def probe(
    url: Annotated[str, typer.Argument(help="http(s)://host:port of a gateway, or grpc://host:port of Triton.")],
    model_repository: Annotated[
        Path | None, typer.Option(help="The models that Triton should have; its answer is then held against theirs.")
    ] = None,
    patience: Annotated[float, typer.Option(min=0, help="Seconds in which it may still start.")] = 0.0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one question.")] = 30.0,
) -> None:
    """Asks for an inference and exits 0 when the answer is right, 1 when not.

    Of a gateway its readiness is asked, which is a question with a known answer through every stage; with an API key in
    AWARENET_FIRST_API_KEY a picture is judged as well. Triton is asked by the full route.
    """
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                said = _ask(url, model_repository, timeout)
                break
            except Unavailable:
                if time.monotonic() + _PAUSE_S > deadline:
                    raise
                time.sleep(_PAUSE_S)
    except AwareNetError as error:
        sys.stderr.write(f"awarenet probe: {error}\n")
        raise typer.Exit(1) from error
    sys.stdout.write(f"{said}\n")


def _ask(url: str, model_repository: Path | None, timeout_s: float) -> str:
    scheme, _, rest = url.partition("://")
    if scheme in ("http", "https"):
        return _ask_gateway(url.rstrip("/"), timeout_s)
    if scheme == "grpc" and rest:
        return _ask_triton(rest, model_repository, timeout_s)
    raise InvalidInput(f"{url} is no address; write http://host:port of a gateway, or grpc://host:port of Triton")


def _ask_triton(target: str, model_repository: Path | None, timeout_s: float) -> str:
    expected = None if model_repository is None else finish_computing(start_computing(model_repository), 120.0)
    control = Control(target)
    try:
        evidence, probability = control.ask(golden_faces(), timeout_s)
        if expected is None:  # Whether it is right is not known here; a corrupted answer is not the same twice.
            expected = Golden(*control.ask(golden_faces(), timeout_s))
            if not (np.isfinite(probability).all() and np.isfinite(evidence[:, 0]).all()):
                raise StartupError(f"the server's answer is no number: {probability.tolist()}")
        expected.check(evidence, probability, TOLERANCE["onnxruntime"])
    finally:
        control.close()
    return f"the cascade answers; P(fake) {', '.join(f'{value:.4f}' for value in probability)}"


def _ask_gateway(url: str, timeout_s: float) -> str:
    ready = _fetch(f"{url}/readyz", timeout_s)
    said = f"the gateway is {ready.get('status')}"
    if key := os.environ.get(KEY_VARIABLE):
        _, picture = cv2.imencode(".png", golden_faces()[0])
        verdict = _fetch(f"{url}/v1/detect", timeout_s, body=picture.tobytes(), key=key)
        if "verdict" not in verdict:
            raise StartupError(f"{url} answers a picture with {str(verdict)[:200]}, which is no verdict")
        said += f"; of a picture it says {verdict['verdict']}, by models {verdict.get('model_version')}"
    return said


def _fetch(url: str, timeout_s: float, *, body: bytes | None = None, key: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "image/png", "X-API-Key": key} if body is not None else {}
    request = urllib.request.Request(url, data=body, headers=headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=timeout_s) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        kind = Unavailable if error.code in (429, 502, 503, 504) else StartupError
        raise kind(f"{url} answers {error.code}: {error.read(500).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url} does not answer: {error}") from error
