"""Content credentials: files signed here with made-up certificates, tampered with, and strange ones."""

from __future__ import annotations

import io
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awarenet.media.kinds import Format, sniff
from gateway.provenance import ContentCredentials, CredentialAction, CredentialReader, _summary
from gateway.vault import LocalMasterKeys, Vault
from tests import samples
from tests.credentials import ROOT_PEM, SIGNER_KEY, certificate, signed, signer
from tests.listening import listening

JPEG = Format("picture", "JPEG")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return samples.save(tmp_path_factory.mktemp("plain") / "face.jpg", samples.face()).read_bytes()


@pytest.fixture(scope="module")
def credentialed(plain: bytes) -> bytes:
    return signed(plain)


def read(content: bytes, reader: CredentialReader | None = None) -> ContentCredentials:
    return (reader or CredentialReader()).read(io.BytesIO(content), JPEG)


def test_a_signed_picture_says_who_signed_what_and_how_it_was_made(credentialed: bytes) -> None:
    found = read(credentialed)
    assert found.state == "valid" and found.problems == () and found.ingredients == 0
    assert found.issuer == "Made-up Newsroom"
    assert found.claim_generator == "newsroom 7"
    assert found.actions == (CredentialAction("c2pa.created", "digitalCapture", "Maker"),)
    assert not found.says_ai
    assert json.loads(json.dumps(found.to_dict()))["actions"][0]["software"] == "Maker"


@pytest.mark.parametrize("source", ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"])
def test_a_picture_that_says_it_is_generated_is_told(plain: bytes, source: str) -> None:
    assert read(signed(plain, source=source)).says_ai


def test_only_a_signer_under_a_trusted_certificate_is_trusted(credentialed: bytes) -> None:
    other = certificate("another", SIGNER_KEY, None, SIGNER_KEY).public_bytes(Encoding.PEM).decode()
    assert read(credentialed, CredentialReader(ROOT_PEM)).state == "trusted"
    assert read(credentialed, CredentialReader(other)).state != "trusted"
    assert read(credentialed).state == "valid"


def test_a_picture_that_was_changed_after_signing_is_invalid(credentialed: bytes) -> None:
    changed = bytearray(credentialed)
    changed[-20] ^= 1
    found = read(bytes(changed), CredentialReader(ROOT_PEM))
    assert found.state == "invalid" and "assertion.dataHash.mismatch" in found.problems
    assert found.issuer == "Made-up Newsroom"


def test_credentials_that_were_rewritten_are_not_valid(credentialed: bytes) -> None:
    assert credentialed.count(b"digitalCapture") == 1
    found = read(credentialed.replace(b"digitalCapture", b"digitalForgery"))
    assert found.state == "invalid"


def application_segments(content: bytes) -> int:
    """Offset after the application segments of a JPEG, among them the credentials."""
    offset = 2
    while content[offset + 1] & 0xF0 == 0xE0:
        offset += 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
    return offset


def test_credentials_of_another_picture_are_invalid(tmp_path: Path, credentialed: bytes) -> None:
    other = samples.save(tmp_path / "other.jpg", samples.astronaut()).read_bytes()
    moved = credentialed[: application_segments(credentialed)] + other[application_segments(other) :]
    assert read(moved, CredentialReader(ROOT_PEM)).state == "invalid"


def test_ingredients_are_counted(plain: bytes, credentialed: bytes) -> None:
    made = io.BytesIO()
    action = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["one"]}}
    builder = c2pa.Builder(json.dumps({"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}))
    ingredient = {"title": "one", "relationship": "parentOf", "label": "one"}
    builder.add_ingredient(json.dumps(ingredient), "image/jpeg", io.BytesIO(credentialed))
    builder.sign(signer(), "image/jpeg", io.BytesIO(plain), made)
    assert read(made.getvalue()).ingredients == 1


def test_a_file_without_credentials_has_none(plain: bytes, tmp_path: Path) -> None:
    assert read(plain) == ContentCredentials("absent")
    clip = samples.save_clip(tmp_path / "clip.mkv", [samples.face()] * 3)
    assert CredentialReader().read_file(clip) == ContentCredentials("absent")


def test_a_clip_carries_credentials_too(tmp_path: Path) -> None:
    clip = samples.save_clip(tmp_path / "clip.mp4", [samples.face()] * 3)
    clip.write_bytes(signed(clip.read_bytes(), "video/mp4"))
    assert CredentialReader().read_file(clip).state == "valid"


def test_an_object_of_the_vault_is_read_as_it_is(tmp_path: Path, credentialed: bytes) -> None:
    vault = Vault(tmp_path / "media", LocalMasterKeys({"a": b"a" * 32}, "a"))
    with vault.open(vault.write([credentialed])) as stream:
        assert CredentialReader().read(stream, JPEG).state == "valid"


def test_credentials_that_lie_elsewhere_are_not_fetched(plain: bytes) -> None:
    asked: list[str] = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Trap)
    with listening(server):
        content = signed(plain, remote=f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
        assert read(content) == ContentCredentials("remote")
        assert asked == []


def test_a_file_over_the_limit_is_not_looked_at(credentialed: bytes) -> None:
    assert read(credentialed, CredentialReader(largest_file=100)) == ContentCredentials("too_large")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF", "mov", "avi", "matroska", "x"])
def test_nothing_that_is_called_by_the_wrong_kind_raises(credentialed: bytes, name: str) -> None:
    for content in (b"", b"\0" * 100, credentialed, credentialed[:5000]):
        assert CredentialReader().read(io.BytesIO(content), Format("picture", name)).state != "trusted"


def test_a_file_that_cannot_be_read_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for path in (tmp_path, tmp_path / "absent.jpg", tmp_path / "empty.jpg"):
        assert CredentialReader().read_file(path).state == "unreadable"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_makes_it_raise_or_say_something_else_in_the_signers_name(
    credentialed: bytes, data: st.DataObject
) -> None:
    """A few bytes of the container around the credentials are under no hash; what they say and the picture are."""
    reader = CredentialReader(ROOT_PEM)
    content = bytearray(credentialed)
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
        assert read(bytes(content), reader).state != "trusted"
        return
    content[position] ^= data.draw(st.integers(1, 255))
    found = read(bytes(content), reader)
    assert found.state != "trusted" or found == read(credentialed, reader)
    assert found.state != "trusted" or position < application_segments(credentialed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "active_manifest": json_values.filter(lambda value: not isinstance(value, (list, dict))),
            "manifests": json_values
            | st.fixed_dictionaries(
                {
                    "": st.dictionaries(
                        st.sampled_from(["assertions", "signature_info", "claim_generator_info", "ingredients"]),
                        json_values
                        | st.just([{"label": "c2pa.actions", "data": {"actions": [None, {"action": "\x1b[31m"}]}}]),
                    )
                }
            ),
            "validation_results": json_values,
            "validation_state": json_values.filter(lambda value: not isinstance(value, (list, dict))),
        }
    )
    | json_values
)
def test_no_manifest_store_whatever_its_shape_makes_it_raise(store: Any) -> None:
    found = _summary(store)
    assert found.state == "invalid"
    assert all("\x1b" not in action.action for action in found.actions)


def test_texts_of_the_signer_are_short_and_on_one_line(plain: bytes) -> None:
    found = read(signed(plain, claim_generator_info=[{"name": "a\nb<script>" + "x" * 1000}]))
    assert found.claim_generator is not None
    assert len(found.claim_generator) <= 200 and "\n" not in found.claim_generator


def test_the_kind_is_found_by_content_and_not_by_name(tmp_path: Path, credentialed: bytes) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(credentialed)
    assert sniff(path) == JPEG
    assert CredentialReader().read_file(path).state == "valid"
