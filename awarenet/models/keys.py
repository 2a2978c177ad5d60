"""The option that names trusted keys; apart from the others, because a server needs none of what those import."""

from __future__ import annotations

from typing import Annotated, Final

import typer

KEYS_VARIABLE: Final = "AWARENET_TRUSTED_KEYS"
"""Trusted keys, divided by spaces, where the option is not given."""

TrustedKey = Annotated[
    list[str] | None,
    typer.Option(
        envvar=KEYS_VARIABLE,
        help="Public key of `awarenet models keygen`, as its file or its line of Base64; again for each further one. "
        "Models that none of them signed are refused. Without any, nobody is asked who made the models.",
    ),
]
