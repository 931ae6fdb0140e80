"""Random training patches: aligned crops in all eight orientations, one channel at a time."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, load_pair
from edge_sr.errors import UserError

Pixels = NDArray[np.uint8]
Planes = list[tuple[Pixels, Pixels]]
"""Of every image, or channel: low resolution uint8 (h, w), original uint8 (scale h, scale w)."""

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

    def load(pair: Pair) -> Planes:
        lr, hr = load_pair(pair, scale)
        if colour == "luminance" or hr.ndim == 2:
            return [(luminance(lr), np.ascontiguousarray(luminance(hr)))]
        planar = np.ascontiguousarray(np.moveaxis(lr, 2, 0)), np.moveaxis(hr, 2, 0).copy()
        return list(zip(*planar, strict=True))

    # Decoders release the GIL, so threads are enough to keep all cores busy.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [planes for group in pool.map(load, pairs) for planes in group]


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
        planes: what `load_planes` gave.
        scale: of the planes.
        patch: side of the low-resolution crop, in pixels.
        count: crops to draw.
        rng: the only source of randomness.
        candidates: crops drawn for each one kept. The hard ones have the better chance: it grows
            with the root-mean-square error of nearest-neighbour upscaling.

    Returns:
        uint8 (count, patch, patch, 1) and (count, scale * patch, scale * patch, 1).

    Raises:
        UserError: no image is as large as the patch.
    """
    if candidates > 1:
        drawn = sample_patches(planes, scale, patch, count * candidates, rng)
        kept = _hard_ones(*drawn, count, rng)
        return drawn[0][kept], drawn[1][kept]
    areas = np.array([lr.size if min(lr.shape) >= patch else 0 for lr, _ in planes], np.int64)
    ends = np.cumsum(areas)
    if not planes or ends[-1] == 0:
        raise UserError(
            f"no training image reduced {scale} times is as large as a patch of {patch}x{patch}; "
            "use larger images or smaller patches"
        )
    chosen = np.searchsorted(ends, rng.integers(ends[-1], size=count), side="right")
    positions = rng.random((count, 2))
    turns = rng.integers(8, size=count)
    side = scale * patch
    lr_batch = np.empty((count, patch, patch, 1), np.uint8)
    hr_batch = np.empty((count, side, side, 1), np.uint8)
    for n, (index, (v, u), turn) in enumerate(
        zip(chosen.tolist(), positions.tolist(), turns.tolist(), strict=True)
    ):
        lr, hr = planes[index]
        y = int(v * (lr.shape[0] - patch + 1))
        x = int(u * (lr.shape[1] - patch + 1))
        lr_crop = lr[y : y + patch, x : x + patch]
        hr_crop = hr[scale * y : scale * y + side, scale * x : scale * x + side]
        lr_batch[n, ..., 0] = _orient(lr_crop, turn)
        hr_batch[n, ..., 0] = _orient(hr_crop, turn)
    return lr_batch, hr_batch


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
    return crop.T if turn & 4 else crop
