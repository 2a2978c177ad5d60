"""The one exception tree of the project.

Every error that a user can meet derives from `AwareNetError` and carries what each boundary needs: a stable `code`
for programs, an HTTP `status` for services, and a message that names the thing and the remedy.
"""

from __future__ import annotations


class AwareNetError(Exception):
    """Root of the tree; catch it to catch everything that the project raises on purpose.

    Attributes:
        code: Stable machine-readable name of the kind of error.
        status: The HTTP status that a service answers with.
    """

    code = "internal"
    status = 500


class InvalidInput(AwareNetError):
    """What the caller sent cannot be used; sending it again will not help."""

    code = "invalid_input"
    status = 400


class TensorError(InvalidInput):
    """A tensor has the wrong name, dtype, shape or batch size."""

    code = "invalid_tensor"


class MediaError(InvalidInput):
    """A picture or clip cannot be scored."""

    code = "media_error"
    status = 422


class UnsupportedMedia(MediaError):
    """The bytes are not a picture or clip of a kind that is read here."""

    code = "unsupported_media"
    status = 415


class DamagedMedia(MediaError):
    """The media is of a known kind, but it is empty, truncated or corrupt."""

    code = "damaged_media"


class MediaTooLarge(MediaError):
    """The media exceeds a limit on bytes, pixels or duration; nothing was decoded."""

    code = "media_too_large"
    status = 413


class Unauthorised(InvalidInput):
    """The caller did not prove who they are: no credential, or one that is unknown, expired or revoked."""

    code = "unauthorised"
    status = 401


class Forbidden(InvalidInput):
    """The caller is known, but their role does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(InvalidInput):
    """There is no such thing, or it belongs to someone else: which of the two is not told."""

    code = "not_found"
    status = 404


class Conflict(InvalidInput):
    """The request contradicts what is already there."""

    code = "conflict"
    status = 409


class LeaseLost(Conflict):
    """The job is no longer this worker's: its lease ran out and another took it. Its result is dropped."""

    code = "lease_lost"


class TooManyRequests(InvalidInput):
    """A rate limit or quota of the caller is used up.

    Attributes:
        retry_after_s: Seconds until the same request can succeed.
    """

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConfigurationError(AwareNetError):
    """The installation, not the request, is at fault."""

    code = "configuration"


class PolicyError(ConfigurationError):
    """A policy file is missing, malformed, or was made for other models."""

    code = "policy"


class ModelError(ConfigurationError):
    """A model file is missing, tampered with, or breaks its tensor contract."""

    code = "model"


class DataError(ConfigurationError):
    """A data set, manifest or training input is not what it must be."""

    code = "data"


class TamperedData(AwareNetError):
    """Something stored fails its authentication: it was altered, truncated, or made with another key."""

    code = "tampered"


class ReportError(AwareNetError):
    """A result could not be written (read-only or full disk); nothing half-written is left."""

    code = "report"


class ServiceError(AwareNetError):
    """The serving side could not answer."""

    code = "service"
    status = 502


class Unavailable(ServiceError):
    """The server is absent, starting, draining, or its queue is full; a retry later may succeed."""

    code = "unavailable"
    status = 503


class Overloaded(Unavailable):
    """More is asked than can be answered now.

    Attributes:
        retry_after_s: Seconds after which room is expected.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WorkerDied(ServiceError):
    """The process that handled the media ended while it did so."""

    code = "worker_died"
    status = 500


class DeadlineExceeded(ServiceError):
    """The deadline passed before the answer was there."""

    code = "deadline_exceeded"
    status = 504


class Cancelled(ServiceError):
    """The caller went away or withdrew the request."""

    code = "cancelled"
    status = 499


class StartupError(ServiceError):
    """A server could not be started (port taken, binary missing, self-test failed)."""

    code = "startup"


class WrongAnswer(StartupError):
    """The server answers a question with a known answer wrongly: its models or libraries are not the right ones."""

    code = "wrong_answer"


def kinds() -> dict[str, type[AwareNetError]]:
    """Every kind of error that is defined by now, by its code; of kinds that share one, the nearest to the root."""
    found: dict[str, type[AwareNetError]] = {}
    waiting: list[type[AwareNetError]] = [AwareNetError]
    for kind in waiting:
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return found
