"""Which weights of frame plans take more than one byte: the same bits, and the flash they take."""

import pytest
from random_frames import FrameWriter, Window

from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.packing import Layout
from edge_sr.engine.planning import plan_network
from edge_sr.engine.weights import SMALL_BYTES, Weights
from edge_sr.errors import UserError
from edge_sr.graph import Graph, read_graph


def network(channels: int) -> Graph:
    """Two convolutions with stride 1 on a large map, one on a small one, and a dense layer."""
    writer = FrameWriter(12, 10, 4, seed=channels)
    image = writer.window_conv(writer.input, Window(), 8, 1, "RELU")
    image = writer.window_conv(image, Window((1, 1)), channels, 1, "RELU")
    image = writer.pool(image, "MAX_POOL_2D", Window((2, 2), (2, 2)), "NONE")
    image = writer.window_conv(image, Window(), channels, 1, "RELU")
    return read_graph(writer.finish(writer.dense(writer.mean(image, keep=False), 10, "NONE")))


def weight_bytes(graph: Graph) -> int:
    return sum(
        call.window.size
        for node in make_frame_plan(graph).nodes
        for call in node.calls
        if call.window is not None
    )


def growth(graph: Graph, plan: FramePlan) -> int:
    """Bytes beyond those of compact weights, for the kernels that expand most."""
    compact = make_frame_plan(graph, Weights.COMPACT)
    return max(len(plan.blobs[layout]) - len(compact.blobs[layout]) for layout in Layout)


def test_small_networks_have_expanded_weights_by_default() -> None:
    graph = network(16)
    assert weight_bytes(graph) <= SMALL_BYTES
    plan = make_frame_plan(graph)
    assert plan.blobs == make_frame_plan(graph, Weights.EXPANDED).blobs
    assert growth(graph, plan) > 0.5 * weight_bytes(graph)


def test_weights_of_large_networks_grow_by_a_tenth_at_most() -> None:
    graph = network(64)
    weights = weight_bytes(graph)
    assert weights > SMALL_BYTES
    plan = make_frame_plan(graph)
    assert 0 < growth(graph, plan) <= 0.1 * weights
    expanded = [
        call.expanded for node in plan.nodes for call in node.calls if call.window is not None
    ]
    assert (expanded[0], expanded[2]) == (True, False)  # the layers of large maps come first
    whole = make_frame_plan(graph, Weights.EXPANDED)
    assert growth(graph, whole) > 0.5 * weights
    assert plan.flash_bytes_with(Weights.EXPANDED) == whole.flash_bytes


def test_compact_weights_take_a_byte_each() -> None:
    graph = network(64)
    sizes = [len(blob) for blob in make_frame_plan(graph, Weights.COMPACT).blobs.values()]
    assert max(sizes) < 1.15 * weight_bytes(graph)


def test_networks_for_frames_of_any_size_have_no_compact_weights() -> None:
    writer = FrameWriter(5, 5, 4)
    graph = read_graph(writer.finish(writer.window_conv(writer.input, Window(), 8, 1, "RELU")))
    assert plan_network(graph, Weights.EXPANDED).blobs == plan_network(graph).blobs
    with pytest.raises(UserError, match="compact weights are for networks of one size"):
        plan_network(graph, Weights.COMPACT)


def test_an_unknown_name_is_refused() -> None:
    message = "unknown weights 'small'; available: auto, compact, expanded"
    with pytest.raises(UserError, match=message):
        Weights.parse("small")
