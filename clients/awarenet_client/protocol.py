"""What goes over the wire: tensor names, checks, splitting, encoding and decoding. No input or output happens here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from awarenet_client.errors import InvalidRequest, ServerError

MODEL: Final = "cascade"
FACE_SIZE: Final = 256
"""Side of a face crop in pixels."""
MAX_BATCH: Final = 64
"""The most faces in one request; longer batches are split."""
FACE: Final = "face"
FACE_PX: Final = "face_px"
PROBABILITY: Final = "probability"
EXIT_STAGE: Final = "exit_stage"
EVIDENCE_OUTPUT: Final = "evidence"
EVIDENCE: Final = (
    "fast_filter_logit",
    "efficientnet_logit",
    "genconvit_autoencoder_logit",
    "genconvit_variational_logit",
    "genconvit_residual",
    "sharpness",
    "compression",
    "face_px",
)
"""Columns of `Scores.evidence`, in order."""

Route = Literal["cascade", "full"]
ROUTES: Final[tuple[Route, ...]] = ("cascade", "full")

_PORTS: Final = {"grpc": 8001, "grpcs": 443, "http": 8000, "https": 443}
_FIRST: Final = 1
"""Triton's highest priority; 0 takes the model's default."""
_TYPES: Final = {"uint8": "UINT8", "float32": "FP32"}


@dataclass(frozen=True)
class Scores:
    """The server's answer, one row a face, in the order of the input.

    Attributes:
        probability: P(fake), float32 `[N]`.
        exit_stage: The stage that decided, int32 `[N]`: 1 fast filter, 3 meta-model.
        evidence: float32 `[N, len(EVIDENCE)]`; NaN where a stage did not run.
    """

    probability: NDArray[np.float32]
    exit_stage: NDArray[np.int32]
    evidence: NDArray[np.float32]


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        url: As the caller named it.
        protocol: `grpc` or `http`.
        secure: Whether the connection is encrypted.
        target: `host:port`, with the base path for HTTP.
        local: Whether the host is this machine.
    """

    url: str
    protocol: Literal["grpc", "http"]
    secure: bool
    target: str
    local: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads `grpc://host:port`, `grpcs://...`, `http://host:port/base` or `https://...`.

        Raises:
            InvalidRequest: The URL has another scheme or no host.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            host = parts.hostname
        except (KeyError, ValueError):
            host = None
        if not host:
            raise InvalidRequest(f"{url!r} is no server address; write grpc://host:port or http://host:port")
        bare = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        protocol: Literal["grpc", "http"] = "grpc" if parts.scheme.startswith("grpc") else "http"
        target = bare + parts.path.rstrip("/") if protocol == "http" else bare
        local = host in ("localhost", "::1") or host.startswith("127.")
        return cls(url, protocol, parts.scheme.endswith("s"), target, local)


@dataclass(frozen=True)
class Shared:
    """Where a tensor lies in a shared memory region that the server knows.

    Attributes:
        region: Name of the region.
        offset: First byte.
    """

    region: str
    offset: int


@dataclass(frozen=True)
class Request:
    """One inference request.

    Attributes:
        faces: uint8 `[M, 256, 256, 3]`, 1 <= M <= MAX_BATCH.
        face_px: float32 `[M]`.
        route: `cascade` or `full`.
        shared: Where the faces lie already, or None to send them.
        probe: Whether this is a health check, which goes before other requests when the server is full.
        request_id: What the server calls it in its log.
        traceparent: W3C trace context that the server goes on with, or None.
    """

    faces: NDArray[np.uint8]
    face_px: NDArray[np.float32]
    route: Route
    shared: Shared | None = None
    probe: bool = False
    request_id: str = ""
    traceparent: str | None = None


def split(faces: NDArray[np.uint8], face_px: NDArray[np.float32] | None, route: Route) -> list[Request]:
    """Checks a batch of any size and cuts it into requests, in order.

    `face_px` is always sent, NaN where unknown: the server batches together only requests with the same inputs.

    Args:
        faces: uint8 `[N, 256, 256, 3]`, RGB, N >= 0.
        face_px: Side of each crop in source pixels, float32 `[N]`, or None.
        route: `cascade` or `full`.

    Raises:
        InvalidRequest: An argument breaks the contract.
    """
    shape = (FACE_SIZE, FACE_SIZE, 3)
    if not isinstance(faces, np.ndarray) or faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[1:] != shape:
        got = f"{getattr(faces, 'dtype', type(faces).__name__)} {list(getattr(faces, 'shape', ()))}"
        raise InvalidRequest(
            f"faces: expected uint8 [N, 256, 256, 3] (RGB), got {got}; crop and resize the faces first"
        )
    if route not in ROUTES:
        raise InvalidRequest(f"route: expected one of {', '.join(ROUTES)}, got {route!r}")
    sides = np.full(len(faces), np.nan, np.float32) if face_px is None else np.asarray(face_px)
    if sides.shape != (len(faces),) or sides.dtype.kind not in "fiu":
        raise InvalidRequest(
            f"face_px: expected one number a face, float32 [{len(faces)}], got {sides.dtype} {list(sides.shape)}"
        )
    if (sides <= 0).any() or np.isinf(sides).any():
        raise InvalidRequest("face_px: expected sizes in pixels above 0, NaN where unknown")
    sides = sides.astype(np.float32, copy=False)
    return list(_parts(faces, sides, route))


def _parts(faces: NDArray[np.uint8], sides: NDArray[np.float32], route: Route) -> Iterator[Request]:
    for start in range(0, len(faces), MAX_BATCH):
        part = slice(start, start + MAX_BATCH)
        yield Request(faces[part], sides[part], route)


def join(parts: Sequence[Scores]) -> Scores:
    """Puts the answers to the requests of `split` together again."""
    empty = Scores(np.empty(0, np.float32), np.empty(0, np.int32), np.empty((0, len(EVIDENCE)), np.float32))
    if len(parts) == 1:
        return parts[0]
    parts = parts or (empty,)
    return Scores(
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.exit_stage for part in parts]),
        np.concatenate([part.evidence for part in parts]),
    )


def encode(request: Request, timeout: float, module: Any) -> dict[str, Any]:
    """The arguments of `infer` of any of tritonclient's four clients.

    Args:
        request: What to ask.
        timeout: Seconds left; the server's queues honour it too.
        module: `tritonclient.grpc` or `tritonclient.http`.
    """
    faces = module.InferInput(FACE, list(request.faces.shape), _TYPES["uint8"])
    if request.shared is None:
        faces.set_data_from_numpy(request.faces)
    else:
        faces.set_shared_memory(request.shared.region, request.faces.nbytes, request.shared.offset)
    sides = module.InferInput(FACE_PX, [len(request.faces), 1], _TYPES["float32"])
    sides.set_data_from_numpy(request.face_px[:, None])
    return {
        "model_name": MODEL,
        "inputs": [faces, sides],
        "outputs": [module.InferRequestedOutput(name) for name in (PROBABILITY, EXIT_STAGE, EVIDENCE_OUTPUT)],
        "priority": _FIRST if request.probe else 0,
        "timeout": max(1, int(timeout * 1e6)),
        "parameters": {"route": request.route},
        "request_id": request.request_id,
        "headers": {} if request.traceparent is None else {"traceparent": request.traceparent},
    }


def decode(result: Any, request: Request, url: str) -> Scores:
    """The scores in tritonclient's `InferResult` from the server at `url`.

    Raises:
        ServerError: The answer is not what an AWARE-NET server gives.
    """
    count = len(request.faces)
    arrays: list[NDArray[Any]] = []
    for name, dtype, width in (
        (PROBABILITY, np.float32, 1),
        (EXIT_STAGE, np.int32, 1),
        (EVIDENCE_OUTPUT, np.float32, len(EVIDENCE)),
    ):
        array = result.as_numpy(name)
        if array is None or array.dtype != dtype or array.shape != (count, width):
            got = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise ServerError(
                f"{url}: {name}: expected {np.dtype(dtype)} [{count}, {width}], got {got}; "
                "the server's version does not match this client's"
            )
        arrays.append(array)
    probability, exit_stage, evidence = arrays
    return Scores(probability[:, 0], exit_stage[:, 0], evidence)


def policy(config: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The policy in the cascade's model configuration on the server at `url`.

    Raises:
        ServerError: There is none.
    """
    try:
        loaded = json.loads(config["parameters"]["policy"]["string_value"])
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"{url}: the model {MODEL!r} carries no policy ({error!r}); "
            "serve a repository made by `python -m export assemble`"
        ) from error
    if not isinstance(loaded, dict):
        raise ServerError(f"{url}: the policy of the model {MODEL!r} is no JSON object; assemble the repository again")
    return loaded
