"""Draws random training patches: aligned crops, flipped and turned, of planes or RGB images."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, load_pair
from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError

T = TypeVar("T")
Planes = list[tuple[Pixels, Pixels]]
"""Low resolution uint8 (h, w) and original uint8 (scale h, scale w) of every image or channel; for
RGB networks (h, w, 3) and (scale h, scale w, 3)."""

COLOURS = ("luminance", "rgb")


def load_planes(pairs: Sequence[Pair], scale: int, colour: str = "luminance") -> Planes:
    """Load all pairs into memory as single planes.

    Args:
        pairs: as `find_pairs` returns them.
        scale: 2, 4...
        colour: "luminance" takes BT.601 Y of both images; "rgb" makes each channel a separate
            plane, as in the TinyPSSR slides. Gray images give one plane either way.

    Raises:
        UserError: the colour mode is unknown, or a pair cannot be loaded.
    """
    if colour not in COLOURS:
        raise UserError(f"unknown colour mode {colour}; available: {', '.join(COLOURS)}")

    def split(lr: Pixels, hr: Pixels) -> Planes:
        if colour == "luminance" or hr.ndim == 2:
            return [(luminance(lr), np.ascontiguousarray(luminance(hr)))]
        planar = np.ascontiguousarray(np.moveaxis(lr, 2, 0)), np.moveaxis(hr, 2, 0).copy()
        return list(zip(*planar, strict=True))

    return [planes for group in _load_all(pairs, scale, split) for planes in group]


def load_colours(pairs: Sequence[Pair], scale: int) -> Planes:
    """Load all pairs into memory as RGB images; gray ones become three equal channels.

    Args:
        pairs: as `find_pairs` returns them.
        scale: 2, 4...

    Returns:
        uint8 (h, w, 3) and (scale h, scale w, 3).

    Raises:
        UserError: a pair cannot be loaded.
    """
    return _load_all(pairs, scale, lambda lr, hr: (_rgb(lr), _rgb(hr)))


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)


def _load_all(pairs: Sequence[Pair], scale: int, convert: Callable[[Pixels, Pixels], T]) -> list[T]:
    """Apply `convert` to low resolution and original of each pair."""
    # Decoders release the GIL, so threads are enough to keep all cores busy.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: convert(*load_pair(pair, scale)), pairs))


def sample_patches(
    planes: Planes,
    scale: int,
    patch: int,
    count: int,
    rng: np.random.Generator,
    candidates: int = 1,
) -> tuple[Pixels, Pixels]:
    """Draw random aligned crops, each flipped and turned into one of the square's 8 orientations.

    Images are drawn in proportion to their area, except those smaller than the patch; positions are
    uniform.

    Args:
        planes: from `load_planes` or `load_colours`.
        scale: of the planes.
        patch: side of the low-resolution crop, in pixels.
        count: crops to draw.
        rng: the only source of randomness.
        candidates: crops drawn for each one kept. The chance to be kept is proportional to the
            root-mean-square error of nearest-neighbour upscaling.

    Returns:
        uint8 (count, patch, patch, C) and (count, scale * patch, scale * patch, C); C is 1 for
        planes and 3 for RGB images.

    Raises:
        UserError: every image is smaller than the patch.
    """
    if candidates > 1:
        drawn = sample_patches(planes, scale, patch, count * candidates, rng)
        kept = _draw_hard(*drawn, count, rng)
        return drawn[0][kept], drawn[1][kept]
    sizes = [lr.shape[:2] for lr, _ in planes]
    if not any(min(shape) >= patch for shape in sizes):
        raise UserError(
            f"no training image reduced {scale} times is as large as a patch of {patch}x{patch}; "
            "use larger images or smaller patches"
        )
    side, colours = scale * patch, planes[0][0].shape[2:]
    lr_batch = np.empty((count, patch, patch, *colours), np.uint8)
    hr_batch = np.empty((count, side, side, *colours), np.uint8)
    for n, (index, y, x, turn) in enumerate(_draw(sizes, patch, count, rng)):
        lr, hr = planes[index]
        lr_crop = lr[y : y + patch, x : x + patch]
        hr_crop = hr[scale * y : scale * y + side, scale * x : scale * x + side]
        lr_batch[n] = _orient(lr_crop, turn)
        hr_batch[n] = _orient(hr_crop, turn)
    channels = colours or (1,)
    return (
        lr_batch.reshape(count, patch, patch, *channels),
        hr_batch.reshape(count, side, side, *channels),
    )


def sample_images(
    images: Sequence[Pixels], patch: int, count: int, rng: np.random.Generator
) -> Pixels:
    """Draw random crops of RGB images, as `sample_patches` does.

    Args:
        images: uint8 (H, W, 3).
        patch: side of the crop, in pixels.
        count: crops to draw.
        rng: the only source of randomness.

    Returns:
        uint8 (count, patch, patch, 3).

    Raises:
        UserError: every image is smaller than the patch.
    """
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    if not any(min(shape) >= patch for shape in sizes):
        raise UserError(
            f"no training image is as large as a patch of {patch}x{patch}; use larger images or "
            "smaller patches"
        )
    batch = np.empty((count, patch, patch, 3), np.uint8)
    for n, (index, y, x, turn) in enumerate(_draw(sizes, patch, count, rng)):
        batch[n] = _orient(images[index][y : y + patch, x : x + patch], turn)
    return batch


def _draw(
    sizes: Sequence[tuple[int, ...]], patch: int, count: int, rng: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """Image, row, column and orientation of `count` crops; one image must hold the patch."""
    areas = [math.prod(shape) if min(shape) >= patch else 0 for shape in sizes]
    ends = np.cumsum(np.array(areas, np.int64))
    chosen = np.searchsorted(ends, rng.integers(ends[-1], size=count), side="right")
    positions = rng.random((count, 2))
    turns = rng.integers(8, size=count)
    return [
        (
            index,
            *(int(r * (size - patch + 1)) for r, size in zip(at, sizes[index], strict=True)),
            turn,
        )
        for index, at, turn in zip(chosen.tolist(), positions.tolist(), turns.tolist(), strict=True)
    ]


def _draw_hard(lr: Pixels, hr: Pixels, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` patches in random order, drawn without replacement with a probability
    proportional to their error (Gumbel-top-k trick).
    """
    scale = hr.shape[1] // lr.shape[1]
    nearest = lr.repeat(scale, axis=1).repeat(scale, axis=2).astype(np.float32)
    error = np.sqrt(np.square(nearest - hr).mean(axis=(1, 2, 3)) + 1)
    chances = np.log(error) + rng.gumbel(size=len(error))
    return rng.permutation(np.argsort(-chances)[:count])


def _orient(crop: Pixels, turn: int) -> Pixels:
    """Apply one of the square's eight symmetries, as a view; 0 is the identity."""
    if turn & 1:
        crop = crop[::-1]
    if turn & 2:
        crop = crop[:, ::-1]
    return crop.swapaxes(0, 1) if turn & 4 else crop
