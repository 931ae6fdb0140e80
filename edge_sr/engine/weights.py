"""Decides which weights of a frame plan take more than one byte each, for kernels that are faster.

Kernels for expanded weights save instructions for every output pixel, and cost flash once per
weight. Small networks get them everywhere. Large ones get them where they gain most, in the layers
of the largest maps, as long as the weights of the network grow by a tenth at most.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from edge_sr.engine.frame_nodes import FrameNode
from edge_sr.engine.nodes import KernelCall
from edge_sr.engine.packing import Layout, compact_weights, pack_weights, takes
from edge_sr.errors import UserError
from edge_sr.graph import Graph

SMALL_BYTES = 32768
"""The most weights of a network that are all expanded by default."""

_GROWTH = 0.1  # of the weights of larger networks


class Weights(StrEnum):
    """Which convolutions and dense layers get expanded weights."""

    AUTO = "auto"
    COMPACT = "compact"
    EXPANDED = "expanded"

    @classmethod
    def parse(cls, text: str) -> "Weights":
        """The member of that name.

        Raises:
            UserError: there is none.
        """
        try:
            return cls(text)
        except ValueError:
            names = ", ".join(cls)
            raise UserError(f"unknown weights {text!r}; available: {names}") from None


def choose_weights(
    graph: Graph, nodes: Sequence[FrameNode], weights: Weights
) -> tuple[FrameNode, ...]:
    """The nodes, with `KernelCall.expanded` set in each call.

    Args:
        graph: gives shapes.
        nodes: as `lower_frame` gives them.
        weights: what to expand.
    """
    calls = [call for node in nodes for call in node.calls if call.window is not None]
    expanded = _expanded(graph, calls, weights)
    return tuple(
        replace(node, calls=tuple(replace(call, expanded=call in expanded) for call in node.calls))
        for node in nodes
    )


def _expanded(graph: Graph, calls: Sequence[KernelCall], weights: Weights) -> set[KernelCall]:
    total = sum(_bytes(call) for call in calls)
    if weights == Weights.EXPANDED or (weights == Weights.AUTO and total <= SMALL_BYTES):
        return set(calls)
    budget = total * _GROWTH if weights == Weights.AUTO else 0.0

    def pixels(call: KernelCall) -> int:
        _, height, width, _ = graph.tensors[call.target].shape
        return height * width

    expanded = set()
    for call in sorted(calls, key=pixels, reverse=True):
        growth = _growth(call, graph.tensors[call.target].shape[2])
        if growth <= budget:
            budget -= growth
            expanded.add(call)
    return expanded


def _bytes(call: KernelCall) -> int:
    assert call.window is not None
    return call.window.size


def _growth(call: KernelCall, pixels: int) -> int:
    """Bytes by which expansion makes weights larger; the other layouts keep them at one byte."""
    assert call.window is not None
    layout = Layout.DSP16
    if not takes(layout, replace(call, expanded=True), pixels):
        return 0
    compact = compact_weights(call.window, call.groups, layout)
    return len(pack_weights(call.window, call.groups, layout)) - len(compact)
