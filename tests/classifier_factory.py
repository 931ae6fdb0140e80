"""Writes classifiers of three classes: which channel of an image is the brightest."""

from pathlib import Path

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from tflite_factory import TfliteWriter, pack

SIZE = 4
GAIN = 8
"""Logits are this much times the mean of each channel, 0..1."""


def tflite(
    dtype: str = "int8", softmax: bool = True, white: int = 1, activation: str = "SOFTMAX"
) -> bytes:
    """Return a classifier of (1,4,4,3) images.

    Args:
        dtype: "int8" or "float32".
        softmax: end in `activation`, else in logits.
        white: real value of white in the input, 1 or 255.
        activation: SOFTMAX or LOGISTIC.
    """
    writer = TfliteWriter(SIZE, SIZE, 3)
    if dtype == "float32":
        return _float32(writer, softmax)
    source = writer.subgraph.tensors[writer.input.index].quantization
    source.scale = [float(np.float32(white / 255))]
    weight = GAIN / SIZE**2 / white / 127
    weights = np.zeros((3, SIZE, SIZE, 3), np.int8)
    for channel in range(3):
        weights[channel, ..., channel] = 127
    bias_scale = source.scale[0] * weight
    logits = writer.activation("logits", (1, 1, 1, 3), GAIN / 255, -128)
    operands = [
        writer.input.index,
        writer.tensor("weights", weights.shape, "int8", [weight] * 3, [0] * 3, weights),
        writer.tensor("bias", [3], "int32", [bias_scale] * 3, [0] * 3, np.zeros(3, np.int32)),
    ]
    writer.operator("CONV_2D", operands, [logits.index], _valid())
    flat = writer.activation("flat", (1, 3), logits.scale, logits.zero_point)
    _reshape(writer, logits.index, flat.index)
    if not softmax:
        return writer.finish(flat)
    out = writer.activation("probabilities", (1, 3), 1 / 256, -128)
    options = schema.SoftmaxOptionsT() if activation == "SOFTMAX" else None
    if options is not None:
        options.beta = 1.0
    writer.operator(activation, [flat.index], [out.index], options)
    return writer.finish(out)


def _float32(writer: TfliteWriter, softmax: bool) -> bytes:
    source = writer.subgraph.tensors[writer.input.index]
    source.type, source.quantization = schema.TensorType.FLOAT32, None
    weights = np.zeros((3, SIZE, SIZE, 3), np.float32)
    for channel in range(3):
        weights[channel, ..., channel] = GAIN / SIZE**2
    logits = writer.tensor("logits", (1, 1, 1, 3), "float32", [], [])
    operands = [
        writer.input.index,
        writer.tensor("weights", weights.shape, "float32", [], [], weights),
        writer.tensor("bias", [3], "float32", [], [], np.zeros(3, np.float32)),
    ]
    writer.operator("CONV_2D", operands, [logits], _valid())
    flat = writer.tensor("flat", (1, 3), "float32", [], [])
    _reshape(writer, logits, flat)
    out = flat
    if softmax:
        out = writer.tensor("probabilities", (1, 3), "float32", [], [])
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        writer.operator("SOFTMAX", [flat], [out], options)
    writer.subgraph.inputs, writer.subgraph.outputs = [writer.input.index], [out]
    return pack(writer.model)


def _valid() -> schema.Conv2DOptionsT:
    options = schema.Conv2DOptionsT()
    options.padding = 1
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = 1
    return options


def _reshape(writer: TfliteWriter, source: int, target: int) -> None:
    options = schema.ReshapeOptionsT()
    options.newShape = [1, 3]
    shape = writer.tensor("shape", [2], "int32", [], [], np.array([1, 3], np.int32))
    writer.operator("RESHAPE", [source, shape], [target], options)


def onnx_model(softmax: bool = True) -> bytes:
    """Return the same classifier as a float32 .onnx."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["out"], axis=1))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", 1, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("out" if softmax else "logits", 1, [1, 3])],
        [numpy_helper.from_array(np.array(GAIN, np.float32), "gain")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def write(folder: Path, kind: str = "int8") -> Path:
    """Write "int8", "wide" (pixels 0..255), "logits", "sigmoid", "float32" or "onnx" to a file."""
    contents = {
        "int8": lambda: tflite(),
        "wide": lambda: tflite(white=255),
        "logits": lambda: tflite(softmax=False),
        "sigmoid": lambda: tflite(activation="LOGISTIC"),
        "float32": lambda: tflite("float32"),
        "float32 logits": lambda: tflite("float32", softmax=False),
        "onnx": onnx_model,
        "onnx logits": lambda: onnx_model(softmax=False),
    }
    path = folder / f"{kind.replace(' ', '-')}.{'onnx' if 'onnx' in kind else 'tflite'}"
    path.write_bytes(contents[kind]())
    return path


def expected(pixels: np.ndarray) -> np.ndarray:
    """The percentages of the three classes of a (4,4,3) image."""
    logits = GAIN * pixels.reshape(-1, 3).mean(axis=0) / 255
    values = np.exp(logits - logits.max())
    return 100 * values / values.sum()
