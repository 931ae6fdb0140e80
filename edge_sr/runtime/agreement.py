"""How far apart two runtimes may be on the same network: they round differently."""

import math
from dataclasses import dataclass

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.metrics import Pixels, psnr
from edge_sr.records import Decision
from edge_sr.runtime.pixels import decode
from edge_sr.runtime.session import TensorSpec

MAX_PSNR_DIFFERENCE = 0.05
"""dB between a runtime and the reference on a picture."""

MAX_FLOAT_DIFFERENCE = 0.25
"""Steps of 1/255 between float32 runtimes: a quarter of what 8-bit pixels resolve."""

MAX_RMS_STEPS = 1.0
"""Root of the mean square, in steps and for each pass, where no picture says how good an output is.

A pass of a codec halves or doubles both sides, and rounds anew what the pass before has rounded:
the decoder of rate 64, with three of them, may be three steps away.
"""

_MAX_PSNR = 100.0  # dB, for an output that is the picture itself


@dataclass(frozen=True)
class Agreement:
    """How an output differs from the reference's.

    Attributes:
        max_difference: in int8 steps, or in 1/255 of the range for float32.
        differing_share: of the values, 0..1.
        psnr_difference: dB; None without a picture.
        decision: None for an output that is not finite.
        right: whether the bounds above are kept.
    """

    max_difference: float
    differing_share: float
    psnr_difference: float | None
    decision: Decision | None
    right: bool


def agreement(
    output: np.ndarray,
    reference: np.ndarray,
    spec: TensorSpec,
    picture: Pixels | None = None,
    border: int = 0,
    passes: int = 1,
) -> Agreement:
    """Compare two outputs of one network.

    Args:
        output: (1,H,W,C) of `spec`'s dtype.
        reference: of the same shape and dtype.
        spec: of both.
        picture: uint8 (H,W) that a one-channel output should be, or (H,W,3), of which luma counts.
        border: pixels that PSNR leaves out on each side.
        passes: of a codec's part, by which the bound without a picture grows.
    """
    if not np.isfinite(output).all():
        return Agreement(np.finfo(np.float32).max.item(), 1.0, None, None, False)
    step = 1.0 if spec.dtype == "int8" else 1 / 255
    steps = np.abs(output.astype(np.float64) - reference) / step
    loss = None if picture is None else _loss(output, reference, spec, picture, border)
    largest, rms = float(steps.max()), math.sqrt(float(np.mean(steps**2)))
    decisions = [
        Decision("rms difference", rms, MAX_RMS_STEPS * passes)
        if loss is None
        else Decision("psnr difference", loss, MAX_PSNR_DIFFERENCE)
    ]
    if spec.dtype == "float32":
        decisions.append(Decision("largest difference", largest, MAX_FLOAT_DIFFERENCE))
    decision = max(decisions, key=lambda one: one.value / one.bound)
    return Agreement(largest, float(np.mean(steps != 0)), loss, decision, decision.kept)


def _loss(
    output: np.ndarray, reference: np.ndarray, spec: TensorSpec, picture: Pixels, border: int
) -> float:
    if np.array_equal(output, reference):
        return 0.0  # two infinities have no difference
    pixels = (decode(values[0], spec).reshape(picture.shape) for values in (output, reference))
    made, due = (psnr(luminance(picture), luminance(image), border) for image in pixels)
    return abs(min(made, _MAX_PSNR) - min(due, _MAX_PSNR))
