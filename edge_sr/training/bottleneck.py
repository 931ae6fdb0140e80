"""What stands between encoder and decoder of a codec while it trains."""

from functools import lru_cache
from typing import Any

import numpy as np

LEVELS = 255
"""Steps of the uint8 quantizer over [0, 1]."""

NAME = "bottleneck"

_REACH = 2  # samples around, in each direction, that the model of the entropy coder looks at


def bottleneck(keras: Any, rate_weight: float, pixels_per_sample: int) -> Any:
    """A layer (N,h,w,C) to (N,h,w,C) that stands for the uint8 quantizer.

    In training it adds uniform noise of one step (Balle, Laparra and Simoncelli 2017), else it
    rounds. With a weight, the bits that samples cost by their neighbourhood are added to the loss,
    so that latents learn to be told by their neighbours, which is what our entropy coder lives on.

    Args:
        keras: the namespace; Keras 3.
        rate_weight: of a bit per pixel in the loss; 0 leaves the rate alone.
        pixels_per_sample: of a latent channel.
    """
    return _layer(keras)(rate_weight, pixels_per_sample, name=NAME)


def causal_mask(channels: int) -> np.ndarray:
    """What is known of a sample's neighbourhood when it is coded: float32 (5,5,C,C).

    Channels are coded one after the other, each row by row: of the channels before, all
    neighbours, of its own those above and to the left.
    """
    side = 2 * _REACH + 1
    before = np.zeros((side, side, 1, 1), np.float32)
    before[:_REACH] = 1
    before[_REACH, :_REACH] = 1
    own = np.eye(channels, dtype=np.float32)
    earlier = np.triu(np.ones((channels, channels), np.float32), 1)
    return before * own + earlier


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
                start = keras.initializers.Constant
                self.mean = self.add_weight(shape=kernel, initializer=start(near), name="mean")
                self.spread = self.add_weight(shape=kernel, initializer=start(-4.0), name="spread")
                self.floor = self.add_weight(
                    shape=(channels,), initializer=start(1.0), name="floor"
                )
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
            """Bits of logistic distributions whose mean and spread the neighbours tell."""
            predicted = ops.conv(levels, self.mean * self.mask, padding="same")
            residual = levels - predicted
            weights = ops.softplus(self.spread) * self.mask
            around = ops.conv(ops.abs(residual), weights, padding="same")
            width = around + ops.softplus(self.floor)
            upper, lower = (residual + 0.5) / width, (residual - 0.5) / width
            chance = ops.sigmoid(upper) - ops.sigmoid(lower)
            bits = -ops.log(ops.maximum(chance, 1e-6)) / np.log(2)
            return ops.mean(ops.sum(bits, axis=-1)) / self.pixels_per_sample

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return Bottleneck
