"""Checks a .tflite before LiteRT, TFLM or the engine opens it, and reads its interface."""

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.interfaces import (
    PART_CHANNELS,
    UPSCALER_CHANNELS,
    check_classifier,
    check_upscaler,
    classifier_interface,
    part_interface,
)
from edge_sr.runtime.session import Activation, Classes, Interface, TensorSpec

_ACTIVATIONS: dict[str, Activation] = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
_MOVING = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE")


def read_interface(model: bytes) -> Interface:
    """Return the interface of a .tflite that upscales images of one channel or RGB.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    network = graph.fold(graph.read_graph(model))
    scale = graph.scale(network)
    channels = network.input.shape[3]
    check_upscaler(scale, channels, graph.ends_in_sigmoid(network))
    expected = channels if channels in UPSCALER_CHANNELS else UPSCALER_CHANNELS[0]
    source = _spec(network.input, "input", expected)
    target = _spec(network.output, "output", expected)
    _, height, width, _ = network.input.shape
    tiled = graph.is_tiled(network)
    if not tiled:
        _check_operands(network)
    sized = tiled or graph.grows(network)
    return Interface(
        scale,
        graph.halo(network) if tiled else None,
        source,
        target,
        None if sized else (height, width),
        channels,
        step=graph.step(network) if sized and not tiled else 1,
        layers=graph.precision(network),
    )


def read_part(model: bytes, latents: int | None = PART_CHANNELS) -> Interface:
    """Return the interface of a .tflite that is the encoder or the decoder of a codec.

    Args:
        model: the bytes of the .tflite.
        latents: channels that the latents must have; None for any.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    network = graph.read_graph(model)
    ratio = graph.ratio(network)
    deep = network.output if ratio < 1 else network.input
    latents = latents or deep.shape[-1]
    source = _spec(network.input, "input", PART_CHANNELS if ratio < 1 else latents)
    target = _spec(network.output, "output", latents if ratio < 1 else PART_CHANNELS)
    return part_interface(ratio, graph.halo(network), source, target, latents=latents)


def read_classifier(model: bytes) -> Interface:
    """Return the interface of a .tflite that classifies images of one channel or RGB.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    network = graph.read_graph(model)
    inputs = [network.tensors[index] for index in network.inputs]
    outputs = [network.tensors[index] for index in network.outputs]
    source, target = inputs[0], outputs[0]
    check_classifier(len(inputs), len(outputs), source.shape, target.shape)
    _check_operands(network)
    return classifier_interface(
        _values(source, "input"),
        _values(target, "output"),
        source.shape,
        Classes(target.shape[1], _activation(network)),
        graph.precision(network),
    )


def _check_operands(network: graph.Graph) -> None:
    """Refuse operands at which the runtimes read outside of a tensor instead of raising an error.

    The reader has no shapes for these operators: it knows those of image networks.
    """
    for operator in network.operators:
        if not operator.inputs or operator.inputs[0] < 0 or not operator.outputs:
            raise UserError(f"the model is not a usable .tflite: {operator} lacks an operand")
        shape = operator.inputs[1] if len(operator.inputs) > 1 else -1
        if operator.name == "RESHAPE" and shape >= 0:
            _check_reshape(operator, network.tensors[shape], network.tensors[operator.outputs[0]])


def _check_reshape(operator: graph.Operator, shape: graph.Tensor, output: graph.Tensor) -> None:
    if shape.dtype != "int32" or shape.shape != (len(output.shape),):
        raise UserError(
            f"the model is not a usable .tflite: {operator} takes its shape from {shape}, which is "
            f"{shape.dtype} {shape.shape}, not {len(output.shape)} values of int32"
        )
    if shape.data is None:
        return
    sides = zip(shape.data.tolist(), output.shape, strict=True)
    if not all(side in (-1, declared) for side, declared in sides):
        raise UserError(
            f"the model is not a usable .tflite: {operator} makes the shape {shape.data.tolist()}, "
            f"and its output is {list(output.shape)}"
        )


def _activation(network: graph.Graph) -> Activation:
    """How the output ends; operators that only move or requantize values do not count."""
    for operator in reversed(network.operators):
        if operator.name not in _MOVING:
            return _ACTIVATIONS.get(operator.name, "none")
    return "none"


def _spec(tensor: graph.Tensor, role: str, expected: int) -> TensorSpec:
    batch, _, _, channels = tensor.shape if len(tensor.shape) == 4 else (0, 0, 0, 0)
    if (batch, channels) != (1, expected):
        raise UserError(f"the model's {role} is {tensor.shape}; (1,H,W,{expected}) is needed")
    return _values(tensor, role)


def _values(tensor: graph.Tensor, role: str) -> TensorSpec:
    if tensor.dtype == "float32":
        return TensorSpec("float32")
    if tensor.dtype not in ("int8", "uint8"):
        raise UserError(f"the model's {role} is {tensor.dtype}; int8, uint8 or float32 is needed")
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1:
        raise UserError(
            f"the model's {tensor.dtype} {role} needs exactly one scale and one zero point"
        )
    return TensorSpec(tensor.dtype, quantization.scale[0], quantization.zero_point[0])
