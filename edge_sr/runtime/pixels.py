"""Conversion between 8-bit pixels and the values of input and output tensors."""

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.session import Session, TensorSpec


def run_plane(session: Session, plane: np.ndarray) -> np.ndarray:
    """Upscale one image of 8-bit pixels in one run.

    Args:
        session: the network.
        plane: (H,W) uint8, or (H,W,3) for an RGB network; 0..255 stands for [0,1].

    Returns:
        uint8 (scale*H,scale*W), or with 3 channels, clipped to 0..255 and rounded to nearest.

    Raises:
        UserError: the runtime refuses this size, or the output is not finite.
    """
    height, width, *colours = plane.shape
    image = encode(plane, session.input).reshape(1, height, width, *(colours or (1,)))
    result = decode(session.run(image), session.output)
    return result.reshape(*result.shape[1:3], *colours)


def encode(pixels: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Convert uint8 pixels (any shape) to the values of an input tensor of `spec`."""
    if spec.dtype == "float32":
        return pixels.astype(np.float32) / np.float32(255)
    values = np.rint(np.arange(256) / 255 / spec.scale) + spec.zero_point
    return np.clip(values, -128, 127).astype(np.int8)[pixels]


def decode(values: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Convert the values of an output tensor of `spec` (any shape) to uint8 pixels.

    Raises:
        UserError: a float value is not finite.
    """
    if spec.dtype == "float32":
        if not np.isfinite(values).all():
            raise UserError("the model gives values that are not finite; its weights are damaged")
        return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    table = (np.arange(-128, 128) - spec.zero_point) * spec.scale
    return np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)[values.astype(np.int16) + 128]
