"""The thin runner of a mobile bundle, where it is called `runner.py`: faces in, decisions and what they cost out.

    python runner.py faces.npy decisions.json --threads 1 --memory 512

It needs Python, NumPy, OpenCV, ONNX Runtime and a C compiler; of AWARE-NET it needs nothing but what lies beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def peak_mb() -> float:
    """The most memory that this process has held since it was executed, in MB of 2^20 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Decides faces, uint8 `[N, 256, 256, 3]`, one at a time by both routes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, default=512, help="most MB that may be allocated")
    options = parser.parse_args()
    # Before anything large is loaded. What is mapped from files is not counted here, but in the peak.
    resource.setrlimit(resource.RLIMIT_DATA, (options.memory << 20, options.memory << 20))

    import numpy as np

    from awarenet.runtime.inprocess import InProcessRuntime

    faces = np.load(options.faces, allow_pickle=False)
    started = time.perf_counter()
    runtime = InProcessRuntime(HERE, threads=options.threads)
    report: dict[str, object] = {"load_s": time.perf_counter() - started}
    for route in ("cascade", "full"):
        taken, parts = [], []
        for face in faces:
            started = time.perf_counter()
            parts.append(runtime.score(face[None], route=route))
            taken.append(1000 * (time.perf_counter() - started))
        report[route] = {
            "probability": [float(part.probability[0]) for part in parts],
            "exit_stage": [int(part.exit_stage[0]) for part in parts],
            "median_ms": statistics.median(taken),
            "largest_ms": max(taken),
        }
    report["peak_mb"] = peak_mb()
    options.out.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        sys.stderr.write("MemoryError\n")
        sys.exit(1)
