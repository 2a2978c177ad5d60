"""The forms that the networks come in, format by precision, and which of them are at hand.

A format is one line in `FORMATS`: how its file is called and what runs it, as an `awarenet.runtime.engines.Engine`. A
precision is a folder of files. Every format is tried on every folder that holds its files, so a new format is measured
once it has its line, and new files once their folder is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from awarenet.repository import VERSION_FOLDER
from awarenet.runtime.engines import ENGINES, Engine, Infer
from awarenet.stages import NETWORKS, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SERVED: Final = "served"
"""The precision of the files that the model repository serves: INT8 in the shipped one."""

FP32: Final = "fp32"


@dataclass(frozen=True)
class Format:
    """A file format and what runs it.

    Attributes:
        file: Where the file of a stage lies below a folder of one precision.
        open: Makes the engine. Called in the process that runs the form, so that nothing else loads its library.
    """

    file: Callable[[Path, Stage], Path]
    open: Callable[[], Engine]


@dataclass(frozen=True)
class Form:
    """One format in one precision.

    Attributes:
        format: Key of `FORMATS`.
        precision: Name of the folder that the files come from, such as `served` or `fp32`.
        files: The file of each network, by the stage's name.
    """

    format: str
    precision: str
    files: Mapping[str, Path]

    @property
    def name(self) -> str:
        """Such as `onnx-served`."""
        return f"{self.format}-{self.precision}"

    @property
    def megabytes(self) -> dict[str, float]:
        """Size of each file in MB of 10^6 bytes."""
        return {stage: path.stat().st_size / 1e6 for stage, path in self.files.items()}

    def to_dict(self) -> dict[str, Any]:
        """The form as JSON types."""
        files = {stage: str(path) for stage, path in self.files.items()}
        return {"format": self.format, "precision": self.precision, "files": files}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Form:
        """The inverse of `to_dict`."""
        files = {stage: Path(path) for stage, path in content["files"].items()}
        return cls(content["format"], content["precision"], files)

    def engine(self) -> Engine:
        """What runs the form: the format's engine, which is given these files whatever else it is asked to load."""
        return _Files(FORMATS[self.format].open(), self.files)


def at_hand(folders: Iterable[tuple[str, Path]]) -> list[Form]:
    """Every format of every precision whose files are all there.

    Args:
        folders: Names of precisions and folders of files, in the layout of a model repository or of a training run.
    """
    found = []
    for precision, folder in folders:
        for name, kind in FORMATS.items():
            files = {stage.name: kind.file(folder, stage) for stage in NETWORKS}
            if all(path.is_file() for path in files.values()):
                found.append(Form(name, precision, files))
    return found


def with_threads(form: str, threads: int) -> str:
    """Name of a form with so many processor threads, such as `onnx-served, 1 thread`."""
    return f"{form}, {threads} thread{'s' if threads != 1 else ''}"


@dataclass(frozen=True)
class _Files:
    """An engine for files of one's own."""

    inner: Engine
    files: Mapping[str, Path]

    @property
    def one_by_one(self) -> bool:
        return self.inner.one_by_one

    @property
    def tolerance(self) -> float:
        return self.inner.tolerance

    def check(self) -> None:
        self.inner.check()

    def load(self, stage: Stage, path: Path, threads: int) -> Infer:
        return self.inner.load(stage, self.files[stage.name], threads)


@dataclass(frozen=True)
class _Eager:
    """PyTorch without compilation, from the weights themselves: what training runs."""

    one_by_one: bool = False
    tolerance: float = float("inf")

    def check(self) -> None:
        from awarenet.errors import ConfigurationError
        from benchmarks.contenders import eager

        if why := eager.missing():
            raise ConfigurationError(why)

    def load(self, stage: Stage, path: Path, threads: int) -> Infer:
        import torch

        from training.networks import load

        torch.set_num_threads(threads)
        network = load(path.with_suffix(""))

        def infer(faces: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
            with torch.inference_mode():
                outputs = network(torch.from_numpy(faces))
            return [outputs[tensor.name].numpy() for tensor in stage.outputs]

        return infer


def _versioned(file: str) -> Callable[[Path, Stage], Path]:
    """A file of this name in the version folder of its stage."""
    return lambda folder, stage: folder / stage.name / VERSION_FOLDER / file


FORMATS: Final[Mapping[str, Format]] = {
    "onnx": Format(_versioned("model.onnx"), lambda: ENGINES["cpu"]),
    "openvino": Format(_versioned("model.onnx"), lambda: ENGINES["openvino"]),
    "pytorch": Format(lambda folder, stage: folder / f"{stage.name}.safetensors", _Eager),
}
"""What can be measured, by name."""
