"""What a network is tried on: seeded noise, and photographs with a measure of what comes out.

An upscaler is judged by the picture that it makes of a reduced photograph. A part of a codec is
judged by the picture that comes out of both parts, the other one running as it was exported: what
a difference in latents is worth, nothing else tells.
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

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")
"""Images that come with scikit-image."""

_SEED = 20240229
_NOISE_SIZES = ((17, 45), (7, 5))
_MAX_NOISE_SIDE = 256
_MAX_MADE_SIDE = 1024
_CROP = 240  # pixels of the photograph; divisible by every scale, and by every codec's step


@dataclass(frozen=True)
class Trial:
    """An input with the reference's output, both (1,H,W,C) in the model's dtypes.

    `quality` says how good an output is, in dB against the photograph; None for noise.
    """

    image: np.ndarray
    expected: np.ndarray
    quality: Callable[[np.ndarray], float] | None = None


def make_trials(
    reference: Session, name: str, exported: tuple[int, int], other: bytes | None = None
) -> list[Trial]:
    """Run the reference on seeded noise of the exported and two other sizes, and on photographs.

    Args:
        reference: what the others are compared with.
        name: the file that it runs, for messages.
        exported: height and width written into the file; noise has at most 256 a side, and makes
            at most 1024.
        other: of a codec's part, the .tflite of the other one.

    Raises:
        UserError: scikit-image is not installed.
        VerificationError: the reference cannot run the file `name`.
    """
    trials = [
        _trial(reference, name, encode(pixels, reference.input))
        for pixels in _noise(exported, reference)
    ]
    tried = upscaled(reference) if other is None else coded(reference, open_part(other))
    trials += [_trial(reference, name, *each) for each in tried]
    return trials


def _trial(
    reference: Session,
    name: str,
    image: np.ndarray,
    quality: Callable[[np.ndarray], float] | None = None,
) -> Trial:
    image = image.reshape(1, *image.shape[:2], reference.channels)
    return Trial(image, run_session(reference, image, name), quality)


def run_session(session: Session, image: np.ndarray, name: str) -> np.ndarray:
    """Run the file `name`.

    Raises:
        VerificationError: it does not run, or gives values that are not finite.
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
    largest = min(_MAX_NOISE_SIDE, _MAX_MADE_SIDE // reference.scale)
    channels = () if reference.channels == 1 else (reference.channels,)
    for height, width in (exported, *_NOISE_SIZES):
        size = [min(-(-side // step) * step, largest) for side in (height, width)]
        yield rng.integers(0, 256, (*size, *channels), dtype=np.uint8)


Tried = tuple[np.ndarray, Callable[[np.ndarray], float]]
"""An input (H,W) or (H,W,C) in the model's dtype, and the quality of an output."""


def upscaled(reference: Session) -> Iterator[Tried]:
    """Photographs, or luma of them, reduced; the original's luma is what they should become."""
    for photograph in photographs():
        luma = luminance(photograph)
        whole = luma if reference.channels == 1 else photograph
        reduced = bicubic_downscale(whole, reference.scale)
        yield encode(reduced, reference.input), _upscaled_quality(luma, reference)


def _upscaled_quality(luma: np.ndarray, session: Session) -> Callable[[np.ndarray], float]:
    def quality(output: np.ndarray) -> float:
        made = decode(output[0], session.output)
        found = made[..., 0] if session.channels == 1 else luminance(made)
        return psnr(luma, found, session.scale)

    return quality


def coded(reference: Session, other: Session) -> Iterator[Tried]:
    """Photographs for an encoder, their latents for a decoder."""
    is_encoder = reference.shrink > 1
    for photograph in photographs():
        if is_encoder:
            yield encode(photograph, reference.input), _coded_quality(photograph, other)
        else:
            latents = other.run(encode(photograph, other.input)[np.newaxis])
            yield latents[0], _decoded_quality(photograph, reference.output)


def _coded_quality(photograph: np.ndarray, decoder: Session) -> Callable[[np.ndarray], float]:
    decoded = _decoded_quality(photograph, decoder.output)
    return lambda latents: decoded(decoder.run(latents))


def _decoded_quality(photograph: np.ndarray, spec: TensorSpec) -> Callable[[np.ndarray], float]:
    def quality(output: np.ndarray) -> float:
        flat = photograph.shape[0], -1
        return psnr(photograph.reshape(flat), decode(output[0], spec).reshape(flat))

    return quality


def photographs() -> Iterator[np.ndarray]:
    """The middle of each photograph as (H,W,3) uint8; sides divisible by every scale and step.

    Raises:
        UserError: scikit-image is not installed.
    """
    data = require("skimage.data", "train")
    for name in PHOTOGRAPHS:
        pixels = getattr(data, name)()
        top, left = ((size - _CROP) // 2 for size in pixels.shape[:2])
        crop = pixels[top : top + _CROP, left : left + _CROP, :PART_CHANNELS]
        yield np.ascontiguousarray(crop)
