"""Frames to run an image on."""

import numpy as np
from PIL import Image as PillowImage

from edge_sr.data.colour import luminance
from edge_sr.data.images import Pixels
from edge_sr.errors import UserError
from edge_sr.graph import Tensor
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import TensorSpec


def default_pixels(height: int, width: int) -> tuple[Pixels, str]:
    """A picture of that size, uint8 (H, W, 3), and what it shows.

    It is a photograph where scikit-image is installed, and made here where it is not.
    """
    try:
        import skimage.data
    except ModuleNotFoundError:
        return _made(height, width), "a made picture"
    photograph = PillowImage.fromarray(skimage.data.astronaut())
    resized = photograph.resize((width, height), PillowImage.Resampling.BICUBIC)
    return np.asarray(resized), "scikit-image's astronaut"


def _made(height: int, width: int) -> Pixels:
    """Rings that become finer from one corner to the other, in three colours, with noise."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.sin(60 * (x**2 + y**2)[..., np.newaxis] + np.arange(3))
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(127.5 + 100 * waves + noise, 0, 255).astype(np.uint8)


def as_rgb(pixels: Pixels) -> Pixels:
    """(H, W, 3) of gray (H, W) or RGB pixels."""
    size = pixels.shape[:2]
    return np.ascontiguousarray(np.broadcast_to(pixels.reshape(*size, -1), (*size, 3)))


def encode_pixels(pixels: Pixels, tensor: Tensor) -> np.ndarray:
    """Write a picture as a network's input.

    Args:
        pixels: uint8, (H, W) gray or (H, W, 3) RGB.
        tensor: the input, int8 with 1 channel, which takes BT.601 luma, or 3, which take RGB.

    Returns:
        (H, W, C) int8.

    Raises:
        UserError: the network takes other channels.
    """
    channels = tensor.shape[3]
    if channels not in (1, 3):
        raise UserError(f"the model takes {channels} channels; a picture gives it 1 or 3")
    if channels == 1:
        pixels = luminance(pixels)
    planes = pixels[..., np.newaxis] if channels == 1 else as_rgb(pixels)
    assert tensor.quantization is not None  # the engine has run the planner on it
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
    return np.ascontiguousarray(encode(planes, TensorSpec("int8", scale, zero_point)))
