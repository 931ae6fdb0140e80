"""The ONNX session and its interface, on graphs built by hand."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.measuring import subject
from edge_sr.errors import UserError
from edge_sr.runtime.onnx_interface import read_interface
from edge_sr.runtime.opening import open_session
from edge_sr.runtime.pixels import run_plane
from edge_sr.upscaling import upscale

KERNEL = np.random.default_rng(3).normal(0, 0.2, (4, 1, 3, 3)).astype(np.float32)


def network(
    height: int | str = "height",
    width: int | str = "width",
    pads: tuple[int, ...] = (1, 1, 1, 1),
    activation: str = "Relu",
    channels: int = 1,
    order: tuple[int, ...] = (0, 3, 1, 2),
    **conv: object,
) -> onnx.ModelProto:
    """Return an x2 network: one 3x3 convolution to 4 channels, NHWC at both ends."""
    double = [2 * side if isinstance(side, int) else f"large_{side}" for side in (height, width)]
    nodes = [
        helper.make_node("Transpose", ["x"], ["nchw"], perm=order),
        helper.make_node("Conv", ["nchw", "kernel"], ["c"], pads=pads, **conv),
        helper.make_node(activation, ["c"], ["a"]),
        helper.make_node("DepthToSpace", ["a"], ["d"], blocksize=2),
        helper.make_node("Transpose", ["d"], ["y"], perm=(0, 2, 3, 1)),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, height, width, channels))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, *double, 1))],
        [numpy_helper.from_array(KERNEL, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def convolve(plane: np.ndarray) -> np.ndarray:
    """Compute the same network in float64."""
    height, width = plane.shape
    padded = np.pad(plane / 255, 1)
    large = np.zeros((2 * height, 2 * width))
    for channel in range(4):
        total = sum(
            KERNEL[channel, 0, i, j].astype(float) * padded[i : i + height, j : j + width]
            for i in range(3)
            for j in range(3)
        )
        large[channel // 2 :: 2, channel % 2 :: 2] = np.maximum(total, 0)
    return np.clip(large, 0, 1) * 255


def test_interface_and_pixels_of_a_known_network(tmp_path: Path) -> None:
    session = open_session(save(network(), tmp_path), "onnx")
    assert (session.scale, session.halo, session.fixed_size) == (2, 1, None)
    plane = np.random.default_rng(0).integers(0, 256, (9, 14), np.uint8)
    assert np.abs(run_plane(session, plane) - convolve(plane)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(("dilation", "pad"), [(1, 1), (2, 2), (3, 3)])
def test_halo_counts_dilation(dilation: int, pad: int) -> None:
    model = network(pads=(pad,) * 4, dilations=(dilation, dilation))
    assert read_interface(model.SerializeToString()).halo == dilation


def test_a_network_of_fixed_size_upscales_larger_images_in_windows(tmp_path: Path) -> None:
    fixed = open_session(save(network(16, 24), tmp_path), "onnx")
    assert fixed.fixed_size == (16, 24)
    image = np.random.default_rng(1).integers(0, 256, (53, 40), np.uint8)
    expected = convolve(image)
    assert np.abs(upscale(fixed, image) - expected).max() <= 0.5 + 1e-3


def test_a_network_of_fixed_size_refuses_smaller_images(tmp_path: Path) -> None:
    fixed = open_session(save(network(16, 24), tmp_path), "onnx")
    with pytest.raises(UserError, match="24x16 pixels only, and the image is 30x9"):
        upscale(fixed, np.zeros((9, 30), np.uint8))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (network(channels=3), r"output is \[1, 0, 0, 1\]; \[1, H, W, 3\] is"),
        (network(height=16), "fixes one of height and width"),
        (network(strides=(2, 2)), "strided convolution"),
        (network(pads=(1, 1, 9999999, 1)), "changes the image's size"),
        (network(pads=(0, 0, 0, 0)), "changes the image's size"),
        (network(order=(0, 3, 2, 1)), "Transpose, which cannot be tiled"),
        (network(activation="GlobalAveragePool"), "GlobalAveragePool, which cannot be tiled"),
        (network(activation="NoSuchOperator"), "not an ONNX model, or it is damaged"),
    ],
)
def test_other_networks_are_refused(model: onnx.ModelProto, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        open_session(save(model, tmp_path), "onnx")


def channels_first(side: int | str, qdq: bool) -> onnx.ModelProto:
    """Return the same network as PyTorch writes it, NCHW; with `qdq` its layers compute in int8."""
    double = 2 * side if isinstance(side, int) else "large"
    constants = {"kernel": KERNEL}
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["c"], pads=(1, 1, 1, 1))]
    if qdq:
        scale = np.float32(np.abs(KERNEL).max() / 127)
        constants = {"stored": np.rint(KERNEL / scale).astype(np.int8), "scale": scale}
        constants |= {"zero": np.int8(0), "pixel": np.float32(1 / 255), "black": np.int8(-128)}
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "pixel", "black"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "pixel", "black"], ["dq"]),
            helper.make_node("DequantizeLinear", ["stored", "scale", "zero"], ["kernel"]),
            helper.make_node("Conv", ["dq", "kernel"], ["c"], pads=(1, 1, 1, 1)),
        ]
    nodes += [
        helper.make_node("Relu", ["c"], ["a"]),
        helper.make_node("DepthToSpace", ["a"], ["y"], blocksize=2),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 1, side, side))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 1, double, double))],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("qdq", "precision"), [(False, "float32"), (True, "int8")])
def test_channels_may_come_first_and_int8_may_have_floats_at_its_ends(
    qdq: bool, precision: str, tmp_path: Path
) -> None:
    path = save(channels_first("side", qdq), tmp_path)
    session = open_session(path, "onnx")
    assert (session.precision, session.input.dtype, session.halo) == (precision, "float32", 1)
    plane = np.random.default_rng(0).integers(0, 256, (9, 14), np.uint8)
    assert np.abs(run_plane(session, plane) - convolve(plane)).max() <= (3 if qdq else 0.5 + 1e-3)
    assert subject.open_file(path).precision == precision


def test_a_network_of_fixed_size_that_cannot_be_tiled_takes_its_size(tmp_path: Path) -> None:
    model = channels_first(8, qdq=False)
    norm = helper.make_node("LpNormalization", ["x"], ["n"], axis=1, p=1)
    model.graph.node.insert(0, norm)
    model.graph.node[1].input[0] = "n"
    session = open_session(save(model, tmp_path), "onnx")
    assert (session.scale, session.halo, session.fixed_size) == (2, None, (8, 8))
    assert upscale(session, np.zeros((8, 8), np.uint8)).shape == (16, 16)
    with pytest.raises(UserError, match="whole images of 8x8 pixels only"):
        upscale(session, np.zeros((9, 8), np.uint8))


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    with pytest.raises(UserError):
        open_session(save(model, tmp_path), "onnx")


def test_waiting_threads_do_not_spin(tmp_path: Path) -> None:
    session = open_session(save(network(), tmp_path), "onnx", threads=2)
    options = session.arrays.native.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 2


def test_errors_of_onnx_runtime_become_one_sentence(tmp_path: Path) -> None:
    model = network()
    model.opset_import[0].version = 999
    with pytest.raises(UserError) as caught:
        open_session(save(model, tmp_path), "onnx")
    text = str(caught.value).replace(str(tmp_path), "")
    assert "ONNX Runtime cannot open the model: " in text
    assert "999" in text
    for noise in ("\n", "[ONNXRuntimeError]", ".h:", "::"):
        assert noise not in text
