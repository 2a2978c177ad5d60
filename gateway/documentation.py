"""What the OpenAPI document says beyond what the code of the endpoints says: bodies, answers, examples that run.

Every operation has an example for a shell. `$GATEWAY` is the address, `$KEY` an API key, `$JOB` the id of a job.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from fastapi import FastAPI

from awarenet import __version__
from awarenet.verdict import schema as verdict_schema
from gateway.problems import MEDIA_TYPE
from gateway.provenance import CredentialState

THRESHOLDS: Final = ("real_below", "fake_above", "decide_at", "uncertain_margin")
LIMITS: Final = (
    "picture_bytes",
    "clip_bytes",
    "frame_bytes",
    "pixels",
    "clip_seconds",
    "batch_items",
    "picture_timeout_s",
    "clip_timeout_s",
)

DESCRIPTION: Final = """
Finds forged faces in pictures, clips and live streams.

Every probability is P(fake). A verdict is `fake`, `real`, `uncertain` or `no_face`: the last two are first-class
answers. It is a statistical estimate with the error rates in the model cards, not proof.

**Live streams**: `WS /v1/stream` takes pictures (JPEG, WebP, PNG) as binary messages and answers each judged frame with
a JSON text message:
`{"type": "verdict", "frame": 3, "verdict": "real", "probability": 0.1, "tracks": [...], "dropped": 1}`.
The first message, `{"type": "session", "session": TOKEN}`, names the session; after a broken connection
`/v1/stream?session=TOKEN` goes on with it. `{"type": "end"}` ends it. Browsers, which cannot send `X-API-Key`, offer
the subprotocols `awarenet.v1` and `awarenet.key.KEY`.
"""

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_WORDS: Final = ["fake", "real", "uncertain", "no_face"]


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": _ref("Problem")}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in sorted(statuses)}


_MEANINGS: Final = {
    400: "The request makes no sense.",
    401: "No credential, or a bad one.",
    403: "Your roles do not allow this.",
    404: "There is no such thing, or it is another's.",
    408: "The body did not arrive in time.",
    409: "The request contradicts what is there.",
    413: "Too many bytes, pixels or seconds.",
    415: "The content is no media of a kind that is read here.",
    422: "The media is damaged, or the Idempotency-Key was used for something else.",
    429: "Your rate or quota is used up; see `Retry-After`.",
    500: "The process that read the media ended.",
    502: "Triton failed.",
    503: "Too much to do, or starting, or draining; see `Retry-After`.",
    504: "Not done in time.",
}
_CALL: Final = (400, 401, 403, 429, 503)
_MEDIA: Final = (*_CALL, 408, 409, 413, 415, 422, 500, 502, 504)


def _answer(what: str, schema: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": what, "content": {"application/json": {"schema": schema}}}
    if headers:
        answer["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return answer


def _shell(source: str) -> list[dict[str, str]]:
    return [{"lang": "Shell", "label": "curl", "source": source}]


def _operation(
    curl: str, responses: dict[int | str, dict[str, Any]], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    extra: dict[str, Any] = {"x-codeSamples": _shell(curl)}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": body}
    return {"responses": responses, "openapi_extra": extra}


def _form(field: str, several: bool) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    property_: dict[str, Any] = {"type": "array", "items": file, "minItems": 1} if several else file
    return {"schema": {"type": "object", "required": [field], "properties": {field: property_}}}


_FILE: Final = {
    "multipart/form-data": _form("file", several=False),
    "image/*": _BINARY,
    "application/octet-stream": _BINARY,
}
_FACE: Final = {
    "box": [175.0, 70.0, 97.0, 125.0],
    "track": 0,
    "probability": 0.31,
    "exit_stage": 3,
    "evidence": {"fast_filter_logit": 0.1, "face_px": 162.0},
    "upscaled": True,
    "time_s": None,
}
_VERDICT: Final = {
    "path": "portrait.jpg",
    "verdict": "real",
    "probability": 0.31,
    "faces": [_FACE],
    "model_version": "811237088c65",
    "policy_version": "5f0c2a9be1d3",
    "face_engine": "yunet",
    "error": None,
    "error_code": None,
    "notes": ["the face has fewer pixels than the 256 that the models look at"],
    "timings_ms": {"decode": 4.1, "detect": 11.9, "score": 40.2},
    "tracks": [
        {
            "track": 0,
            "start_s": None,
            "end_s": None,
            "faces": 1,
            "probability": 0.31,
            "low": None,
            "high": None,
            "temporal": {},
        }
    ],
    "duration_s": None,
    "scene_cuts_s": [],
    "skipped": {},
}
_JOB: Final = {
    "id": "6f1d0f0a8c0c4b7e9d7c3f5a2b1e4d6c",
    "state": "queued",
    "progress": 0.0,
    "attempts": 0,
    "name": "clip.mp4",
    "route": "cascade",
    "created": 1764061200.0,
    "started": None,
    "finished": None,
    "webhook": None,
    "verdict": None,
    "content_credentials": None,
    "problem": None,
}
_NO_CREDENTIALS: Final[dict[str, Any]] = {
    "state": "absent",
    "issuer": None,
    "claim_generator": None,
    "signed_at": None,
    "actions": [],
    "says_ai": False,
    "ingredients": 0,
    "problems": [],
}
_REQUEST_ID: Final = "0b7c4a52f5f84b0fa7a1b0c6f0f2e9d1"

EXAMPLES: Final = {
    "Answer": {**_VERDICT, "content_credentials": _NO_CREDENTIALS, "request_id": _REQUEST_ID},
    "Batch": {
        "request_id": _REQUEST_ID,
        "items": [{"name": "portrait.jpg", "verdict": _VERDICT, "content_credentials": _NO_CREDENTIALS}],
    },
    "Heatmap": {
        "region": [142.0, 66.0, 162.0, 162.0],
        "values": [[0.02, -0.01], [0.11, 0.03]],
        "logit": 0.4,
        "model_version": "811237088c65",
        "request_id": _REQUEST_ID,
    },
    "WebhookSecret": {"secret": "whsec_bm90IGEgc2VjcmV0LCBvbmx5IGFuIGV4YW1wbGU="},
    "Job": _JOB,
    "Jobs": {"jobs": [_JOB]},
    "Status": {"status": "ready", "workers": 2},
    "Drained": {"drained": True, "in_flight": 0},
    "Problem": {
        "type": "/docs#problem-damaged_media",
        "title": "The media is of a known kind, but it is empty, truncated or corrupt.",
        "status": 422,
        "detail": "portrait.jpg: the JPEG data is truncated or corrupt (image file is truncated); get a whole copy",
        "code": "damaged_media",
        "instance": f"urn:awarenet:request:{_REQUEST_ID}",
    },
}
"""One answer by schema. FastAPI drops what is null from examples that it is given, so they are added at the end."""

DETECT: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" -F file=@portrait.png "$GATEWAY/v1/detect"',
    {
        200: _answer(
            "The verdict.",
            _ref("Answer"),
            ETag="What the verdict depends on.",
            Idempotency_Replayed="`true` for an answer that was given before.",
        ),
        **_problems(*_MEDIA),
    },
    _FILE,
)
HEATMAP: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" -F file=@portrait.png "$GATEWAY/v1/heatmap?box=175,70,97,125"',
    {200: _answer("The heatmap.", _ref("Heatmap")), **_problems(*_MEDIA, 404)},
    _FILE,
)
BATCH: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" -F files=@portrait.png -F files=@wall.png "$GATEWAY/v1/batch"',
    {
        200: _answer(
            "A verdict or a problem for each file, in order.",
            _ref("Batch"),
        ),
        **_problems(*_MEDIA),
    },
    {"multipart/form-data": _form("files", several=True)},
)
MODEL: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" "$GATEWAY/v1/model"',
    {
        200: _answer("What is in force.", _ref("Model"), ETag="Changes with anything in the answer."),
        304: {"description": "Nothing has changed."},
        **_problems(*_CALL),
    },
)
CREATE_JOB: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" -F file=@clip.mp4 "$GATEWAY/v1/jobs"',
    {
        202: _answer("The job.", _ref("Job"), Location="The job.", ETag="Changes with the job."),
        **_problems(*_MEDIA),
    },
    {**_FILE, "video/*": _BINARY},
)
WEBHOOK_SECRET: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" "$GATEWAY/v1/webhooks/secret"',
    {200: _answer("The secret.", _ref("WebhookSecret")), **_problems(*_CALL)},
)
LIST_JOBS: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" "$GATEWAY/v1/jobs?limit=5"',
    {200: _answer("The jobs.", _ref("Jobs")), **_problems(*_CALL, 404)},
)
READ_JOB: Final = _operation(
    'curl --fail-with-body -H "X-API-Key: $KEY" "$GATEWAY/v1/jobs/$JOB"',
    {
        200: _answer("The job.", _ref("Job"), ETag="Changes with the job."),
        304: {"description": "Nothing has changed."},
        **_problems(*_CALL, 404),
    },
)
JOB_EVENTS: Final = _operation(
    'curl --fail-with-body --no-buffer -H "X-API-Key: $KEY" "$GATEWAY/v1/jobs/$JOB/events"',
    {
        200: {
            "description": "Events `job` with the job as data, and `deleted`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **_problems(*_CALL, 404),
    },
)
DELETE_JOB: Final = _operation(
    'curl --fail-with-body -X DELETE -H "X-API-Key: $KEY" "$GATEWAY/v1/jobs/$JOB"',
    {204: {"description": "It is gone."}, **_problems(*_CALL, 404)},
)
LIVE: Final = _operation(
    'curl --fail-with-body "$GATEWAY/livez"',
    {200: _answer("It lives.", _ref("Status"))},
)
READY: Final = _operation(
    'curl --fail-with-body "$GATEWAY/readyz"',
    {200: _answer("It answers rightly.", _ref("Status")), **_problems(503)},
)
DRAIN: Final = _operation(
    'curl --fail-with-body -X POST -H "X-API-Key: $KEY" "$GATEWAY/drain?settle_s=5"',
    {
        200: _answer("Whether everything was finished in time.", _ref("Drained")),
        **_problems(400, 401, 403, 429, 503),
    },
)
METRICS: Final = _operation(
    'curl --fail-with-body "$GATEWAY/metrics"',
    {200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)


def _closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _schemas() -> dict[str, Any]:
    verdict = {key: value for key, value in verdict_schema().items() if key != "$schema"}
    beside = {"content_credentials": _ref("ContentCredentials"), "request_id": {"type": "string"}}
    answer = {
        **verdict,
        "title": "Answer",
        "properties": {**verdict["properties"], **beside},
        "required": [*verdict["required"], *beside],
    }
    text, number = {"type": "string"}, {"type": "number"}
    maybe_number, maybe_text = {"type": ["number", "null"]}, {"type": ["string", "null"]}
    problem = {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "instance"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is wrong, and what to do."},
            "code": {"type": "string", "description": "The kind of problem, for programs."},
            "instance": {"type": "string", "description": "The id of the request or job."},
        },
    }
    job = _closed(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "state": {"enum": ["queued", "running", "succeeded", "failed", "cancelled"]},
            "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "attempts": {"type": "integer", "minimum": 0},
            "name": maybe_text,
            "route": {"enum": ["cascade", "full"]},
            "created": number,
            "started": maybe_number,
            "finished": maybe_number,
            "webhook": maybe_text,
            "verdict": {"anyOf": [_ref("Verdict"), {"type": "null"}]},
            "content_credentials": {"anyOf": [_ref("ContentCredentials"), {"type": "null"}]},
            "problem": {"anyOf": [_ref("Problem"), {"type": "null"}]},
        }
    )
    found = {"verdict": _ref("Verdict"), "content_credentials": _ref("ContentCredentials"), "problem": _ref("Problem")}
    item = _closed({"name": text, **found}, *found)
    action = _closed({"action": text, "source_type": maybe_text, "software": maybe_text})
    credentials = _closed(
        {
            "state": {"enum": list(get_args(CredentialState))},
            "issuer": maybe_text,
            "claim_generator": maybe_text,
            "signed_at": maybe_text,
            "actions": {"type": "array", "items": action},
            "says_ai": {"type": "boolean"},
            "ingredients": {"type": "integer", "minimum": 0},
            "problems": {"type": "array", "items": text},
        }
    )
    credentials["description"] = "What the file says of its origin (C2PA), beside the verdict and no part of it."
    return {
        "Verdict": verdict,
        "Answer": answer,
        "Problem": problem,
        "ContentCredentials": credentials,
        "Heatmap": _closed(
            {
                "region": {
                    "description": "The square of the picture that the values cover: left, top, width, height.",
                    "type": "array",
                    "items": number,
                    "minItems": 4,
                    "maxItems": 4,
                },
                "values": {
                    "description": "Rows from the top, in logits of P(fake).",
                    "type": "array",
                    "items": {"type": "array", "items": number},
                },
                "logit": {"type": "number", "description": "The score that is explained: the mean of the models'."},
                "model_version": text,
                "request_id": text,
            }
        ),
        "WebhookSecret": _closed({"secret": text}),
        "Batch": _closed({"request_id": text, "items": {"type": "array", "items": item}}),
        "Job": job,
        "Jobs": _closed({"jobs": {"type": "array", "items": _ref("Job")}}),
        "Status": _closed({"status": text, "workers": {"type": "integer", "minimum": 0}}, "workers"),
        "Drained": _closed({"drained": {"type": "boolean"}, "in_flight": {"type": "integer", "minimum": 0}}),
        "Model": _closed(
            {
                "version": text,
                "model_version": text,
                "policy_version": text,
                "face_engine": text,
                "thresholds": _closed(dict.fromkeys(THRESHOLDS, number)),
                "leakage": {"type": "object"},
                "data": text,
                "models": {"type": "object", "additionalProperties": text},
                "limits": _closed(dict.fromkeys(LIMITS, number)),
            }
        ),
    }


def complete(app: FastAPI) -> None:
    """Makes an application's OpenAPI document the whole one."""
    generate = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document.setdefault("components", {})["schemas"] = _schemas()
            for path in document["paths"].values():
                for operation in path.values():
                    _complete(operation["responses"])
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]
    app.version = __version__


def _complete(responses: dict[str, Any]) -> None:
    # FastAPI's own description of bad parameters: they are answered as a problem, with 400.
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name in EXAMPLES:
                content["example"] = EXAMPLES[name]
