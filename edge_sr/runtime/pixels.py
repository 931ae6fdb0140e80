"""Conversion between 8-bit pixels and the values of input and output tensors.

Networks take pixels as real values 0..1, 0..255 or -1..1. The range of an int8 or uint8 tensor is
read from its scale and zero point: it must nearly cover one of the three. The range of a float32
tensor is not in its file; it is 0..1 unless the user states another.
"""

import dataclasses

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.session import PixelRange, Session, TensorSpec

UNIT = PixelRange(0, 1)
BYTES = PixelRange(0, 255)
SIGNED = PixelRange(-1, 1)

RANGES = {str(each): each for each in (UNIT, BYTES, SIGNED)}
"""The ranges by the names that users type."""

# Limits of the lowest and the highest real value of a quantized tensor of each range. Calibration
# on real images cuts a range a little, and outputs exceed it a little.
_LIMITS = (
    (UNIT, (-0.75, 0.25), (0.5, 2.0)),
    (SIGNED, (-2.0, -0.75), (0.5, 2.0)),
    (BYTES, (-96.0, 64.0), (128.0, 512.0)),
)


def parse_range(text: str) -> PixelRange:
    """Return the range that a user names.

    Raises:
        UserError: the text is not one of `RANGES`.
    """
    if text not in RANGES:
        raise UserError(f"unknown range of pixels {text!r}; available: {', '.join(RANGES)}")
    return RANGES[text]


def pixel_range(spec: TensorSpec, role: str = "input") -> PixelRange:
    """Return the real values that stand for black and white in a tensor.

    Args:
        spec: of the tensor.
        role: "input" or "output", for messages.

    Raises:
        UserError: no range was stated, and scale and zero point mean none of `RANGES`.
    """
    if spec.pixels is not None:
        return spec.pixels
    if spec.dtype == "float32":
        return UNIT
    low, high = _real_limits(spec)
    for known, lowest, highest in _LIMITS:
        if lowest[0] <= low < lowest[1] and highest[0] <= high < highest[1]:
            return known
    raise UserError(
        f"the model's {role} holds values {low:.4g}..{high:.4g} (scale {spec.scale:.6g}, zero "
        f"point {spec.zero_point}), and pixels are {_choices()}; --{role}-range states "
        "the range, one of these three"
    )


def describe(spec: TensorSpec) -> str:
    """Return what black and white are in a tensor, or "" where the range of pixels is unknown."""
    if spec.dtype not in ("int8", "uint8", "float32"):
        return ""
    try:
        span = pixel_range(spec)
    except UserError:
        return ""
    return f"{span.low} is black, {span.high} is white"


def state_range(session: Session, stated: PixelRange) -> None:
    """Set the range of pixels of an upscaler's input.

    The output has the same range, unless its scale and zero point mean another.
    """
    session.input = dataclasses.replace(session.input, pixels=stated)
    try:
        if session.output.dtype != "float32":
            pixel_range(session.output)
            return
    except UserError:
        pass
    session.output = dataclasses.replace(session.output, pixels=stated)


def run_plane(session: Session, plane: np.ndarray) -> np.ndarray:
    """Upscale one image of 8-bit pixels in one run.

    Args:
        session: the network.
        plane: (H,W) uint8, or (H,W,3) for an RGB network.

    Returns:
        uint8 (scale*H,scale*W), or with 3 channels, clipped to 0..255 and rounded to nearest.

    Raises:
        UserError: the runtime refuses this size, the range of pixels is unknown, or the output is
            not finite.
    """
    height, width, *colours = plane.shape
    image = encode(plane, session.input).reshape(1, height, width, *(colours or (1,)))
    pixel_range(session.output, "output")  # an unknown range is refused before the run
    below, right = -height % session.step, -width % session.step
    if below or right:
        image = np.pad(image, ((0, 0), (0, below), (0, right), (0, 0)), "edge")
    result = decode(session.run(image), session.output)
    result = result[0, : height * session.scale, : width * session.scale]
    return result.reshape(*result.shape[:2], *colours)


def encode(pixels: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Convert uint8 pixels (any shape) to the values of an input tensor of `spec`.

    Raises:
        UserError: the range of pixels is unknown.
    """
    span = pixel_range(spec, "input")
    values = np.arange(256) * (span.high - span.low) / 255 + span.low
    if spec.dtype == "float32":
        return values.astype(np.float32)[pixels]
    limits = np.iinfo(spec.dtype)
    stored = np.rint(values / spec.scale) + spec.zero_point
    return np.clip(stored, limits.min, limits.max).astype(spec.dtype)[pixels]


def decode(values: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Convert the values of an output tensor of `spec` (any shape) to uint8 pixels.

    Raises:
        UserError: a float value is not finite, or the range of pixels is unknown.
    """
    span = pixel_range(spec, "output")
    if spec.dtype == "float32":
        if not np.isfinite(values).all():
            raise UserError("the model gives values that are not finite; its weights are damaged")
        return _to_pixels(values, span)
    limits = np.iinfo(spec.dtype)
    table = (np.arange(limits.min, limits.max + 1) - spec.zero_point) * spec.scale
    return _to_pixels(table, span)[values.astype(np.int16) - limits.min]


def _to_pixels(values: np.ndarray, span: PixelRange) -> np.ndarray:
    width = span.high - span.low
    return np.rint(np.clip(values - span.low, 0, width) * (255 / width)).astype(np.uint8)


def _real_limits(spec: TensorSpec) -> tuple[float, float]:
    """The lowest and the highest real value of a quantized tensor."""
    limits = np.iinfo(spec.dtype)
    return (
        (limits.min - spec.zero_point) * spec.scale,
        (limits.max - spec.zero_point) * spec.scale,
    )


def _choices() -> str:
    *others, last = RANGES
    return f"{', '.join(others)} or {last}"
