"""Plans for frames of one size: TFLM's bits, memory that is never shared by live rows, refusals.

`EDGE_SR_MODELS=1500 pytest tests/engine/test_engine_frames.py` runs that many random networks, with
each set of kernels that this machine can run.
"""

import dataclasses
import itertools
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from engine_runner import Arena, kernel_sets, run_outputs, run_plan
from hypothesis import HealthCheck, given, settings
from random_frames import FrameWriter, RandomFrame, Window, frames
from tflm_oracle import run_tflm, run_tflm_outputs

from edge_sr.engine import binding
from edge_sr.engine.frame_lower import as_images, lower_frame
from edge_sr.engine.frame_memory import plan_with
from edge_sr.engine.frame_overlap import check_frame_overlap
from edge_sr.engine.frame_plan import FramePlan, frame_plan_of, make_frame_plan
from edge_sr.engine.frame_sums import splittable
from edge_sr.engine.nodes import Kind
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph, resize
from edge_sr.runtime.frame import FrameSession

(NULL, _, PLAN, WIDTH, _, HEIGHT, STATE, ORDER, TOO_MANY, TOO_FEW, STOPPED) = range(1, 12)
MODELS = int(os.environ.get("EDGE_SR_MODELS", "150"))


def planned(model: bytes) -> FramePlan:
    return make_frame_plan(read_graph(model))


def planned_at_random(model: bytes, seed: int) -> FramePlan:
    """A plan with some whole maps and with all poolings split that can be."""
    graph = as_images(read_graph(model))
    nodes, rng = lower_frame(graph), np.random.default_rng(seed)
    whole = [node.output for node in nodes if rng.integers(3) == 0]
    return frame_plan_of(plan_with(graph, nodes, whole, splittable(graph, nodes)))


@settings(max_examples=MODELS, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=frames)
def test_random_networks_have_the_bits_of_tflm(network: RandomFrame) -> None:
    model, image = network.write(), network.image()
    plan = planned(model)
    outputs = run_tflm_outputs(model, image, len(plan.outputs))
    expected = [
        out.view(np.int8).reshape(1, *shape)
        for out, shape in zip(outputs, plan.out_shapes, strict=True)
    ]
    for kernels in kernel_sets():
        assert all(map(np.array_equal, run_outputs(plan, image, kernels), expected)), kernels
    check_frame_overlap(plan)
    other = planned_at_random(model, network.seed)
    assert np.array_equal(run_plan(other, image), expected[0])
    check_frame_overlap(other)


# --- networks of others


MODELS_OF_OTHERS = (
    *("vww_96_int8", "pretrainedResnet_quant", "kws_ref_model", "str_ww_ref_model", "ad01_int8"),
    "person_detect",
)


@pytest.mark.shared
@pytest.mark.parametrize("name", MODELS_OF_OTHERS)
def test_networks_of_others_have_the_bits_of_tflm(shared_data: Path, name: str) -> None:
    path = shared_data.parent / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the image sets")
    model = path.read_bytes()
    session = FrameSession(model)
    check_frame_overlap(session.plan)
    rng = np.random.default_rng(3)
    for _ in range(4):
        values = rng.integers(-128, 128, session.in_shape, dtype=np.int8)
        assert np.array_equal(session.run(values), run_tflm(model, values))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ncnet_x3_uint8", "ncnet_x3_uint8_open"])
def test_upscalers_of_uint8_have_the_bits_of_tflm(shared_data: Path, name: str) -> None:
    path = shared_data.parent / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the image sets")
    model = resize(path.read_bytes(), 11, 23)
    image = np.random.default_rng(3).integers(0, 256, (1, 11, 23, 3), dtype=np.uint8)
    expected = run_tflm(model, image)
    assert np.array_equal(FrameSession(model).run(image), expected)
    streamed = run_plan(make_plan(read_graph(model)), image)
    assert np.array_equal(streamed.view(np.uint8), expected)


@pytest.mark.shared
def test_classifiers_of_others_need_little_memory(shared_data: Path) -> None:
    folder = shared_data.parent / "models"
    most = {"vww_96_int8": 18_000, "person_detect": 17_000, "pretrainedResnet_quant": 16_000}
    most |= {"kws_ref_model": 8_500, "ad01_int8": 1_000}
    for name, limit in most.items():
        path = folder / f"{name}.tflite"
        if not path.is_file():
            pytest.skip(f"no {path.name} beside the image sets")
        assert planned(path.read_bytes()).arena_bytes <= limit


# --- windows at their limits


def classifier() -> bytes:
    """Stride 2, pooling, a dense layer and softmax, on frames of 11x9 pixels."""
    writer = FrameWriter(11, 9, 3, seed=8)
    image = writer.window_conv(writer.input, Window(stride=(2, 2)), 8, 1, "RELU")
    image = writer.window_conv(image, Window(), 8, 8, "RELU6")
    image = writer.pool(image, "MAX_POOL_2D", Window((2, 2), (2, 2), same=False), "NONE")
    return writer.finish(writer.softmax(writer.dense(writer.mean(image, keep=False), 5, "NONE")))


WINDOWS = {
    "stride beyond the kernel": Window((2, 3), (5, 7), same=False),
    "kernel beyond the frame": Window((11, 9)),
    "kernel of the frame": Window((5, 6), same=False),
    "dilation beyond the frame": Window((3, 3), (1, 1), (7, 9)),
    "one row": Window((1, 6), same=False),
    "one column": Window((5, 1), (3, 1)),
}


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_at_their_limits_have_the_bits_of_tflm(name: str, depthwise: bool) -> None:
    for zero_point in (-128, 0, 127):
        writer = FrameWriter(5, 6, 4, seed=zero_point + 128)
        image = writer.activation("image", writer.input.shape, 0.03, zero_point)
        options = schema.QuantizeOptionsT()
        writer.operator("QUANTIZE", [writer.input.index], [image.index], options)
        groups, outputs = (4, 12) if depthwise else (1, 5)
        model = writer.finish(writer.window_conv(image, WINDOWS[name], outputs, groups, "NONE"))
        values = np.random.default_rng(1).integers(-128, 128, (1, 5, 6, 4), dtype=np.int8)
        expected = run_tflm(model, values)
        for kernels in kernel_sets():
            assert np.array_equal(run_plan(planned(model), values, kernels), expected), kernels


POOLS = {
    "average": (("AVERAGE_POOL_2D", Window((9, 4), (9, 3))), Kind.AVERAGE_SUMS),
    "all rows": (("AVERAGE_POOL_2D", Window((12, 7), same=False)), Kind.AVERAGE_SUMS),
    "rows between windows": (("AVERAGE_POOL_2D", Window((4, 5), (7, 5), same=False)), None),
    "maximum": (("MAX_POOL_2D", Window((2, 2), (2, 2))), Kind.LAST_MAX),
    "overlapping": (("MAX_POOL_2D", Window((3, 3), (2, 2))), Kind.MAX_POOL),
    "mean": (None, Kind.MEAN_SUMS),
}


@pytest.mark.parametrize("name", POOLS)
def test_poolings_are_split_where_that_saves_memory(name: str) -> None:
    """Random networks have few high windows."""
    pool, kind = POOLS[name]
    writer = FrameWriter(12, 7, 5, seed=len(name))
    image = writer.window_conv(writer.input, Window(), 6, 1, "NONE")
    pooled = writer.mean(image, keep=True) if pool is None else writer.pool(image, *pool, "RELU")
    model = writer.finish(pooled)
    plan = planned(model)
    kinds = {call.kind for node in plan.nodes for call in node.calls}
    assert kind is None or kind in kinds
    values = np.random.default_rng(1).integers(-128, 128, (1, 12, 7, 5), dtype=np.int8)
    for frame_plan in (plan, planned_at_random(model, 0)):
        expected = run_tflm(model, values).reshape(1, *plan.out_shape)
        assert np.array_equal(run_plan(frame_plan, values), expected)
        check_frame_overlap(frame_plan)


def test_networks_are_planned_that_are_deeper_than_python_recurses() -> None:
    writer = FrameWriter(3, 2, 2)
    image = writer.input
    for _ in range(sys.getrecursionlimit() + 10):
        image = writer.pool(image, "MAX_POOL_2D", Window((2, 2)), "NONE")
    model = writer.finish(image)
    values = np.random.default_rng(1).integers(-128, 128, (1, 3, 2, 2), dtype=np.int8)
    assert np.array_equal(FrameSession(model).run(values), run_tflm(model, values))


# --- refusals


def test_a_network_without_strides_has_the_bits_of_its_plan_for_any_size() -> None:
    writer = FrameWriter(9, 14, 3, seed=5)
    image = writer.random_conv(writer.input, (3, 3), 6, 1, "RELU")
    model = writer.finish(writer.random_conv(image, (5, 4), 4, 2, "NONE"))
    values = np.random.default_rng(1).integers(-128, 128, (1, 9, 14, 3), dtype=np.int8)
    expected = run_plan(make_plan(read_graph(model)), values)
    assert np.array_equal(FrameSession(model).run(values), expected)


@pytest.mark.parametrize("shape", [(1, 11, 9, 1), (1, 9, 11, 3), (2, 11, 9, 3), (11, 9, 3)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    message = r"the model takes int8 of shape \(1, 11, 9, 3\), not int8 of shape"
    with pytest.raises(UserError, match=message):
        FrameSession(classifier()).run(np.zeros(shape, np.int8))
    with pytest.raises(UserError, match="not float32 of shape"):
        FrameSession(classifier()).run(np.zeros((1, 11, 9, 3), np.float32))


def test_other_widths_and_heights_are_refused() -> None:
    plan = planned(classifier())
    for width in (0, 1, 8, 10, 18):
        assert Arena(plan.blob, width).status == WIDTH
    arena = Arena(plan.blob, 9)
    sink = binding.Sink(lambda user, y, row: 0)
    for height in (0, 1, 10, 12, 22):
        assert arena.esr.esr_begin(arena.handle, height, sink, None) == HEIGHT
    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK


def test_an_unsupported_operator_is_named() -> None:
    writer = FrameWriter(4, 4, 2)
    out = writer.activation("floors", writer.input.shape, 0.1, 0)
    writer.operator("FLOOR", [writer.input.index], [out.index])
    message = r"the engine does not support operator 0 FLOOR \(it computes tensor 1 'floors'\)"
    with pytest.raises(UserError, match=message):
        planned(writer.finish(out))


def test_a_window_that_does_not_fit_is_refused() -> None:
    writer = FrameWriter(4, 4, 2)
    out = writer.activation("pooled", (1, 1, 1, 2), 0.1, 0)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = 1, 1, 1
    options.filterHeight, options.filterWidth = 5, 4
    writer.operator("MAX_POOL_2D", [writer.input.index], [out.index], options)
    with pytest.raises(UserError, match=r"operator 0 MAX_POOL_2D has a window of 5 pixels"):
        planned(writer.finish(out))


def test_a_wrong_shape_is_refused() -> None:
    writer = FrameWriter(4, 4, 2)
    out = writer.activation("pooled", (1, 9, 9, 2), 0.1, 0)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = 0, 2, 2
    options.filterHeight, options.filterWidth = 2, 2
    writer.operator("MAX_POOL_2D", [writer.input.index], [out.index], options)
    with pytest.raises(UserError, match=r"shape|computes"):
        planned(writer.finish(out))


@pytest.mark.parametrize("shape", [(2, 8), (4, 4), (16,), (1, 2, 2, 2, 2), (2, 2, 2, 2)])
def test_a_tensor_that_is_neither_image_nor_vector_is_refused(shape: tuple[int, ...]) -> None:
    writer = FrameWriter(2, 2, 4)
    middle = writer.reshape(writer.input, shape)
    out = writer.activation("pooled", (1, 1, 1, 4), 0.1, 0)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = 1, 1, 1
    options.filterHeight, options.filterWidth = 2, 2
    writer.operator("MAX_POOL_2D", [middle.index], [out.index], options)
    with pytest.raises(UserError, match=r"the engine supports \(1, H, W, C\), \(1, W, C\) and"):
        planned(writer.finish(out))


@pytest.mark.parametrize("name", ["SOFTMAX", "AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_an_operator_without_options_is_refused(name: str) -> None:
    writer = FrameWriter(4, 4, 2)
    out = writer.activation("out", writer.input.shape, 1 / 256, -128)
    writer.operator(name, [writer.input.index], [out.index])
    with pytest.raises(UserError, match=rf"operator 0 {name} lacks its options"):
        planned(writer.finish(out))


@pytest.mark.parametrize("inputs", [1, 4])
def test_a_wrong_number_of_inputs_is_refused(inputs: int) -> None:
    writer = FrameWriter(1, 1, 2)
    weights = writer.tensor("weights", (3, 2), "int8", [0.1], [0], np.ones((3, 2), np.int8))
    out = writer.activation("dense", (1, 3), 0.1, 0)
    operands = [writer.input.index, weights, -1, -1][:inputs]
    writer.operator("FULLY_CONNECTED", operands, [out.index], schema.FullyConnectedOptionsT())
    with pytest.raises(UserError, match="FULLY_CONNECTED"):
        planned(writer.finish(out))


def test_changed_files_are_planned_or_refused() -> None:
    """Only a UserError may come out, whatever the file holds."""
    model, rng, answers = classifier(), np.random.default_rng(2), set()
    for _ in range(1500):
        changed = bytearray(model)
        for _ in range(int(rng.integers(1, 4))):
            changed[int(rng.integers(len(changed)))] = int(rng.choice([0, 1, 2, 127, 128, 255]))
        try:
            planned(bytes(changed))
            answers.add("planned")
        except UserError:
            answers.add("refused")
    assert answers == {"planned", "refused"}


# --- memory and damaged plans


def test_a_ring_without_its_last_row_is_caught() -> None:
    plan = planned(classifier())
    rings = [ring for ring in plan.rings if ring.rows > 1]
    assert len(rings) >= 2
    for ring in rings:
        shorter = dataclasses.replace(ring, rows=ring.rows - 1)
        others = tuple(shorter if other is ring else other for other in plan.rings)
        with pytest.raises(VerificationError, match="was overwritten"):
            check_frame_overlap(dataclasses.replace(plan, rings=others))


def test_memory_that_lies_on_a_live_ring_is_caught() -> None:
    plan = planned(classifier())
    changes = []
    for ring, other in itertools.permutations(plan.rings, 2):
        if any(a <= d and c <= b for (a, b), (c, d) in itertools.product(ring.spans, other.spans)):
            moved = dataclasses.replace(ring, offset=other.offset)
            rings = tuple(moved if one is ring else one for one in plan.rings)
            changes.append(dataclasses.replace(plan, rings=rings))
    for scratch, ring in itertools.product(plan.scratches, plan.rings):
        if any(a <= event <= b for (a, b), event in itertools.product(ring.spans, scratch.events)):
            shared = dataclasses.replace(scratch, offset=ring.offset)
            scratches = tuple(shared if one is scratch else one for one in plan.scratches)
            changes.append(dataclasses.replace(plan, scratches=scratches))
    caught = sum(map(_is_caught, changes))
    assert caught >= 0.7 * len(changes) >= 10  # an event may read a row that it overwrites


def _is_caught(plan: FramePlan) -> bool:
    try:
        check_frame_overlap(plan)
    except VerificationError:
        return True
    return False


def test_truncated_plans_are_refused() -> None:
    plan = planned(classifier())
    for size in range(0, len(plan.blob), 4):
        assert Arena(plan.blob[:size], 9).status == PLAN


def test_weights_in_the_layout_of_other_kernels_are_refused() -> None:
    plan = planned(classifier())
    for layout in set(Layout) - {Layout.SIMD}:
        assert Arena(plan.blobs[layout], 9).status == PLAN


def test_changed_plans_are_refused_or_run_within_their_arena() -> None:
    """Checks the guard bytes only; the fuzzer sees more."""
    plan = planned(classifier())
    rng = np.random.default_rng(1)
    sink = binding.Sink(lambda user, y, row: 0)
    row = np.zeros(9 * 3, np.int8)
    ran = 0
    for _ in range(3000):
        blob = bytearray(plan.blob)
        offset = 2 * int(rng.integers(0, 900))
        value = int(rng.choice([0, 1, 2, 5, 255, 65535, 65534, 32768]))
        struct.pack_into("<H", blob, offset, value)
        arena = Arena(bytes(blob), 9)
        if arena.status != binding.OK:
            continue
        if arena.info.in_channels == 3 and arena.info.rows_den == 11:
            assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
            for y in range(11):
                assert arena.esr.esr_push_row(arena.handle, y, row.ctypes.data) == binding.OK
            assert arena.esr.esr_end(arena.handle) == binding.OK
            ran += 1
        assert arena.guarded()
    assert ran > 100


def test_rows_out_of_order_and_missing_rows_end_the_frame() -> None:
    arena = Arena(planned(classifier()).blob, 9)
    sink = binding.Sink(lambda user, y, row: 0)
    row = np.zeros(9 * 3, np.int8)

    def push(y: int) -> int:
        return int(arena.esr.esr_push_row(arena.handle, y, row.ctypes.data))

    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
    assert [push(0), push(2), push(1)] == [binding.OK, ORDER, STATE]
    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
    assert [push(0), arena.esr.esr_end(arena.handle)] == [binding.OK, TOO_FEW]
    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
    assert [push(y) for y in range(12)] == [binding.OK] * 11 + [TOO_MANY]
    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
    assert arena.esr.esr_push_row(arena.handle, 0, None) == NULL


def test_a_sink_can_stop_the_frame() -> None:
    arena = Arena(planned(classifier()).blob, 9)
    sink = binding.Sink(lambda user, y, row: 7)
    row = np.zeros(9 * 3, np.int8)
    assert arena.esr.esr_begin(arena.handle, 11, sink, None) == binding.OK
    statuses = [arena.esr.esr_push_row(arena.handle, y, row.ctypes.data) for y in range(11)]
    assert statuses == [binding.OK] * 10 + [STOPPED]


def test_the_arena_is_what_the_engine_asks_for() -> None:
    session = FrameSession(classifier())
    assert session.arena_bytes == session.plan.arena_bytes


def test_factors_of_dense_layers_have_double_precision() -> None:
    """Sums that round otherwise with a product of scales in single precision."""
    writer = FrameWriter(1, 1, 4)
    in_scale, scale = writer.input.scale, float(np.float32(0.0123))
    exact, single = in_scale * scale, float(np.float32(in_scale) * np.float32(scale))
    out = writer.activation("out", (1, 120), 5e6 * exact, 0)
    middle = [
        (k + 0.5) * out.scale / product for k in range(-60, 60) for product in (exact, single)
    ]
    bias = np.rint(np.mean(np.reshape(middle, (-1, 2)), axis=1)).astype(np.int32)
    weights = writer.tensor("weights", (120, 4), "int8", [scale], [0], np.zeros((120, 4), np.int8))
    biases = writer.tensor("bias", (120,), "int32", [exact], [0], bias)
    operands = [writer.input.index, weights, biases]
    writer.operator("FULLY_CONNECTED", operands, [out.index], schema.FullyConnectedOptionsT())
    model, values = writer.finish(out), np.zeros((1, 1, 1, 4), np.int8)
    assert np.array_equal(FrameSession(model).run(values), run_tflm(model, values))
