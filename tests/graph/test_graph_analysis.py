"""Costs against published figures, reach against TFLM on tiles."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import standins
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_factory import Network, TfliteWriter, networks, pack, tinypssr, unpack
from tflm_oracle import noise, run_tflm

from edge_sr import graph
from edge_sr.errors import UserError

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize(
    ("stages", "parameters", "macs", "halo"), [(1, 1356, 1296, 4), (2, 2716, 6480, 6)]
)
def test_tinypssr_costs_what_is_published(
    stages: int, parameters: int, macs: int, halo: int
) -> None:
    network = graph.read_graph(tinypssr(12, 10, stages))
    assert graph.parameters(network) == parameters
    assert graph.macs_per_pixel(network) == macs
    assert graph.macs(network) == macs * 120
    assert graph.scale(network) == 2**stages
    assert graph.halo(network) == halo
    assert graph.not_integer(network) == []
    assert graph.operators(network) == [("CONV_2D", 3), ("DEPTH_TO_SPACE", 2), ("PRELU", 1)]


@given(networks, st.data())
@settings(max_examples=40, deadline=None)
def test_a_tile_with_its_halo_equals_that_part_of_the_whole_image(network: Network, data) -> None:
    height, width = (data.draw(st.integers(1, 24)) for _ in "hw")
    top, left = (data.draw(st.integers(0, size - 1)) for size in (height, width))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    image = noise(height, width, network.seed)
    model = network.write(height, width)
    halo, scale = graph.halo(graph.read_graph(model)), network.scale
    first_row, first_column = max(0, top - halo), max(0, left - halo)
    tile = image[:, first_row : bottom + halo, first_column : right + halo]
    part = run_tflm(graph.resize(model, *tile.shape[1:3]), tile)
    rows = slice((top - first_row) * scale, (bottom - first_row) * scale)
    columns = slice((left - first_column) * scale, (right - first_column) * scale)
    whole = run_tflm(model, image)[:, top * scale : bottom * scale, left * scale : right * scale]
    np.testing.assert_array_equal(part[:, rows, columns], whole)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 1), (5, 1), (3, 2), (4, 3)])
def test_one_convolution_reaches_half_its_kernel(kernel: int, dilation: int) -> None:
    # The reach is seen: a bright pixel moves outputs up to the halo away, and none further.
    writer = TfliteWriter(31, 31, seed=3)
    model = writer.finish(writer.conv(writer.input, 1, kernel, dilation=dilation))
    dark = np.full((1, 31, 31, 1), -128, np.int8)
    lit = dark.copy()
    lit[0, 15, 15, 0] = 127
    moved = np.argwhere(run_tflm(model, dark) != run_tflm(model, lit))[:, 1:3]
    assert np.abs(moved - 15).max() == graph.halo(graph.read_graph(model))


def _strided(height: int, width: int, kernel: int = 3, stride: int = 2) -> bytes:
    writer = TfliteWriter(height, width)
    image = writer.conv(writer.input, 3, kernel, stride=stride)
    return writer.finish(writer.conv(image, 2, 3, stride=2))


@pytest.mark.parametrize(("kernel", "stride", "halo"), [(3, 2, 3), (5, 2, 4), (2, 3, 3), (6, 3, 5)])
def test_a_strided_tile_equals_that_part_of_the_whole_image(
    kernel: int, stride: int, halo: int
) -> None:
    model, step = _strided(16 * stride, 4 * stride, kernel, stride), 2 * stride
    assert graph.halo(graph.read_graph(model)) == halo
    image = noise(16 * stride, 4 * stride, kernel)
    margin = -(-halo // step) * step
    tile = image[:, 4 * step - margin : 5 * step + margin]
    part = run_tflm(graph.resize(model, *tile.shape[1:3]), tile)
    whole = run_tflm(model, image)
    np.testing.assert_array_equal(part[:, margin // step], whole[:, 4])


def test_strides_count_in_macs_and_leave_a_rest_of_odd_sides() -> None:
    writer = TfliteWriter(8, 8)
    network = graph.read_graph(writer.finish(writer.conv(writer.input, 3, 3, stride=2)))
    assert graph.macs(network) == 4 * 4 * 3 * 9
    assert graph.macs_per_pixel(network) == 6.75
    with pytest.raises(UserError, match="cannot be tiled"):
        graph.halo(graph.read_graph(_strided(9, 8)))
    with pytest.raises(UserError, match="which is not a whole number"):
        graph.scale(network)
    assert not graph.is_tiled(network)
    assert (graph.grows(network), graph.step(network)) == (True, 2)


def test_a_float_island_is_named() -> None:
    writer = TfliteWriter(4, 4)
    image = writer.conv(writer.input, 4, 3)
    found = graph.not_integer(graph.read_graph(writer.finish(writer.float_island(image))))
    assert found == [
        "tensor 4 'island' is float32, not int8",
        "operator 1 DEQUANTIZE",
    ]


def test_a_tensor_without_a_scale_and_a_wide_bias_are_named() -> None:
    model = unpack(tinypssr())
    model.subgraphs[0].tensors[0].quantization = None
    (found,) = graph.not_integer(graph.read_graph(pack(model)))
    assert found == "tensor 0 'input' is int8 without a scale"

    writer = TfliteWriter(4, 4)
    output = writer.conv(writer.input, 1, 3)
    (bias,) = (tensor for tensor in writer.subgraph.tensors if tensor.name == "bias")
    bias.type = 4
    writer.model.buffers[-1].data = np.zeros(8, np.uint8)
    (found,) = graph.not_integer(graph.read_graph(writer.finish(output)))
    assert found == "tensor 3 'bias' is int64, not int32"


@pytest.mark.parametrize(("rate", "halo"), [(4, 6), (16, 18), (64, 42)])
def test_an_encoder_shrinks_and_its_tiles_equal_the_whole_image(rate: int, halo: int) -> None:
    step = round(rate**0.5)
    model = standins.encoder(rate, 128, 8)
    network = graph.read_graph(model)
    assert (graph.ratio(network), graph.halo(network)) == (Fraction(1, step), halo)
    with pytest.raises(UserError, match=f"enlarges by 1/{step}, which is not a whole number"):
        graph.scale(network)
    image = np.random.default_rng(rate).integers(-128, 128, (1, 128, 8, 3), dtype=np.int8)
    whole, margin = run_tflm(model, image), -(-halo // step) * step
    tile = image[:, 64 - margin : 72 + margin]
    part = run_tflm(graph.resize(model, *tile.shape[1:3]), tile)
    rows = slice(margin // step, (margin + 8) // step)
    np.testing.assert_array_equal(part[:, rows], whole[:, 64 // step : 72 // step])


@pytest.mark.parametrize("rate", [4, 16, 64, 256])
def test_parts_of_a_codec_undo_each_others_size(rate: int) -> None:
    encoder, decoder = (
        graph.read_graph(part(rate)) for part in (standins.encoder, standins.decoder)
    )
    assert graph.scale(decoder) == 1 / graph.ratio(encoder) == rate**0.5
    assert (graph.parameters(encoder), graph.parameters(decoder)) == (
        5427 * (rate.bit_length() // 2),
        1071 * (rate.bit_length() // 2),
    )


@pytest.mark.parametrize(
    ("name", "ratio", "halo"),
    [
        # A pass of the encoder reaches 4 pixels, and 1 at half the size; the next twice as far.
        ("tinycompress-4/encoder-float32", Fraction(1, 2), 6),
        ("tinycompress-16/encoder-int8", Fraction(1, 4), 18),
        # A pass of the decoder reaches 1 pixel, and 2 at twice the size; the next half as far.
        ("tinycompress-4/decoder-int8", 2, 2),
        ("tinycompress-16/decoder-float32", 4, 3),
    ],
)
def test_ratio_and_halo_of_a_codec(name: str, ratio: Fraction, halo: int) -> None:
    network = graph.read_graph(GOLDEN / f"{name}.tflite")
    assert (graph.ratio(network), graph.halo(network)) == (ratio, halo)
