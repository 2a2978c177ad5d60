"""What Locust's processes are told, because Locust starts them itself: environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from awarenet.errors import ConfigurationError

_PREFIX: Final = "AWARENET_LOAD_"


@dataclass(frozen=True)
class Told:
    """Where users go and what they send.

    Attributes:
        url: Of the gateway.
        key: API key.
        grpc_url: Of Triton.
        corpus: Folder of `Corpus.save`.
        shape: Name of a shape; see `shapes`.
        most: Users at full load; the overload has three times as many.
        seconds: Length of the shape.
        think_s: Mean time between an answer and the next picture over HTTP, exponential.
        repeats: Share of requests whose bytes were sent before.
    """

    url: str
    key: str
    grpc_url: str
    corpus: Path
    shape: str
    most: int
    seconds: float
    think_s: float
    repeats: float

    def variables(self) -> dict[str, str]:
        """As environment variables."""
        return {_PREFIX + name.upper(): str(value) for name, value in vars(self).items()}

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Told:
        """From environment variables.

        Raises:
            ConfigurationError: One is missing.
        """
        try:
            plain = {name: variables[_PREFIX + name.upper()] for name in cls.__dataclass_fields__}
        except KeyError as error:
            raise ConfigurationError(
                f"load: {error.args[0]} is not set; start the users with `python -m loadtests users`"
            ) from error
        return cls(
            plain["url"],
            plain["key"],
            plain["grpc_url"],
            Path(plain["corpus"]),
            plain["shape"],
            int(plain["most"]),
            float(plain["seconds"]),
            float(plain["think_s"]),
            float(plain["repeats"]),
        )
