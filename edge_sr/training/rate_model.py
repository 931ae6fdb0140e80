"""What stands between encoder and decoder of a compressive autoencoder while it trains.

One network serves several qualities: each has a trained gain per channel, by which latents are
multiplied before they are rounded to integer symbols, and divided afterwards (Cui et al. 2021,
"Asymmetric Gained Deep Image Compression with Continuous Rate Adaptation",
https://arxiv.org/abs/2003.02012). Qualities between two of them take gains between theirs.

In training, uniform noise stands in for rounding (Balle, Laparra and Simoncelli 2017,
https://arxiv.org/abs/1611.01704), and the rate is the one that the symbol coder would reach: it
codes a symbol by a logistic distribution whose mean and scale follow from the neighbours above and
to the left (Minnen, Balle and Toderici 2018, https://arxiv.org/abs/1809.02736), and from the
channels before it at its own place.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.models import cae
from edge_sr.training import losses
from edge_sr.training.codec_images import RATE_LAYER

REACH = 2
"""Neighbours in each direction that the context network sees."""

LARGEST = 127
"""The largest magnitude of a symbol."""

MIN_SCALE, MAX_SCALE = 2.0**-5, 2.0**6
"""Limits of a distribution's scale, in symbols."""

RATE_EXPONENT = 0.56
"""Bits per pixel grow about as lambda to this power, which weighs the qualities evenly."""

LARGEST_RESIDUAL = 8.0
"""Residuals of the channels before are clipped to this, in symbols."""


@dataclass(frozen=True)
class Rates:
    """The operating points of one network.

    Attributes:
        qualities: number of trained gains.
        low: lambda of the lowest quality.
        high: lambda of the highest; those between are spaced evenly by their logarithms.
        hidden: channels of the context network.
        before: whether contexts include the channels before a symbol's own.
        straight: whether the decoder gets rounded symbols, through which the gradient passes
            straight, while the rate is still that of noisy ones. To end a training with: rounding
            silences many symbols of a low quality, which noise does not.
    """

    qualities: int
    low: float
    high: float
    hidden: int = 96
    before: bool = True
    straight: bool = False

    def lambdas(self) -> np.ndarray:
        """The weight of the distortion at each quality."""
        return np.geomspace(self.low, self.high, self.qualities)

    @property
    def growth(self) -> float:
        """The natural logarithm of the ratio of lambda between two neighbouring qualities."""
        return float(np.log(self.high / self.low)) / max(self.qualities - 1, 1)


def causal_mask() -> np.ndarray:
    """1 for the places that are decoded before the one in the middle: float32 (5,5,1,1)."""
    side = 2 * REACH + 1
    mask = np.zeros((side, side, 1, 1), np.float32)
    mask[:REACH] = 1
    mask[REACH, :REACH] = 1
    return mask


@lru_cache(maxsize=1)
def rate_layer(keras: Any) -> type:
    """The class of the layer, of Keras 3."""
    ops = keras.ops

    class RateModel(keras.layers.Layer):
        """Latents (N,h,w,C) to quantized ones, bits per pixel (N,) and qualities (N,).

        A quality is a place in the list of `Rates`, and may lie between two. Training draws one for
        each image; otherwise it is that of the variable `quality`.
        """

        def __init__(self, rates: Rates, pixels: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.rates, self.pixels = rates, pixels
            self.noise = keras.random.SeedGenerator(1)

        def build(self, shape: Any) -> None:
            channels, hidden = shape[-1], self.rates.hidden
            count, side = self.rates.qualities, 2 * REACH + 1
            init = keras.initializers
            steps = np.log2(self.rates.lambdas()) / 2
            gains = steps - steps[-1] + 4.0  # latents of about [-1, 1] times 16
            self.log_gains = self.add_weight(
                shape=(count, channels),
                initializer=lambda shape, dtype: ops.convert_to_tensor(
                    np.broadcast_to(gains[:, None], shape), dtype
                ),
                name="log_gains",
            )
            self.kernel = self.add_weight(
                shape=(side, side, channels, hidden),
                initializer=init.RandomNormal(stddev=0.05, seed=1),
                name="kernel",
            )
            self.bias = self.add_weight(shape=(count, hidden), initializer="zeros", name="bias")
            self.out_kernel = self.add_weight(
                shape=(1, 1, hidden, 2 * channels),
                initializer=init.RandomNormal(stddev=0.05, seed=2),
                name="out_kernel",
            )
            self.out_bias = self.add_weight(
                shape=(count, 2 * channels), initializer="zeros", name="out_bias"
            )
            self.before = self.add_weight(
                shape=(1, 1, channels, channels), initializer="zeros", name="before"
            )
            self.before_spread = self.add_weight(
                shape=(1, 1, channels, channels), initializer="zeros", name="before_spread"
            )
            self.quality = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="quality"
            )
            self.mask = causal_mask()
            known = np.full((1, 1, channels, channels), self.rates.before, np.float32)
            self.triangle = np.triu(known, 1)
            self.built = True

        def gains(self, places: Any) -> Any:
            """(N,1,1,C): the factor of each channel at fractional positions in the list."""
            return ops.exp2(self._at(self.log_gains, places))

        def _at(self, table: Any, places: Any) -> Any:
            count = self.rates.qualities
            share = ops.relu(1 - ops.abs(places[:, None] - np.arange(count, dtype=np.float32)))
            return ops.matmul(share, table)[:, None, None, :]

        def call(self, latents: Any, training: Any = None) -> Any:
            count = ops.shape(latents)[:1]
            if training:
                highest = self.rates.qualities - 1.0
                places = keras.random.uniform(count, 0.0, highest, seed=self.noise)
            else:
                places = ops.broadcast_to(self.quality, count)
            gains = self.gains(places)
            symbols = latents * gains
            clipped = ops.clip(symbols, -LARGEST, LARGEST)
            symbols = symbols + ops.stop_gradient(clipped - symbols)
            rounded = symbols + ops.stop_gradient(ops.round(symbols) - symbols)
            noise = keras.random.uniform(ops.shape(symbols), -0.5, 0.5, seed=self.noise)
            coded = symbols + noise if training else rounded
            decoded = rounded if self.rates.straight else coded
            return decoded / gains, self.bits(coded, gains, places), places

        def bits(self, symbols: Any, gains: Any, places: Any) -> Any:
            """Bits per pixel (N,) of symbols (N,h,w,C)."""
            mean, log_scale = self.distribution(symbols, gains, places)
            scale = ops.clip(ops.exp2(log_scale), MIN_SCALE, MAX_SCALE)
            distance = ops.abs(symbols - mean)
            upper, lower = (0.5 - distance) / scale, (-0.5 - distance) / scale
            probability = ops.sigmoid(upper) - ops.sigmoid(lower)
            bits = -ops.log2(ops.maximum(probability, 2.0**-16))
            return ops.mean(ops.sum(bits, axis=-1), axis=(1, 2)) / self.pixels

        def distribution(self, symbols: Any, gains: Any, places: Any) -> tuple[Any, Any]:
            """Mean, and logarithm to base 2 of the scale, of each symbol: (N,h,w,C) both."""
            values = symbols / gains
            hidden = ops.conv(values, self.kernel * self.mask, padding="same")
            hidden = ops.relu(hidden + self._at(self.bias, places))
            out = ops.conv(hidden, self.out_kernel, padding="same")
            out = out + self._at(self.out_bias, places)
            mean, log_scale = ops.split(out, 2, axis=-1)
            mean = mean + ops.conv(values, self.before * self.triangle, padding="same")
            mean = mean * gains
            residual = ops.minimum(ops.abs(symbols - mean), LARGEST_RESIDUAL)
            spread = ops.conv(residual, self.before_spread * self.triangle, padding="same")
            return mean, log_scale + spread

        def compute_output_shape(self, shape: Any) -> Any:
            return shape, shape[:1], shape[:1]

    return RateModel


@lru_cache(maxsize=1)
def _trained_model(keras: Any) -> type:
    ops = keras.ops

    class RateDistortion(keras.Model):
        """Minimizes bits per pixel + lambda * 255^2 * distortion, at all qualities evenly."""

        def set_loss(self, rates: Rates, distortion: losses.Loss) -> None:
            self.rates, self.distortion = rates, distortion

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
        ) -> Any:
            distortion = self.distortion(y, y_pred["image"])
            factor = self.rates.low * ops.exp(self.rates.growth * y_pred["quality"])
            even = ops.power(factor / self.rates.low, -RATE_EXPONENT)
            return ops.mean(even * (y_pred["bits"] + factor * 255**2 * distortion))

    return RateDistortion


def training_model(config: cae.CaeConfig, rates: Rates, keras: Any, distortion: losses.Loss) -> Any:
    """The network that is trained: (N,H,W,3) to image, bits and quality; it has its own loss.

    Args:
        config: of the network.
        rates: its operating points.
        keras: Keras 3.
        distortion: of each image of a batch, (N,).
    """
    layer = rate_layer(keras)(rates, cae.STEP**2, name=RATE_LAYER)
    model = cae.with_bottleneck(config, keras, layer, _trained_model(keras))
    model.set_loss(rates, distortion)
    return model
