"""resize against networks written at that size, and against LiteRT's own resizing."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_factory import Network, TfliteWriter, networks, pack, sizes, tinypssr, unpack
from tflm_oracle import noise, run_tflm

from edge_sr.errors import UserError
from edge_sr.graph import read_graph, resize


@given(networks, sizes, sizes)
@settings(max_examples=40, deadline=None)
def test_resized_equals_written_at_that_size(
    network: Network, old: tuple[int, int], new: tuple[int, int]
) -> None:
    resized = resize(network.write(*old), *new)
    image = noise(*new, network.seed)
    expected = run_tflm(network.write(*new), image)
    np.testing.assert_array_equal(run_tflm(resized, image), expected)
    assert [tensor.shape for tensor in read_graph(resized).tensors] == [
        tensor.shape for tensor in read_graph(network.write(*new)).tensors
    ]


@given(networks, sizes, sizes)
@settings(max_examples=15, deadline=None)
def test_litert_gives_the_same_when_it_resizes_itself(
    network: Network, old: tuple[int, int], new: tuple[int, int]
) -> None:
    image = noise(*new, network.seed)
    results = []
    for model in (network.write(*old), resize(network.write(*old), *new)):
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], image.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*results)


@given(sizes, sizes)
@settings(max_examples=20, deadline=None)
def test_resizing_back_gives_the_same_bytes(old: tuple[int, int], new: tuple[int, int]) -> None:
    model = tinypssr(*old)
    assert resize(resize(model, *new), *old) == model


def test_an_open_signature_stays_open() -> None:
    model = unpack(tinypssr(5, 6))
    model.subgraphs[0].tensors[0].shapeSignature = [1, -1, -1, 1]
    model.subgraphs[0].tensors[-1].shapeSignature = [1, 10, 12, 1]
    tensors = unpack(resize(pack(model), 7, 8)).subgraphs[0].tensors
    assert list(tensors[0].shapeSignature) == [1, -1, -1, 1]
    assert list(tensors[-1].shapeSignature) == [1, 14, 16, 1]


@pytest.mark.parametrize(
    ("height", "width"), [(0, 8), (8, 0), (-1, 8), (65537, 8), (8, 10**12), (65536, 65536)]
)
def test_sizes_out_of_range_are_refused(height: int, width: int) -> None:
    with pytest.raises(UserError):
        resize(tinypssr(), height, width)


def test_a_kernel_larger_than_the_image_is_refused() -> None:
    writer = TfliteWriter(9, 9)
    model = writer.finish(writer.conv(writer.input, 2, 5, padding="VALID"))
    with pytest.raises(UserError, match="kernel larger than its image"):
        resize(model, 9, 4)


def test_an_operator_that_may_depend_on_the_size_is_refused() -> None:
    writer = TfliteWriter(4, 4)
    output = writer.activation("softmax", (1, 4, 4, 1), 1 / 256, -128)
    options = schema.SoftmaxOptionsT()
    writer.operator("SOFTMAX", [writer.input.index], [output.index], options)
    with pytest.raises(UserError, match="SOFTMAX is not known"):
        resize(writer.finish(output), 5, 5)


@given(st.binary(max_size=64))
@settings(max_examples=20, deadline=None)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(UserError):
        resize(data, 4, 4)
