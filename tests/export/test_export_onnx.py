"""The ONNX files against tf2onnx's, against TFLM, and against themselves."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_factory import Network, TfliteWriter, networks, sizes, tinypssr
from tflm_oracle import noise, run_tflm

from edge_sr import graph
from edge_sr.errors import UserError
from export.onnx import from_tflite


def run_onnx(model: bytes, image: np.ndarray, level: str = "ORT_ENABLE_ALL") -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: image})
    return result


def test_input_and_output_are_int8_of_open_size_and_all_arithmetic_is_qdq() -> None:
    model = onnx.load_from_string(from_tflite(tinypssr(12, 10)))
    onnx.checker.check_model(model, full_check=True)
    for value, expected in (
        (model.graph.input[0], [1, "height", "width", 1]),
        (model.graph.output[0], [1, "output_height", "output_width", 1]),
    ):
        kind = value.type.tensor_type
        assert kind.elem_type == onnx.TensorProto.INT8
        assert [size.dim_param or size.dim_value for size in kind.shape.dim] == expected
    makers = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type in ("Conv", "PRelu", "DepthToSpace"):
            assert {makers[name].op_type for name in node.input} == {"DequantizeLinear"}
    stored = [item for item in model.graph.initializer if item.data_type != onnx.TensorProto.FLOAT]
    weights = sum(np.prod(item.dims, dtype=int) for item in stored if len(item.dims) > 1)
    assert weights == 400 + 64 + 800 + 32 + 16 + 4 + 8


@given(networks, sizes, st.tuples(st.integers(6, 20), st.integers(6, 20)))
@settings(max_examples=40, deadline=None)
def test_results_are_those_of_tflm_but_for_rounding(
    network: Network, written: tuple[int, int], run: tuple[int, int]
) -> None:
    image = noise(*run, network.seed)
    expected = run_tflm(network.write(*run), image).astype(int)
    actual = run_onnx(from_tflite(network.write(*written)), image)
    assert actual.shape == expected.shape
    # Roundings differ here and there, and later layers magnify it; a slip in meaning would put
    # all values off, by dozens.
    assert np.abs(actual - expected).mean() <= 1
    assert np.median(np.abs(actual - expected)) <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (2, 5)},
        {"kernel": 3, "stride": 2},
        {"kernel": 4, "stride": 3},
        {"kernel": 3, "dilation": 2},
        {"kernel": 3, "padding": "VALID"},
        {"kernel": 3, "activation": "RELU6"},
    ],
    ids=str,
)
def test_each_form_of_convolution(options: dict) -> None:
    for height, width in ((9, 12), (10, 11)):
        writer = TfliteWriter(height, width, channels=2, seed=4)
        image = writer.conv(writer.input, 4, 3)
        model = writer.finish(writer.conv(image, 3, **options))
        rng = np.random.default_rng(5)
        pixels = rng.integers(-128, 128, (1, height, width, 2), dtype=np.int8)
        difference = run_onnx(from_tflite(model), pixels) - run_tflm(model, pixels).astype(int)
        assert np.abs(difference).max() <= 2


@pytest.mark.slow
def test_tf2onnx_makes_a_graph_of_the_same_results(tmp_path: Path) -> None:
    from tf2onnx import convert

    for network in (
        Network(((5, 3), (3, 1)), stages=1, anchored=True, activation="NONE", seed=8),
        Network(((4, 5),), stages=2, anchored=False, activation="RELU", seed=9),
    ):
        model = network.write(20, 24)
        path = tmp_path / "model.tflite"
        path.write_bytes(model)
        theirs, _ = convert.from_tflite(str(path))
        image = noise(20, 24, 1)
        results = [
            run_onnx(data, image, "ORT_DISABLE_ALL")
            for data in (from_tflite(model), theirs.SerializeToString())
        ]
        np.testing.assert_array_equal(*results)


_PRINT_HASH = """
import hashlib, sys
from tflite_factory import tinypssr
from export.onnx import from_tflite
for _ in range(2):
    print(hashlib.sha256(from_tflite(tinypssr(9, 7, stages=2))).hexdigest())
"""


def test_every_process_writes_the_same_bytes() -> None:
    hashes = set()
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", _PRINT_HASH],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            check=True,
            text=True,
        )
        hashes |= set(found.stdout.split())
    assert len(hashes) == 1


@given(networks, sizes)
@settings(max_examples=10, deadline=None)
def test_the_size_of_the_tflite_leaves_no_trace(network: Network, size: tuple[int, int]) -> None:
    model = network.write(8, 8)
    assert from_tflite(graph.resize(model, *size)) == from_tflite(model)


def test_an_unsupported_operator_is_named() -> None:
    writer = TfliteWriter(4, 4)
    output = writer.activation("softmax", (1, 4, 4, 1), 1 / 256, -128)
    options = schema.SoftmaxOptionsT()
    writer.operator("SOFTMAX", [writer.input.index], [output.index], options)
    with pytest.raises(UserError, match="operator 0 SOFTMAX cannot be converted to ONNX"):
        from_tflite(writer.finish(output))


def test_a_damaged_tflite_is_refused() -> None:
    with pytest.raises(UserError, match=r"not a usable \.tflite"):
        from_tflite(tinypssr()[:2000])
