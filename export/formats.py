"""Builds of a stage for the runtimes of phones, each held to the FP32 graph by the runtime that it is made for.

A format is a module (`export.tflite`, `export.executorch`). Its packages need another NumPy than serving does, so it is
imported in the environment of `make formats` alone. Batches are of one face there; everything else of the contract
(`awarenet.stages`) holds: bytes in, pre-processing and temperature inside.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
from rich.table import Table
from torch import nn

from awarenet.errors import ConfigurationError, ModelError
from awarenet.stages import FACE, Stage
from export.difference import QUANTISED, TRANSLATED, Tolerance
from export.inference import Faces, Outputs
from export.parity import Gate, network_gate
from export.samples import Samples
from training import compat  # noqa: F401  (before timm)

from timm.models.swin_transformer import SwinTransformerBlock  # isort: skip

FORMATS: Final = ("tflite", "executorch")

Infer = Callable[[Faces], Outputs]
"""One face, uint8 `[1, 256, 256, 3]`, to the stage's outputs."""

log = logging.getLogger(__name__)

_OPERATOR: Final = re.compile(r"(?:Lowering not found: |Operator torch\._ops\.|Missing out variants: \{')([\w.:]+)")


class Format(Protocol):
    """What a module of a format has."""

    NAME: str
    SUFFIX: str

    def translate(self, network: nn.Module, stage: Stage) -> bytes:
        """A network, as `training.networks.load` returns it, to a file of floats."""

    def quantise(
        self, network: nn.Module, stage: Stage, translated: bytes, calibration: Faces, kept: Collection[str]
    ) -> Iterator[tuple[str, bytes]]:
        """The same in INT8, in several forms by name, what is wanted most first.

        Args:
            network: The network.
            stage: The stage that it implements.
            translated: What `translate` made of it.
            calibration: Faces that the activation ranges are taken from, uint8 `[N, 256, 256, 3]`.
            kept: Groups of layers (`export.layers.groups`) that harm as INT8.
        """

    def load(self, model: Path, stage: Stage, threads: int) -> Infer:
        """Opens a file in the format's own runtime."""


@dataclass(frozen=True)
class Build:
    """One file and its gate.

    Attributes:
        stage: Name of the stage.
        form: `float`, or the form of INT8.
        size: Its bytes.
        gate: How far it is from the FP32 graph.
        file: The file; None where another form was preferred.
    """

    stage: str
    form: str
    size: int
    gate: Gate
    file: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """The build as JSON types."""
        file = self.file and str(self.file)
        return {"stage": self.stage, "form": self.form, "file": file, "size": self.size, **self.gate.to_dict()}


def open_format(name: str) -> Format:
    """The module of a format.

    Args:
        name: One of `FORMATS`.

    Raises:
        ConfigurationError: Its packages are not in this environment.
    """
    try:
        return cast(Format, importlib.import_module(f"export.{name}"))
    except ImportError as error:
        raise ConfigurationError(
            f"{name}: {error.name or error} is not installed here; `make formats` has an environment of its own for it"
        ) from error


def build(
    form: Format,
    network: nn.Module,
    stage: Stage,
    files: tuple[Path, Path],
    calibration: Faces,
    holdout: Samples,
    reference: Outputs,
    kept: Collection[str],
) -> tuple[Build, ...]:
    """Writes a stage in a format, as floats and in the first form of INT8 that its decisions survive.

    Where none is within the tolerance, the INT8 file is the one that flips fewest verdicts, and its gate fails.

    Args:
        form: The format.
        network: As `training.networks.load` returns it; it is bound to faces of 256 pixels.
        stage: The stage that it implements.
        files: Where the floats and the INT8 go.
        calibration: Faces that the activation ranges are taken from.
        holdout: Other people's faces, on which both are compared.
        reference: What the FP32 graph says about `holdout`.
        kept: As for `Format.quantise`.

    Returns:
        The floats, and every form of INT8 that was tried; the one that was written has a file.

    Raises:
        ModelError: An operator cannot be translated, or the runtime refuses the file.
    """

    def measure(name: str, content: bytes, file: Path, tolerance: Tolerance) -> Build:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        outputs = score(form.load(file, stage, threads=1), stage, holdout.faces)
        gate = network_gate(f"{stage.name}: ONNX, {form.NAME} {name}", reference, outputs, holdout, tolerance)
        log.info("%s: %s", gate.step, gate.difference)
        return Build(stage.name, name, len(content), gate)

    bind(network)
    translated = _translating(form, stage, lambda: form.translate(network, stage))
    floats = replace(measure("float", translated, files[0], TRANSLATED), file=files[0])
    tried: list[Build] = []
    fresh = files[1].with_name(f"{files[1].name}.new")
    forms = form.quantise(network, stage, translated, calibration, kept)
    while (made := _translating(form, stage, lambda: next(forms, None))) is not None:
        name, content = made
        tried.append(measure(name, content, fresh, QUANTISED))
        if min(tried, key=_harm) is tried[-1]:
            fresh.replace(files[1])
        if tried[-1].gate.passed:
            break
    fresh.unlink(missing_ok=True)
    best = min(tried, key=_harm)
    return floats, *(replace(one, file=files[1]) if one is best else one for one in tried)


def bind(network: nn.Module) -> None:
    """Makes what depends on a face's size alone a constant: a runtime of a phone would compute it with every face."""
    for module in network.modules():
        if isinstance(module, SwinTransformerBlock) and module.dynamic_mask:
            module.register_buffer("attn_mask", module.get_attn_mask(), persistent=False)
            module.dynamic_mask = False


def score(infer: Infer, stage: Stage, faces: Faces) -> Outputs:
    """The outputs of a build for all faces.

    Args:
        infer: What `Format.load` returned.
        stage: The stage that it implements.
        faces: uint8 `[N, 256, 256, 3]`, N >= 1.

    Raises:
        ModelError: An output is not that of the stage.
    """
    parts = [infer(face[None]) for face in faces]
    for tensor in stage.outputs:
        found = parts[0].get(tensor.name)
        if found is None or found.shape != (1, *tensor.shape) or found.dtype != tensor.dtype:
            got = "nothing" if found is None else f"{found.dtype} {list(found.shape)}"
            raise ModelError(
                f"{stage.name}: output {tensor.name} is {got}, expected {tensor.dtype} {[1, *tensor.shape]}; "
                "awarenet.stages says what a stage gives"
            )
    return {tensor.name: np.concatenate([part[tensor.name] for part in parts]) for tensor in stage.outputs}


def check_face(stage: Stage, dtype: str, shape: Iterable[int]) -> None:
    """Checks the input of a build.

    Raises:
        ModelError: It is no face.
    """
    if dtype != FACE.dtype or tuple(shape) != (1, *FACE.shape):
        raise ModelError(
            f"{stage.name}: the input is {dtype} {list(shape)}, expected {FACE.dtype} {[1, *FACE.shape]}; "
            "awarenet.stages says what a stage takes"
        )


def refused(error: BaseException) -> str:
    """What a converter could not translate, from the chain of its errors."""
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause).strip())
        cause = cause.__cause__ or cause.__context__
    operators = sorted({name.replace("::", ".") for text in causes for name in _OPERATOR.findall(text)})
    if operators:
        return f"operator {', '.join(operators)} has no translation"
    lines = next((text for text in reversed(causes) if text), type(error).__name__)
    return f"the conversion failed ({lines.splitlines()[0]})"


def table(builds: Iterable[Build], references: dict[str, int]) -> Table:
    """Builds as a table for people.

    Args:
        builds: The builds.
        references: Bytes of the FP32 graph, by stage.
    """
    result = Table("stage", "form", "MB", "of FP32 ONNX", "largest", "RMS", "AUC loss", "flips", "")
    for one in builds:
        difference = one.gate.difference
        result.add_row(
            one.stage,
            one.form,
            f"{one.size / 1e6:.2f}",
            f"{one.size / references[one.stage]:.1%}",
            f"{difference.max_score:.2g}",
            f"{difference.rms_score:.2g}",
            f"{difference.auc_loss:.4f}",
            f"{difference.flips:.2%}",
            ("passed" if one.gate.passed else "[bold red]over the tolerance[/]") if one.file else "not taken",
        )
    return result


def _translating(form: Format, stage: Stage, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except ModelError:
        raise
    except Exception as error:  # Converters raise whatever their compilers do, with no common base.
        raise ModelError(f"{stage.name}, {form.NAME}: {refused(error)}; replace it in training/networks") from error


def _harm(build: Build) -> tuple[bool, float, float]:
    difference = build.gate.difference
    return not build.gate.passed, difference.flips, difference.auc_loss
