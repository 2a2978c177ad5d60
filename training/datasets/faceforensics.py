"""FaceForensics++ (Roessler et al. 2019) with FaceShifter and DeepFakeDetection, in the official folder layout.

    original_sequences/{youtube,actors}/{raw,c23,c40}/videos/*.mp4
    manipulated_sequences/{Deepfakes,...}/{raw,c23,c40}/videos/*.mp4
    {train,val,test}.json (also below splits/ or dataset/splits/): lists of pairs of video numbers

A fake `071_054.mp4` is the clip 071 forged with the face (or expression) of 054. Pairs are the unit: both originals and
all fakes of a pair are one group. DeepFakeDetection has no official split and few actors, each paired with many: it is
a test set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from awarenet.errors import DataError
from training.datasets.manifest import FAKE, REAL, Record, named, require_files
from training.datasets.splits import Components

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
COMPRESSIONS = ("raw", "c23", "c40")
_SPLIT_FILES = {"train.json": "train", "val.json": "calibration", "test.json": "test"}


def records(root: Path, *, compressions: Sequence[str] = (), methods: Sequence[str] = ()) -> Iterator[Record]:
    """Reads the data set.

    Args:
        root: Folder that holds `original_sequences`.
        compressions: Which of `COMPRESSIONS`; those that are there when empty.
        methods: Which of `METHODS`; those that are there when empty.

    Yields:
        One record a clip: the originals of the pairs, their fakes, then DeepFakeDetection where it is there.

    Raises:
        DataError: A split file, folder or clip is missing, or a pair lies in two splits.
    """
    split_of, pairs, components = _read_pairs(root)
    chosen = [*compressions] or [name for name in COMPRESSIONS if (root / _originals("youtube", name)).is_dir()]
    if not chosen:
        raise DataError(f"{root}: no {_originals('youtube', '{raw,c23,c40}')}; name the folder with original_sequences")
    for compression in chosen:
        subset = f"faceforensics_{compression}"
        present = [*methods] or [name for name in METHODS if (root / _fakes(name, compression)).is_dir()]
        stems = {"youtube": [*split_of], **{name: [f"{a}_{b}" for a, b in pairs] for name in present}}
        for method, names in stems.items():
            folder = _originals(method, compression) if method == "youtube" else _fakes(method, compression)
            paths = {name: f"{folder}/{name}.mp4" for name in names}
            require_files(root, paths.values(), f"download {method} at {compression} again")
            for name, path in paths.items():
                label = REAL if method == "youtube" else FAKE
                group = f"ff:{components.root(name[:3])}"
                yield Record(path, label, "faceforensics", subset, method, compression, group, split_of[name[:3]])
        yield from _deep_fake_detection(root, compression)


def _deep_fake_detection(root: Path, compression: str) -> Iterator[Record]:
    reals = sorted((root / _originals("actors", compression)).glob("*.mp4"))
    fakes = sorted((root / _fakes("DeepFakeDetection", compression)).glob("*.mp4"))
    actors = Components()
    for path in (*reals, *fakes):
        actors.connect(*path.name.split("__")[0].split("_"))
    for label, method, paths in ((REAL, "actors", reals), (FAKE, "DeepFakeDetection", fakes)):
        for path in paths:
            group = f"ffactor:{actors.root(path.name[:2])}"
            name = path.relative_to(root).as_posix()
            yield Record(
                name, label, "deepfakedetection", f"deepfakedetection_{compression}", method, compression, group, "test"
            )


def _read_pairs(root: Path) -> tuple[dict[str, str], list[tuple[str, str]], Components]:
    """Split of each video number, every ordered pair that a fake exists for, and the components of the pairs."""
    split_of: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    components = Components()
    for file, split in _SPLIT_FILES.items():
        for first, second in _read_json(root, file):
            pairs += [(first, second), (second, first)]
            components.connect(first, second)
            for name in (first, second):
                if split_of.setdefault(name, split) != split:
                    raise DataError(
                        f"{root}: video {name} is in two split files, {file} is one; restore the official ones"
                    )
    if not pairs:
        raise DataError(f"{root}: the split files hold no pair; restore the official train.json, val.json, test.json")
    return split_of, pairs, components


def _read_json(root: Path, file: str) -> list[tuple[str, str]]:
    places = [root / file, root / "splits" / file, root / "dataset" / "splits" / file]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DataError(f"{root}: no {file}; take it from dataset/splits of the FaceForensics repository")
    try:
        pairs = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{found}: cannot be read ({error}); restore the official file") from error
    odd = [pair for pair in pairs if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)))]
    if odd:
        raise DataError(f"{found}: not pairs of three-digit numbers: {named(odd)}; restore the official file")
    return [(first, second) for first, second in pairs]


def _is_number(name: object) -> bool:
    return isinstance(name, str) and len(name) == 3 and name.isdigit()


def _originals(source: str, compression: str) -> str:
    return f"original_sequences/{source}/{compression}/videos"


def _fakes(method: str, compression: str) -> str:
    return f"manipulated_sequences/{method}/{compression}/videos"
