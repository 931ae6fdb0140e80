"""read_graph against LiteRT's own reading of the same file, and against damaged files."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_factory import Network, TfliteWriter, networks, pack, sizes, tinypssr, unpack
from tflm_oracle import noise, run_tflm

from edge_sr.errors import UserError
from edge_sr.graph import Graph, not_integer, read_graph, resize

NETWORK = Network(((4, 3),), stages=1, anchored=True, activation="NONE", seed=1)


@given(networks, sizes)
@settings(max_examples=25, deadline=None)
def test_tensors_equal_those_that_litert_reads(network: Network, size: tuple[int, int]) -> None:
    model = network.write(*size)
    graph = read_graph(model)
    interpreter = Interpreter(model_content=model, num_threads=1)
    for theirs in interpreter.get_tensor_details()[: len(graph.tensors)]:
        ours = graph.tensors[theirs["index"]]
        parameters = theirs["quantization_parameters"]
        assert ours.name == theirs["name"]
        assert ours.shape == tuple(theirs["shape"])
        assert ours.dtype == np.dtype(theirs["dtype"]).name
        assert ours.quantization is not None
        np.testing.assert_array_equal(ours.quantization.scale, parameters["scales"])
        np.testing.assert_array_equal(ours.quantization.zero_point, parameters["zero_points"])
    assert graph.input.index == interpreter.get_input_details()[0]["index"]
    assert graph.output.index == interpreter.get_output_details()[0]["index"]


def test_operators_and_constants_equal_those_written() -> None:
    writer = TfliteWriter(6, 7)
    image = writer.conv(writer.input, 3, (1, 5), "RELU", padding="VALID", stride=2, dilation=1)
    graph = read_graph(writer.finish(image))
    (operator,) = graph.operators
    assert (operator.name, operator.version) == ("CONV_2D", 3)
    assert dict(operator.options) == {
        "padding": "VALID",
        "stride_h": 2,
        "stride_w": 2,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": "RELU",
    }
    weights = graph.tensors[operator.inputs[1]].data
    assert weights is not None
    raw = bytes(unpack(writer.finish(image)).buffers[1].data)
    assert weights.tobytes() == raw
    assert weights.shape == (3, 1, 5, 1)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 1


def test_a_file_reads_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tinypssr())
    assert read_graph(path).output.shape == read_graph(tinypssr()).output.shape


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"TFL3",
        b"hello, this is not a model at all",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\x08\x00\x00\x00TFL3",
        b"\xff\xff\xff\xffTFL3" + bytes(64),
        b"\x10\x00\x00\x00TFL3" + bytes(10_000),
    ],
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(UserError, match=r"not a usable \.tflite"):
        read_graph(data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tflite", tmp_path):
        with pytest.raises(UserError, match="cannot read"):
            read_graph(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_truncated_files_are_refused(share: float) -> None:
    model = tinypssr()
    with pytest.raises(UserError, match=r"not a usable \.tflite"):
        read_graph(model[: int(len(model) * share)])


def read_or_refuse(data: bytes) -> Graph | None:
    try:
        return read_graph(data)
    except UserError:
        return None


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused(seed: int) -> None:
    # Any exception but UserError fails this test, and what is read must be consistent.
    source = random.Random(seed)
    data = bytearray(NETWORK.write(5, 4))
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(data)) & ~3
        word = source.choice([source.getrandbits(32), 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        data[place : place + 4] = word.to_bytes(4, "little")[: len(data) - place]
    graph = read_or_refuse(bytes(data))
    if graph is not None:
        for tensor in graph.constants():
            assert tensor.data is not None
            assert tensor.data.shape == tensor.shape
        not_integer(graph)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused(data: bytes) -> None:
    assert read_or_refuse(data) is None
    assert read_or_refuse(b"\x14\x00\x00\x00TFL3" + data) is None


Tampering = Callable[..., None]
TAMPERINGS: dict[str, tuple[Tampering, str]] = {}


def tampering(message: str) -> Callable[[Tampering], Tampering]:
    def decorate(function: Tampering) -> Tampering:
        TAMPERINGS[function.__name__] = (function, message)
        return function

    return decorate


@tampering("schema version")
def version(model, graph) -> None:
    model.version = 4


@tampering("2 subgraphs")
def subgraphs(model, graph) -> None:
    model.subgraphs.append(graph)


@tampering("before it is computed")
def operator_input(model, graph) -> None:
    graph.operators[0].inputs = [999, *graph.operators[0].inputs[1:]]


@tampering("before it is computed")
def order(model, graph) -> None:
    graph.operators.reverse()


@tampering("already has a value")
def operator_writes_weights(model, graph) -> None:
    graph.operators[0].outputs = [graph.operators[0].inputs[1]]


@tampering("refers to code")
def operator_code(model, graph) -> None:
    graph.operators[0].opcodeIndex = 77


@tampering("operator number")
def unknown_operator(model, graph) -> None:
    model.operatorCodes[0].builtinCode = 30_000


@tampering("lacks its Conv2DOptions")
def options_of_another(model, graph) -> None:
    graph.operators[0].builtinOptions = graph.operators[-1].builtinOptions
    graph.operators[0].builtinOptionsType = graph.operators[-1].builtinOptionsType


@tampering("stride")
def stride(model, graph) -> None:
    graph.operators[0].builtinOptions.strideH = 0


@tampering("unknown padding")
def padding(model, graph) -> None:
    graph.operators[0].builtinOptions.padding = 9


@tampering("where the file declares")
def declared_shape(model, graph) -> None:
    graph.tensors[graph.operators[0].outputs[0]].shape = [1, 50, 40, 4]


@tampering("has the shape")
def negative_shape(model, graph) -> None:
    graph.tensors[0].shape = [1, -5, 4, 1]


@tampering("too many elements")
def enormous_shape(model, graph) -> None:
    graph.tensors[0].shape = [1, 2**30, 2**30, 1]


@tampering("needs 36 bytes")
def short_weights(model, graph) -> None:
    model.buffers[1].data = model.buffers[1].data[:-1]


@tampering("refers to buffer")
def buffer_index(model, graph) -> None:
    graph.tensors[1].buffer = 500


@tampering("outside the flatbuffer")
def external_data(model, graph) -> None:
    model.buffers[1].offset, model.buffers[1].size = 4096, 36


@tampering("type number")
def dtype(model, graph) -> None:
    graph.tensors[0].type = 13


@tampering("not a positive number")
def zero_scale(model, graph) -> None:
    graph.tensors[0].quantization.scale = [0.0]


@tampering("not a positive number")
def infinite_scale(model, graph) -> None:
    graph.tensors[0].quantization.scale = [float("inf")]


@tampering("too far apart")
def tiny_scale(model, graph) -> None:
    graph.tensors[graph.operators[-1].outputs[0]].quantization.scale = [1e-40]


@tampering("zero point outside int8")
def zero_point(model, graph) -> None:
    graph.tensors[0].quantization.zeroPoint = [300]


@tampering("2 scales")
def scale_count(model, graph) -> None:
    graph.tensors[0].quantization.scale = [0.1, 0.2]


@tampering("input 2 is not")
def input_is_constant(model, graph) -> None:
    graph.inputs = [2]


@tampering("no input")
def no_input(model, graph) -> None:
    graph.inputs = []


@tampering("nothing computes its output")
def output_index(model, graph) -> None:
    graph.outputs = [12_345]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampered_files_are_refused_with_the_reason(name: str) -> None:
    tamper, message = TAMPERINGS[name]
    model = unpack(NETWORK.write(5, 4))
    tamper(model, model.subgraphs[0])
    with pytest.raises(UserError, match=message):
        read_graph(pack(model))


def opened(data: bytes) -> bytes:
    """Open height and width as a converter does: all sizes are 1, and the signature has -1."""
    model = unpack(data)
    for tensor in model.subgraphs[0].tensors:
        if not tensor.buffer:
            channels = tensor.shape[3]
            tensor.shape, tensor.shapeSignature = [1, 1, 1, channels], [-1, -1, -1, channels]
    return pack(model)


def test_open_sizes_are_inferred_from_the_inputs() -> None:
    writer = TfliteWriter(9, 7)
    features = writer.conv(writer.input, 8, 3, stride=2)
    graph = read_graph(opened(writer.finish(writer.depth_to_space(features, 2))))
    shapes = [tensor.shape for tensor in graph.tensors if tensor.open_axes]
    # The placeholders do not fit depth-to-space, so that 64 stands for height and width.
    assert shapes == [(1, 64, 64, 1), (1, 32, 32, 8), (1, 64, 64, 2)]
    assert graph.input.open_axes == (0, 1, 2)


def test_an_open_size_that_is_large_enough_is_kept() -> None:
    writer = TfliteWriter(9, 7)
    model = unpack(opened(writer.finish(writer.conv(writer.input, 8, 3, padding="VALID"))))
    model.subgraphs[0].tensors[0].shape = [1, 5, 6, 1]
    assert read_graph(pack(model)).output.shape == (1, 3, 4, 8)


def test_an_open_network_can_be_resized_for_tflm() -> None:
    written = NETWORK.write(6, 9)
    assert run_tflm(resize(opened(NETWORK.write(5, 4)), 6, 9), noise(6, 9, 3)).tobytes() == (
        run_tflm(written, noise(6, 9, 3)).tobytes()
    )


def test_channels_that_do_not_fit_are_refused_in_an_open_network() -> None:
    model = unpack(opened(NETWORK.write(5, 4)))
    model.subgraphs[0].tensors[-1].shape = [1, 1, 1, 5]
    with pytest.raises(UserError, match="where the file declares"):
        read_graph(pack(model))


def test_what_depends_on_an_open_output_of_an_unknown_operator_is_not_checked() -> None:
    writer = TfliteWriter(5, 4)
    unknown = writer.activation("unknown", (1, 1, 1, 1), 1 / 255, -128)
    writer.operator("RESIZE_BILINEAR", [writer.input.index], [unknown.index])
    output = writer.conv(unknown, 3, 3, padding="VALID")
    model = unpack(writer.finish(output))
    for index in (unknown.index, output.index):
        tensor = model.subgraphs[0].tensors[index]
        tensor.shape = [1, 1, 1, tensor.shape[3]]
        tensor.shapeSignature = [1, -1, -1, tensor.shape[3]]
    assert read_graph(pack(model)).output.shape == (1, 1, 1, 3)


def test_a_tensor_that_no_operator_uses_may_be_anything() -> None:
    model = unpack(NETWORK.write(5, 4))
    extra = schema.TensorT()
    extra.name, extra.shape, extra.type = "unused", [0, -3, 2**30], schema.TensorType.STRING
    model.subgraphs[0].tensors.append(extra)
    graph = read_graph(pack(model))
    assert not_integer(graph) == []
    assert [tensor.index for tensor in graph.used()] == list(range(len(graph.tensors) - 1))
    assert resize(pack(model), 7, 8)
    extra.buffer = 500
    with pytest.raises(UserError, match="refers to buffer"):
        read_graph(pack(model))


def test_a_bias_with_the_axis_of_its_weights_is_read() -> None:
    model = unpack(NETWORK.write(5, 4))
    (bias, *_) = (tensor for tensor in model.subgraphs[0].tensors if tensor.name == b"bias")
    bias.quantization.quantizedDimension = 3
    read_graph(pack(model))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_damaged_open_files_are_read_or_refused(seed: int) -> None:
    source = random.Random(seed)
    data = bytearray(opened(NETWORK.write(5, 4)))
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(data)) & ~3
        word = source.choice([source.getrandbits(32), 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        data[place : place + 4] = word.to_bytes(4, "little")[: len(data) - place]
    read_or_refuse(bytes(data))
