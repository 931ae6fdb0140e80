"""Knowledge distillation (Hinton et al. 2015): targets that a better network has a share in."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edge_sr.data.colour import luminance, ycbcr_to_rgb
from edge_sr.data.patches import Pixels
from edge_sr.training.samples import Samples, digest

Pairs = Iterable[tuple[Pixels, Pixels]]

_NO_CHROMA = 128


def taught(
    samples: Samples,
    upscale: Callable[[Pixels], Pixels],
    share: float,
    watch: Callable[[Pairs], Pairs] = iter,
) -> Samples:
    """The samples with the teacher's images mixed into the originals that are trained on.

    A tiny network cannot learn what it cannot see; the teacher's images lack it, so they teach
    with less noise. As the targets are made once, a step costs what it cost before.

    Args:
        samples: their validation images stay as they are.
        upscale: the teacher: uint8 (h,w) to uint8 (scale h, scale w).
        share: of the teacher in the target, in [0, 1].
        watch: passes the pairs on, and may show how far they are.
    """
    train = [(low, _mixed(high, upscale(low), share)) for low, high in watch(samples.train)]
    return dataclasses.replace(samples, train=train, digest=digest([*train, *samples.validation]))


def colourless(upscale: Callable[[Pixels], Pixels], plane: Pixels) -> Pixels:
    """What a teacher of RGB makes of luma: it upscales the gray image that has this luma.

    Args:
        upscale: the teacher: uint8 (h,w,3) to uint8 (scale h, scale w, 3).
        plane: uint8 (h,w).
    """
    gray = np.full_like(plane, _NO_CHROMA)
    return luminance(upscale(ycbcr_to_rgb(np.dstack([plane, gray, gray]))))


def ensemble(upscale: Callable[[Pixels], Pixels], plane: Pixels) -> Pixels:
    """The mean of what a teacher makes of a plane's eight orientations, turned back.

    Timofte et al. 2016, "Seven ways to improve example-based single image super resolution".

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


def _mixed(original: Pixels, taught: Pixels, share: float) -> Pixels:
    mean = (1 - share) * original.astype(np.float32) + share * taught
    return np.rint(mean).astype(np.uint8)
