"""Reads an operator's operands: images, constants, scales and zero points, fused activations.

What the engine cannot run raises a UserError that names operator and tensor.
"""

import math
from collections.abc import Sequence

import numpy as np

from edge_sr.engine.rounding import Factor
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Quantization, Tensor

MAX_CHANNELS = 4096

END_TYPES = ("int8", "uint8")
"""The types of input and output that the engine takes."""


def check_image(tensor: Tensor, user: str) -> None:
    """Refuse a tensor that is not one image with one scale.

    Args:
        tensor: an input or output of `user`.
        user: the operator's name, or "the model".

    Raises:
        UserError: the shape is not (1, H, W, C), or C is too large, or there is not one scale.
    """
    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] > MAX_CHANNELS:
        raise UserError(
            f"{user} has {tensor} of shape {tensor.shape}; the engine supports (1, H, W, C) with "
            f"at most {MAX_CHANNELS} channels"
        )
    if tensor.quantization is None or len(tensor.quantization.scale) != 1:
        raise UserError(f"{user} has {tensor} with no scale or several; an image needs one scale")


def check_types(graph: Graph, operator: Operator) -> None:
    """Refuse uint8 where no QUANTIZE turns it to int8.

    Raises:
        UserError: another operator reads or writes uint8.
    """
    indices = (*operator.inputs, *operator.outputs)
    for tensor in (graph.tensors[index] for index in indices if index >= 0):
        if tensor.dtype == "uint8" and operator.name != "QUANTIZE":
            raise UserError(
                f"{operator} has {tensor}, which is uint8; the engine takes uint8 only where "
                "QUANTIZE converts it from or to int8"
            )


def images(graph: Graph, operator: Operator, count: int) -> list[Tensor]:
    """The first `count` inputs.

    Raises:
        UserError: one of them is a constant.
    """
    return [image_at(graph, operator, position) for position in range(count)]


def image_at(graph: Graph, operator: Operator, position: int) -> Tensor:
    """The input at a position.

    Raises:
        UserError: it is a constant.
    """
    tensor = graph.tensors[operator.inputs[position]]
    if tensor.data is not None:
        raise UserError(
            f"{operator} reads the constant {tensor} as an image; the engine supports "
            "only computed images"
        )
    return tensor


def image_and_output(graph: Graph, operator: Operator) -> tuple[Tensor, Tensor]:
    """The only image that the operator reads, and its output.

    Raises:
        UserError: the image is a constant.
    """
    (image,) = images(graph, operator, 1)
    return image, graph.tensors[operator.outputs[0]]


def constant(graph: Graph, operator: Operator, position: int) -> np.ndarray:
    """The values of the input at a position.

    Raises:
        UserError: the input is not a constant.
    """
    tensor = graph.tensors[operator.inputs[position]]
    if tensor.data is None:
        raise UserError(
            f"{operator} reads {tensor}, which is computed at run time; the engine needs a constant"
        )
    return tensor.data


def quantization_of(tensor: Tensor) -> Quantization:
    """Scales and zero points of an int8 tensor."""
    assert tensor.quantization is not None  # int8 tensors without it are refused earlier
    return tensor.quantization


def scale_of(tensor: Tensor) -> float:
    """The scale of an image."""
    return quantization_of(tensor).scale[0]


def zero_point_of(tensor: Tensor) -> int:
    """The zero point of an image."""
    return quantization_of(tensor).zero_point[0]


def padding_value(tensor: Tensor) -> int:
    """The zero point of an image as the int8 of the same bits."""
    return (zero_point_of(tensor) + 128) % 256 - 128


def make_factor(operator: Operator, real: float) -> Factor:
    """The factor as multiplier and shift.

    Raises:
        UserError: the factor is too large for the shift in C.
    """
    result = Factor.of(real) if math.isfinite(real) else None
    if result is None or result.shift > 30:
        raise UserError(
            f"{operator} multiplies by {real:g}; the engine supports factors below 2^30"
        )
    return result


def pack_factors(factors: Sequence[Factor]) -> bytes:
    """The factors as C's `esr_scale`: pairs of int32, multiplier and shift."""
    pairs = [(factor.multiplier, factor.shift) for factor in factors]
    return np.array(pairs, "<i4").tobytes()


def round_half_away(value: np.float32) -> int:
    """The nearest integer, ties away from zero, as C's round."""
    real = float(value)
    return math.floor(real + 0.5) if real >= 0 else math.ceil(real - 0.5)


def activation_range(operator: Operator, output: Tensor) -> tuple[int, int]:
    """The int8 range to which the fused activation clips the output.

    Raises:
        UserError: the engine does not support the activation, or the range is empty.
    """
    limits = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
    name = str(operator.options["fused_activation_function"])
    if name not in limits:
        raise UserError(
            f"{operator} fuses the activation {name}; the engine supports {', '.join(limits)}"
        )
    low, high = (
        None
        if limit is None
        else zero_point_of(output)
        + round_half_away(np.float32(limit) / np.float32(scale_of(output)))
        for limit in limits[name]
    )
    lowest = -128 if low is None else max(-128, low)
    highest = 127 if high is None else min(127, high)
    if lowest > highest:
        raise UserError(f"{operator} has an empty range for {output} after {name}")
    return lowest, highest
