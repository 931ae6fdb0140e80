"""The planner: RAM, rings, latency and halo of known networks, and the models that it refuses."""

from collections.abc import Callable

import numpy as np
import pytest
import standins
from engine_runner import arena_bytes, run_plan
from random_models import EngineWriter
from tflite_factory import TfliteWriter, Value, tinypssr
from tflm_oracle import noise, run_tflm

from edge_sr.engine.c_source import c_source
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.errors import UserError
from edge_sr.graph import halo, macs_per_pixel, read_graph, resize
from edge_sr.zoo import catalog

SHIPPED = [(name, scale) for name in ("tinypssr", "tinypssr-anchor") for scale in (2, 4)]
SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (4, 4), (5, 5), (16, 40), (37, 64)]


def shipped(name: str, scale: int) -> bytes:
    return catalog.find(f"{name}-x{scale}").file("int8", ".tflite").read_bytes()


def planned(model: bytes) -> Plan:
    return make_plan(read_graph(model))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_shipped_networks_have_the_bits_of_tflm(
    name: str, scale: int, size: tuple[int, int]
) -> None:
    model, image = shipped(name, scale), noise(*size, seed=size[1])
    expected = run_tflm(resize(model, *size), image)
    assert np.array_equal(run_plan(planned(model), image), expected)


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr-anchor"])
def test_a_camera_frame_needs_little_ram(name: str) -> None:
    plan = planned(shipped(name, 2))
    assert plan.arena_bytes(160) <= 9 * 1024
    assert plan.arena_bytes(320) <= 18 * 1024


def test_rings_of_tinypssr_hold_the_rows_that_its_kernels_read() -> None:
    """Five rows of the input and of the 4-channel tensor; all other tensors share one row."""
    plan = planned(tinypssr())
    rows = {ring.channels: ring.rows for ring in plan.rings if ring.lifetimes is None}
    assert rows == {1: 5, 4: 5}
    # Rings: 5 * 1 + 5 * 4 bytes per column; the widest of the other rows: 16.
    assert plan.arena.per_unit == 41
    assert (plan.latency, plan.halo, plan.macs) == (4, 4, 1296)


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_halo_and_macs_equal_those_of_the_graph(name: str, scale: int) -> None:
    graph = read_graph(shipped(name, scale))
    plan = make_plan(graph)
    assert plan.halo == halo(graph)
    assert plan.macs == macs_per_pixel(graph)


@pytest.mark.parametrize("rate", [4, 16, 64, 256])
def test_encoders_and_decoders_have_the_bits_of_tflm(rate: int) -> None:
    encoder, decoder = standins.encoder(rate), standins.decoder(rate)
    rng = np.random.default_rng(rate)
    image = rng.integers(-128, 128, (1, 48, 64, 3), dtype=np.int8)
    plan = planned(encoder)
    latents = run_plan(plan, image)
    assert np.array_equal(latents, run_tflm(resize(encoder, 48, 64), image))
    graph = read_graph(encoder)
    assert (plan.halo, plan.macs) == (halo(graph), macs_per_pixel(graph))
    assert all(
        arena_bytes(plan, n * plan.pixels_per_unit) == plan.arena_bytes(n * plan.pixels_per_unit)
        for n in (1, 9)
    )
    plan = planned(decoder)
    expected = run_tflm(resize(decoder, *latents.shape[1:3]), latents)
    assert np.array_equal(run_plan(plan, latents), expected)
    assert plan.halo == halo(read_graph(decoder))


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_c_and_python_agree_on_ram(name: str, scale: int) -> None:
    plan = planned(shipped(name, scale))
    for width in (*range(1, 70), 160, 319, 320, 640, 4095, 65536):
        assert arena_bytes(plan, width) == plan.arena_bytes(width)


def test_a_long_skip_stores_the_smaller_tensor() -> None:
    """A 1x1 convolution from 16 channels to 2 runs early, so that 2 channels are stored, not 16."""
    writer = EngineWriter(12, 12, seed=3)
    wide = writer.conv(writer.input, 16, 1)
    narrow = writer.conv(wide, 2, 1)
    deep = writer.conv(writer.conv(writer.conv(wide, 2, 5), 2, 5), 2, 5)
    plan = planned(writer.finish(writer.add(deep, narrow)))
    skip = {ring.channels: ring.rows for ring in plan.rings if narrow.index in ring.tensors}
    assert skip == {2: 7}
    input_rows = {ring.channels: ring.rows for ring in plan.rings if wide.index in ring.tensors}
    assert input_rows == {16: 5}


def test_a_deep_chain_has_the_bits_of_tflm() -> None:
    writer = EngineWriter(3, 4, seed=1)
    image = writer.input
    for _ in range(120):
        image = writer.unary(writer.conv(image, 1, 3), "TANH")
    model = writer.finish(image)
    plan = planned(model)
    assert (plan.latency, plan.halo) == (120, 120)
    frame = noise(3, 4, 0)
    assert np.array_equal(run_plan(plan, frame), run_tflm(model, frame))


def test_a_skip_over_many_layers_has_the_bits_of_tflm() -> None:
    writer = EngineWriter(9, 8, seed=5)
    first = writer.conv(writer.input, 3, 3)
    image = first
    for _ in range(12):
        image = writer.random_add(first, writer.conv(image, 3, 3), "NONE")
    model = writer.finish(image)
    plan, frame = planned(model), noise(9, 8, 1)
    assert np.array_equal(run_plan(plan, frame), run_tflm(model, frame))


def test_impossible_widths_are_refused() -> None:
    plan = planned(shipped("tinypssr", 2))
    for width in (0, -1, 2**20 + 1):
        with pytest.raises(UserError, match=f"cannot run at width {width}; it takes"):
            plan.arena_bytes(width)


def test_names_that_are_not_c_identifiers_are_refused() -> None:
    with pytest.raises(UserError, match="'a-b' is not a name that C accepts"):
        c_source(planned(tinypssr()), "a-b")


def with_operator(name: str, **options: object) -> Callable[[TfliteWriter, Value], Value]:
    def add(writer: TfliteWriter, image: Value) -> Value:
        out = writer.activation("out", image.shape, image.scale, image.zero_point)
        writer.operator(name, [image.index], [out.index])
        return out

    return add


def strided(writer: TfliteWriter, image: Value) -> Value:
    return writer.conv(image, 2, 3, stride=5)


def dilated(writer: TfliteWriter, image: Value) -> Value:
    return writer.conv(image, 2, 3, dilation=2)


def valid(writer: TfliteWriter, image: Value) -> Value:
    return writer.conv(image, 2, 3, padding="VALID")


def concatenated_rows(writer: TfliteWriter, image: Value) -> Value:
    out = writer.repeat(image, 1)
    writer.subgraph.operators[-1].builtinOptions.axis = 1
    return out


def concatenated_otherwise(writer: TfliteWriter, image: Value) -> Value:
    out = writer.repeat(image, 2)
    writer.subgraph.tensors[out.index].quantization.zeroPoint = [5]
    return out


def added_constant(writer: TfliteWriter, image: Value) -> Value:
    values = np.ones(image.shape, np.int8)
    constant = writer.tensor("ones", image.shape, "int8", [0.1], [0], values)
    return writer.add(image, Value(constant, image.shape, 0.1, 0))


def alpha_per_pixel(writer: TfliteWriter, image: Value) -> Value:
    values = np.ones(image.shape[1:], np.int8)
    alpha = writer.tensor("alpha", values.shape, "int8", [0.1], [0], values)
    out = writer.activation("out", image.shape, image.scale, 0)
    writer.operator("PRELU", [image.index, alpha], [out.index])
    return out


def weights_off_zero(writer: TfliteWriter, image: Value) -> Value:
    out = writer.conv(image, 1, 3)
    weights = writer.subgraph.operators[-1].inputs[1]
    writer.subgraph.tensors[weights].quantization.zeroPoint = [3]
    return out


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            with_operator("FLOOR"),
            r"^the engine does not support operator 1 FLOOR \(it computes tensor \d+ 'out'\); "
            r"it supports ABS, .*, CONV_2D \(padding SAME, .*, MUL \(of an image and a .*$",
        ),
        (
            strided,
            r"^operator 1 CONV_2D has a kernel of \(3, 3\) over tensor .* stride \[5, 5\]",
        ),
        (dilated, r"dilation \[2, 2\]; the engine supports padding SAME, stride 1, no dilation"),
        (valid, r"with padding VALID"),
        (concatenated_rows, r"^operator 1 CONCATENATION concatenates along axis 1 .* channels"),
        (concatenated_otherwise, r"concatenates tensor \d+ 'conv0' into tensor \d+ 'repeated'"),
        (
            added_constant,
            r"^operator 1 ADD adds tensor \d+ 'conv0' of shape \(1, 6, 6, 1\) and tensor \d+ "
            r"'ones' of shape \(1, 6, 6, 1\); for frames of any size",
        ),
        (alpha_per_pixel, r"^operator 1 PRELU has tensor \d+ 'alpha' .* one alpha per channel"),
        (
            weights_off_zero,
            r"^operator 1 CONV_2D has tensor \d+ 'weights\d*' with nonzero zero points",
        ),
        (
            TfliteWriter.float_island,
            r"^the engine runs only int8 models, but tensor \d+ 'island' is",
        ),
        (with_operator("LOGISTIC"), r"^operator 1 LOGISTIC computes tensor .* with scale 0\.\d+"),
    ],
)
def test_the_message_names_what_the_engine_lacks(
    build: Callable[[TfliteWriter, Value], Value], message: str
) -> None:
    writer = TfliteWriter(6, 6, seed=1)
    model = writer.finish(build(writer, writer.conv(writer.input, 1, 3)))
    with pytest.raises(UserError, match=message) as caught:
        planned(model)
    assert "\n" not in str(caught.value)


def test_a_float_model_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"runs only int8 models, but .*; export the model with --int8"
    ):
        make_plan(read_graph(catalog.find("tinypssr-x2").file("float32", ".tflite")))
