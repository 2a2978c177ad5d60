"""The configuration of a gateway: one typed object, from the environment and an optional file, checked at start."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from awarenet.detector import DEFAULT_FRAMES
from awarenet.errors import ConfigurationError
from awarenet.face_engines import Engine
from awarenet.heatmap import EXPECTED_FILE
from awarenet.media import MediaLimits

PREFIX: Final = "AWARENET_"
"""Environment variables are the names of the fields in capitals behind this."""

FILE_VARIABLE: Final = "AWARENET_CONFIG"
"""Environment variable that names a TOML file of fields; the environment itself goes before it."""

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that can be configured. `AWARENET_PORT=9000` sets `port`, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks (`10.0.0.0/8`) of proxies in front, whose `X-Forwarded-For` tells where a caller is."""
    server: str | None = None
    """URL of a Triton server that runs elsewhere (`grpc://host:port`); None starts one here."""
    shadow_server: str | None = None
    """URL of a Triton server with other models, which judge pictures as well to be compared; None for none."""
    shadow_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the pictures that the shadow judges, by every stage, after their callers have the answer."""
    model_repository: Path = Path("model_repository")
    """The models; also gives the known answer that readiness is checked with."""
    trusted_keys: str = ""
    """Public keys, divided by spaces: models that none of them signed are not served here; empty asks nobody."""
    state_folder: Path = Path(".awarenet")
    """Folder for the first API key, the key store and the job store; made with mode 700."""
    web_folder: Path | None = Path("clients/web/dist")
    """The built web page, served at `/` where the folder exists."""

    workers: Count = Field(default_factory=lambda: os.cpu_count() or 1)
    """Processes that read and score pictures and frames."""
    queue: Annotated[int, Field(ge=0)] = Field(default_factory=lambda: os.cpu_count() or 1)
    """Pictures that may wait for a worker; beyond it requests are refused with 503. A longer queue makes all wait."""
    clip_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that score the clips of jobs; 0 leaves jobs to other gateways on the same store."""
    worker_memory_bytes: Annotated[int, Field(ge=256 << 20)] = 1536 << 20
    """Data memory (RLIMIT_DATA) of one worker process; media that needs more is refused."""
    picture_timeout_s: Seconds = 15.0
    """Longest time for one picture, waiting included; it is Triton's budget too."""
    clip_timeout_s: Seconds = 600.0
    """Longest time for one attempt at a clip."""
    leakage_check_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the pictures that every stage looks at once more when a worker is idle, to measure on live pictures how
    many forgeries the fast filter lets through (`awarenet_gateway_leakage_check_total`); 0.01 is much on a busy one.
    """
    face_engine: Engine = "auto"
    """What finds the faces: `yunet`, `hog`, or `auto` for the better one that is there."""
    frames: Count = DEFAULT_FRAMES
    """Most frames of a clip whose faces are scored."""

    picture_bytes: Count = 20 << 20
    """Largest picture."""
    clip_bytes: Count = 256 << 20
    """Largest clip of a job."""
    pixels: Count = 64_000_000
    """Most pixels of a picture or frame, read from its header."""
    clip_seconds: Seconds = 600.0
    """Longest clip."""
    clip_uploads: Count = 4
    """Clips received at once; each is held in memory until it is encrypted."""
    frame_bytes: Count = 4 << 20
    """Largest frame of a stream."""
    frame_timeout_s: Seconds = 2.0
    """Longest time for one frame of a stream."""
    batch_items: Count = 16
    """Most pictures in one batch."""
    requests: Count = 256
    """Requests under way at once, uploads included; beyond it they are refused with 503."""
    streams: Count = 2000
    """Open WebSocket streams."""
    connections: Count = 10_000
    """Other open connections to make room for; more are taken as far as the limit on open files goes."""
    header_timeout_s: Seconds = 10.0
    """Time for the headers of a request, from its first byte."""
    upload_timeout_s: Seconds = 60.0
    """Time for the body of a request, from its headers."""
    keep_alive_s: Annotated[int, Field(ge=1)] = 75
    """Time that an idle connection is kept after a response."""
    stream_idle_s: Seconds = 60.0
    """Time without a frame after which a stream is closed."""
    stream_resume_s: Seconds = 60.0
    """Time that the state of a broken stream is kept for its client to come back."""

    database: str | None = None
    """`sqlite:///file.db` or `postgresql://user@host/name`; None takes `gateway.db` in the state folder."""
    master_key: SecretStr | None = None
    """64 hexadecimal digits that every other secret comes from; None makes one and keeps it in the state folder."""
    first_api_key: SecretStr | None = None
    """The API key of the first admin, for several gateways that share a database; None makes one and prints it."""
    job_keep_s: Seconds = 7 * 24 * 3600.0
    """Time that a finished job is kept; its media is deleted as soon as it is finished."""
    token_issuer: str | None = None
    """`iss` of the OpenID Connect issuer whose tokens are taken; None takes API keys alone."""
    token_audience: str | None = None
    """`aud` that its tokens must have."""
    token_keys_url: str | None = None
    """Where its public keys are (JWKS)."""
    token_roles_claim: str = "roles"
    """The claim of its tokens that lists roles."""
    heatmap_expected: Path = EXPECTED_FILE
    """What real faces show with these models (`python -m benchmarks heatmap --write-expected`); heatmaps need it."""
    trust_anchors: Path | None = None
    """PEM file of certificates whose content credentials are shown as trusted; None trusts nobody's."""
    webhooks: Literal["off", "public", "local"] = "off"
    """Whether a job may name an address that is told when it ends: `public` allows https to public addresses, `local`
    also plain http to this machine."""
    requests_per_minute: Annotated[float, Field(gt=0)] = 1200.0
    """Rate of a credential that has no rate of its own."""
    requests_burst: Count = 120
    """Requests that a credential may send at once."""
    requests_per_day: Annotated[int, Field(ge=1)] | None = None
    """Quota of a subject whose credential has none of its own; None for no limit."""

    cached_results: Annotated[int, Field(ge=0)] = 2048
    """Verdicts kept in memory for the same bytes, models, policy and route; 0 keeps none."""
    idempotency_s: Seconds = 24 * 3600.0
    """Time that the answer to an `Idempotency-Key` is kept."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may call; none by default. No wildcard."""
    drain_timeout_s: Annotated[float, Field(ge=0)] = 30.0
    """Time that requests under way get at the end."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity of log lines."""
    log_json: bool | None = None
    """One JSON object a line; by default where stderr is no terminal."""
    traces_endpoint: str | None = None
    """OTLP/HTTP address (`http://collector:4318`) to send OpenTelemetry traces to; None sends none."""

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or "*" in origin or origin.endswith("/"):
                raise ValueError(f"{origin!r} is no origin; write https://host[:port], without a path or wildcard")
        return origins

    @field_validator("proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ipaddress.ip_network(proxy)  # Its ValueError says what is wrong.
        return proxies

    @field_validator("master_key")
    @classmethod
    def _whole(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", key.get_secret_value()):
            raise ValueError("not 64 hexadecimal digits; make one with `openssl rand -hex 32`")
        return key

    @field_validator("trust_anchors")
    @classmethod
    def _there(cls, file: Path | None) -> Path | None:
        try:
            if file is not None and "BEGIN CERTIFICATE" not in file.read_text(encoding="utf-8"):
                raise ValueError(f"{file} holds no PEM certificate")
        except OSError as error:
            raise ValueError(f"{file} cannot be read ({error.strerror})") from error
        return file

    @model_validator(mode="after")
    def _issuer_is_whole(self) -> Settings:
        parts = (self.token_issuer, self.token_audience, self.token_keys_url)
        if any(parts) and not all(parts):
            raise ValueError("token_issuer, token_audience and token_keys_url go together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments go before the environment, the environment before the file."""
        sources = (init_settings, env_settings, file_secret_settings)
        if named := os.environ.get(FILE_VARIABLE):
            return (*sources, TomlConfigSettingsSource(settings_cls, toml_file=named))
        return sources

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """Reads the configuration.

        Args:
            **given: Fields that go before every other source.

        Raises:
            ConfigurationError: A field has a value that makes no sense, or the file is not there or no TOML.
        """
        named = os.environ.get(FILE_VARIABLE)
        if named and not Path(named).is_file():
            raise ConfigurationError(f"settings: {named} is not a file; correct ${FILE_VARIABLE}")
        try:
            return cls(**given)
        except ValidationError as error:
            faults = "; ".join(
                f"{PREFIX}{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False)
            )
            raise ConfigurationError(f"settings: {faults}; correct them and start again") from error
        except ValueError as error:
            raise ConfigurationError(f"settings: {error}; correct the environment or {named}") from error

    @property
    def media_limits(self) -> MediaLimits:
        """What workers refuse before decoding."""
        return MediaLimits(
            picture_bytes=self.picture_bytes,
            clip_bytes=self.clip_bytes,
            pixels=self.pixels,
            clip_seconds=self.clip_seconds,
        )
