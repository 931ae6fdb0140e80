"""`edge-sr info` of .tflite and .onnx files of any kind."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from command_line import EdgeSr
from onnx import TensorProto, helper, numpy_helper
from tflite_factory import TfliteWriter, pack, tinypssr, unpack

from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph

SHARED = ["vww_96_int8", "kws_ref_model", "ad01_int8", "person_detect", "pretrainedResnet_quant"]
SHARED += ["str_ww_ref_model", "ncnet_x3_uint8", "ncnet_x3_uint8_open"]


def facts(text: str) -> dict[str, str]:
    """Return the first two columns of the tables."""
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ")]
    return {name.strip(): value.strip() for name, value in rows}


def strided() -> bytes:
    """Return a network that the engine runs at its own size alone: strides, and a softmax."""
    writer = TfliteWriter(9, 7)
    features = writer.conv(writer.input, 4, 3, stride=2)
    features = writer.conv(features, 4, 3, stride=2)
    scores = writer.activation("scores", features.shape, 1 / 256, -128)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    writer.operator("SOFTMAX", [features.index], [scores.index], options)
    return writer.finish(scores)


def test_an_upscaler_is_described(edge_sr: EdgeSr, tmp_path: Path) -> None:
    path = tmp_path / "tinypssr.tflite"
    path.write_bytes(tinypssr(12, 10))
    result = edge_sr("info", path)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == (
        "tinypssr.tflite: int8 1x12x10x1 to int8 1x24x20x1, 1,356 parameters, 155,520 MACs, "
        "8 operators"
    )
    found = facts(result.out)
    assert found["input 0"] == (
        "'input', int8 1x12x10x1, scale 0.00392157, zero point -128, values 0 to 1, pixels 0..1"
    )
    assert found["MACs"] == "155,520, 1,296 per input pixel"
    assert found["operators"] == "4 CONV_2D, 3 PRELU, 1 DEPTH_TO_SPACE"
    taken = {name: found[name] for name in ("upscale", "classify", "litert", "tflm", "engine")}
    assert taken == {
        "upscale": "yes",
        "classify": "no",
        "litert": "yes",
        "tflm": "yes",
        "engine": f"yes, {make_plan(read_graph(path)).arena_bytes(10):,} bytes of RAM at width 10",
    }
    assert found["firmware"] == "yes"


@pytest.mark.parametrize(
    ("scale", "zero_point", "pixels"),
    [(1.0, -128, "pixels 0..255"), (1 / 127.5, -1, "pixels -1..1"), (0.1, 5, "not a known range")],
)
def test_the_range_of_pixels_is_read(
    edge_sr: EdgeSr, tmp_path: Path, scale: float, zero_point: int, pixels: str
) -> None:
    model = unpack(tinypssr())
    quantization = model.subgraphs[0].tensors[0].quantization
    quantization.scale, quantization.zeroPoint = [scale], [zero_point]
    path = tmp_path / "model.tflite"
    path.write_bytes(pack(model))
    assert pixels in facts(edge_sr("info", path).out)["input 0"]


def test_a_network_of_one_size_is_described(edge_sr: EdgeSr, tmp_path: Path) -> None:
    path = tmp_path / "strided.tflite"
    path.write_bytes(strided())
    found = facts(edge_sr("info", path).out)
    plan = make_frame_plan(read_graph(path))
    needs = f"yes, {plan.arena_bytes:,} bytes of RAM, {plan.flash_bytes:,} of flash"
    assert found["engine"].startswith(needs)
    assert found["firmware"] == "yes"


def with_other_operators() -> bytes:
    """Return a network with what the engine lacks: an operator, and the range of a softmax."""
    writer = TfliteWriter(9, 7)
    features = writer.conv(writer.input, 4, 3)
    for _ in range(2):
        scores = writer.activation("scores", features.shape, 1 / 128, 0)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        writer.operator("SOFTMAX", [features.index], [scores.index], options)
        features = scores
    places = writer.activation("places", (1, 9, 7), 1.0, 0)
    writer.subgraph.tensors[places.index].type = schema.TensorType.INT32
    axis = writer.tensor("axis", [1], "int32", [], [], np.array([3], np.int32))
    writer.operator("ARG_MAX", [features.index, axis], [places.index], schema.ArgMaxOptionsT())
    return writer.finish(places)


def test_all_obstacles_are_named(edge_sr: EdgeSr, tmp_path: Path) -> None:
    path = tmp_path / "others.tflite"
    path.write_bytes(with_other_operators())
    result = edge_sr("info", path)
    assert result.code == 0, result.err
    found = facts(result.out)
    assert found["engine"] == "no"
    missing = "does not support ARG_MAX (operator 3, which computes tensor"
    text = edge_sr.refuses(
        *("firmware", "export", path, "--target", "cmake", "--out", tmp_path / "out")
    )
    for shown in (result.out, text, edge_sr.refuses("firmware", "plan", path)):
        assert shown.index(missing) < shown.index("operator 1 SOFTMAX computes tensor")
        assert "(and 1 more)" in shown
        assert "int32, not int8" not in shown
    assert "--engine tflm writes what TFLM runs" in text


def test_a_network_of_floats_gets_advice(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(6, 6)
    image = writer.depth_to_space(writer.float_island(writer.conv(writer.input, 4, 3)), 2)
    path = tmp_path / "island.tflite"
    path.write_bytes(writer.finish(image))
    result = edge_sr("info", path)
    assert facts(result.out)["firmware"] == "no"
    assert "'island' is float32, not int8" in result.out
    assert "converter.inference_input_type = tf.int8" in result.out


def test_an_operator_that_computes_with_floats_is_named(edge_sr: EdgeSr, tmp_path: Path) -> None:
    writer = TfliteWriter(6, 6)
    conv = writer.conv(writer.input, 4, 3)
    floats = [writer.tensor("float", conv.shape, "float32", [], []) for _ in range(2)]
    writer.operator("DEQUANTIZE", [conv.index], floats[:1], schema.DequantizeOptionsT())
    writer.operator("ELU", floats[:1], floats[1:])
    out = writer.activation("quantized", conv.shape, conv.scale, conv.zero_point)
    writer.operator("QUANTIZE", floats[1:], [out.index], schema.QuantizeOptionsT())
    path = tmp_path / "elu.tflite"
    path.write_bytes(writer.finish(out))
    text = edge_sr.refuses("firmware", "plan", path)
    assert "operator 2 ELU computes with floats" in text
    assert "inference_input_type" not in text


def test_several_ends_of_any_rank_are_described(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = unpack(strided())
    graph = model.subgraphs[0]
    vector = schema.TensorT()
    vector.name, vector.shape, vector.type = "state", [3], schema.TensorType.FLOAT32
    graph.tensors.append(vector)
    graph.inputs = [*graph.inputs, len(graph.tensors) - 1]
    graph.outputs = [*graph.outputs, graph.operators[0].outputs[0]]
    path = tmp_path / "two.tflite"
    path.write_bytes(pack(model))
    result = edge_sr("info", path)
    assert result.code == 0, result.err
    assert "two.tflite: int8 1x9x7x1, float32 3 to int8 1x3x2x4, int8 1x5x4x4, " in result.out
    assert "it has 2 inputs and 2 outputs" in result.out


def test_a_file_that_only_runtimes_read_is_described(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = unpack(strided())
    model.subgraphs.append(unpack(strided()).subgraphs[0])
    code = model.operatorCodes[2]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, 32
    code.customCode = "MyLayer"
    path = tmp_path / "custom.tflite"
    path.write_bytes(pack(model))
    result = edge_sr("info", path)
    assert result.code == 0, result.err
    found = facts(result.out)
    assert found["operators"] == "2 CONV_2D, 1 CUSTOM MyLayer"
    assert found["subgraphs"] == "2; the first is described"
    assert {found[name] for name in ("upscale", "classify", "engine", "firmware")} == {"no"}
    assert "it has 2 subgraphs, not one" in result.out


def test_a_damaged_file_is_refused(edge_sr: EdgeSr, tmp_path: Path) -> None:
    for suffix, message in ((".tflite", "not a usable .tflite"), (".onnx", "not an ONNX model")):
        path = tmp_path / f"damaged{suffix}"
        for data in (b"", b"hello", tinypssr()[:300]):
            path.write_bytes(data)
            assert message in edge_sr.refuses("info", path)


def onnx_upscaler(folder: Path, **options: object) -> Path:
    """Write an .onnx of one convolution and a depth-to-space, with open sizes."""
    weights = numpy_helper.from_array(np.full((4, 1, 3, 3), 0.1, np.float32), "weights")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, f"{name}h", f"{name}w", 1])
        for name in ("input", "output")
    ]
    nodes = [
        helper.make_node("Transpose", ["input"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["a", "weights"], ["b"], pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("DepthToSpace", ["b"], ["c"], blocksize=2),
        helper.make_node("Transpose", ["c"], ["output"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(nodes, "upscaler", ends[:1], ends[1:], [weights])
    opset = [helper.make_opsetid("", 17)]
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path, **options)
    return path


def test_an_onnx_is_described(edge_sr: EdgeSr, tmp_path: Path) -> None:
    result = edge_sr("info", onnx_upscaler(tmp_path))
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == (
        "model.onnx: float32 1x?x?x1 to float32 1x?x?x1, 36 parameters, 147,456 MACs, 4 operators"
    )
    found = facts(result.out)
    assert (found["upscale"], found["onnx"], found["engine"]) == ("yes", "yes", "no")


def test_weights_in_other_files_are_named_from_any_folder(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photographs: Path
) -> None:
    (tmp_path / "models").mkdir()
    path = onnx_upscaler(
        tmp_path / "models", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    for folder in (tmp_path, path.parent):
        monkeypatch.chdir(folder)
        result = edge_sr("info", path)
        assert result.code == 0, result.err
        assert "the model keeps weights in other files (weights.bin)" in result.out
        text = edge_sr.refuses(
            "upscale", photographs / "coffee0.png", tmp_path / "out.png", "--model", path
        )
        assert "the model keeps weights in other files (weights.bin)" in text


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED)
def test_networks_of_others_are_described(edge_sr: EdgeSr, shared_models: Path, name: str) -> None:
    result = edge_sr("info", shared_models / f"{name}.tflite")
    assert (result.code, result.err) == (0, "")
    found = facts(result.out)
    assert found["tflm"] == "yes"
    assert found["litert"] == ("no" if name == "person_detect" else "yes")
    assert found["firmware"] in ("yes", "export --engine tflm")
    assert name.startswith("ncnet") or found["engine"].startswith("yes, ")
    assert found["upscale"] == ("yes" if name.startswith("ncnet") else "no")
    macs = {"vww_96_int8": 7_489_664, "person_detect": 7_157_888, "ad01_int8": 264_192}
    assert name not in macs or found["MACs"].startswith(f"{macs[name]:,}")
