"""The quantizer of the compressive autoencoder as published, and its rate loss.

Latents are rounded to the nearest of a few trained numbers, the centers; the gradient is that of a
soft assignment (Agustsson et al. 2017, https://arxiv.org/abs/1704.00648; Mentzer et al. 2018,
https://arxiv.org/abs/1801.04260). What lies above a target of entropy costs:

    loss = 255^2 * distortion + beta * max(H - target, 0)

H, in bits per symbol, is the entropy of the histogram of hard assignments. Its gradient, too, is
that of soft ones. A histogram of soft assignments would not do: a value exactly on a center keeps
only 45 % of its mass there, so its entropy stays near log2 6.

`beta` grows from 0, as a low target would otherwise silence channels in the first steps.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from edge_sr.models import cae
from edge_sr.training import losses
from edge_sr.training.cae_options import CaeOptions
from edge_sr.training.codec_images import RATE_LAYER

LEVELS = 6
SPREAD = 2.0
"""Centers start evenly spaced in [-SPREAD, SPREAD]."""


def bits_per_symbol(bpp: float, channels: int) -> float:
    """The target of entropy for a rate in bits per image pixel."""
    return bpp * cae.STEP**2 / channels


@lru_cache(maxsize=1)
def centers_layer(keras: Any) -> type:
    """The class of the layer, of Keras 3."""
    ops = keras.ops

    class Centers(keras.layers.Layer):
        """Latents (N,h,w,C) to quantized ones, bits per pixel (N,) and qualities (N,), all 0.

        Bits are the entropy of the histogram of all symbols of the batch.
        """

        def build(self, shape: Any) -> None:
            self.channels = shape[-1]
            start = np.linspace(-SPREAD, SPREAD, LEVELS)
            self.centers = self.add_weight(
                shape=(LEVELS,),
                initializer=lambda shape, dtype: ops.convert_to_tensor(start, dtype),
                name="centers",
            )
            self.steps = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="steps"
            )
            self.quality = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="quality"
            )
            self.kept = (self.steps,)  # for the ramp of a run that is resumed
            self.built = True

        def call(self, latents: Any, training: Any = None) -> Any:
            if training:
                self.steps.assign(self.steps + 1)
            assigned = self.assignments(latents)
            values = ops.sum(assigned * self.centers, axis=-1)
            shares = ops.mean(assigned, axis=(0, 1, 2, 3))
            entropy = -ops.sum(shares * ops.log2(ops.maximum(shares, 1e-9)))
            zeros = ops.zeros(ops.shape(latents)[:1])
            return values, zeros + entropy * self.channels / cae.STEP**2, zeros

        def assignments(self, latents: Any) -> Any:
            """(N,h,w,C,L): 1 for the nearest center; the gradient is that of a softmax."""
            distances = ops.square(latents[..., None] - self.centers)
            soft = ops.softmax(-distances, axis=-1)
            hard = ops.one_hot(ops.argmin(distances, axis=-1), LEVELS, dtype=soft.dtype)
            return soft + ops.stop_gradient(hard - soft)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape, shape[:1], shape[:1]

    return Centers


@lru_cache(maxsize=1)
def _trained_model(keras: Any) -> type:
    ops = keras.ops

    class RateTarget(keras.Model):
        """Minimizes distortion, and the entropy above a target."""

        def set_loss(self, options: CaeOptions, distortion: losses.Loss) -> None:
            self.options, self.distortion = options, distortion

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
        ) -> Any:
            options = self.options
            excess = ops.relu(ops.mean(y_pred["bits"]) - options.target_bpp)
            steps = self.get_layer(RATE_LAYER).steps
            ramp = ops.minimum(steps / max(options.ramp_steps, 1), 1.0)
            beta = options.rate_weight * ops.stop_gradient(ramp)
            distortion = 255**2 * ops.mean(self.distortion(y, y_pred["image"]))
            return distortion + beta * bits_per_symbol(excess, options.channels)

    return RateTarget


def training_model(options: CaeOptions, keras: Any, distortion: losses.Loss) -> Any:
    """The network that is trained: (N,H,W,3) to image, bits and quality; it has its own loss.

    Args:
        options: size of the network, target of its rate.
        keras: Keras 3.
        distortion: of each image of a batch, (N,).
    """
    layer = centers_layer(keras)(name=RATE_LAYER)
    model = cae.with_bottleneck(options.config, keras, layer, _trained_model(keras))
    model.set_loss(options, distortion)
    return model
