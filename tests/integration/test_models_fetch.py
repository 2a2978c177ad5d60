"""Models brought here from real servers: object store, web, registry; broken, tampered with, cut off, and again."""

from __future__ import annotations

import hashlib
import http.server
import io
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
import zstandard
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from awarenet.errors import ConfigurationError, InvalidInput, ModelError, ReportError, Unavailable
from awarenet.models import archive, sources
from awarenet.models.fetch import fetch
from awarenet.policy import file_sha256
from awarenet.repository import ModelRepository, repository_files, write_manifest
from awarenet.signing import TrustedKeys, make_key, sign
from tests.listening import listening
from tests.serving import eventually

ROOT = Path(__file__).parents[2]
BUCKET = "models"
VICTIM = "fast_filter/1/model.onnx"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.time, "sleep", lambda _: None)


def another(repository: Path, folder: Path, notes: bytes = b"another version") -> Path:
    """Another version of a repository."""
    shutil.copytree(repository, folder)
    (folder / "NOTES").write_bytes(notes)
    write_manifest(folder, ModelRepository.open(repository).policy)
    return folder


@pytest.fixture
def destination(tmp_path: Path, tiny_repository: Path) -> Path:
    """An older version that is in use."""
    fetch(str(another(tiny_repository, tmp_path / "older")), tmp_path / "models")
    return tmp_path / "models"


def unchanged(destination: Path) -> bool:
    """Whether the older version is still whole and in use, and nothing half-written lies beside it."""
    ModelRepository.open(destination)
    beside = [path.name for path in (destination.parent / ".models").iterdir()]
    return (destination / "NOTES").is_file() and sorted(beside) == sorted(["lock", destination.readlink().name])


def same(one: Path, other: Path) -> bool:
    """Whether two repositories have the same files."""
    return {name: file_sha256(one / name) for name in repository_files(one)} == {
        name: file_sha256(other / name) for name in repository_files(other)
    }


# A folder


def test_a_folder_is_copied_and_a_second_time_left_alone(tiny_repository: Path, destination: Path) -> None:
    before = destination.resolve()
    fetch(str(tiny_repository), destination)
    assert same(destination, tiny_repository)
    version = destination.resolve()
    assert before.is_dir() and version != before
    fetch(str(tiny_repository), destination)
    assert destination.resolve() == version


def test_going_back_needs_no_copy_and_older_versions_go(
    tiny_repository: Path, destination: Path, tmp_path: Path
) -> None:
    older = destination.resolve()
    fetch(str(tiny_repository), destination)
    fetch(str(tmp_path / "older"), destination)
    assert destination.resolve() == older
    fetch(str(another(tiny_repository, tmp_path / "newest", b"a newer version")), destination)
    kept = {path.name for path in (tmp_path / ".models").iterdir()}
    assert kept == {"lock", older.name, destination.resolve().name}


def test_a_version_that_was_damaged_here_is_fetched_anew(tiny_repository: Path, destination: Path) -> None:
    fetch(str(tiny_repository), destination)
    (destination / VICTIM).write_bytes(b"damaged")
    fetch(str(tiny_repository), destination)
    assert same(destination, tiny_repository)


def test_a_folder_that_was_not_fetched_is_left_alone(tiny_repository: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigurationError, match="was not fetched"):
        fetch(str(tiny_repository), tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(ConfigurationError, match="somebody else's"):
        fetch(str(tiny_repository), tmp_path / "link")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "a\\b", ""])
def test_a_manifest_that_leads_outside_is_refused(
    tiny_repository: Path, destination: Path, tmp_path: Path, name: str
) -> None:
    evil = tmp_path / "evil"
    shutil.copytree(tiny_repository, evil)
    text = (evil / "manifest.json").read_text()
    (evil / "manifest.json").write_text(text.replace('"cascade/1/model.py"', f'"{name}"'.replace("\\", "\\\\")))
    with pytest.raises(ModelError, match=r"no path inside|no sha256"):
        fetch(str(evil), destination)
    assert unchanged(destination) and not (tmp_path / "outside").exists()


def test_a_folder_can_be_pinned_to_its_manifest(tiny_repository: Path, destination: Path) -> None:
    with pytest.raises(ModelError, match="not the file of the sha256"):
        fetch(f"{tiny_repository}#sha256={'0' * 64}", destination)
    assert unchanged(destination)
    fetch(f"{tiny_repository}#sha256={file_sha256(tiny_repository / 'manifest.json')}", destination)
    assert same(destination, tiny_repository)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("/no/such/folder", "is not a folder"),
        ("ftp://host/models", "is no source"),
        ("https://host/models.tar.gz", "must be given with its sha256"),
        ("https://host/models.zip#sha256=" + "0" * 64, "no archive"),
        ("https://host/models.tar.gz#md5=1", "sha256=<64"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(destination: Path, source: str, remedy: str) -> None:
    with pytest.raises(InvalidInput, match=remedy):
        fetch(source, destination)
    assert unchanged(destination)


# A disk that is full or read-only -----------------------------------------------------------------------------------


def on_small_disk(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell script in a mount namespace with a disk of 2 MiB at $1."""
    mount = 'set -e; mount -t tmpfs -o size=2M none "$1"\n'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount + script, "sh", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
    )
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("small disks cannot be mounted here; run as root with CAP_SYS_ADMIN")
    return done


def test_a_full_disk_is_named_and_the_old_version_stays(tiny_repository: Path, tmp_path: Path) -> None:
    large = another(tiny_repository, tmp_path / "large", os.urandom(3 << 20))
    (tmp_path / "disk").mkdir()
    script = """
        fetch() { "$PYTHON" -m awarenet.cli models fetch "$@"; }
        fetch "$2" "$1/models"
        fetch "$3" "$1/models" && exit 9 || echo "exit $?"
        "$PYTHON" -m awarenet.cli models verify "$1/models"
        ls -A "$1/.models" | grep -c -v lock
        mount -o remount,ro "$1"
        fetch "$3" "$1/models" && exit 9 || echo "exit $?"
        "$PYTHON" -m awarenet.cli models verify "$1/models"
    """
    done = on_small_disk(script, str(tmp_path / "disk"), str(tiny_repository), str(large))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith(str(tmp_path))]
    assert lines == ["exit 1", "1", "exit 1"]
    assert "No space left on device" in done.stderr and "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


# An object store


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Store]:
    """A bucket on a real S3 server, whose address the variables name as in a pod."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"]).create_bucket(Bucket=BUCKET)
        yield S3Store(BUCKET, client_options={"allow_http": True})
    server.stop()


@pytest.fixture
def bucket(s3: S3Store, tiny_repository: Path) -> S3Store:
    """The repository in the bucket, under `stable`."""
    for name in [*repository_files(tiny_repository), "manifest.json"]:
        obstore.put(s3, f"stable/{name}", tiny_repository / name)
    return s3


def reads(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Paths that were read from the S3 server."""
    lines = (record.getMessage() for record in caplog.records if record.name == "werkzeug")
    return [line.split('"GET ')[1].split(" ")[0].split("?")[0] for line in lines if '"GET ' in line]


def test_a_bucket_is_fetched_and_a_second_time_only_its_version_is_read(
    bucket: S3Store, tiny_repository: Path, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "werkzeug")
    fetch(f"s3://{BUCKET}/stable", destination)
    assert same(destination, tiny_repository)
    assert len(reads(caplog)) == 1 + len(list(repository_files(tiny_repository)))
    caplog.clear()
    fetch(f"s3://{BUCKET}/stable/", destination)
    assert reads(caplog) == [f"/{BUCKET}/stable/manifest.json"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (VICTIM, lambda data: data[:-1] + bytes([data[-1] ^ 1]), "truncated, altered"),
        (VICTIM, lambda data: data[: len(data) // 2], "truncated, altered"),
        (VICTIM, None, "is missing"),
        ("manifest.json", None, "is missing"),
        ("manifest.json", lambda data: data[: len(data) // 2], "no JSON"),
    ],
)
def test_a_bucket_that_was_tampered_with_is_refused(
    bucket: S3Store, destination: Path, name: str, change: Callable[[bytes], bytes] | None, message: str
) -> None:
    data = bytes(obstore.get(bucket, f"stable/{name}").bytes())
    if change is None:
        obstore.delete(bucket, f"stable/{name}")
    else:
        obstore.put(bucket, f"stable/{name}", change(data))
    with pytest.raises(ModelError, match=message):
        fetch(f"s3://{BUCKET}/stable", destination)
    assert unchanged(destination)


def test_who_may_write_a_bucket_may_not_say_what_is_served(
    bucket: S3Store, tiny_repository: Path, destination: Path, tmp_path: Path
) -> None:
    trusted = TrustedKeys.named([make_key(tmp_path / "key")])
    source = f"s3://{BUCKET}/stable"
    with pytest.raises(ModelError, match="has no signature"):
        fetch(source, destination, trusted=trusted)
    obstore.put(bucket, "stable/manifest.sig", sign((tiny_repository / "manifest.json").read_bytes(), tmp_path / "key"))
    evil = another(tiny_repository, tmp_path / "evil")
    for name in ("NOTES", "manifest.json"):
        obstore.put(bucket, f"stable/{name}", evil / name)
    with pytest.raises(ModelError, match=r"trusted keys, or manifest\.json was changed"):
        fetch(source, destination, trusted=trusted)
    assert unchanged(destination)
    obstore.put(bucket, "stable/manifest.json", tiny_repository / "manifest.json")
    fetch(source, destination, trusted=trusted)
    assert same(destination, tiny_repository)
    obstore.delete(bucket, "stable/manifest.sig")


def test_a_bucket_that_is_not_there_says_so(bucket: S3Store, destination: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere/manifest.json is missing"):
        fetch(f"s3://{BUCKET}/nowhere", destination)
    assert unchanged(destination)


# An archive on the web


class Web(http.server.ThreadingHTTPServer):
    """Serves one archive, as a fault asks.

    Attributes:
        content: The archive.
        sent: How many of its bytes each of the next answers brings, before the connection breaks; then all of them.
        hold: Whether a broken connection stays open instead.
        requests: How many there were.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.content = b""
        self.sent: list[int] = []
        self.hold = threading.Event()
        self.requests = 0

    def source(self, name: str = "models.tar.zst", sha256: str | None = None) -> str:
        """The archive's address."""
        digest = sha256 or hashlib.sha256(self.content).hexdigest()
        return f"http://127.0.0.1:{self.server_port}/{name}#sha256={digest}"


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        server = self.server
        server.requests += 1
        sent = server.sent.pop(0) if server.sent else len(server.content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content[:sent])
        self.wfile.flush()
        if sent < len(server.content) and server.hold.is_set():
            eventually(lambda: not server.hold.is_set(), timeout_s=60)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    with listening(server):
        try:
            yield server
        finally:
            server.hold.clear()


def packed(folder: Path, *, zst: bool = True, extra: tarfile.TarInfo | None = None) -> bytes:
    """A folder as an archive."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w" if zst else "w:gz") as made:
        if extra is not None:
            made.addfile(extra, io.BytesIO(bytes(extra.size)))
        made.add(folder, ".")
    return zstandard.compress(plain.getvalue()) if zst else plain.getvalue()


@pytest.mark.parametrize("name", ["models.tar.zst", "models.tar.gz"])
def test_an_archive_is_fetched_and_a_second_time_not(
    web: Web, tiny_repository: Path, destination: Path, name: str
) -> None:
    web.content = packed(tiny_repository, zst=name.endswith("zst"))
    fetch(web.source(name), destination)
    assert same(destination, tiny_repository)
    assert web.requests == 1
    fetch(web.source(name), destination)
    assert web.requests == 1


def test_an_archive_of_another_sha256_is_refused(web: Web, tiny_repository: Path, destination: Path) -> None:
    web.content = packed(tiny_repository)
    with pytest.raises(ModelError, match="truncated, altered"):
        fetch(web.source(sha256="0" * 64), destination)
    assert unchanged(destination)


def test_a_connection_that_breaks_is_tried_again_but_not_for_ever(
    web: Web, tiny_repository: Path, destination: Path
) -> None:
    web.content = packed(tiny_repository)
    web.sent = [100] * 100
    with pytest.raises(Unavailable, match="check the address and the network"):
        fetch(web.source(), destination)
    assert unchanged(destination)
    assert 1 < web.requests < 50
    web.sent = [100]
    fetch(web.source(), destination)
    assert same(destination, tiny_repository)


def test_nobody_at_the_address(web: Web, destination: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be read"):
        fetch(f"http://127.0.0.1:{port}/models.tar.gz#sha256={'0' * 64}", destination)
    assert unchanged(destination)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """An entry of an archive."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, size
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        member("../outside"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "manifest.json"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda entry: f"{entry.name} {entry.type!r}",
)
def test_an_archive_that_would_do_harm_is_refused(
    web: Web, tiny_repository: Path, destination: Path, entry: tarfile.TarInfo
) -> None:
    web.content = packed(tiny_repository, extra=entry)
    with pytest.raises(ModelError):
        fetch(web.source(), destination)
    assert unchanged(destination)
    assert not list(destination.parent.rglob("outside"))


def test_an_archive_that_grows_too_large_is_refused(web: Web, tiny_repository: Path, tmp_path: Path) -> None:
    bomb = io.BytesIO(packed(tiny_repository, extra=member("bomb", size=64 << 20)))
    assert len(bomb.getvalue()) < 1 << 20
    with pytest.raises(ModelError, match="unpacks to more than"):
        archive.unpack(bomb, "models.tar.zst", tmp_path, largest_bytes=32 << 20)
    assert not (tmp_path / "bomb").exists()


@pytest.mark.parametrize("name", ["models.tar.zst", "models.tar.gz"])
def test_an_archive_that_is_damaged_is_refused(web: Web, tiny_repository: Path, destination: Path, name: str) -> None:
    content = packed(tiny_repository, zst=name.endswith("zst"))
    for web.content in (b"", b"no archive at all", content[: len(content) // 2]):
        with pytest.raises(ModelError):
            fetch(web.source(name), destination)
        assert unchanged(destination)


def test_a_fetch_that_is_killed_leaves_the_old_version_and_the_next_one_cleans_up(
    web: Web, tiny_repository: Path, destination: Path
) -> None:
    web.content = packed(tiny_repository)
    web.sent = [len(web.content) // 2]
    web.hold.set()
    command = [sys.executable, "-m", "awarenet.cli", "models", "fetch", web.source(), str(destination)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    beside = destination.parent / ".models"
    try:
        assert eventually(lambda: web.requests == 1, timeout_s=60)
        assert eventually(lambda: any(path.name.startswith("partial-") for path in beside.iterdir()))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    web.hold.clear()
    assert (destination / "NOTES").is_file()
    ModelRepository.open(destination)
    fetch(web.source(), destination)
    assert same(destination, tiny_repository)
    assert not [path for path in beside.iterdir() if path.name.startswith("partial-")]


def test_two_that_fetch_at_once_share_one_download(web: Web, tiny_repository: Path, destination: Path) -> None:
    web.content = packed(tiny_repository)
    command = [sys.executable, "-m", "awarenet.cli", "models", "fetch", web.source(), str(destination)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert web.requests == 1 and same(destination, tiny_repository)


def test_a_destination_that_cannot_be_made(tiny_repository: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written"):
        fetch(str(tiny_repository), Path("/proc/models"))


# A registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real registry."""
    if shutil.which("docker-registry") is None:
        pytest.skip("no registry here: `make registry` installs one")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def up() -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", int(address.split(":")[1]))) == 0

    try:
        assert eventually(up)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def pushed(address: str, file: Path, tag: str) -> str:
    """Pushes a file as an artifact; its source."""
    from oras.client import OrasClient

    client = OrasClient(hostname=address, insecure=True)
    client.push(target=f"{address}/models:{tag}", files=[str(file)], disable_path_validation=True, quiet=True)
    return f"oci://{address}/models:{tag}"


def test_an_artifact_is_fetched_from_a_registry(
    registry: str, tiny_repository: Path, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.tar.gz").write_bytes(packed(tiny_repository, zst=False))
    source = pushed(registry, Path("models.tar.gz"), "stable")
    with pytest.raises(ModelError, match="not the archive of the sha256"):
        fetch(f"{source}#sha256={'0' * 64}", destination)
    assert unchanged(destination)
    fetch(source, destination)
    assert same(destination, tiny_repository)
    version = destination.resolve()
    fetch(f"{source}#sha256={file_sha256(tmp_path / 'models.tar.gz')}", destination)
    assert destination.resolve() == version


def test_an_artifact_of_something_else_or_of_nothing_is_refused(
    registry: str, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear reader")
    with pytest.raises(ModelError, match=r"has the layers letter\.txt"):
        fetch(pushed(registry, Path("letter.txt"), "letter"), destination)
    with pytest.raises(Unavailable, match="cannot be read"):
        fetch(f"oci://{registry}/models:absent", destination)
    assert unchanged(destination)
