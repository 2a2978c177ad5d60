"""`python -m gateway drain`: empties the gateway on this machine before it is told to end, as a preStop hook does."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from awarenet.errors import ConfigurationError, Unavailable
from gateway.settings import Settings

_ANSWER_S = 10.0
"""What an answer may take beyond the drain itself."""


def drain(settings: Settings, after_s: float) -> bool:
    """Lets the gateway take requests a while longer, then refuse new ones and finish those under way.

    Balancers learn that a pod ends when its hook begins, so a gateway that refused at once would refuse what they still
    send.

    Args:
        settings: Of the gateway.
        after_s: Seconds until others stop sending.

    Returns:
        Whether all was finished in time.

    Raises:
        ConfigurationError: The settings name no API key.
        Unavailable: No gateway answers, or it refuses the key.
    """
    if settings.first_api_key is None:
        raise ConfigurationError("drain: the gateway asks for an API key; set AWARENET_FIRST_API_KEY")
    time.sleep(after_s)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    request = urllib.request.Request(
        f"http://{host}:{settings.port}/drain",
        method="POST",
        headers={"X-API-Key": settings.first_api_key.get_secret_value()},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=settings.drain_timeout_s + _ANSWER_S) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise Unavailable(f"drain: the gateway answers {error.code}; its key must be an operator's") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"drain: no gateway answers on port {settings.port} ({error})") from error
    return bool(answer["drained"])
