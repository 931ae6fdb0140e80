"""Knowledge distillation: targets blended with a teacher's output.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", https://arxiv.org/abs/1503.02531.
"""

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from edge_sr.data.colour import luminance, ycbcr_to_rgb
from edge_sr.data.patches import Pixels
from edge_sr.errors import UserError
from edge_sr.training.samples import Samples, digest

Upscale = Callable[[Pixels], Pixels]
Pairs = Iterable[tuple[Pixels, Pixels]]

_NO_CHROMA = 128


def distilled(
    samples: Samples,
    upscale: Upscale,
    share: float,
    watch: Callable[[Pairs], Pairs] = iter,
) -> Samples:
    """The samples with training targets blended with the teacher's output.

    Details that cannot be seen in the input are noise to a tiny network; the teacher's images lack
    them. The targets are computed once, so a training step costs the same.

    Args:
        samples: their validation images are kept.
        upscale: the teacher: uint8 (h,w) to uint8 (scale*h, scale*w), or (h,w,3).
        share: of the teacher in the target, in [0, 1].
        watch: passes the pairs through; it may show progress.
    """
    train = [(low, _blend(high, upscale(low), share)) for low, high in watch(samples.train)]
    return dataclasses.replace(samples, train=train, digest=digest([*train, *samples.validation]))


def teacher(upscale: Upscale, teacher_channels: int, channels: int, name: str) -> Upscale:
    """A teacher for a network: averaged over eight orientations, and of luma if that learns luma.

    Args:
        upscale: the teacher: uint8 (h,w) or (h,w,3) to the same of `scale` times the size.
        teacher_channels: of the teacher: 1 or 3.
        channels: of the network that learns: 1 or 3.
        name: the teacher's, for the error's text.

    Raises:
        UserError: the teacher upscales luma and the network RGB.
    """
    if (teacher_channels, channels) == (3, 1):
        upscale = partial(upscale_luma, upscale)
    elif teacher_channels != channels:
        raise UserError(
            f"the teacher {name} upscales {teacher_channels} channels; the model takes {channels}"
        )
    return partial(ensemble, upscale)


def upscale_luma(upscale: Upscale, plane: Pixels) -> Pixels:
    """Upscale luma with an RGB teacher, as a gray image of that luma.

    Args:
        upscale: the teacher: uint8 (h,w,3) to uint8 (scale*h, scale*w, 3).
        plane: uint8 (h,w).
    """
    gray = np.full_like(plane, _NO_CHROMA)
    return luminance(upscale(ycbcr_to_rgb(np.dstack([plane, gray, gray]))))


def ensemble(upscale: Upscale, plane: Pixels) -> Pixels:
    """The mean of a teacher's outputs for a plane's eight orientations, turned back.

    Timofte et al. 2016, "Seven ways to improve example-based single image super resolution",
    https://arxiv.org/abs/1511.02228.

    Args:
        upscale: the teacher.
        plane: uint8 (h,w).
    """
    total: Any = 0
    for turns in range(4):
        for mirrored in (False, True):
            image = np.rot90(plane, turns)
            result = upscale(np.ascontiguousarray(image[:, ::-1] if mirrored else image))
            total = total + np.rot90(result[:, ::-1] if mirrored else result, -turns).astype(float)
    return np.rint(total / 8).astype(np.uint8)


def _blend(original: Pixels, output: Pixels, share: float) -> Pixels:
    mean = (1 - share) * original.astype(np.float32) + share * output
    return np.rint(mean).astype(np.uint8)
