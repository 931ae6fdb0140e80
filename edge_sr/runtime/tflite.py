"""What LiteRT and TFLM share: the checks that a .tflite passes before an interpreter sees it."""

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.runtime.session import SCALES, Interface, TensorSpec


def read_interface(model: bytes) -> Interface:
    """Check that a .tflite is a one-channel super-resolution network.

    Raises:
        UserError: it is damaged, or it is something else.
    """
    network = graph.read_graph(model)
    scale = graph.scale(network)
    if scale not in SCALES:
        raise UserError(f"the model's scale is {scale}; upscaling takes {SCALES}")
    return Interface(
        scale, graph.halo(network), _spec(network.input, "input"), _spec(network.output, "output")
    )


def _spec(tensor: graph.Tensor, role: str) -> TensorSpec:
    batch, _, _, channels = tensor.shape if len(tensor.shape) == 4 else (0, 0, 0, 0)
    if (batch, channels) != (1, 1):
        raise UserError(f"the model's {role} is {tensor.shape}; one channel (1,H,W,1) is needed")
    if tensor.dtype == "float32":
        return TensorSpec("float32")
    if tensor.dtype != "int8":
        raise UserError(f"the model's {role} is {tensor.dtype}; int8 or float32 is needed")
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1:
        raise UserError(f"the model's int8 {role} lacks its one scale and zero point")
    return TensorSpec("int8", quantization.scale[0], quantization.zero_point[0])
