"""Scores face crops on an AWARE-NET server, over gRPC or HTTP, blocking or with asyncio.

    from awarenet_client import Client

    with Client("grpc://localhost:8001") as client:
        scores = client.score(faces)  # uint8 [N, 256, 256, 3], RGB
        print(scores.probability)     # P(fake), float32 [N]

It needs tritonclient and NumPy alone. Labels follow one convention: 0 = real, 1 = fake.
"""

from awarenet_client.client import AsyncClient, Client
from awarenet_client.errors import (
    Cancelled,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    ServerError,
    Unavailable,
)
from awarenet_client.protocol import EVIDENCE, FACE_SIZE, MAX_BATCH, ROUTES, Route, Scores
from awarenet_client.version import __version__

__all__ = [
    "EVIDENCE",
    "FACE_SIZE",
    "MAX_BATCH",
    "ROUTES",
    "AsyncClient",
    "Cancelled",
    "Client",
    "ClientError",
    "DeadlineExceeded",
    "InvalidRequest",
    "Route",
    "Scores",
    "ServerError",
    "Unavailable",
    "__version__",
]
