"""Random training patches: aligned crops in all eight orientations, of planes or RGB images."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, load_pair
from edge_sr.errors import UserError

T = TypeVar("T")
Pixels = NDArray[np.uint8]
Planes = list[tuple[Pixels, Pixels]]
"""Of every image, or channel: low resolution uint8 (h, w), original uint8 (scale h, scale w); of
an RGB network (h, w, 3) and (scale h, scale w, 3)."""

COLOURS = ("luminance", "rgb")


def load_planes(pairs: Sequence[Pair], scale: int, colour: str = "luminance") -> Planes:
    """Load all pairs into memory as single planes.

    Args:
        pairs: what `find_pairs` found.
        scale: 2, 4...
        colour: "luminance" takes BT.601 Y of both images; "rgb" makes each channel a plane of its
            own, as the TinyPSSR slides do. Gray images give one plane either way.

    Raises:
        UserError: an unknown colour mode, or a pair that cannot be loaded.
    """
    if colour not in COLOURS:
        raise UserError(f"unknown colour mode {colour}; it takes {' or '.join(COLOURS)}")

    def split(lr: Pixels, hr: Pixels) -> Planes:
        if colour == "luminance" or hr.ndim == 2:
            return [(luminance(lr), np.ascontiguousarray(luminance(hr)))]
        planar = np.ascontiguousarray(np.moveaxis(lr, 2, 0)), np.moveaxis(hr, 2, 0).copy()
        return list(zip(*planar, strict=True))

    return [planes for group in _load_all(pairs, scale, split) for planes in group]


def load_colours(pairs: Sequence[Pair], scale: int) -> Planes:
    """Load all pairs into memory as RGB images; gray ones get three equal channels.

    Args:
        pairs: what `find_pairs` found.
        scale: 2, 4...

    Returns:
        uint8 (h, w, 3) and (scale h, scale w, 3).

    Raises:
        UserError: a pair that cannot be loaded.
    """
    return _load_all(pairs, scale, lambda lr, hr: (_rgb(lr), _rgb(hr)))


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)


def _load_all(pairs: Sequence[Pair], scale: int, turn: Callable[[Pixels, Pixels], T]) -> list[T]:
    """What `turn` makes of low resolution and original of each pair."""
    # Decoders release the GIL, so threads are enough to keep all cores busy.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: turn(*load_pair(pair, scale)), pairs))


def sample_patches(
    planes: Planes,
    scale: int,
    patch: int,
    count: int,
    rng: np.random.Generator,
    candidates: int = 1,
) -> tuple[Pixels, Pixels]:
    """Draw random aligned crops, each flipped and turned into one of the square's 8 orientations.

    An image is drawn with a probability proportional to its area, and images smaller than the
    patch never; the position in it is uniform.

    Args:
        planes: what `load_planes` or `load_colours` gave.
        scale: of the planes.
        patch: side of the low-resolution crop, in pixels.
        count: crops to draw.
        rng: the only source of randomness.
        candidates: crops drawn for each one kept. The hard ones have the better chance: it grows
            with the root-mean-square error of nearest-neighbour upscaling.

    Returns:
        uint8 (count, patch, patch, C) and (count, scale * patch, scale * patch, C); C is 1 of
        planes and 3 of RGB images.

    Raises:
        UserError: no image is as large as the patch.
    """
    if candidates > 1:
        drawn = sample_patches(planes, scale, patch, count * candidates, rng)
        kept = _hard_ones(*drawn, count, rng)
        return drawn[0][kept], drawn[1][kept]
    sides = [lr.shape[:2] for lr, _ in planes]
    if not any(min(shape) >= patch for shape in sides):
        raise UserError(
            f"no training image reduced {scale} times is as large as a patch of {patch}x{patch}; "
            "use larger images or smaller patches"
        )
    side, colours = scale * patch, planes[0][0].shape[2:]
    lr_batch = np.empty((count, patch, patch, *colours), np.uint8)
    hr_batch = np.empty((count, side, side, *colours), np.uint8)
    for n, (index, y, x, turn) in enumerate(_draw(sides, patch, count, rng)):
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


def sample_pictures(
    pictures: Sequence[Pixels], patch: int, count: int, rng: np.random.Generator
) -> Pixels:
    """Draw random crops of RGB pictures, as `sample_patches` does of planes.

    Args:
        pictures: uint8 (H, W, 3).
        patch: side of the crop, in pixels.
        count: crops to draw.
        rng: the only source of randomness.

    Returns:
        uint8 (count, patch, patch, 3).

    Raises:
        UserError: no picture is as large as the patch.
    """
    sides = [(picture.shape[0], picture.shape[1]) for picture in pictures]
    if not any(min(shape) >= patch for shape in sides):
        raise UserError(
            f"no training image is as large as a patch of {patch}x{patch}; use larger images or "
            "smaller patches"
        )
    batch = np.empty((count, patch, patch, 3), np.uint8)
    for n, (index, y, x, turn) in enumerate(_draw(sides, patch, count, rng)):
        batch[n] = _orient(pictures[index][y : y + patch, x : x + patch], turn)
    return batch


def _draw(
    sides: Sequence[tuple[int, ...]], patch: int, count: int, rng: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """Image, row, column and orientation of each of `count` crops; one image must be as large."""
    areas = [math.prod(shape) if min(shape) >= patch else 0 for shape in sides]
    ends = np.cumsum(np.array(areas, np.int64))
    chosen = np.searchsorted(ends, rng.integers(ends[-1], size=count), side="right")
    positions = rng.random((count, 2))
    turns = rng.integers(8, size=count)
    return [
        (
            index,
            *(int(r * (size - patch + 1)) for r, size in zip(at, sides[index], strict=True)),
            turn,
        )
        for index, at, turn in zip(chosen.tolist(), positions.tolist(), turns.tolist(), strict=True)
    ]


def _hard_ones(lr: Pixels, hr: Pixels, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` patches, drawn without replacement with chances proportional to their
    error (the Gumbel trick), in random order.
    """
    scale = hr.shape[1] // lr.shape[1]
    nearest = lr.repeat(scale, axis=1).repeat(scale, axis=2).astype(np.float32)
    error = np.sqrt(np.square(nearest - hr).mean(axis=(1, 2, 3)) + 1)
    chances = np.log(error) + rng.gumbel(size=len(error))
    return rng.permutation(np.argsort(-chances)[:count])


def _orient(crop: Pixels, turn: int) -> Pixels:
    """One of the square's eight symmetries, as a view; 0 leaves it alone."""
    if turn & 1:
        crop = crop[::-1]
    if turn & 2:
        crop = crop[:, ::-1]
    return crop.swapaxes(0, 1) if turn & 4 else crop
