"""Test vectors of a network: seeded noise and images, with the reference's output and a metric.

The metric of an upscaler is the PSNR of an upscaled image against its original. The metric of a
codec part is the PSNR of the image that both parts make together: a difference in latents alone
says little about quality.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.errors import UserError, VerificationError, require
from edge_sr.metrics import psnr
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.opening import open_part
from edge_sr.runtime.pixels import decode, encode
from edge_sr.runtime.session import Session, TensorSpec

IMAGES = ("astronaut", "chelsea", "coffee")
"""Images that come with scikit-image."""

_SEED = 20240229
_NOISE_SIZES = ((17, 45), (7, 5))
_MAX_NOISE_SIDE = 256
_MAX_OUTPUT_SIDE = 1024
_SYMBOL_STEPS = 16  # noise of symbols is from -8 to 7, where most of them are
_CROP = 240  # side of the images in pixels; divisible by every scale and every codec's step


@dataclass(frozen=True)
class TestVector:
    """An input and the reference's output.

    Attributes:
        image: (1,H,W,C) of the dtype of the input.
        expected: (1,H,W,C) of the dtype of the output.
        psnr: PSNR of an output against the original, in dB; None for noise.
    """

    image: np.ndarray
    expected: np.ndarray
    psnr: Callable[[np.ndarray], float] | None = None


def make_test_vectors(
    reference: Session, name: str, exported: tuple[int, int], other: bytes | None = None
) -> list[TestVector]:
    """Run the reference on seeded noise of the exported and two other sizes, and on images.

    Args:
        reference: the session that others are compared with.
        name: of its file, for messages.
        exported: height and width written into the file; noise has at most 256 pixels a side, and
            its output at most 1024.
        other: for a codec part, the .tflite of the other part.

    Raises:
        UserError: scikit-image is not installed.
        VerificationError: the reference cannot run the file `name`.
    """
    vectors = [
        _vector(reference, name, _values(pixels, reference))
        for pixels in _noise(exported, reference)
    ]
    measured = (
        upscaler_inputs(reference)
        if other is None
        else part_inputs(reference, open_part(other, latents=None))
    )
    vectors += [_vector(reference, name, *each) for each in measured]
    return vectors


def _values(pixels: np.ndarray, reference: Session) -> np.ndarray:
    """Noise as the reference takes it: images, or symbols of a few steps."""
    if reference.channels in (1, PART_CHANNELS):
        return encode(pixels, reference.input)
    symbols = pixels.astype(np.int16) // _SYMBOL_STEPS - _SYMBOL_STEPS // 2
    return symbols.astype(reference.input.dtype)


def _vector(
    reference: Session,
    name: str,
    image: np.ndarray,
    psnr: Callable[[np.ndarray], float] | None = None,
) -> TestVector:
    image = image.reshape(1, *image.shape[:2], reference.channels)
    return TestVector(image, run_session(reference, image, name), psnr)


def run_session(session: Session, image: np.ndarray, name: str) -> np.ndarray:
    """Run a session on an image; `name` is its file, for messages.

    Raises:
        VerificationError: the network does not run, or gives values that are not finite.
    """
    try:
        result = session.run(image)
    except UserError as error:
        raise VerificationError(f"{name} does not run in {session.runtime}: {error}") from None
    if not np.isfinite(result).all():
        raise VerificationError(f"{name} in {session.runtime} gives values that are not finite")
    return result


def _noise(exported: tuple[int, int], reference: Session) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(_SEED)
    step = reference.shrink
    largest = min(_MAX_NOISE_SIDE, _MAX_OUTPUT_SIDE // reference.scale)
    channels = () if reference.channels == 1 else (reference.channels,)
    for height, width in (exported, *_NOISE_SIZES):
        size = [min(-(-side // step) * step, largest) for side in (height, width)]
        yield rng.integers(0, 256, (*size, *channels), dtype=np.uint8)


Measured = tuple[np.ndarray, Callable[[np.ndarray], float]]
"""An input (H,W) or (H,W,C) of the dtype of the model's input, and the PSNR of an output."""


def upscaler_inputs(reference: Session) -> Iterator[Measured]:
    """Yield downscaled images, or their luma; PSNR is measured on the luma of the original."""
    for image in images():
        luma = luminance(image)
        original = luma if reference.channels == 1 else image
        low = bicubic_downscale(original, reference.scale)
        yield encode(low, reference.input), _upscaler_psnr(luma, reference)


def _upscaler_psnr(luma: np.ndarray, session: Session) -> Callable[[np.ndarray], float]:
    def measure(output: np.ndarray) -> float:
        pixels = decode(output[0], session.output)
        upscaled = pixels[..., 0] if session.channels == 1 else luminance(pixels)
        return psnr(luma, upscaled, session.scale)

    return measure


def part_inputs(reference: Session, other: Session) -> Iterator[Measured]:
    """Yield images for an encoder, or latents for a decoder.

    Args:
        reference: the part that gets the inputs.
        other: the decoder for an encoder, the encoder for a decoder; both measure the PSNR.
    """
    is_encoder = reference.shrink > 1
    for image in images():
        if is_encoder:
            yield encode(image, reference.input), _encoder_psnr(image, other)
        else:
            latents = other.run(encode(image, other.input)[np.newaxis])
            yield latents[0], _decoder_psnr(image, reference.output)


def _encoder_psnr(image: np.ndarray, decoder: Session) -> Callable[[np.ndarray], float]:
    measure = _decoder_psnr(image, decoder.output)
    return lambda latents: measure(decoder.run(latents))


def _decoder_psnr(image: np.ndarray, spec: TensorSpec) -> Callable[[np.ndarray], float]:
    def measure(output: np.ndarray) -> float:
        flat = image.shape[0], -1
        return psnr(image.reshape(flat), decode(output[0], spec).reshape(flat))

    return measure


def images() -> Iterator[np.ndarray]:
    """Yield the middle of each image of `IMAGES`, uint8 (240,240,3).

    Raises:
        UserError: scikit-image is not installed.
    """
    data = require("skimage.data", "train")
    for name in IMAGES:
        pixels = getattr(data, name)()
        top, left = ((size - _CROP) // 2 for size in pixels.shape[:2])
        crop = pixels[top : top + _CROP, left : left + _CROP, :PART_CHANNELS]
        yield np.ascontiguousarray(crop)
