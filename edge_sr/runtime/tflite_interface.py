"""Checks a .tflite before LiteRT, TFLM or the engine opens it, and reads its interface."""

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.interfaces import (
    PART_CHANNELS,
    UPSCALER_CHANNELS,
    check_upscaler,
    part_interface,
)
from edge_sr.runtime.session import Interface, TensorSpec


def read_interface(model: bytes) -> Interface:
    """Return the interface of a .tflite that upscales images of one channel or RGB.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    network = graph.read_graph(model)
    scale = graph.scale(network)
    channels = network.input.shape[3]
    check_upscaler(scale, channels, graph.ends_in_sigmoid(network))
    expected = channels if channels in UPSCALER_CHANNELS else UPSCALER_CHANNELS[0]
    source = _spec(network.input, "input", expected)
    target = _spec(network.output, "output", expected)
    return Interface(scale, graph.halo(network), source, target, channels=channels)


def read_part(model: bytes) -> Interface:
    """Return the interface of a .tflite that is the encoder or the decoder of a codec.

    Raises:
        UserError: the file is damaged, or it is not such a network.
    """
    network = graph.read_graph(model)
    source = _spec(network.input, "input", PART_CHANNELS)
    target = _spec(network.output, "output", PART_CHANNELS)
    return part_interface(graph.ratio(network), graph.halo(network), source, target)


def _spec(tensor: graph.Tensor, role: str, expected: int) -> TensorSpec:
    batch, _, _, channels = tensor.shape if len(tensor.shape) == 4 else (0, 0, 0, 0)
    if (batch, channels) != (1, expected):
        raise UserError(f"the model's {role} is {tensor.shape}; (1,H,W,{expected}) is needed")
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
