"""Whether a mobile bundle works: loaded as a phone would, in a fresh process with a bound on memory, and compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from awarenet.errors import ConfigurationError, InvalidInput, ModelError, ServiceError
from awarenet.runtime.golden import golden_faces
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import ROUTES, validate_faces
from export.bundle import RUNNER_FILE, open_bundle
from export.difference import TRANSLATED

_TIMEOUT_S: Final = 600.0
_OUT_OF_MEMORY: Final = ("MemoryError", "bad_alloc", "allocate memory", "BFCArena", "Insufficient memory", "ENOMEM")


def sample_faces() -> NDArray[np.uint8]:
    """Faces whose every pixel matters: the two of the self-test, and mixtures of them; uint8 `[8, 256, 256, 3]`."""
    smooth, noise = golden_faces().astype(np.float32)
    shares = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None]
    return np.asarray(((1 - shares) * smooth + shares * noise).round(), np.uint8)


def read_faces(path: Path) -> NDArray[np.uint8]:
    """Faces from a file of NumPy, uint8 `[N, 256, 256, 3]`, N >= 1.

    Raises:
        InvalidInput: It is none, or holds something else.
    """
    try:
        faces: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}); save faces with numpy.save") from error
    validate_faces(faces, limit=None)
    if not len(faces):
        raise InvalidInput(f"{path} holds no face; give at least one")
    return faces


def validate(
    bundle: Path, repository: Path, faces: NDArray[np.uint8], *, threads: int, memory_mb: int
) -> dict[str, Any]:
    """Runs a bundle and compares its verdicts with those of a model repository in this process.

    Args:
        bundle: The zip.
        repository: The model repository.
        faces: uint8 `[N, 256, 256, 3]`.
        threads: Processor threads of the bundle.
        memory_mb: Most memory of its process, in MB of 2^20 bytes.

    Returns:
        The report: sizes, latencies, peak memory, parity; `passed` says whether all of it is as it must be.

    Raises:
        ModelError: The bundle is damaged, altered, or for other machines.
        PolicyError: Its policy was made for other models.
        ConfigurationError: The bundle does not fit into the memory.
        ServiceError: It could not be run.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "bundle"
        root.mkdir()
        policy = open_bundle(bundle, root).policy
        measured = _run(root, faces, threads, memory_mb)
    with zipfile.ZipFile(bundle) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    runtime = InProcessRuntime(repository)
    parity: dict[str, Any] = {}
    try:
        for route in ROUTES:
            here = [runtime.score(face[None], route=route) for face in faces]
            expected = np.array([part.probability[0] for part in here])
            found = np.array(measured[route].pop("probability"))
            stages = [int(part.exit_stage[0]) for part in here]
            same = [runtime.policy.word(a) == policy.word(b) for a, b in zip(expected, found, strict=True)]
            parity[route] = {
                "faces": len(faces),
                "largest_difference": float(np.abs(expected - found).max()),
                "same_verdicts": sum(same),
                "same_stages": sum(a == b for a, b in zip(stages, measured[route].pop("exit_stage"), strict=True)),
            }
    finally:
        runtime.close()
    agree = all(
        entry["largest_difference"] <= TRANSLATED.score and entry["same_verdicts"] == entry["same_stages"] == len(faces)
        for entry in parity.values()
    )
    return {
        "bundle": str(bundle),
        "bundle_mb": bundle.stat().st_size / 1e6,
        "unpacked_mb": sum(sizes.values()) / 1e6,
        "models_mb": {name: size / 1e6 for name, size in sizes.items() if name.endswith(".onnx")},
        "model_version": policy.model_version,
        "policy_version": policy.version,
        "threads": threads,
        "memory_mb": memory_mb,
        **measured,
        "parity": parity,
        "passed": agree and measured["peak_mb"] <= memory_mb,
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Prints a report."""
    table = Table(title="mobile bundle", title_justify="left", header_style="bold")
    for name in ("figure", "value", "limit"):
        table.add_column(name)
    table.add_row("zip, unpacked, MB", f"{report['bundle_mb']:.1f}, {report['unpacked_mb']:.1f}", "")
    for name, size in report["models_mb"].items():
        table.add_row(f"  {name}, MB", f"{size:.2f}", "")
    table.add_row("load, s", f"{report['load_s']:.2f}", "")
    for route in ROUTES:
        entry, parity = report[route], report["parity"][route]
        table.add_row(f"{route}, one face, ms", f"{entry['median_ms']:.1f}, at most {entry['largest_ms']:.1f}", "")
        table.add_row(
            "  same verdicts, stages", f"{parity['same_verdicts']}, {parity['same_stages']}", f"{parity['faces']}"
        )
        table.add_row("  P(fake) differs by", f"{parity['largest_difference']:.2g}", f"{TRANSLATED.score:g}")
    table.add_row("peak memory, MB", f"{report['peak_mb']:.0f}", f"{report['memory_mb']}")
    console.print(table)
    console.print(
        f"{report['threads']} threads; models {report['model_version']}, policy {report['policy_version']}; "
        f"{'passed' if report['passed'] else 'FAILED'}",
        style="dim" if report["passed"] else "bold red",
    )


def _run(root: Path, faces: NDArray[np.uint8], threads: int, memory_mb: int) -> dict[str, Any]:
    given, out = root.parent / "faces.npy", root.parent / "decisions.json"
    np.save(given, faces)
    # Nothing of this checkout: the bundle's own modules lie beside its runner.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, str(root / RUNNER_FILE), str(given), str(out)]
    command += ["--threads", str(threads), "--memory", str(memory_mb)]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"the bundle had not decided {len(faces)} faces after {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        if any(word in done.stderr for word in _OUT_OF_MEMORY):
            raise ConfigurationError(
                f"the bundle does not fit into {memory_mb} MB with {threads} threads; give more with --memory"
            )
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ServiceError(f"the bundle could not be run: {last[0]}")
    try:
        measured: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the bundle's runner wrote no decisions ({error})") from error
    return measured
