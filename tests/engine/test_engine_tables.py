"""Lookup tables against TFLM: each of the 256 inputs, at many scales and zero points."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from engine_runner import run_plan
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_models import COMBINING, EngineWriter, combining_options
from tflite_factory import Value
from tflm_oracle import run_tflm

from edge_sr.engine.lower import lower
from edge_sr.engine.nodes import Kind
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph

SHAPE = (1, 16, 16, 1)
ALL = np.arange(-128, 128, dtype=np.int8).reshape(SHAPE)

zero_points = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))
scales = st.floats(-4, 1).map(lambda exponent: float(np.float32(10**exponent)))
ratios = st.one_of(st.just(1.0), st.floats(-2, 2).map(lambda exponent: 10**exponent))


def table_of(model: bytes) -> np.ndarray:
    """The table of a network of one operator."""
    (node,) = lower(read_graph(model))
    (call,) = node.calls
    assert call.kind == Kind.LUT
    return np.frombuffer(call.weights, np.int8)


def check(model: bytes, values: np.ndarray = ALL) -> None:
    """Compare with TFLM. `values` are of the input's type."""
    expected = run_tflm(model, values).view(np.int8)
    assert np.array_equal(table_of(model)[values.view(np.int8).astype(int) + 128], expected)


def writer_of(scale: float, zero_point: int) -> EngineWriter:
    writer = EngineWriter(*SHAPE[1:3], seed=0)
    quantization = writer.subgraph.tensors[writer.input.index].quantization
    quantization.scale, quantization.zeroPoint = [scale], [zero_point]
    writer.input = Value(writer.input.index, SHAPE, scale, zero_point)
    return writer


def unary(name: str, ends: tuple[float, int, float, int]) -> bytes:
    in_scale, in_zero_point, out_scale, out_zero_point = ends
    writer = writer_of(in_scale, in_zero_point)
    out = writer.activation("out", SHAPE, out_scale, out_zero_point)
    writer.operator(name, [writer.input.index], [out.index])
    return writer.finish(out)


ends = st.tuples(scales, zero_points, ratios, zero_points).map(
    lambda drawn: (drawn[0], drawn[1], drawn[0] * drawn[2], drawn[3])
)


@settings(max_examples=60, deadline=None)
@given(ends=ends, name=st.sampled_from(["ABS", "ELU", "HARD_SWISH"]))
def test_activations_have_the_bits_of_tflm(ends: tuple[float, int, float, int], name: str) -> None:
    check(unary(name, ends))


@settings(max_examples=30, deadline=None)
@given(ends=ends)
def test_reciprocal_roots_have_the_bits_of_tflm(ends: tuple[float, int, float, int]) -> None:
    """TFLM stops at values below 0."""
    check(unary("RSQRT", ends), np.maximum(ALL, np.int8(ends[1])))


@settings(max_examples=30, deadline=None)
@given(scale=scales, zero_point=zero_points, name=st.sampled_from(["LOGISTIC", "TANH"]))
def test_sigmoids_have_the_bits_of_tflm(scale: float, zero_point: int, name: str) -> None:
    output = (1 / 256, -128) if name == "LOGISTIC" else (1 / 128, 0)
    check(unary(name, (scale, zero_point, *output)))


@settings(max_examples=100, deadline=None)
@given(
    ends=ends,
    number=st.tuples(zero_points, ratios, zero_points),
    name=st.sampled_from(COMBINING),
    first=st.booleans(),
    activation=st.sampled_from(["NONE", "RELU", "RELU6"]),
)
@example(  # 250 / 100, a tie that single precision rounds otherwise
    ends=(1.0, -128, 100.0, -128),
    number=(-128, 1.0, -128),
    name="SUB",
    first=False,
    activation="NONE",
)
def test_operators_with_a_number_have_the_bits_of_tflm(
    ends: tuple[float, int, float, int],
    number: tuple[int, float, int],
    name: str,
    first: bool,
    activation: str,
) -> None:
    in_scale, in_zero_point, out_scale, out_zero_point = ends
    stored, ratio, zero_point = number
    scale = in_scale * ratio
    writer = writer_of(in_scale, in_zero_point)
    constant = writer.tensor("number", (), "int8", [scale], [zero_point], np.int8(stored))
    out_scale = {"MUL": out_scale * scale, "ADD": max(out_scale, scale)}.get(name, out_scale)
    out_scale = max(out_scale, in_scale / 6e4, scale / 6e4)  # the reader refuses larger ratios
    out = writer.activation("out", SHAPE, out_scale, out_zero_point)
    operands = [constant, writer.input.index] if first else [writer.input.index, constant]
    writer.operator(name, operands, [out.index], combining_options(name, activation))
    check(writer.finish(out))


@settings(max_examples=30, deadline=None)
@given(ends=ends, is_input=st.booleans())
def test_conversions_of_uint8_have_the_bits_of_tflm(
    ends: tuple[float, int, float, int], is_input: bool
) -> None:
    in_scale, in_zero_point, out_scale, out_zero_point = ends
    writer = writer_of(in_scale, in_zero_point)
    out = writer.activation("out", SHAPE, out_scale, out_zero_point)
    writer.operator("QUANTIZE", [writer.input.index], [out.index], schema.QuantizeOptionsT())
    turned = writer.subgraph.tensors[writer.input.index if is_input else out.index]
    turned.type = schema.TensorType.UINT8
    turned.quantization.zeroPoint = [turned.quantization.zeroPoint[0] + 128]
    check(writer.finish(out), ALL.view(np.uint8) if is_input else ALL)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ((1.0, 0, 1e-3, 0), r"operator 0 HARD_SWISH has tensor 0 'input' of scale 1 and tensor 1"),
        ((1e-3, 0, 10.0, 0), r"too far apart for TFLM's 16 bits"),
    ],
)
def test_scales_that_tflm_refuses_are_refused(
    ends: tuple[float, int, float, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        table_of(unary("HARD_SWISH", ends))


def test_a_factor_too_large_for_a_product_is_refused() -> None:
    writer = writer_of(1.0, 0)
    constant = writer.tensor("number", (), "int8", [40_000.0], [0], np.int8(1))
    out = writer.activation("out", SHAPE, 1.0, 0)
    operands = [writer.input.index, constant]
    writer.operator("MUL", operands, [out.index], combining_options("MUL", "NONE"))
    with pytest.raises(UserError, match="operator 0 MUL has scales that are too far apart"):
        table_of(writer.finish(out))


def test_uint8_without_a_conversion_is_refused() -> None:
    writer = EngineWriter(4, 4, 4, seed=0)
    out = writer.rearrange(writer.input, "DEPTH_TO_SPACE", 2)
    for index in (writer.input.index, out.index):
        writer.subgraph.tensors[index].type = schema.TensorType.UINT8
        writer.subgraph.tensors[index].quantization.zeroPoint = [0]
    message = r"operator 0 DEPTH_TO_SPACE has tensor 0 'input', which is uint8; the engine takes"
    with pytest.raises(UserError, match=message):
        lower(read_graph(writer.finish(out)))


@pytest.mark.parametrize("name", ["NEG", "SQRT", "SQUARE", "EXP", "LOG", "RELU_N1_TO_1"])
def test_operators_that_tflm_lacks_for_int8_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"the engine does not support operator 0 {name}"):
        lower(read_graph(unary(name, (0.1, 0, 0.1, 0))))


@pytest.mark.parametrize("name", ["ABS", "RELU", "LEAKY_RELU", "QUANTIZE"])
@pytest.mark.parametrize("ends", [(7.0, 6.0), (25.0, 14.0), (63.0, 62.0)])
def test_ties_are_rounded_as_tflm_does(name: str, ends: tuple[float, float]) -> None:
    """Whole-number scales: a factor in single precision would round ties the other way."""
    writer = writer_of(ends[0], -100)
    out = writer.activation("out", SHAPE, ends[1], -110)
    options = {"LEAKY_RELU": schema.LeakyReluOptionsT, "QUANTIZE": schema.QuantizeOptionsT}
    made = options.get(name, lambda: None)()
    if name == "LEAKY_RELU":
        made.alpha = 0.5
    writer.operator(name, [writer.input.index], [out.index], made)
    model = writer.finish(out)
    assert np.array_equal(run_plan(make_plan(read_graph(model)), ALL), run_tflm(model, ALL))
