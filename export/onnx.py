"""Converts a .tflite to ONNX: the same graph, in ONNX's QDQ form if it is int8.

Unlike tf2onnx, this converter keeps height and width open, writes the same bytes every time, and
does not import TensorFlow.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_sr.errors import UserError, VerificationError, require
from edge_sr.graph import Graph, Operator, Quantization, Tensor, read_graph

OPSET = 17
IR_VERSION = 8

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def from_tflite(model: bytes) -> bytes:
    """Convert a fully convolutional .tflite.

    "input" (1, height, width, C) and "output" (1, output_height, output_width, C') are NHWC and
    have the dtypes of the .tflite; height and width are open. Each int8 operator becomes
    DequantizeLinear, the operator, QuantizeLinear, with the scales and zero points of the .tflite;
    runtimes fuse these into integer kernels.

    Raises:
        UserError: the model is damaged, an operator is not supported, or the onnx extra is missing.
        VerificationError: onnx.checker refuses the result.
    """
    onnx = require("onnx", "onnx")
    graph = read_graph(model)
    writer = _Writer(onnx, graph)
    writer.begin()
    for operator in graph.operators:
        writer.add(operator)
    result = writer.end()
    try:
        onnx.checker.check_model(result, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"the ONNX graph is invalid: {error}") from None
    return result.SerializeToString(deterministic=True)


class _Writer:
    """Collects the nodes and constants of an ONNX graph, whose images are NCHW inside."""

    def __init__(self, onnx: Any, graph: Graph) -> None:
        self._onnx = onnx
        self._graph = graph
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        self._stored: dict[int, str] = {}

    def begin(self) -> None:
        """Add the NHWC input."""
        name = self.node("Transpose", ["input"], perm=_TO_NCHW)
        self._stored[self._graph.input.index] = name

    def add(self, operator: Operator) -> None:
        """Add one operator of the .tflite."""
        rule = _RULES.get(operator.name)
        if rule is None:
            raise UserError(
                f"{operator} cannot be converted to ONNX; supported: {', '.join(_RULES)}"
            )
        real = _activate(self, operator, rule(self, operator))
        self._store(self._graph.tensors[operator.outputs[0]], real)

    def end(self) -> Any:
        """Add the NHWC output, and return the ONNX model."""
        last = self._stored[self._graph.output.index]
        self.node("Transpose", [last], output="output", perm=_TO_NHWC)
        helper = self._onnx.helper
        new = helper.make_graph(
            self._nodes,
            "edge-sr",
            [self._image("input", self._graph.input, "")],
            [self._image("output", self._graph.output, "output_")],
            list(self._constants.values()),
        )
        return helper.make_model(
            new,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edge-sr",
        )

    def node(
        self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node and return the name of its value."""
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(
            self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
        )
        return output

    def constant(self, values: np.ndarray) -> str:
        """Return the name of a constant; equal constants are stored once."""
        key = (values.dtype.name, values.shape, values.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            values = np.ascontiguousarray(values).reshape(values.shape)
            self._constants[key] = self._onnx.numpy_helper.from_array(values, name)
        return self._constants[key].name

    def tensor(self, operator: Operator, position: int) -> Tensor:
        """Return the operator's input at a position."""
        return self._graph.tensors[operator.inputs[position]]

    def output(self, operator: Operator) -> Tensor:
        """Return the operator's output."""
        return self._graph.tensors[operator.outputs[0]]

    def real(self, tensor: Tensor) -> str:
        """Return the float value of an NCHW activation, or of a constant that broadcasts."""
        if tensor.data is None:
            return self._dequantized(tensor, self._stored[tensor.index])
        values = tensor.data.reshape((1,) * (4 - tensor.data.ndim) + tensor.shape)
        return self.weights(tensor, values.transpose(_TO_NCHW))

    def weights(self, tensor: Tensor, values: np.ndarray, axis: int = 0) -> str:
        """Return the float value of a constant, rearranged to `values` with channels on `axis`."""
        return self._dequantized(tensor, self.constant(values), axis)

    def _dequantized(self, tensor: Tensor, name: str, axis: int = 0) -> str:
        if tensor.dtype == "float32":
            return name
        quantization = _quantization(tensor)
        inputs = [name, *self._scale_and_zero(quantization, tensor.dtype)]
        if len(quantization.scale) == 1:
            return self.node("DequantizeLinear", inputs)
        return self.node("DequantizeLinear", inputs, axis=axis)

    def _store(self, tensor: Tensor, real: str) -> None:
        if tensor.dtype == "float32":
            self._stored[tensor.index] = real
            return
        inputs = [real, *self._scale_and_zero(_quantization(tensor), tensor.dtype)]
        self._stored[tensor.index] = self.node("QuantizeLinear", inputs)

    def _scale_and_zero(self, quantization: Quantization, dtype: str) -> list[str]:
        shape = () if len(quantization.scale) == 1 else (-1,)
        scale = np.array(quantization.scale, np.float32).reshape(shape)
        zero_point = np.array(quantization.zero_point, dtype).reshape(shape)
        return [self.constant(scale), self.constant(zero_point)]

    def _image(self, name: str, tensor: Tensor, prefix: str) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
        shape = [tensor.shape[0], f"{prefix}height", f"{prefix}width", tensor.shape[3]]
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)


def _quantization(tensor: Tensor) -> Quantization:
    if tensor.quantization is None or tensor.dtype not in ("int8", "int32"):
        raise UserError(f"{tensor} is {tensor.dtype}, which cannot be converted to ONNX")
    return tensor.quantization


def _convolution(writer: _Writer, operator: Operator) -> str:
    image, kernel = (writer.tensor(operator, position) for position in (0, 1))
    if kernel.data is None:
        raise UserError(f"{operator} computes its kernel, which cannot be converted to ONNX")
    if operator.name == "CONV_2D":
        weights = kernel.data.transpose(0, 3, 1, 2)
        groups = image.shape[3] // kernel.shape[3]
    else:
        weights = kernel.data.transpose(3, 0, 1, 2)
        groups = image.shape[3]
    inputs = [writer.real(image), writer.weights(kernel, weights)]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = writer.tensor(operator, 2)
        if bias.data is None:
            raise UserError(f"{operator} computes its bias, which cannot be converted to ONNX")
        inputs.append(writer.weights(bias, bias.data.reshape(-1)))
    return writer.node("Conv", inputs, group=groups, **_window(operator, kernel))


def _window(operator: Operator, kernel: Tensor) -> dict[str, Any]:
    """Strides, dilations and padding; TensorFlow's SAME pads an odd row or column at the end."""
    strides = [operator.number(f"stride_{axis}") for axis in "hw"]
    dilations = [operator.number(f"dilation_{axis}_factor") for axis in "hw"]
    size = list(kernel.shape[1:3])
    window: dict[str, Any] = {
        "kernel_shape": size,
        "strides": strides,
        "dilations": dilations,
    }
    if operator.options["padding"] == "VALID":
        return {**window, "pads": [0, 0, 0, 0]}
    if strides != [1, 1]:
        return {**window, "auto_pad": "SAME_UPPER"}
    total = [(k - 1) * d for k, d in zip(size, dilations, strict=True)]
    return {**window, "pads": [*(t // 2 for t in total), *(t - t // 2 for t in total)]}


def _prelu(writer: _Writer, operator: Operator) -> str:
    image, alpha = (writer.tensor(operator, position) for position in (0, 1))
    return writer.node("PRelu", [writer.real(image), writer.real(alpha)])


def _leaky_relu(writer: _Writer, operator: Operator) -> str:
    image = writer.real(writer.tensor(operator, 0))
    return writer.node("LeakyRelu", [image], alpha=operator.options["alpha"])


def _concatenation(writer: _Writer, operator: Operator) -> str:
    parts = [writer.real(writer.tensor(operator, i)) for i in range(len(operator.inputs))]
    return writer.node("Concat", parts, axis=_TO_NCHW.index(operator.number("axis") % 4))


def _rearrangement(kind: str) -> Callable[[_Writer, Operator], str]:
    def rule(writer: _Writer, operator: Operator) -> str:
        image = writer.real(writer.tensor(operator, 0))
        return writer.node(kind, [image], blocksize=operator.number("block_size"))

    return rule


def _pointwise(kind: str) -> Callable[[_Writer, Operator], str]:
    def rule(writer: _Writer, operator: Operator) -> str:
        images = [writer.real(writer.tensor(operator, i)) for i in range(len(operator.inputs))]
        return writer.node(kind, images)

    return rule


def _clip(low: float, high: float) -> Callable[[_Writer, Operator], str]:
    def rule(writer: _Writer, operator: Operator) -> str:
        return _clipped(writer, writer.real(writer.tensor(operator, 0)), low, high)

    return rule


def _clipped(writer: _Writer, value: str, low: float, high: float) -> str:
    limits = [writer.constant(np.array(limit, np.float32)) for limit in (low, high)]
    return writer.node("Clip", [value, *limits])


def _rescale(writer: _Writer, operator: Operator) -> str:
    return writer.real(writer.tensor(operator, 0))


def _activate(writer: _Writer, operator: Operator, value: str) -> str:
    """Apply the operator's fused activation."""
    fused = operator.options.get("fused_activation_function", "NONE")
    if fused == "NONE":
        return value
    if fused == "RELU":
        return writer.node("Relu", [value])
    if fused in _CLIPPING:
        return _clipped(writer, value, *_CLIPPING[str(fused)])
    raise UserError(f"{operator} ends in {fused}, which cannot be converted to ONNX")


_CLIPPING = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}

# Each rule writes the operator on float values and returns the name of the float result.
_RULES: dict[str, Callable[[_Writer, Operator], str]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "LEAKY_RELU": _leaky_relu,
    "RELU": _pointwise("Relu"),
    "LOGISTIC": _pointwise("Sigmoid"),
    "TANH": _pointwise("Tanh"),
    "HARD_SWISH": _pointwise("HardSwish"),
    "ADD": _pointwise("Add"),
    "SUB": _pointwise("Sub"),
    "MUL": _pointwise("Mul"),
    "MAXIMUM": _pointwise("Max"),
    "MINIMUM": _pointwise("Min"),
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _rearrangement("DepthToSpace"),
    "SPACE_TO_DEPTH": _rearrangement("SpaceToDepth"),
    "QUANTIZE": _rescale,
    "DEQUANTIZE": _rescale,
    **{name: _clip(low, high) for name, (low, high) in _CLIPPING.items()},
}
