"""The vault: what is stored comes back, nothing else does, and what is deleted is gone."""

from __future__ import annotations

import errno
import io
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awarenet.errors import ConfigurationError, MediaTooLarge, NotFound, TamperedData, Unavailable
from gateway.vault import CHUNK, LocalMasterKeys, Vault
from tests import samples

OLD, NEW = b"o" * 32, b"n" * 32
SEALED = CHUNK + 16


def vault(folder: Path, keys: LocalMasterKeys | None = None) -> Vault:
    return Vault(folder / "media", keys or LocalMasterKeys({"old": OLD}, "old"))


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "media").iterdir() if path.name != "lock")


def spoilt(folder: Path, suffix: str, change: Callable[[bytes], bytes]) -> None:
    (path,) = (folder / "media").glob(f"*.{suffix}")
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_what_is_stored_comes_back(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    held = vault(tmp_path)
    media_id = held.write([content[:7], content[7:]])
    assert b"".join(vault(tmp_path).read(media_id)) == content
    assert held.ids() == [media_id]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 2 * CHUNK + 3), max_size=5), st.data())
def test_any_part_can_be_sought_and_read(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    content = os.urandom(sum(sizes))
    held = vault(tmp_path_factory.mktemp("seek"))
    parts, rest = [], content
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    opened, plain = held.open(held.write(parts)), io.BytesIO(content)
    for _ in range(5):
        position, count = data.draw(st.integers(0, len(content) + 10)), data.draw(st.integers(0, 2 * CHUNK))
        assert opened.seek(position) == plain.seek(position)
        assert opened.read(count) == plain.read(count)
    assert opened.seek(0, os.SEEK_END) == len(content)


def test_a_decoder_reads_an_object_without_a_plain_copy(tmp_path: Path) -> None:
    clip = samples.save_clip(tmp_path / "clip.mp4", [samples.face()] * 5)
    held = vault(tmp_path)
    media_id = held.write([clip.read_bytes()])
    with held.open(media_id) as opened, av.open(opened) as container:
        assert len(list(container.decode(video=0))) == 5


def test_nothing_plain_lies_on_the_disk(tmp_path: Path) -> None:
    marker = b"a recognisable face"
    vault(tmp_path).write([marker * 10_000])
    for path in stored(tmp_path):
        assert marker not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "media").stat().st_mode) == 0o700


def test_equal_contents_look_different(tmp_path: Path) -> None:
    held = vault(tmp_path)
    for _ in range(2):
        held.write([b"x" * 1000])
    first, second = (tmp_path / "media").glob("*.media")
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed: sealed[:-1],
        lambda sealed: sealed[: 2 * SEALED],
        lambda sealed: sealed[:SEALED],
        lambda sealed: b"",
        lambda sealed: sealed[:10],
        lambda sealed: sealed + b"\0",
        lambda sealed: sealed + sealed[:SEALED],
        lambda sealed: sealed[SEALED:],
        lambda sealed: sealed[SEALED : 2 * SEALED] + sealed[:SEALED] + sealed[2 * SEALED :],
        lambda sealed: sealed[:SEALED] * 2 + sealed[2 * SEALED :],
        lambda sealed: sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:],
    ],
)
def test_an_object_that_was_cut_lengthened_reordered_or_altered_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    held = vault(tmp_path)
    media_id = held.write([os.urandom(2 * CHUNK + 500)])
    spoilt(tmp_path, "media", change)
    with pytest.raises(TamperedData, match=media_id):
        list(held.read(media_id))


def test_a_cut_is_seen_before_anything_is_read(tmp_path: Path) -> None:
    held = vault(tmp_path)
    media_id = held.write([os.urandom(2 * CHUNK + 500)])
    spoilt(tmp_path, "media", lambda sealed: sealed[: 2 * SEALED])
    with pytest.raises(TamperedData):
        held.open(media_id)


def test_one_object_cannot_stand_in_for_another(tmp_path: Path) -> None:
    held = vault(tmp_path)
    first, second = held.write([b"first"]), held.write([b"second"])
    folder = tmp_path / "media"
    for suffix in ("media", "key"):
        (folder / f"{first}.{suffix}").write_bytes((folder / f"{second}.{suffix}").read_bytes())
        with pytest.raises(TamperedData):
            list(held.read(first))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"master":"old","wrapped":"zz"}', b'{"master":"old","wrapped":""}']
)
def test_a_key_file_that_was_altered_is_refused(tmp_path: Path, content: bytes) -> None:
    held = vault(tmp_path)
    media_id = held.write([b"content"])
    spoilt(tmp_path, "key", lambda _: content)
    with pytest.raises(TamperedData):
        held.open(media_id)


def test_content_that_is_missing_under_its_key_is_no_ordinary_absence(tmp_path: Path) -> None:
    held = vault(tmp_path)
    media_id = held.write([b"content"])
    next((tmp_path / "media").glob("*.media")).unlink()
    with pytest.raises(TamperedData, match="missing"):
        held.open(media_id)


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(tmp_path: Path) -> None:
    held = vault(tmp_path)
    media_id = held.write([b"content"])
    (key,) = (tmp_path / "media").glob("*.key")
    with key.open("rb") as still_open:
        wrapped = key.read_bytes()
        held.delete(media_id)
        held.delete(media_id)
        assert still_open.read() == bytes(len(wrapped))  # overwritten, not only unlinked
    assert stored(tmp_path) == []
    with pytest.raises(NotFound, match=media_id):
        held.open(media_id)


@pytest.mark.parametrize("media_id", ["", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "\n", "a" * 31 + "/"])
def test_an_id_is_never_a_path(tmp_path: Path, media_id: str) -> None:
    held = vault(tmp_path)
    for use in (held.open, held.delete):
        with pytest.raises(NotFound, match="32 hexadecimal"):
            use(media_id)


def test_a_new_master_key_takes_over_and_the_old_one_can_go(tmp_path: Path) -> None:
    before = vault(tmp_path)
    ids = [before.write([bytes([number]) * 100]) for number in range(3)]
    both = vault(tmp_path, LocalMasterKeys({"old": OLD, "new": NEW}, "new"))
    chunks = {path: path.read_bytes() for path in (tmp_path / "media").glob("*.media")}
    assert (both.rotate(), both.rotate()) == (3, 0)
    assert {path: path.read_bytes() for path in chunks} == chunks  # only keys were rewritten
    after = vault(tmp_path, LocalMasterKeys({"new": NEW}, "new"))
    assert [b"".join(after.read(media_id)) for media_id in ids] == [bytes([number]) * 100 for number in range(3)]
    with pytest.raises(ConfigurationError, match="master key new"):
        before.open(ids[0])
    with pytest.raises(TamperedData):
        vault(tmp_path, LocalMasterKeys({"new": OLD}, "new")).open(ids[0])


@pytest.mark.parametrize(("keys", "current"), [({"a": b"short"}, "a"), ({}, "a"), ({"a": OLD}, "b")])
def test_master_keys_that_make_no_sense_are_refused(keys: dict[str, bytes], current: str) -> None:
    with pytest.raises(ConfigurationError, match="master key"):
        LocalMasterKeys(keys, current)


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    held = vault(tmp_path)
    with pytest.raises(ZeroDivisionError), held.create() as writer:
        writer.write(b"x" * 3 * CHUNK)
        raise ZeroDivisionError
    with pytest.raises(MediaTooLarge, match="100 bytes"):
        held.write([b"x" * 60, b"x" * 60], at_most=100)
    assert stored(tmp_path) == [] and held.ids() == []


@pytest.mark.parametrize(("where", "call"), [(os, "fsync"), (Path, "replace")])
def test_a_disk_that_fails_leaves_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, call: str
) -> None:
    held = vault(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(where, call, fails)
        with pytest.raises(Unavailable, match="No space left"):
            held.write([b"content"])
    assert stored(tmp_path) == []
    assert held.ids() == []


def test_a_full_disk_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """The kernel itself refuses to let a file of this process grow, as on a full disk."""
    held = vault(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * CHUNK, before[1]))
    try:
        with pytest.raises(Unavailable, match="cannot be kept"):
            held.write(b"x" * CHUNK for _ in range(10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert stored(tmp_path) == []


KILLED_WRITER = """
import os, sys
from pathlib import Path
from gateway.vault import LocalMasterKeys, Vault
with Vault(Path(sys.argv[1]), LocalMasterKeys({"old": b"o" * 32}, "old")).create() as writer:
    writer.write(b"x" * 200_000)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_sweep_takes_a_dead_writers_file_and_spares_a_living_ones(tmp_path: Path) -> None:
    held = vault(tmp_path)
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path / "media")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        (left,) = stored(tmp_path)
        aged(left, 7200)
        assert held.sweep() == 0 and left.exists()
        writer.kill()
    assert held.sweep() == 1 and stored(tmp_path) == []


def test_the_sweep_takes_what_nobody_knows_once_it_is_old(tmp_path: Path) -> None:
    held = vault(tmp_path)
    known, unknown, young = (held.write([b"content"]) for _ in range(3))
    for media_id in (known, unknown):
        aged(tmp_path / "media" / f"{media_id}.key", 7200)
    orphan = tmp_path / "media" / f"{'a' * 32}.media"
    orphan.write_bytes(b"chunks without a key")
    aged(orphan, 7200)
    assert held.sweep() == 1
    assert held.sweep({known}) == 1
    assert held.ids() == sorted([known, young])


def test_memory_stays_flat_however_long_the_content(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from gateway.vault import LocalMasterKeys, Vault
vault = Vault(Path(sys.argv[1]), LocalMasterKeys({"old": b"o" * 32}, "old"))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sum(map(len, vault.read(vault.write([b"x" * 100_000] * 10))))
before = peak()
part = b"x" * 1_000_000
read = sum(map(len, vault.read(vault.write(part for _ in range(60)))))
print(read, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    read, grown_kib = map(int, done.stdout.split())
    assert read == 60_000_000 and grown_kib < 8_000


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))
