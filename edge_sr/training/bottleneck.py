"""The layer between encoder and decoder of a codec while it trains: quantizer and rate model."""

from functools import lru_cache
from typing import Any

import numpy as np

LEVELS = 255
"""Steps of the uint8 quantizer over [0, 1]."""

NAME = "bottleneck"

_REACH = 2  # neighbours in each direction that the entropy coder's model uses


def bottleneck(keras: Any, rate_weight: float, pixels_per_sample: int) -> Any:
    """A layer (N,h,w,C) to (N,h,w,C) that simulates the uint8 quantizer of latents in [0, 1].

    In training it adds uniform noise of one step (Balle, Laparra and Simoncelli 2017, "End-to-end
    Optimized Image Compression", https://arxiv.org/abs/1611.01704); otherwise it rounds. With a
    `rate_weight`, the estimated bits of the samples, given their neighbours, are added to the loss.
    Latents then become predictable from their neighbours, which the entropy coder exploits.

    Args:
        keras: the namespace; Keras 3.
        rate_weight: weight of a bit per pixel in the loss; 0 ignores the rate.
        pixels_per_sample: image pixels per sample of a latent channel.
    """
    return _layer(keras)(rate_weight, pixels_per_sample, name=NAME)


def causal_mask(channels: int) -> np.ndarray:
    """1 for the neighbours that are decoded before a sample: float32 (5,5,C,C), from C to C.

    Channels are coded one after the other, each row by row: all neighbours in previous channels
    are known, and those above and to the left in the sample's own channel.
    """
    side = 2 * _REACH + 1
    above_or_left = np.zeros((side, side, 1, 1), np.float32)
    above_or_left[:_REACH] = 1
    above_or_left[_REACH, :_REACH] = 1
    own = np.eye(channels, dtype=np.float32)
    previous = np.triu(np.ones((channels, channels), np.float32), 1)
    return above_or_left * own + previous


@lru_cache(maxsize=1)
def _layer(keras: Any) -> type:
    ops = keras.ops

    class Bottleneck(keras.layers.Layer):
        def __init__(self, rate_weight: float, pixels_per_sample: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.rate_weight, self.pixels_per_sample = rate_weight, pixels_per_sample
            self.noise = keras.random.SeedGenerator(0)

        def build(self, shape: Any) -> None:
            channels = shape[-1]
            self.mask = causal_mask(channels)
            if self.rate_weight:
                kernel = (*self.mask.shape[:2], channels, channels)
                near = np.zeros(kernel, np.float32)
                for dy, dx, share in ((0, -1, 0.75), (-1, 0, 0.75), (-1, -1, -0.5)):
                    near[_REACH + dy, _REACH + dx] = share * np.eye(channels)
                init = keras.initializers.Constant
                self.mean = self.add_weight(shape=kernel, initializer=init(near), name="mean")
                self.spread = self.add_weight(shape=kernel, initializer=init(-4.0), name="spread")
                self.floor = self.add_weight(shape=(channels,), initializer=init(1.0), name="floor")
            self.built = True

        def call(self, inputs: Any, training: Any = None) -> Any:
            levels = inputs * LEVELS
            if not training:
                return ops.round(levels) / LEVELS
            noise = keras.random.uniform(ops.shape(inputs), -0.5, 0.5, seed=self.noise)
            levels = levels + noise
            if self.rate_weight:
                self.add_loss(self.rate_weight * self.bits_per_pixel(levels))
            return levels / LEVELS

        def bits_per_pixel(self, levels: Any) -> Any:
            """Bits per pixel of logistic distributions, with mean and scale from the neighbours."""
            predicted = ops.conv(levels, self.mean * self.mask, padding="same")
            residual = levels - predicted
            weights = ops.softplus(self.spread) * self.mask
            scale = ops.conv(ops.abs(residual), weights, padding="same")
            scale = scale + ops.softplus(self.floor)
            upper, lower = (residual + 0.5) / scale, (residual - 0.5) / scale
            probability = ops.sigmoid(upper) - ops.sigmoid(lower)
            bits = -ops.log(ops.maximum(probability, 1e-6)) / np.log(2)
            return ops.mean(ops.sum(bits, axis=-1)) / self.pixels_per_sample

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return Bottleneck
