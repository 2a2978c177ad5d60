"""Hands on the edge: the shipped configuration rendered by Helm's own engine, and the real Envoy that runs it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2 as httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from helm_python import Chart

from tests.serving import eventually

CHART = Path(__file__).parents[1] / "helm" / "awarenet"
BINARY = Path(sys.prefix) / "bin" / "envoy"


def manifests(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the chart makes of the edge, by kind.

    Args:
        values: Values under `envoy`.
    """
    with Chart.load(CHART) as chart:
        rendered = chart.render({"envoy": {"enabled": True, **values}}, name="edge", namespace="default")
    documents = yaml.safe_load_all(rendered["awarenet/templates/edge/envoy.yaml"])
    return {document["kind"]: document for document in documents if document}


@dataclass
class Certificate:
    """A certificate for localhost that vouches for itself."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """Makes one in a folder; one that is there is replaced as Kubernetes replaces a mounted secret."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        version = folder / f"..{certificate.serial_number:x}"
        version.mkdir(parents=True)
        (version / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (version / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        link = folder / "..next"
        link.symlink_to(version.name)
        link.rename(folder / "..data")
        for file in ("tls.crt", "tls.key"):
            if not (folder / file).exists():
                (folder / file).symlink_to(Path("..data") / file)
        return cls(folder)

    @property
    def file(self) -> Path:
        """PEM file that clients trust."""
        return self.folder / "tls.crt"

    def trust(self) -> ssl.SSLContext:
        """What a client needs to believe it."""
        return ssl.create_default_context(cafile=str(self.file))


@dataclass
class Envoy:
    """An Envoy that was started for tests.

    Attributes:
        https: Its public port.
        triton: Its gRPC port.
        probe: Its port for the kubelet and Prometheus.
        admin: Its port of administration.
        certificate: What it shows.
        process: Its process.
        log: Lines on its standard output: the access log.
    """

    https: int
    triton: int
    probe: int
    admin: int
    certificate: Certificate
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.https}"

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """What a client needs to believe it."""
        return self.certificate.trust()

    def client(self, **options: Any) -> httpx.Client:
        """A client that trusts it."""
        return httpx.Client(**({"base_url": self.url, "verify": self.trust, "timeout": 60} | options))

    def requests(self) -> list[dict[str, Any]]:
        """The access log."""
        return [json.loads(line) for line in list(self.log) if line.startswith("{")]

    def entry(self, request_id: str) -> dict[str, Any]:
        """The line of the access log with this id."""

        def find() -> list[dict[str, Any]]:
            return [line for line in self.requests() if line["request_id"] == request_id]

        assert eventually(lambda: bool(find())), f"no line with {request_id}"
        return find()[0]

    def stat(self, name: str) -> int:
        """A counter or gauge by Envoy's own name."""
        text = httpx.get(f"http://127.0.0.1:{self.admin}/stats", timeout=30).text
        return sum(int(value) for key, _, value in (line.partition(": ") for line in text.splitlines()) if key == name)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def endpoint(port: int) -> dict[str, Any]:
    """A server on this machine, as a value of the chart."""
    return {"host": "127.0.0.1", "port": port}


def configure(folder: Path, certificate: Certificate, **values: Any) -> tuple[Path, dict[str, int]]:
    """Writes the shipped configuration for this machine.

    Args:
        folder: An empty folder.
        certificate: What the edge shows.
        **values: Values under `envoy`.

    Returns:
        Envoy's file, and the ports it will listen on.
    """
    ports = {name: free_port() for name in ("https", "triton", "probe", "admin")}
    tls = {"secret": "edge", "folder": str(certificate.folder)}
    given = {"bindAddress": "127.0.0.1", "tls": tls, "ports": ports, **values}
    data = manifests(given)["ConfigMap"]["data"]
    (folder / "envoy.yaml").write_text(data["envoy.yaml"])
    (certificate.folder.parent / "certificate.yaml").write_text(data["certificate.yaml"])
    return folder / "envoy.yaml", ports


@contextmanager
def edge(folder: Path, **values: Any) -> Iterator[Envoy]:
    """Runs the shipped configuration until the end of the block.

    Args:
        folder: An empty folder.
        **values: Values under `envoy`.
    """
    certificate = Certificate.make(folder / "pod" / "tls")
    file, ports = configure(folder, certificate, **values)
    command = [str(BINARY), "-c", str(file), "--disable-hot-restart", "--concurrency", "2"]
    command += ["--log-level", "warning", "--file-flush-interval-msec", "50"]
    errors = (folder / "envoy.log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    log: list[str] = []
    assert process.stdout is not None
    threading.Thread(target=lambda: log.extend(process.stdout), daemon=True).start()  # type: ignore[arg-type]
    try:
        started = Envoy(**ports, certificate=certificate, process=process, log=log)

        def listening() -> bool:
            assert process.poll() is None, (folder / "envoy.log").read_text()
            try:
                return httpx.get(f"http://127.0.0.1:{ports['admin']}/ready", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        assert eventually(listening, timeout_s=60), (folder / "envoy.log").read_text()
        yield started
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            errors.close()


def raw(envoy: Envoy, *, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A bare connection over TLS, without HTTP."""
    connection = socket.create_connection(("127.0.0.1", envoy.https), timeout=30)
    return (context or envoy.trust).wrap_socket(connection, server_hostname="localhost")


def everything(connection: socket.socket) -> bytes:
    """What is said until the connection is closed."""
    said = b""
    try:
        while block := connection.recv(65536):
            said += block
    except (ConnectionError, ssl.SSLError):
        pass
    return said
