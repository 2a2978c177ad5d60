"""The layers of a graph, whatever its format: which may be quantised, and in which groups they are kept in float."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import fx


class Node(Protocol):
    """A node of a graph, as ONNX has it."""

    @property
    def name(self) -> str:
        """Its own name."""

    @property
    def op_type(self) -> str:
        """Its operator."""

    @property
    def input(self) -> Sequence[str]:
        """Names of the tensors that it reads."""

    @property
    def output(self) -> Sequence[str]:
        """Names of the tensors that it writes."""


@dataclass(frozen=True)
class Operator:
    """A node of a graph that is not ONNX; the fields are those of `Node`."""

    name: str
    op_type: str
    input: tuple[str, ...]
    output: tuple[str, ...]


Kind = TypeVar("Kind", bound=Node)


def operators(graph: fx.Graph) -> list[Operator]:
    """The nodes of a graph that PyTorch captured, each by its name and its operator's, as in `aten.conv2d.default`."""
    return [
        Operator(node.name, str(node.target), tuple(source.name for source in node.all_input_nodes), (node.name,))
        for node in graph.nodes
        if node.op == "call_function"
    ]


def inner_nodes(nodes: Sequence[Kind], weighted: Collection[str]) -> list[Kind]:
    """The nodes between the first layer with weights and the last, both left out, on every path.

    Args:
        nodes: A graph's nodes in topological order.
        weighted: Operators that have weights.
    """
    after: set[str] = set()  # Tensors computed from a layer with weights.
    started: list[bool] = []
    for node in nodes:
        started.append(any(name in after for name in node.input))
        if node.op_type in weighted or started[-1]:
            after.update(node.output)
    ahead: set[str] = set()  # Tensors that a layer with weights is computed from.
    wanted: set[str] = set()  # Those of them that a layer other than the last is computed from.
    inner: list[Kind] = []
    for node, begun in zip(reversed(nodes), reversed(started), strict=True):
        layer = node.op_type in weighted
        leads = any(name in ahead for name in node.output)
        chosen = (layer and leads) or any(name in wanted for name in node.output)
        if layer or leads:
            ahead.update(node.input)
        if chosen:
            wanted.update(node.input)
            if begun:
                inner.append(node)
    return inner[::-1]


def groups(nodes: Sequence[Node], blocks: int, weighted: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Candidates to keep in float: runs of neighbouring layers, by a name that holds for every format of a network.

    Args:
        nodes: `inner_nodes` of a graph.
        blocks: How many runs; fewer where there are fewer layers.
        weighted: Operators that have weights.

    Yields:
        The name of a group and the names of its nodes.
    """
    layers = [index for index, node in enumerate(nodes) if node.op_type in weighted]
    count = min(blocks, len(layers))
    starts = [layers[len(layers) * block // count] for block in range(count)] + [len(nodes)]
    starts[0] = 0
    for block, (start, stop) in enumerate(itertools.pairwise(starts), 1):
        yield f"layers {block} of {count}", [node.name for node in nodes[start:stop]]


def kept_nodes(nodes: Sequence[Node], kept: Iterable[str], weighted: Collection[str]) -> set[str]:
    """The nodes of groups that another format of the same network was found to need in float.

    Args:
        nodes: `inner_nodes` of a graph.
        kept: Names of groups, as `groups` gives them.
        weighted: Operators that have weights.

    Returns:
        Names of nodes.
    """
    names = set(kept)
    blocks = {int(name.rsplit(" ", 1)[-1]) for name in names}
    return {
        node
        for count in blocks
        for name, members in groups(nodes, count, weighted)
        if name in names
        for node in members
    }
