"""Makes the image that every case runs on: the same on every machine, of any size."""

import numpy as np

from edge_sr.data.degradation import bicubic_downscale
from edge_sr.data.image_types import Pixels
from edge_sr.records import Part


def original(height: int, width: int, channels: int) -> Pixels:
    """Return rings that become finer towards one corner, with flat discs and a little noise.

    Returns:
        uint8 (H, W, channels).
    """
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    waves = np.sin(60 * (x**2 + y**2)[..., np.newaxis] + np.arange(channels, dtype=np.float32))
    image = 127.5 + 70 * waves
    for index, (row, column) in enumerate(((0.3, 0.6), (0.7, 0.25), (0.75, 0.8))):
        image[(y - row) ** 2 + (x - column) ** 2 < 0.02] = 60 + 70 * index
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def make(part: Part, height: int, width: int, scale: int, channels: int) -> tuple[Pixels, Pixels]:
    """Return a network's input and the original, both uint8 (H, W, channels).

    Args:
        part: an upscaler takes the original downscaled bicubically, a decoder every `scale`-th
            pixel in place of latents, an encoder the original itself.
        height: of the image: the input of an upscaler or encoder, the output of a decoder.
        width: of the image, likewise.
        scale: of the network; 1 for an encoder.
        channels: 1 or 3.
    """
    if part == "upscaler":
        large = original(height * scale, width * scale, channels)
        return bicubic_downscale(large, scale), large
    large = original(height, width, channels)
    return (large[::scale, ::scale] if part == "decoder" else large), large
