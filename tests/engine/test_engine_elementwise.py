"""Operators on two inputs in frame plans: smaller and constant inputs, refusals, damaged plans."""

import struct

import numpy as np
import pytest
from engine_runner import Arena, run_plan
from random_frames import FrameWriter
from random_models import COMBINING, combining_options
from tflite_factory import Value
from tflm_oracle import run_tflm

from edge_sr.engine import binding
from edge_sr.engine.frame_format import _BUFFER, _HEADER, _OPERATOR
from edge_sr.engine.frame_overlap import check_frame_overlap
from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.nodes import Kind
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph

SHAPE = (1, 7, 5, 6)


def squeezed() -> tuple[bytes, FramePlan]:
    """A map times the sigmoid of its means, as in MobileNetV3, then minus a constant map."""
    writer = FrameWriter(*SHAPE[1:], seed=4)
    image = writer.random_conv(writer.input, (3, 3), 6, 1, "RELU")
    weights = writer.dense(writer.mean(image, keep=True), 6, "RELU")
    gate = writer.unary(writer.reshape(weights, (1, 1, 1, 6)), "LOGISTIC")
    scaled = writer.combine("MUL", image, gate, "NONE")
    values = writer.rng.integers(-128, 128, SHAPE, dtype=np.int8)
    index = writer.tensor("map", SHAPE, "int8", [scaled.scale], [3], values)
    difference = writer.combine("SUB", Value(index, SHAPE, scaled.scale, 3), scaled, "NONE")
    model = writer.finish(difference)
    return model, make_frame_plan(read_graph(model))


def test_a_squeezed_map_has_the_bits_of_tflm() -> None:
    model, plan = squeezed()
    image = np.random.default_rng(1).integers(-128, 128, SHAPE, dtype=np.int8)
    assert np.array_equal(run_plan(plan, image), run_tflm(model, image))
    check_frame_overlap(plan)
    kinds = [call.kind for node in plan.nodes for call in node.calls]
    assert kinds.count(Kind.BINARY) == 2


@pytest.mark.parametrize("name", COMBINING)
@pytest.mark.parametrize(
    "shape", [(6,), (5, 1), (7, 5, 6), (1, 7, 1, 1), (1, 1, 5, 6), (1, 7, 1, 6), (1, 7, 5, 1)]
)
def test_constants_of_any_shape_have_the_bits_of_tflm(name: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(-128, 128, SHAPE, dtype=np.int8)
    for first in (False, True):
        writer = FrameWriter(*SHAPE[1:], seed=4)
        values = writer.rng.integers(-128, 128, shape, dtype=np.int8)
        index = writer.tensor("constant", shape, "int8", [0.01], [-5], values)
        pair = (writer.input, Value(index, shape, 0.01, -5))
        model = writer.finish(writer.combine(name, *(pair[::-1] if first else pair), "RELU6"))
        plan = make_frame_plan(read_graph(model))
        assert np.array_equal(run_plan(plan, image), run_tflm(model, image))


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH", "HARD_SWISH"])
def test_an_image_and_a_function_of_it_become_one_table(name: str) -> None:
    """Such as x * sigmoid(x), which runs on frames of any size, too."""
    writer = FrameWriter(*SHAPE[1:], seed=4)
    image = writer.random_conv(writer.input, (3, 3), 6, 1, "NONE")
    model = writer.finish(writer.combine("MUL", image, writer.unary(image, name), "NONE"))
    values = np.random.default_rng(1).integers(-128, 128, SHAPE, dtype=np.int8)
    for plan in (make_plan(read_graph(model)), make_frame_plan(read_graph(model))):
        assert np.array_equal(run_plan(plan, values), run_tflm(model, values))
        assert [node.calls[0].kind for node in plan.nodes][1:] == [Kind.LUT]


def test_vectors_are_combined() -> None:
    writer = FrameWriter(1, 1, 9, seed=4)
    left = writer.dense(writer.input, 8, "NONE")
    right = writer.dense(writer.input, 8, "RELU")
    model = writer.finish(writer.combine("MAXIMUM", left, right, "NONE"))
    image = np.random.default_rng(1).integers(-128, 128, (1, 1, 1, 9), dtype=np.int8)
    plan = make_frame_plan(read_graph(model))
    assert np.array_equal(run_plan(plan, image).ravel(), run_tflm(model, image).ravel())


def test_two_smaller_inputs_are_refused() -> None:
    writer = FrameWriter(4, 4, 2)
    columns = writer.mean_over(writer.input, (1,), keep=True)
    rows = writer.mean_over(writer.input, (2,), keep=True)
    model = writer.finish(writer.combine("ADD", columns, rows, "NONE"))
    message = r"operator 2 ADD combines tensor .* one of them must have the shape of the output"
    with pytest.raises(UserError, match=message):
        make_frame_plan(read_graph(model))


def test_constants_of_other_types_are_refused() -> None:
    writer = FrameWriter(4, 4, 2)
    index = writer.tensor("halves", (2,), "int32", [0.1], [0], np.ones(2, np.int32))
    out = writer.activation("out", writer.input.shape, 0.1, 0)
    operands = [writer.input.index, index]
    writer.operator("MUL", operands, [out.index], combining_options("MUL", "NONE"))
    message = r"operator 0 MUL has tensor 1 'halves', which is not int8 with one scale"
    with pytest.raises(UserError, match=message):
        make_frame_plan(read_graph(writer.finish(out)))


# The half words of an operator's record, and words after them.
KERNEL_H, KERNEL_W = 16, 18
GROUPS, EXTRA, WEIGHTS, SCALES = 32, 36, 40, 48
OTHER = 8


def binary_records(blob: bytes) -> list[int]:
    """The offsets of the records of operators on two inputs."""
    header = _HEADER.unpack_from(blob)
    first = _HEADER.size + _BUFFER.size * header[4]
    starts = range(first, first + _OPERATOR.size * header[5], _OPERATOR.size)
    return [start for start in starts if struct.unpack_from("<I", blob, start)[0] == Kind.BINARY]


@pytest.mark.parametrize("record", [0, 1], ids=["computed", "constant"])
@pytest.mark.parametrize(
    ("field", "form", "values"),
    [
        (KERNEL_H, "<H", (0, 2, 6, 8, 65535)),
        (KERNEL_W, "<H", (0, 2, 4, 6, 65535)),
        (GROUPS, "<I", (0, 2, 5, 7, 2**31)),
        (EXTRA, "<I", (6, 7, 2**31)),
        (SCALES, "<I", (2, 2**20, 2**32 - 4)),
        (WEIGHTS, "<I", (2, 2**20, 2**32 - 4)),
        (OTHER, "<I", (99, 2**32 - 1)),
    ],
)
def test_a_damaged_operator_is_refused(
    record: int, field: int, form: str, values: tuple[int, ...]
) -> None:
    _, plan = squeezed()
    assert Arena(plan.blob, SHAPE[2]).status == binding.OK
    start = binary_records(plan.blob)[record]
    for value in values:
        blob = bytearray(plan.blob)
        struct.pack_into(form, blob, start + field, value)
        assert Arena(bytes(blob), SHAPE[2]).status != binding.OK, value


def test_an_input_that_shares_memory_with_the_output_is_refused() -> None:
    """The small input moves to the output's first bytes."""
    _, plan = squeezed()
    header = _HEADER.unpack_from(plan.blob)
    start = binary_records(plan.blob)[0]
    _, _, other, out = struct.unpack_from("<4I", plan.blob, start)
    assert max(other, out) < header[4]
    blob = bytearray(plan.blob)
    at = [_HEADER.size + _BUFFER.size * index + _BUFFER.size - 4 for index in (other, out)]
    struct.pack_into("<I", blob, at[0], *struct.unpack_from("<I", blob, at[1]))
    assert Arena(bytes(blob), SHAPE[2]).status != binding.OK
