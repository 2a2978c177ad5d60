"""`python -m benchmarks video`: clips from decoding to verdict, in time and memory, and how well forged stretches show.

The clips are made here: a portrait in the public domain moves over a made-up background, and our own code forges it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from awarenet.detector import DEFAULT_FRAMES, Detector
from awarenet.errors import MediaError
from awarenet.face_engines import create_detector
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.verdict import Verdict
from benchmarks import machine
from demo import blend, decoded, decoded_blend, forged

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT, RATE = 1280, 720, 25
SECONDS: Final = 20
MEMORY_SECONDS: Final = (60, 600)
FORGED_S: Final = (4.0, 7.0)
"""The forged stretch of the clips that are made to be found out, in seconds of `FORGED_CLIP_S`."""

FORGED_CLIP_S: Final = 12
FORGERIES: Final = {"blend": blend, "decoded_blend": decoded_blend, "decoded": decoded}
ROUNDS: Final = 3

_PEAK = (
    "import sys; from benchmarks.video import *; from export.bundle_runner import peak_mb; "
    "verdict = detector(Path(sys.argv[1])).detect(Path(sys.argv[2])); "
    "assert verdict.faces, verdict; print(peak_mb())"
)

TARGETS = {
    "frames_per_s": ("720p, decode to verdict, source frames/s", ">= 60"),
    "frames_per_cpu_s": ("the same per second of processor time, all threads", ""),
    "memory_long_over_short": ("peak memory, 10 minutes / 1 minute", "<= 1.10"),
    "segment_auc": ("forged stretches, AUC of scored faces by time", ""),
}


def run(repository: Path, folder: Path, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Makes the clips and measures.

    Args:
        repository: The model repository.
        folder: Folder for the clips.
        say: Told what is being done.

    Returns:
        The content of the result file.

    Raises:
        MediaError: A clip could not be scored.
    """
    described = machine.describe()
    folder.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    judge = detector(repository)
    portrait: Pixels = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    say("throughput")
    speed = throughput(judge, make_clip(folder / "speed.mp4", SECONDS, portrait))
    stretches = {}
    for name, forge in FORGERIES.items():
        say(f"forged stretch: {name}")
        clip = make_clip(folder / f"{name}.mp4", FORGED_CLIP_S, portrait, forged(portrait, forge))
        stretches[name] = segment_auc(_scored(judge.detect(clip)))
    say("memory")
    short = make_clip(folder / "short.mp4", MEMORY_SECONDS[0], portrait)
    long = repeat_clip(short, folder / "long.mp4", MEMORY_SECONDS[1] // MEMORY_SECONDS[0])
    peaks = {str(seconds): peak(repository, clip) for seconds, clip in zip(MEMORY_SECONDS, (short, long), strict=True)}
    return {
        **speed,
        "memory_long_over_short": peaks[str(MEMORY_SECONDS[1])] / peaks[str(MEMORY_SECONDS[0])],
        "segment_auc": float(np.mean(list(stretches.values()))),
        "segment_auc_by_forgery": stretches,
        "peak_mb_by_seconds": peaks,
        "frames_scored_at_most": DEFAULT_FRAMES,
        "machine": described,
    }


def detector(repository: Path) -> Detector:
    """What `awarenet detect --in-process` uses."""
    return Detector(InProcessRuntime(repository), create_detector())


def make_clip(path: Path, seconds: int, real: Pixels, fake: Pixels | None = None) -> Path:
    """A 720p clip of a portrait that sways over a background; forged in `FORGED_S` where there is a forgery."""
    random = np.random.default_rng(0)
    background = cv2.resize(
        random.integers(40, 200, (9, 16, 3), np.uint8), (WIDTH + 200, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "crf": "20"}
        for number in range(seconds * RATE):
            time_s = number / RATE
            is_fake = fake is not None and FORGED_S[0] <= time_s < FORGED_S[1]
            shown = fake if fake is not None and is_fake else real
            shift = int(100 + 100 * np.sin(time_s))
            image = background[:, shift : shift + WIDTH].copy()
            image[150 : 150 + len(shown), 300 + shift : 300 + shift + shown.shape[1]] = shown
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode())
    return path


def repeat_clip(source: Path, path: Path, times: int) -> Path:
    """The clip again and again in one file, without encoding it anew."""
    with av.open(str(path), "w") as output:
        shift = 0
        copy = None
        for _ in range(times):
            with av.open(str(source)) as clip:
                video = clip.streams.video[0]
                copy = copy or output.add_stream_from_template(video)
                for packet in clip.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
                    output.mux(packet)
                shift += video.duration or 0
    return path


def throughput(judge: Detector, clip: Path) -> dict[str, float]:
    """Source frames per second from file to verdict: the median of some rounds after one to warm up."""
    _scored(judge.detect(clip))
    with av.open(str(clip)) as opened:
        frames = opened.streams.video[0].frames
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        _scored(judge.detect(clip))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"frames_per_s": frames / float(np.median(walls)), "frames_per_cpu_s": frames / float(np.median(cpus))}


def segment_auc(verdict: Verdict) -> float:
    """AUC of the scored faces, those of the forged stretch against the others."""
    inside = [FORGED_S[0] <= (face.time_s or 0.0) < FORGED_S[1] for face in verdict.faces]
    return float(roc_auc_score(inside, [face.probability for face in verdict.faces]))


def peak(repository: Path, clip: Path) -> float:
    """Peak resident memory in MB (2^20 bytes) of a fresh process that scores a clip."""
    command = [sys.executable, "-c", _PEAK, str(repository), str(clip)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise MediaError(f"bench: {clip} could not be scored in a process of its own ({ended.stderr.strip()[-300:]})")
    return float(ended.stdout.split()[-1])


def show(result: Mapping[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title="AWARE-NET video benchmark", title_justify="left", header_style="bold", show_edge=False)
    for name, justify in (("", "left"), ("figure", "right"), ("target", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for key, (words, target) in TARGETS.items():
        table.add_row(words, f"{result[key]:.2f}", target)
    for name, area in result["segment_auc_by_forgery"].items():
        table.add_row(f"  {name}", f"{area:.2f}", "")
    for seconds, memory in result["peak_mb_by_seconds"].items():
        table.add_row(f"peak memory of a clip of {seconds} s, MB", f"{memory:.0f}", "")
    console.print(table)
    described = result["machine"]
    console.print(
        f"{described['cpu']}, {described['cores']} cores; load before {described['load_before']}", style="dim"
    )


def _scored(verdict: Verdict) -> Verdict:
    if not verdict.faces:
        raise MediaError(f"bench: {verdict.error or f'{verdict.path}: no face was found'}")
    return verdict
