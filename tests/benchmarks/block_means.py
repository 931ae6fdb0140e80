"""A substitute for a network: means of blocks of pixels, decoded by repeating them."""

import math

import numpy as np

from edge_sr.codec.quantizer import Quantizer, clipping


class BlockMeans:
    """The interface of `edge_sr.codec.network.Network`."""

    def __init__(self, rate: int, int8: bool) -> None:
        self.rate, self.is_int8, self.hash = rate, int8, b"12345678"
        self.id = f"tc-{rate}{'-int8' if int8 else ''}"
        self.encoded = 0

    def encode(self, pixels: np.ndarray, _: object = None) -> tuple[np.ndarray, Quantizer]:
        self.encoded += 1
        side, quantizer = math.isqrt(self.rate), clipping(3)
        rows, columns = (-length % side for length in pixels.shape[:2])
        padded = np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge") / 255
        height, width = (length // side for length in padded.shape[:2])
        means = padded.reshape(height, side, width, side, 3).mean((1, 3))
        return quantizer.quantize(means.transpose(2, 0, 1)), quantizer

    def decode(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        side = math.isqrt(self.rate)
        pixels = np.rint(latents.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        return pixels.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
