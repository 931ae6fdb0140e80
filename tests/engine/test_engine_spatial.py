"""Operators that resize images or copy parts of them in frame plans: TFLM's bits, refusals."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from engine_runner import Arena
from random_frames import FrameWriter
from tflite_factory import Value
from tflm_oracle import run_tflm

from edge_sr.engine import binding
from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph
from edge_sr.runtime.frame import FrameSession


def same_as_tflm(model: bytes) -> None:
    session = FrameSession(model)
    values = np.random.default_rng(4).integers(-128, 128, session.in_shape, dtype=np.int8)
    assert np.array_equal(session.run(values), run_tflm(model, values))


# --- resizing


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (10, 14), (15, 28), (3, 2), (11, 40), (1, 21)])
@pytest.mark.parametrize("name", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
def test_resized_images_have_the_bits_of_tflm(name: str, size: tuple[int, int]) -> None:
    for align, half in ((False, False), (True, False), (False, True), (True, True)):
        if align and half and name == "RESIZE_BILINEAR":
            continue
        for side in ((5, 7), (1, 1), (1, 9)):
            writer = FrameWriter(*side, 3)
            same_as_tflm(writer.finish(writer.resize(writer.input, name, size, align, half)))


def test_an_enlarged_row_is_computed_once_its_neighbour_is_there() -> None:
    """Rows stream: the ring of the input holds two rows at most."""
    writer = FrameWriter(32, 8, 2)
    plan = make_frame_plan(
        read_graph(writer.finish(writer.resize(writer.input, "RESIZE_BILINEAR", (64, 16), 0, 1)))
    )
    assert plan.rings[0].rows == 2
    assert plan.latency <= 1


# --- transposed convolutions


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((3, 3), (2, 2)), ((2, 2), (2, 2)), ((4, 5), (2, 3)), ((1, 2), (3, 4)), ((9, 9), (1, 2))],
)
@pytest.mark.parametrize("same", [False, True])
def test_transposed_convolutions_have_the_bits_of_tflm(
    kernel: tuple[int, int], stride: tuple[int, int], same: bool
) -> None:
    for zero_point, side in ((-128, (3, 5)), (0, (1, 1)), (127, (4, 1))):
        writer = FrameWriter(*side, 4, seed=zero_point + 128)
        image = writer.activation("image", writer.input.shape, 0.03, zero_point)
        options = schema.QuantizeOptionsT()
        writer.operator("QUANTIZE", [writer.input.index], [image.index], options)
        same_as_tflm(writer.finish(writer.transposed(image, kernel, stride, 3, same)))


def test_a_transposed_convolution_streams() -> None:
    """A kernel of 4x4 with stride 2 reads two rows of the input for each row."""
    writer = FrameWriter(32, 8, 2)
    image = writer.transposed(writer.input, (4, 4), (2, 2), 3, True)
    plan = make_frame_plan(read_graph(writer.finish(image)))
    assert plan.rings[0].rows == 2
    assert plan.latency <= 1


# --- ranks


def test_a_dense_layer_on_each_pixel_has_the_bits_of_tflm() -> None:
    writer = FrameWriter(4, 5, 6)
    weights = writer.rng.integers(-128, 128, (7, 6), dtype=np.int8)
    index = writer.tensor("weights", weights.shape, "int8", [0.01], [0], weights)
    out = writer.activation("dense", (1, 4, 5, 7), 0.05, 3)
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = True
    writer.operator("FULLY_CONNECTED", [writer.input.index, index, -1], [out.index], options)
    same_as_tflm(writer.finish(out))


@pytest.mark.parametrize(
    ("axes", "keep"),
    [([1], False), ([2], False), ([3], False), ([1, 3], False), ([2], True), ([3], True)],
)
def test_means_over_other_axes_have_the_bits_of_tflm(axes: list[int], keep: bool) -> None:
    writer = FrameWriter(4, 5, 6)
    same_as_tflm(writer.finish(writer.mean_over(writer.input, axes, keep)))


def test_a_sequence_has_the_bits_of_tflm() -> None:
    """(1, W, C), as one-dimensional convolutions give it."""
    writer = FrameWriter(1, 9, 6)
    thin = writer.reshape(writer.input, (1, 9, 6))
    part = writer.cut(thin, (0, 2, 1), (1, 6, -1))
    pooled = writer.mean_over(part, [1], keep=False)
    same_as_tflm(writer.finish(writer.dense(pooled, 3, "NONE")))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_part_taken_by_its_number_has_the_bits_of_tflm(axis: int) -> None:
    """The axis disappears; the next operator works on what is left."""
    writer = FrameWriter(4, 3, 6)
    parts = [slice(None)] * 4
    parts[axis] = slice(2, 3)
    out = writer.strided(writer.input, parts)
    writer.subgraph.operators[-1].builtinOptions.shrinkAxisMask = 1 << axis
    shape = [side for place, side in enumerate((1, 4, 3, 6)) if place != axis]
    writer.subgraph.tensors[out.index].shape = shape
    part = Value(out.index, tuple(shape), out.scale, out.zero_point)
    same_as_tflm(writer.finish(writer.dense(part, 3, "NONE")))


# --- refusals


def without_options(writer: FrameWriter) -> Value:
    out = writer.activation("resized", (1, 8, 8, 2), writer.input.scale, writer.input.zero_point)
    operands = [writer.input.index, writer.integers("size", (8, 8))]
    writer.operator("RESIZE_BILINEAR", operands, [out.index])
    return out


def rescaled(writer: FrameWriter) -> Value:
    out = writer.resize(writer.input, "RESIZE_NEAREST_NEIGHBOR", (8, 8), False, False)
    writer.subgraph.tensors[out.index].quantization.scale = [0.5]
    return out


def of_another_shape(writer: FrameWriter) -> Value:
    out = writer.resize(writer.input, "RESIZE_NEAREST_NEIGHBOR", (8, 8), False, False)
    writer.subgraph.tensors[out.index].shape = [1, 8, 9, 2]
    return out


def overwrite(writer: FrameWriter, tensor: int, values: list[int]) -> None:
    """Give a constant other integers."""
    buffer = writer.model.buffers[writer.subgraph.tensors[tensor].buffer]
    buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)


def beyond_the_end(writer: FrameWriter) -> Value:
    out = writer.cut(writer.input, (0, 1, 0, 0), (1, 2, 4, 2))
    writer.subgraph.tensors[out.index].shape = [1, 4, 4, 2]
    overwrite(writer, writer.subgraph.operators[-1].inputs[2], [1, 4, 4, 2])
    return out


def backward_channels(writer: FrameWriter) -> Value:
    everything = slice(None)
    return writer.strided(writer.input, [everything, everything, everything, slice(None, None, -1)])


def new_axis(writer: FrameWriter) -> Value:
    out = writer.strided(writer.input, [slice(None)] * 4)
    writer.subgraph.operators[-1].builtinOptions.newAxisMask = 2
    return out


def mirrored_channels(writer: FrameWriter) -> Value:
    return writer.mirror_pad(writer.input, np.array([[0, 0], [0, 0], [0, 0], [1, 0]]), 0)


def mirrored_too_far(writer: FrameWriter) -> Value:
    return writer.mirror_pad(writer.input, np.array([[0, 0], [4, 0], [0, 0], [0, 0]]), 0)


def both_centers_and_corners(writer: FrameWriter) -> Value:
    return writer.resize(writer.input, "RESIZE_BILINEAR", (8, 8), True, True)


def of_impossible_size(writer: FrameWriter) -> Value:
    out = writer.transposed(writer.input, (3, 3), (2, 2), 3, True)
    writer.subgraph.tensors[out.index].shape = [1, 9, 8, 3]
    overwrite(writer, writer.subgraph.operators[-1].inputs[0], [1, 9, 8, 3])
    return out


def with_other_inputs(writer: FrameWriter) -> Value:
    out = writer.transposed(writer.input, (3, 3), (2, 2), 3, True)
    writer.subgraph.tensors[writer.subgraph.operators[-1].inputs[1]].shape = [3, 3, 2, 3]
    return out


REFUSED: dict[Callable[[FrameWriter], Value], str] = {
    without_options: "operator 0 RESIZE_BILINEAR lacks its options",
    rescaled: "operator 0 RESIZE_NEAREST_NEIGHBOR copies tensor 0 'input' to .* differs",
    of_another_shape: "operator 0 RESIZE_NEAREST_NEIGHBOR declares tensor 1 'resized'",
    beyond_the_end: "operator 0 SLICE takes 1 to 5 of an axis of tensor 0 'input', of 4",
    backward_channels: "operator 0 STRIDED_SLICE takes .* channels with step -1",
    new_axis: "operator 0 STRIDED_SLICE of tensor 0 'input' has an ellipsis, a new axis",
    mirrored_channels: "operator 0 MIRROR_PAD pads tensor 0 'input' by",
    mirrored_too_far: "operator 0 MIRROR_PAD mirrors 4 of 4 pixels of tensor 0 'input'",
    of_impossible_size: "operator 0 TRANSPOSE_CONV makes tensor .* do not give",
    with_other_inputs: "operator 0 TRANSPOSE_CONV has tensor .* of shape .3, 3, 2, 3. for",
    both_centers_and_corners: "operator 0 RESIZE_BILINEAR has both align_corners and",
}


@pytest.mark.parametrize("write", REFUSED, ids=lambda write: write.__name__)
def test_what_the_engine_lacks_is_named(write: Callable[[FrameWriter], Value]) -> None:
    writer = FrameWriter(4, 4, 2)
    with pytest.raises(UserError, match=REFUSED[write]):
        make_frame_plan(read_graph(writer.finish(write(writer))))


# --- damaged plans


def test_changed_plans_are_refused_or_run_within_their_arena() -> None:
    """Checks the guard bytes only; the fuzzer sees more."""
    writer = FrameWriter(6, 5, 3, seed=8)
    image = writer.resize(writer.input, "RESIZE_NEAREST_NEIGHBOR", (12, 10), False, True)
    image = writer.resize(image, "RESIZE_BILINEAR", (9, 20), False, True)
    image = writer.transposed(image, (3, 4), (2, 3), 2, True)
    plan = make_frame_plan(read_graph(writer.finish(writer.mean_over(image, [2], keep=True))))
    rng, row, ran = np.random.default_rng(1), np.zeros(5 * 3, np.int8), 0
    sink = binding.Sink(lambda user, y, row: 0)
    for _ in range(1500):
        blob = bytearray(plan.blob)
        value = int(rng.choice([0, 1, 2, 5, 255, 65535, 65534, 32768]))
        struct.pack_into("<H", blob, 2 * int(rng.integers(0, len(blob) // 2)), value)
        arena = Arena(bytes(blob), 5)
        if arena.status == binding.OK and (arena.info.in_channels, arena.info.rows_den) == (3, 6):
            assert arena.esr.esr_begin(arena.handle, 6, sink, None) == binding.OK
            for y in range(6):
                assert arena.esr.esr_push_row(arena.handle, y, row.ctypes.data) == binding.OK
            ran += 1
        assert arena.guarded()
    assert ran > 100
