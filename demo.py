"""`make demo`: scores samples made on the spot, and your own files, on a real Triton server.

The samples need no licence: a public-domain portrait that comes with scikit-image, forgeries of it by our own code, and
a short clip made from both. Prints the table of `awarenet detect`, writes its HTML report to `build/demo/`, and stops
the server. Needs neither torch nor a GPU.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.data
import typer
from numpy.typing import NDArray
from PIL import Image

from awarenet.detect_command import detect
from awarenet.errors import AwareNetError
from awarenet.faces import FaceBox, crop_face
from awarenet.log import configure
from awarenet.runtime.choice import DEFAULT_REPOSITORY
from awarenet.runtime.server import TritonServer
from training.forgeries.blending import self_blend
from training.forgeries.masks import blend_mask
from training.forgeries.upsampling import decode

ROOT = Path(__file__).resolve().parent

Pixels = NDArray[np.uint8]
Forge = Callable[[Pixels, NDArray[np.float32]], Pixels]

FACE = FaceBox(178, 65, 91, 111, 1.0)
"""Where the face is in `skimage.data.astronaut()`."""

LANDMARKS = np.array([[203, 104], [248, 104], [224, 128], [204, 143], [243, 144]], np.float32)
"""Eyes, nose tip and mouth corners of that face."""

AROUND = 1.7
"""Side of the forged square as a multiple of the face: more than the 1.3 that the models look at."""

FADE = 12.0
"""Width in pixels over which the forged square fades into the picture."""

DIFFICULTY = 0.4
SEED = 7
SECONDS = 2
RATE = 25


def forged(image: Pixels, forge: Forge) -> Pixels:
    """The picture with its face and a margin around it replaced by a forgery, faded in at the border."""
    # One crop pixel for one source pixel, so that only the forgery changes anything.
    side = round(FACE.side * AROUND)
    crop = crop_face(image, FACE, scale=AROUND, size=side)
    landmarks = LANDMARKS @ crop.to_crop[:, :2].T + crop.to_crop[:, 2]
    left, top = (-crop.to_crop[:, 2]).round().astype(int)
    border = np.minimum(np.arange(side), np.arange(side)[::-1]) / FADE
    weight = np.minimum(1, np.minimum(border[:, None], border[None, :]))[..., None]
    mixed = forge(crop.face, landmarks.astype(np.float32)) * weight + crop.face * (1 - weight)
    result = image.copy()
    result[top : top + side, left : left + side] = mixed.round().astype(np.uint8)
    return result


def blend(face: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
    """The face blended with a changed copy of itself, as a face swap would be."""
    return _blend(face, landmarks, lambda _: face)


def decoded_blend(face: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
    """The face blended with what a decoder's up-sampling makes of it."""
    return _blend(face, landmarks, lambda rng: decode(face, rng, DIFFICULTY)[0])


def decoded(face: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
    """The whole face through a decoder's up-sampling, as a synthetic face would be."""
    return decode(face, np.random.default_rng(SEED), DIFFICULTY)[0]


def _blend(
    face: Pixels, landmarks: NDArray[np.float32], make_source: Callable[[np.random.Generator], Pixels]
) -> Pixels:
    """The first self-blend that leaves the surroundings alone: a change there would show where the crop was cut."""
    rng = np.random.default_rng(SEED)
    while True:
        mask = blend_mask(landmarks, len(face), rng)
        fake, mask = self_blend(face, mask, rng, DIFFICULTY, source=make_source(rng))
        outside = mask == 0
        if np.array_equal(fake[outside], face[outside]) and not np.array_equal(fake, face):
            return fake


def write_samples(folder: Path) -> None:
    """Makes the sample pictures and the clip."""
    folder.mkdir(parents=True, exist_ok=True)
    real: Pixels = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    fake = forged(real, blend)
    for name, image in {
        "1 real portrait.png": real,
        "2 forged, face blended.png": fake,
        "3 forged, decoded face blended.png": forged(real, decoded_blend),
        "4 forged, face decoded.png": forged(real, decoded),
    }.items():
        Image.fromarray(image).save(folder / name)
    write_clip(folder / "5 clip, second half forged.mp4", real, fake)


def write_clip(path: Path, first: Pixels, second: Pixels) -> None:
    """A camera that moves slowly over one picture and then the other."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 448, 448, "yuv420p"
        stream.codec_context.options = {"crf": "18"}
        frames = SECONDS * RATE
        for number in range(frames):
            image = first if number < frames // 2 else second
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[8:456, number : number + 448]), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode())


def main() -> int:
    """Runs the demo; the exit code is that of `awarenet detect`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="pictures, clips and folders of your own")
    parser.add_argument("--model-repository", type=Path, default=ROOT / DEFAULT_REPOSITORY)
    parser.add_argument("--out", type=Path, default=Path("build") / "demo")
    arguments = parser.parse_args()
    configure("warning")
    say(f"making samples in {arguments.out / 'samples'}")
    write_samples(arguments.out / "samples")
    say("starting Triton")
    try:
        with TritonServer(arguments.model_repository) as server:
            say(f"scoring on {server.grpc_url}\n")
            try:
                detect(
                    [arguments.out / "samples", *arguments.files],
                    html=arguments.out / "report.html",
                    server=server.grpc_url,
                )
            except typer.Exit as end:
                return end.exit_code
    except AwareNetError as error:
        say(f"demo: {error}")
        return 1
    return 0


def say(message: str) -> None:
    """Tells what is going on, on stderr: stdout is for the table."""
    sys.stderr.write(message + "\n")


if __name__ == "__main__":
    sys.exit(main())
