"""What LiteRT, TFLM and the engine share: the checks that a .tflite passes before they see it."""

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.session import (
    NO_UPSCALER,
    PART_CHANNELS,
    SCALES,
    UPSCALER_CHANNELS,
    Interface,
    TensorSpec,
    part_interface,
)


def read_interface(model: bytes) -> Interface:
    """Check that a .tflite is a super-resolution network of one channel, or of RGB.

    Raises:
        UserError: it is damaged, or it is something else.
    """
    network = graph.read_graph(model)
    scale = graph.scale(network)
    if scale not in SCALES:
        raise UserError(f"the model's scale is {scale}; upscaling takes {SCALES}")
    channels = network.input.shape[3]
    if channels == PART_CHANNELS and graph.ends_in_sigmoid(network):
        raise UserError(NO_UPSCALER)
    due = channels if channels in UPSCALER_CHANNELS else UPSCALER_CHANNELS[0]
    source, target = _spec(network.input, "input", due), _spec(network.output, "output", due)
    return Interface(scale, graph.halo(network), source, target, channels=channels)


def read_part(model: bytes) -> Interface:
    """Check that a .tflite is the encoder or the decoder of a codec.

    Raises:
        UserError: it is damaged, or it is something else.
    """
    network = graph.read_graph(model)
    source = _spec(network.input, "input", PART_CHANNELS)
    target = _spec(network.output, "output", PART_CHANNELS)
    return part_interface(graph.ratio(network), graph.halo(network), source, target)


def _spec(tensor: graph.Tensor, role: str, due: int) -> TensorSpec:
    batch, _, _, channels = tensor.shape if len(tensor.shape) == 4 else (0, 0, 0, 0)
    if (batch, channels) != (1, due):
        raise UserError(f"the model's {role} is {tensor.shape}; (1,H,W,{due}) is needed")
    if tensor.dtype == "float32":
        return TensorSpec("float32")
    if tensor.dtype != "int8":
        raise UserError(f"the model's {role} is {tensor.dtype}; int8 or float32 is needed")
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1:
        raise UserError(f"the model's int8 {role} lacks its one scale and zero point")
    return TensorSpec("int8", quantization.scale[0], quantization.zero_point[0])
