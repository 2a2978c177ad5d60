"""Draining the gateway of this machine from outside: what a pod's `preStop` hook calls."""

from __future__ import annotations

from typing import Final

import httpx2

from awarenet.addresses import local_address
from awarenet.errors import ConfigurationError, ServiceError, Unavailable
from gateway.settings import Settings
from gateway.state import KEY_FILE

_MARGIN_S: Final = 10.0


def drain(settings: Settings, settle_s: float) -> None:
    """Turns readiness off, waits, refuses new work, and returns when what is under way is finished.

    Args:
        settings: Those of the gateway.
        settle_s: Seconds in which new work is still taken, so that whoever spreads the work can see it leave.

    Raises:
        ConfigurationError: The gateway's own key cannot be read, or does not allow this.
        Unavailable: No gateway answers.
        ServiceError: Work is still under way after the gateway's time to finish.
    """
    key = _key(settings)
    address = f"http://{local_address(settings.host, settings.port)}"
    try:
        answer = httpx2.post(
            f"{address}/drain",
            params={"settle_s": settle_s},
            headers={"X-API-Key": key},
            timeout=settle_s + settings.drain_timeout_s + _MARGIN_S,
            trust_env=False,
        )
        content = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise Unavailable(f"no gateway answers at {address} ({error}); set AWARENET_PORT as it has it") from error
    if answer.status_code in (401, 403):
        raise ConfigurationError(
            f"{address} answers {answer.status_code}: the key was revoked or may not drain; SIGTERM drains without it"
        )
    if not content.get("drained"):
        raise ServiceError(f"{address}: not everything was finished: {content}")


def _key(settings: Settings) -> str:
    if settings.first_api_key is not None:
        return settings.first_api_key.get_secret_value()
    file = settings.state_folder / KEY_FILE
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error}); set AWARENET_STATE_FOLDER or AWARENET_FIRST_API_KEY as it has it"
        ) from error
