"""INT8 by measurement: static quantisation of an ONNX graph, with whatever hurts kept in float.

ONNX Runtime's QDQ form, unsigned activations, signed weights per channel (U8S8), calibrated on real faces. The way in,
up to and with the first layer, and the way out, from what the last layer reads, always stay in float: a layer of three
channels is faster in float, and eight bits would cut the logit into 256 steps. Weights that have learned to be rounded
(`training.quantize`) come as a graph of that form, which competes with what is found here under the same rule.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from awarenet.errors import ModelError
from awarenet.stages import FACE, Stage
from export.difference import QUANTISED, Difference, Tolerance, compare_outputs
from export.inference import Faces, run_graph
from export.samples import Samples
from export.signature import check_signature
from training.layers import groups, inner_nodes

SIZE_SHARE: Final = 0.28
"""Largest size of an INT8 file as a share of its FP32 file."""

SHRINKS: Final = (1.0, 0.95, 0.9, 0.85)
"""Shares of the observed activation ranges that are tried: rare extremes cost every other value resolution."""

NEAR_LEAST: Final = 1.1
"""Where rounded weights alone are over the tolerance, INT8 arithmetic may add so much: floats would cost time
and mend nothing."""

WEIGHTED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""ONNX operators that have weights."""

# ONNX Runtime computes a normalisation in float whatever surrounds it; quantising its weights would only harm.
_INTEGER: Final = sorted(kind for kind in {*QLinearOpsRegistry, *QDQRegistry} if not kind.endswith("Normalization"))
_SCREEN_FACES: Final = 128
"""Faces on which groups are ranked; complete candidates are measured on all."""
_CALIBRATION_BATCH: Final = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One quantisation that was measured.

    Attributes:
        kept: The groups that stayed in float, in words.
        difference: Against the FP32 graph, on the hold-out faces.
        size: Bytes of the file.
    """

    kept: tuple[str, ...]
    difference: Difference
    size: int

    def accepted(self, float_size: int, tolerance: Tolerance = QUANTISED, size_share: float = SIZE_SHARE) -> bool:
        """Whether it is within a tolerance, and its file at most a share of the FP32 file's bytes."""
        return self.difference.within(tolerance) and self.size <= size_share * float_size

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return {"kept": list(self.kept), "size": self.size, **self.difference.to_dict()}


@dataclass(frozen=True)
class Int8Report:
    """How a stage was quantised.

    Attributes:
        stage: Name of the stage.
        float_size: Bytes of the FP32 file.
        shrink: Share of the observed activation ranges that was taken.
        shrinks: Root mean square error of the logits on the calibration faces, by share.
        sensitivity: The error of one group alone in INT8, by group.
        trials: Every complete candidate, in the order in which it was tried.
        chosen: The one that was written.
        accepted: Whether it is within tolerance and small enough.
    """

    stage: str
    float_size: int
    shrink: float
    shrinks: Mapping[float, float]
    sensitivity: Mapping[str, Trial]
    trials: tuple[Trial, ...]
    chosen: Trial
    accepted: bool

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "stage": self.stage,
            "float_size": self.float_size,
            "accepted": self.accepted,
            "chosen": self.chosen.to_dict(),
            "shrink": self.shrink,
            "shrinks": {str(share): error for share, error in self.shrinks.items()},
            "trials": [trial.to_dict() for trial in self.trials],
            "sensitivity": {name: trial.to_dict() for name, trial in self.sensitivity.items()},
        }


def quantise(
    model: Path,
    out: Path,
    stage: Stage,
    calibration: Faces,
    holdout: Samples,
    *,
    tolerance: Tolerance = QUANTISED,
    size_share: float = SIZE_SHARE,
    blocks: int = 10,
    earlier: Mapping[str, Any] | None = None,
) -> Int8Report:
    """Quantises a graph, keeping the most harmful groups of nodes in float until the rest is tolerable.

    Args:
        model: The FP32 graph.
        out: The INT8 file to write.
        stage: The stage that both implement.
        calibration: Faces that the activation ranges are taken from, uint8 `[N, 256, 256, 3]`.
        holdout: Other people's faces, on which the harm is measured.
        tolerance: When to stop.
        size_share: Largest size as a share of `model`.
        blocks: Into how many runs of neighbouring layers the graph is cut to look for the harmful ones.
        earlier: A report (`Int8Report.to_dict`) of the same network, whose choice is taken over: no search.

    Returns:
        What was tried and measured; `accepted` says whether the tolerance was met.

    Raises:
        ModelError: The graph cannot be quantised.
    """
    float_size = model.stat().st_size
    reference = run_graph(model, holdout.faces)
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(model, Path(folder), calibration, blocks)
        shrinks = (
            {float(share): error for share, error in earlier["shrinks"].items()} if earlier else bench.try_shrinks()
        )
        bench.shrink = min(shrinks, key=lambda share: shrinks[share])

        def measure(kept: tuple[str, ...], rows: slice = slice(None)) -> Trial:
            candidate = bench.quantise(kept)
            outputs = run_graph(candidate, holdout.faces[rows])
            expected = {name: values[rows] for name, values in reference.items()}
            difference = compare_outputs(expected, outputs, holdout.labels[rows], holdout.subsets[rows])
            log.info("%s: kept %s: %s", stage.name, ", ".join(kept) or "nothing", difference)
            return Trial(kept, difference, candidate.stat().st_size)

        trials = [measure(tuple(earlier["chosen"]["kept"]) if earlier else ())]
        chosen = trials[0]
        sensitivity: dict[str, Trial] = {}
        if not earlier and not chosen.difference.within(tolerance):
            some = slice(None, None, max(1, len(holdout.faces) // _SCREEN_FACES) | 1)  # Odd: reals and fakes alternate.
            # One group in INT8 at a time: left out one at a time, errors that cancel each other hide the culprit.
            for name in bench.groups:
                sensitivity[name] = measure(tuple(other for other in bench.groups if other != name), some)
            ranked = sorted(sensitivity, key=lambda name: -sensitivity[name].difference.rms_score)
            # All of them stand for bytes as weights and no INT8 arithmetic, which is the least harm that can be had.
            chosen = least = measure(tuple(ranked))
            trials.append(least)
            missed = not least.difference.within(tolerance)
            # The fewest of them, the most harmful first.
            too_few, enough = 0, len(ranked)
            while enough - too_few > 1:
                count = (too_few + enough) // 2
                trials.append(measure(tuple(ranked[:count])))
                found = trials[-1].difference
                near = missed and found.rms_score <= NEAR_LEAST * least.difference.rms_score
                if found.within(tolerance) or near:
                    chosen, enough = trials[-1], count
                else:
                    too_few = count
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(bench.quantise(chosen.kept).read_bytes())
    check_signature(out, stage)
    accepted = chosen.accepted(float_size, tolerance, size_share)
    return Int8Report(stage.name, float_size, bench.shrink, shrinks, sensitivity, tuple(trials), chosen, accepted)


def measure(model: Path, candidate: Path, holdout: Samples) -> Trial:
    """Measures an INT8 graph that was not made here.

    Args:
        model: The FP32 graph.
        candidate: The INT8 graph; nothing inside was kept in float.
        holdout: The faces that `quantise` measures on.
    """
    expected, outputs = (run_graph(path, holdout.faces) for path in (model, candidate))
    difference = compare_outputs(expected, outputs, holdout.labels, holdout.subsets)
    return Trial((), difference, candidate.stat().st_size)


def better(
    learned: Trial,
    rounded: Trial,
    float_size: int,
    *,
    tolerance: Tolerance = QUANTISED,
    size_share: float = SIZE_SHARE,
) -> bool:
    """Whether learned weights shall be served, and not the stage's own, rounded.

    As in the search: what is acceptable comes first, then what keeps less in float. Where both are alike in that, the
    one that flips fewer verdicts and loses less AUC.

    Args:
        learned: The graph of quantisation-aware training.
        rounded: What `quantise` chose.
        float_size: Bytes of the FP32 file.
        tolerance: As for `quantise`.
        size_share: As for `quantise`.
    """

    def rank(trial: Trial) -> tuple[float, ...]:
        accepted = trial.accepted(float_size, tolerance, size_share)
        return (not accepted, accepted * len(trial.kept), trial.difference.flips, trial.difference.auc_loss)

    return rank(learned) < rank(rounded)


class _Bench:
    """Quantises one graph again and again; calibrates it once."""

    def __init__(self, model: Path, folder: Path, calibration: Faces, blocks: int) -> None:
        self._model = model
        self._folder = folder
        self._calibration = calibration
        self.shrink = 1.0
        self._source = folder / "prepared.onnx"
        try:
            quant_pre_process(str(model), str(self._source), skip_symbolic_shape=True)
        except Exception as error:  # ONNX Runtime's errors have no common base.
            raise ModelError(f"{model}: ONNX Runtime cannot prepare it for quantisation ({error})") from error
        graph = onnx.load(self._source).graph
        inner = inner_nodes(graph.node, WEIGHTED)
        if not inner:
            raise ModelError(f"{model}: it has nothing to quantise (no {', '.join(sorted(WEIGHTED))})")
        names = {node.name for node in inner}
        self._always = [node.name for node in graph.node if node.name not in names]
        self.groups = dict(groups(inner, blocks, WEIGHTED))
        self.quantise(())  # Calibrates, while the ranges are taken whole.

    def try_shrinks(self) -> dict[float, float]:
        """Root mean square error of the logits on the calibration faces, by share of the ranges."""
        expected = run_graph(self._model, self._calibration)["logit"]
        errors = {}
        for self.shrink in SHRINKS:
            found = run_graph(self.quantise(()), self._calibration)["logit"]
            errors[self.shrink] = float(np.sqrt(((found - expected) ** 2).mean()))
        return errors

    def _ranges(self) -> Path:
        """The file of activation ranges; the quantiser itself writes that of the whole ranges."""
        whole = self._folder / "ranges-1.0.json"
        path = self._folder / f"ranges-{self.shrink}.json"
        if path != whole and not path.exists():
            ranges = json.loads(whole.read_text(encoding="utf-8"))
            for tensor in ranges["data"].values():
                for end in (tensor["lowest"], tensor["highest"]):
                    end["data"] = [value * self.shrink for value in end["data"]]
            path.write_text(json.dumps(ranges), encoding="utf-8")
        return path

    def quantise(self, kept: tuple[str, ...]) -> Path:
        """The graph with these groups computing in float and all else in INT8; weights are bytes in both."""
        out = self._folder / "quantised.onnx"
        quantize_static(
            str(self._source),
            str(out),
            _Reader(self._calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=_INTEGER,
            nodes_to_exclude=[*self._always, *(node for group in kept for node in self.groups[group])],
            # A rectifier that the quantised range makes redundant stays in the file: ONNX Runtime drops it on loading,
            # and `export.tensorrt` needs it when it takes the quantisation out again.
            extra_options={"QDQKeepRemovableActivations": True},
            # Ranges depend on the graph and the faces alone, so that every trial shares them.
            calibration_cache_path=self._ranges(),
        )
        model = onnx.load(out)
        _pack(model.graph, {node for group in kept for node in self.groups[group]})
        shorten(model.graph)
        onnx.save(model, out)
        return out


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types.
    def __init__(self, faces: Faces) -> None:
        self._batches = (faces[i : i + _CALIBRATION_BATCH] for i in range(0, len(faces), _CALIBRATION_BATCH))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {FACE.name: batch}


def _pack(graph: onnx.GraphProto, names: set[str]) -> None:
    """Stores the weights of layers that compute in float as bytes: rounding weights harms little, activations much.

    ONNX Runtime folds the product of bytes and scale when it loads the file; a DequantizeLinear it would keep, and
    compute with every batch.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    unpacking: list[onnx.NodeProto] = []
    packed: set[str] = set()
    for node in graph.node:
        if node.name not in names or node.op_type not in WEIGHTED or node.input[1] not in constants:
            continue
        name = node.input[1]
        node.input[1] = f"{name}_unpacked"
        if name in packed:
            continue
        packed.add(name)
        weights = numpy_helper.to_array(constants[name])
        axis = _output_axis(node, weights.ndim)
        others = tuple(index for index in range(weights.ndim) if index != axis)
        scale = np.maximum(np.abs(weights).max(others, keepdims=True), np.finfo(np.float32).tiny) / 127
        integers = np.round(weights / scale).astype(np.int8)
        graph.initializer.append(numpy_helper.from_array(integers, f"{name}_bytes"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        unpacking.append(helper.make_node("Cast", [f"{name}_bytes"], [f"{name}_cast"], to=onnx.TensorProto.FLOAT))
        unpacking.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [f"{name}_unpacked"]))
    nodes = [*unpacking, *graph.node]
    read = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _output_axis(node: onnx.NodeProto, rank: int) -> int:
    """The axis of a layer's weights that counts its outputs."""
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 0 if transposed else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": rank - 1}[node.op_type]


def shorten(graph: onnx.GraphProto) -> None:
    """Numbers tensors and nodes: beside one-byte weights, long names are several per cent of a small model."""
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        return  # A graph inside a node may read any tensor of this one by name.
    names: dict[str, str] = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}

    def short(name: str) -> str:
        return names.setdefault(name, f"t{len(names):x}")

    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = short(tensor.name)
    del graph.value_info[:]
