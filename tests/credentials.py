"""Content credentials, signed here under made-up certificates."""

from __future__ import annotations

import datetime
import io
import json
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def certificate(
    common_name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name | None, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """A certificate of the profile that C2PA asks for; its own issuer when that is None."""
    own = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Made-up Newsroom"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )
    authority = issuer is None
    now = datetime.datetime.now(datetime.timezone.utc)
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    usage = {**dict.fromkeys((*names, "decipher_only"), False), "key_cert_sign": authority, "crl_sign": authority}
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(issuer or own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256())


ROOT_KEY, SIGNER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ROOT = certificate("root", ROOT_KEY, None, ROOT_KEY)
CHAIN = [certificate("signer", SIGNER_KEY, ROOT.subject, ROOT_KEY), ROOT]
ROOT_PEM = ROOT.public_bytes(Encoding.PEM).decode()


def signer() -> c2pa.Signer:
    info = c2pa.C2paSignerInfo(
        alg=b"es256",
        sign_cert=b"".join(one.public_bytes(Encoding.PEM) for one in CHAIN),
        private_key=SIGNER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        ta_url=None,
    )
    return c2pa.Signer.from_info(info)


def signed(
    content: bytes, kind: str = "image/jpeg", source: str = "digitalCapture", remote: str | None = None, **manifest: Any
) -> bytes:
    """The content with credentials in it."""
    action = {"action": "c2pa.created", "digitalSourceType": SOURCES + source, "softwareAgent": {"name": "Maker"}}
    described = {
        "claim_generator_info": [{"name": "newsroom", "version": "7"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        **manifest,
    }
    made = io.BytesIO()
    builder = c2pa.Builder(json.dumps(described))
    if remote is not None:
        builder.set_no_embed()
        builder.set_remote_url(remote)
    builder.sign(signer(), kind, io.BytesIO(content), made)
    return made.getvalue()
