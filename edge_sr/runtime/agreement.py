"""Compares the outputs of two runtimes for one network; they round differently."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.metrics import Pixels, psnr
from edge_sr.records import Decision, Precision
from edge_sr.runtime.arrays import is_vector
from edge_sr.runtime.pixels import decode, pixel_range
from edge_sr.runtime.session import TensorSpec

MAX_PSNR_DIFFERENCE = 0.05
"""Limit of the PSNR difference between a runtime and the reference on an image, in dB."""

MAX_FLOAT_DIFFERENCE = 0.25
"""Limit between float32 runtimes, in steps of 1/255: a quarter of an 8-bit step."""

MAX_RMS_STEPS = 1.0
"""Limit of the RMS difference without an image, in steps and per iteration of a codec part.

Each iteration halves or doubles height and width, and rounds again what the previous one rounded:
the decoder of rate 64, with three iterations, may differ by three steps.
"""

MAX_NOISE_STEPS = {"int8": 16.0, "float32": 1.0}
"""Limit of the RMS difference of networks of any kind on noise, in steps, by their precision.

Rounding adds up in networks of many layers: 5 steps were seen in a ResNet of int8.
"""

_MAX_PSNR = 100.0  # dB, for an output that equals the image


@dataclass(frozen=True)
class Agreement:
    """The difference between an output and the reference's.

    Attributes:
        max_difference: in 8-bit steps, or in 1/255 of the range for float32.
        differing_share: share of values that differ, 0..1.
        psnr_difference: dB; None without an image.
        decision: None for an output that is not finite.
        right: whether the limits above hold.
        top_agreement: of vectors: the share of them, 0..1, whose largest value is at the same place
            as the reference's; None of any others.
    """

    max_difference: float
    differing_share: float
    psnr_difference: float | None
    decision: Decision | None
    right: bool
    top_agreement: float | None = None


def array_agreement(
    outputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    precision: Precision,
    exact: bool,
) -> Agreement:
    """Compare the outputs of a network of any kind.

    A step is 1 of integers, and 1/255 of the range of the reference's values of floats.

    Args:
        outputs: of any shapes and dtypes.
        references: of the same shapes and dtypes.
        precision: of the network.
        exact: whether both runtimes must give the same bits.
    """
    steps = np.concatenate([_array_steps(*pair) for pair in zip(outputs, references, strict=True)])
    if not np.isfinite(steps).all():
        return Agreement(np.finfo(np.float32).max.item(), 1.0, None, None, False)
    largest, rms = float(steps.max()), math.sqrt(float(np.mean(steps**2)))
    decision = (
        Decision("largest difference", largest, 0.0)
        if exact
        else Decision("rms difference", rms, MAX_NOISE_STEPS[precision])
    )
    tops = [
        output.argmax() == reference.argmax()
        for output, reference in zip(outputs, references, strict=True)
        if is_vector(output.shape)
    ]
    share = float(np.mean(tops)) if tops else None
    return Agreement(largest, float(np.mean(steps != 0)), None, decision, decision.kept, share)


def _array_steps(output: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The differences of all values in steps; infinite where only one is finite."""
    values, expected = output.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    step = 1.0
    finite = expected[np.isfinite(expected)]
    if output.dtype.kind == "f" and finite.size and np.ptp(finite) > 0:
        step = float(np.ptp(finite)) / 255
    same = (values == expected) | (np.isnan(values) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        steps = np.where(same, 0.0, np.abs(values - expected) / step)
    return np.nan_to_num(steps, nan=np.inf, posinf=np.inf)


def agreement(
    output: np.ndarray,
    reference: np.ndarray,
    spec: TensorSpec,
    image: Pixels | None = None,
    border: int = 0,
    passes: int = 1,
    precision: Precision | None = None,
) -> Agreement:
    """Compare two outputs of one network.

    Args:
        output: (1,H,W,C) of `spec`'s dtype.
        reference: of the same shape and dtype.
        spec: of both outputs.
        image: the original, uint8 (H,W) for one channel or (H,W,3), of which luma is compared.
        border: pixels cropped from each side before PSNR.
        passes: iterations of a codec part, by which the limit without an image is multiplied.
        precision: of the network; None for what the dtype says.
    """
    if not np.isfinite(output).all():
        return Agreement(np.finfo(np.float32).max.item(), 1.0, None, None, False)
    span = pixel_range(spec, "output") if spec.dtype == "float32" else None
    step = (span.high - span.low) / 255 if span else 1.0
    steps = np.abs(output.astype(np.float64) - reference) / step
    loss = None if image is None else _loss(output, reference, spec, image, border)
    largest, rms = float(steps.max()), math.sqrt(float(np.mean(steps**2)))
    decisions = [
        Decision("rms difference", rms, MAX_RMS_STEPS * passes)
        if loss is None
        else Decision("psnr difference", loss, MAX_PSNR_DIFFERENCE)
    ]
    if (precision or spec.dtype) == "float32":
        decisions.append(Decision("largest difference", largest, MAX_FLOAT_DIFFERENCE))
    decision = max(decisions, key=lambda each: each.value / each.bound)
    return Agreement(largest, float(np.mean(steps != 0)), loss, decision, decision.kept)


def _loss(
    output: np.ndarray, reference: np.ndarray, spec: TensorSpec, image: Pixels, border: int
) -> float:
    if np.array_equal(output, reference):
        return 0.0  # the PSNR may be infinite
    pixels = (decode(values[0], spec).reshape(image.shape) for values in (output, reference))
    ours, theirs = (psnr(luminance(image), luminance(each), border) for each in pixels)
    return abs(min(ours, _MAX_PSNR) - min(theirs, _MAX_PSNR))
