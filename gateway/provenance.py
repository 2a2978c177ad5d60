"""Content credentials (C2PA) of a file, read by `c2pa-python`, to be shown beside the verdict.

They are what somebody said about the file and signed; the verdict is what its pixels look like. Neither changes the
other: a valid credential does not make a face real, and most genuine files have none.

Nothing is fetched: not a manifest that a file says lies elsewhere, not the state of a certificate. The parser is native
code over untrusted bytes; call it where media is decoded, in a process that may die.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import c2pa

from awarenet.errors import AwareNetError
from awarenet.media.kinds import Format, sniff

CredentialState = Literal["absent", "trusted", "valid", "invalid", "remote", "unreadable", "too_large"]
"""What a file's credentials are worth:

`absent` it has none. `trusted` whole, and signed under a certificate that is trusted here. `valid` whole, signed by
somebody unknown here. `invalid` the file or the credentials were changed after signing, or the signature is bad.
`remote` they lie elsewhere and were not fetched. `unreadable` the file or its credentials are damaged. `too_large` not
looked at.
"""

LARGEST_FILE: Final = 512 << 20
"""Bytes; larger files are not looked at, for the whole file is hashed."""
LARGEST_MANIFEST: Final = 4 << 20
"""Characters of the manifest store as JSON."""

_LONGEST_TEXT: Final = 200
_MOST_ITEMS: Final = 50

_AI_SOURCES: Final = {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"}
"""IPTC's digital source types of content that a trained model made, in whole or in part."""

_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
    "mov": "video/mp4",
    "avi": "video/avi",
}
"""Name of the format (`awarenet.media.kinds`) to the only parser that is let near it; other formats carry none."""


@dataclass(frozen=True)
class CredentialAction:
    """One thing that was done to the file, as its signer says.

    Attributes:
        action: Name of the action (`c2pa.created`, `c2pa.edited`, ...).
        source_type: IPTC's digital source type, its last part (`trainedAlgorithmicMedia`, ...); None where not said.
        software: What did it; None where not said.
    """

    action: str
    source_type: str | None = None
    software: str | None = None


@dataclass(frozen=True)
class ContentCredentials:
    """What a file says about its origin. Every text was written by the signer: show it as text, never as markup.

    Attributes:
        state: What the credentials are worth; but for `trusted` and `valid` do not rely on what follows.
        issuer: Organisation of the signer's certificate.
        claim_generator: The program that made the credentials.
        signed_at: When it was signed by the signer's time stamp, as written there.
        actions: What was done to the file, in order; the first 50.
        says_ai: Whether an action says that a trained model made the content, in whole or in part.
        ingredients: How many other files went into it.
        problems: Codes of what is wrong (`assertion.dataHash.mismatch`, ...); the first 50.
    """

    state: CredentialState
    issuer: str | None = None
    claim_generator: str | None = None
    signed_at: str | None = None
    actions: tuple[CredentialAction, ...] = ()
    says_ai: bool = False
    ingredients: int = 0
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain containers for JSON."""
        return asdict(self)


class CredentialReader:
    """Reads content credentials. May be used from any thread.

    Args:
        trust_anchors: PEM certificates under which signers are trusted; None where none are, and then nothing is
            `trusted`.
        largest_file: Bytes; larger files are not looked at.
    """

    def __init__(self, trust_anchors: str | None = None, *, largest_file: int = LARGEST_FILE) -> None:
        settings: dict[str, Any] = {
            "verify": {
                "verify_after_reading": True,
                "verify_trust": trust_anchors is not None,
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            }
        }
        if trust_anchors is not None:
            settings["trust"] = {"trust_anchors": trust_anchors}
        self._settings = settings
        self._largest_file = largest_file

    def read_file(self, path: Path) -> ContentCredentials:
        """The credentials of a file; see `read`."""
        try:
            media = sniff(path)
            with path.open("rb") as stream:
                return self.read(stream, media)
        except (AwareNetError, OSError):
            return ContentCredentials("unreadable")

    def read(self, stream: BinaryIO, media: Format) -> ContentCredentials:
        """The credentials of a seekable stream. No content makes it raise: what is wrong is a state.

        Args:
            stream: The content, from its beginning; an object of the vault will do.
            media: What the content is.
        """
        kind = _TYPES.get(media.name)
        if kind is None:
            return ContentCredentials("absent")
        try:
            if stream.seek(0, os.SEEK_END) > self._largest_file:
                return ContentCredentials("too_large")
            stream.seek(0)
            with c2pa.Context(c2pa.Settings.from_dict(self._settings)) as context:
                reader = c2pa.Reader.try_create(kind, stream, context=context)
                if reader is None:
                    return ContentCredentials("absent")
                with reader:
                    text = reader.json()
            if len(text) > LARGEST_MANIFEST:
                return ContentCredentials("too_large")
            return _summary(json.loads(text))
        except c2pa.C2paError.RemoteManifest:
            return ContentCredentials("remote")
        except Exception as error:  # whatever a strange file brings native code to say
            remote = "remote manifest" in str(error).lower() or "RemoteManifest" in type(error).__name__
            return ContentCredentials("remote" if remote else "unreadable")


def _summary(store: Any) -> ContentCredentials:
    store = _mapping(store)
    manifest = _mapping(_mapping(store.get("manifests")).get(store.get("active_manifest")))
    signature = _mapping(manifest.get("signature_info"))
    actions = tuple(_actions(manifest))
    problems = list(_problems(_mapping(store.get("validation_results"))))
    states: dict[object, CredentialState] = {"Trusted": "trusted", "Valid": "valid"}
    return ContentCredentials(
        state=states.get(store.get("validation_state"), "invalid"),
        issuer=_text(signature.get("issuer")),
        claim_generator=_claim_generator(manifest),
        signed_at=_text(signature.get("time")),
        actions=actions[:_MOST_ITEMS],
        says_ai=any(action.source_type in _AI_SOURCES for action in actions),
        ingredients=len(_sequence(manifest.get("ingredients"))),
        problems=tuple(problems[:_MOST_ITEMS]),
    )


def _actions(manifest: Mapping[str, Any]) -> list[CredentialAction]:
    found = []
    for assertion in map(_mapping, _sequence(manifest.get("assertions"))):
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        for action in map(_mapping, _sequence(_mapping(assertion.get("data")).get("actions"))):
            source = _text(action.get("digitalSourceType"))
            agent = action.get("softwareAgent")
            software = _text(agent if isinstance(agent, str) else _mapping(agent).get("name"))
            name = _text(action.get("action")) or "unnamed"
            found.append(CredentialAction(name, source.rsplit("/", 1)[-1] if source else None, software))
    return found


def _claim_generator(manifest: Mapping[str, Any]) -> str | None:
    for info in map(_mapping, _sequence(manifest.get("claim_generator_info"))):
        named = " ".join(part for part in (_text(info.get("name")), _text(info.get("version"))) if part)
        if named:
            return named
    return _text(manifest.get("claim_generator"))


def _problems(results: Mapping[str, Any]) -> list[str]:
    failures = _sequence(_mapping(results.get("activeManifest")).get("failure"))
    return [code for failure in failures if (code := _text(_mapping(failure).get("code")))]


def _text(value: object) -> str | None:
    """Text of the signer, short and on one line; None where there is none."""
    if not isinstance(value, str):
        return None
    line = "".join(sign if sign.isprintable() else " " for sign in value[:_LONGEST_TEXT]).strip()
    return line or None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
