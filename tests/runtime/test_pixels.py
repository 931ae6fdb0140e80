"""The range of pixels that a network takes: read from its file, stated, or refused."""

from pathlib import Path

import numpy as np
import pytest
import tflite_factory
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import (
    BYTES,
    RANGES,
    SIGNED,
    UNIT,
    decode,
    encode,
    parse_range,
    pixel_range,
    run_plane,
    state_range,
)
from edge_sr.runtime.session import PixelRange, TensorSpec

ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16)
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}

SPECS = [
    (TensorSpec("int8", 1 / 255, -128), UNIT),
    (TensorSpec("uint8", 1 / 255, 0), UNIT),
    (TensorSpec("int8", 1 / 256, -128), UNIT),
    (TensorSpec("int8", 1, -128), BYTES),
    (TensorSpec("uint8", 1, 0), BYTES),
    (TensorSpec("uint8", 0.9764706, 0), BYTES),
    (TensorSpec("int8", 2 / 255, -1), SIGNED),
    (TensorSpec("int8", 2 / 255, 0), SIGNED),
    (TensorSpec("int8", 1 / 128, 0), SIGNED),
    (TensorSpec("uint8", 2 / 255, 127), SIGNED),
    (TensorSpec("float32"), UNIT),
]


def made(path: Path, spec: TensorSpec) -> Path:
    """Write an upscaler that repeats each pixel four times, so that every range is lossless."""
    writer = tflite_factory.TfliteWriter(8, 8)
    content = writer.finish(writer.depth_to_space(writer.repeat(writer.input, 4), 2))
    model = tflite_factory.unpack(content)
    for tensor in model.subgraphs[0].tensors:
        tensor.type = getattr(schema.TensorType, spec.dtype.upper())
        if spec.dtype == "float32":
            tensor.quantization = None
        else:
            tensor.quantization.scale = [float(np.float32(spec.scale))]
            tensor.quantization.zeroPoint = [spec.zero_point]
    path.write_bytes(tflite_factory.pack(model))
    return path


def rescaled(content: bytes, factor: float) -> bytes:
    """Multiply all activations of a network by a factor; its weights stay."""
    model = tflite_factory.unpack(content)
    for tensor in model.subgraphs[0].tensors:
        if tensor.buffer == 0 or tensor.type == schema.TensorType.INT32:
            tensor.quantization.scale = [float(each) * factor for each in tensor.quantization.scale]
    return tflite_factory.pack(model)


@pytest.mark.parametrize(("spec", "expected"), SPECS)
def test_the_range_is_read_from_scale_and_zero_point(
    spec: TensorSpec, expected: PixelRange
) -> None:
    assert pixel_range(spec) == expected


@pytest.mark.parametrize(
    ("scale", "zero_point", "values"),
    [(0.5847, 83, "-123.4..25.73"), (1.0, 0, "-128..127"), (0.0001, -128, "0..0.0255")],
)
def test_another_range_is_refused_by_name(scale: float, zero_point: int, values: str) -> None:
    spec = TensorSpec("int8", scale, zero_point)
    with pytest.raises(UserError, match="--input-range") as error:
        encode(ALL_PIXELS, spec)
    assert f"the model's input holds values {values} " in str(error.value)
    with pytest.raises(UserError, match="the model's output holds"):
        decode(np.zeros((1, 1), np.int8), spec)


def test_an_unknown_name_of_a_range_is_refused() -> None:
    with pytest.raises(UserError, match=r"available: 0\.\.1, 0\.\.255, -1\.\.1"):
        parse_range("0..2")


@given(
    scale=st.floats(1e-4, 3.0),
    dtype=st.sampled_from(["int8", "uint8"]),
    place=st.integers(0, 255),
    span=st.sampled_from(list(RANGES.values())),
)
def test_quantized_pixels_are_the_affine_formula_in_float64(
    scale: float, dtype: str, place: int, span: PixelRange
) -> None:
    low, high = LIMITS[dtype]
    zero_point = low + place
    spec = TensorSpec(dtype, scale, zero_point, span)
    stored = encode(ALL_PIXELS, spec).ravel()
    assert stored.dtype == dtype
    width = span.high - span.low
    for pixel in range(256):
        real = pixel * width / 255 + span.low
        assert stored[pixel] == min(high, max(low, round(real / scale) + zero_point))
    pixels = decode(np.arange(low, high + 1).astype(dtype), spec)
    for value, pixel in zip(range(low, high + 1), pixels, strict=True):
        real = min(span.high, max(span.low, (value - zero_point) * scale))
        assert pixel == round((real - span.low) * (255 / width))


@pytest.mark.parametrize("span", RANGES.values())
def test_float_pixels_lose_nothing(span: PixelRange) -> None:
    spec = TensorSpec("float32", pixels=span)
    values = encode(ALL_PIXELS, spec)
    assert (values.dtype, values.min(), values.max()) == (np.float32, span.low, span.high)
    assert np.array_equal(decode(values, spec), ALL_PIXELS)


def test_float_pixels_of_0_to_1_are_those_of_a_float32_division() -> None:
    values = encode(ALL_PIXELS, TensorSpec("float32"))
    assert np.array_equal(values, ALL_PIXELS.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(("spec", "expected"), SPECS)
def test_upscaled_pixels_are_right_in_every_range(
    tmp_path: Path, spec: TensorSpec, expected: PixelRange
) -> None:
    session = open_session(made(tmp_path / "model.tflite", spec), "litert")
    assert (session.input.dtype, pixel_range(session.input)) == (spec.dtype, expected)
    large = run_plane(session, ALL_PIXELS).astype(int)
    away = np.abs(large - np.kron(ALL_PIXELS, np.ones((2, 2), int)))
    coarse = max(1, spec.scale * 255 / (expected.high - expected.low))
    low, high = LIMITS.get(spec.dtype, (0, 255))
    ends = [(end - spec.zero_point) * spec.scale for end in (low, high)]
    cut = max(ends[0] - expected.low, expected.high - ends[1], 0) * 255
    cut = 0 if spec.dtype == "float32" else cut / (expected.high - expected.low)
    assert away.max() <= coarse / 2 + cut + 1


@pytest.mark.parametrize("runtime", ["litert", "tflm", "engine"])
def test_a_network_of_0_to_255_upscales_as_its_twin_of_0_to_1(tmp_path: Path, runtime: str) -> None:
    unit, wide = tmp_path / "unit.tflite", tmp_path / "wide.tflite"
    unit.write_bytes(tflite_factory.tinypssr())
    wide.write_bytes(rescaled(unit.read_bytes(), 255))
    plane = np.random.default_rng(0).integers(0, 256, (12, 10), np.uint8)
    expected = run_plane(open_session(unit, runtime), plane).astype(int)
    session = open_session(wide, runtime)
    assert pixel_range(session.input) == pixel_range(session.output) == BYTES
    assert np.abs(run_plane(session, plane) - expected).max() <= 1
    assert len(np.unique(expected)) > 20


def test_a_stated_range_holds_for_both_ends_of_float32(tmp_path: Path) -> None:
    session = open_session(made(tmp_path / "model.tflite", TensorSpec("float32")), "litert")
    state_range(session, BYTES)
    assert pixel_range(session.input) == pixel_range(session.output) == BYTES
    image = encode(ALL_PIXELS, session.input)
    assert image.max() == 255
    assert np.array_equal(run_plane(session, ALL_PIXELS)[::2, ::2], ALL_PIXELS)


def test_a_stated_range_leaves_an_output_that_says_its_own(tmp_path: Path) -> None:
    spec = TensorSpec("int8", 1 / 255, -128)
    session = open_session(made(tmp_path / "model.tflite", spec), "litert")
    state_range(session, SIGNED)
    assert (pixel_range(session.input), pixel_range(session.output)) == (SIGNED, UNIT)
