"""Who made a model repository: its manifest is signed with Ed25519 (RFC 8032), and so is every file that it lists.

A signature is the 64 bytes of the RFC in a file beside the manifest; keys are files in PEM, so OpenSSL reads all three.
A public key is also given as the one line of Base64 in its file, which fits into an environment variable.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from awarenet.errors import ConfigurationError, InvalidInput, ModelError, ReportError
from awarenet.stages import MANIFEST_FILE, SIGNATURE_FILE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class TrustedKeys:
    """The keys of those who may say what is served; several, so that one can follow another.

    Attributes:
        keys: At least one.
    """

    keys: tuple[Ed25519PublicKey, ...]

    @classmethod
    def named(cls, keys: Iterable[str] | None) -> TrustedKeys | None:
        """The keys that a user named, each by its file or as its line of Base64; None for none.

        Raises:
            InvalidInput: One is no public key of Ed25519.
            ConfigurationError: The library for signatures is not installed.
        """
        found = tuple(map(_public_key, keys or ()))
        return cls(found) if found else None

    def check(self, manifest: bytes, signature: bytes | None, where: str) -> None:
        """Holds a manifest against its signature.

        Args:
            manifest: The content of `manifest.json`, to the byte.
            signature: The content of `manifest.sig`; None where there is none.
            where: The repository, for the complaint.

        Raises:
            ModelError: There is no signature, or it is by none of these keys on this manifest.
        """
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise ModelError(
                f"model repository {where}: it has no signature ({SIGNATURE_FILE}); have its maker sign it with "
                "`awarenet models sign`, or name no trusted key"
            )
        for key in self.keys:
            try:
                key.verify(signature, manifest)
            except InvalidSignature:
                continue
            return
        raise ModelError(
            f"model repository {where}: {SIGNATURE_FILE} is by none of the {len(self.keys)} trusted keys, or "
            f"{MANIFEST_FILE} was changed after it was signed; refused"
        )


def make_key(private: Path) -> str:
    """Makes a key to sign with, and the public key beside it, `.pub` behind its name.

    Args:
        private: The file to make, which nobody but its owner can read.

    Returns:
        The public key as one line of Base64.

    Raises:
        ConfigurationError: One of the two files is there already.
        ReportError: They cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    form = PublicFormat.SubjectPublicKeyInfo
    public = private.with_name(f"{private.name}.pub")
    _write_new(public, key.public_key().public_bytes(Encoding.PEM, form), 0o644)
    try:
        _write_new(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    except BaseException:
        public.unlink()
        raise
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, form)).decode()


def sign(manifest: bytes, private: Path) -> bytes:
    """The signature of a manifest.

    Args:
        manifest: The content of `manifest.json`, to the byte.
        private: The file of a key that `make_key` made.

    Raises:
        InvalidInput: The file cannot be read, or is no private key of Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    remedy = "give one that `awarenet models keygen` made"
    try:
        key = load_pem_private_key(private.read_bytes(), password=None)
    except OSError as error:
        raise InvalidInput(f"{private} cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{private} is no private key without a password; {remedy}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{private} is no key of Ed25519; {remedy}")
    return key.sign(manifest)


def _public_key(named: str) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ImportError as error:
        raise ConfigurationError(f"signatures: {error}; install `pip install 'awarenet[models]'`") from error

    try:
        text = Path(named).read_text(encoding="ascii") if Path(named).is_file() else named
        line = "".join(line for line in text.splitlines() if not line.startswith("-----"))
        key = load_der_public_key(base64.b64decode(line.strip(), validate=True))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            f"trusted key {named[:80]!r}: neither the file of a public key nor its line of Base64; give what "
            "`awarenet models keygen` printed"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(f"trusted key {named[:80]!r}: no key of Ed25519; make one with `awarenet models keygen`")
    return key


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Writes a file that was not there, with its rights from the first moment."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise ConfigurationError(f"{path} is there already and is left alone; choose another name") from error
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({error.strerror}); choose a writable place") from error
