"""The images of an upscaler's run: pairs to train on, and pairs held out for validation."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, find_pairs, split_validation
from edge_sr.data.patches import Pixels, Planes, load_colours, load_planes, sample_patches
from edge_sr.errors import UserError
from edge_sr.metrics import SSIM_WINDOW
from edge_sr.training.quality import Score, validate
from edge_sr.training.recipe import DataOptions, Recipe


@dataclass(frozen=True)
class Samples:
    """Pairs (low resolution, high resolution) of uint8 images, with a digest of the set.

    Attributes:
        train: pairs to cut patches from.
        validation: pairs of the images held out: the network's input, and the luminance of the
            original.
        images: number of images, and a digest of their names.
        digest: of all pixels.
        scale: of the pairs.
    """

    train: Planes
    validation: Planes
    images: str
    digest: str
    scale: int

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Random patches of both resolutions; see `sample_patches`."""
        return sample_patches(self.train, self.scale, data.patch, count, rng, data.candidates)

    def validate(self, model: Any) -> Score:
        """Mean quality of a Keras model over the images held out."""
        return validate(model, self.validation, self.scale)


def load_samples(folder: Path, scale: int, recipe: Recipe, channels: int = 1) -> Samples:
    """Load a folder of images, and hold some out for validation: the same for every seed.

    Args:
        folder: of images.
        scale: of the network.
        recipe: gives the size of patches and, for networks of one channel, the colour.
        channels: of the network: 1, or 3 for RGB.

    Raises:
        UserError: the folder has no images or too few, all are smaller than a patch, or one that
            is held out is smaller than SSIM's window.
    """
    options, largest = recipe.data, recipe.largest_patch
    pairs = find_pairs(folder, scale)
    train, validation = hold_out(folder, pairs, options.validation_images)
    loaded = (
        load_colours(train, scale) if channels == 3 else load_planes(train, scale, options.colour)
    )
    planes = [(low, high) for low, high in loaded if min(low.shape[:2]) >= largest]
    if not planes:
        raise UserError(
            f"all images in {folder} are smaller than a patch ({largest * scale} pixels at "
            "high resolution); lower patch in the recipe"
        )
    held_out = (
        [(low, luminance(high)) for low, high in load_colours(validation, scale)]
        if channels == 3
        else load_planes(validation, scale, "luminance")
    )
    for pair, (_, high) in zip(validation, held_out, strict=True):
        if min(high.shape) < 2 * scale + SSIM_WINDOW:
            raise UserError(
                f"{pair.hr} is too small for validation: "
                f"{high.shape[1]}x{high.shape[0]} pixels; leave it out"
            )
    return Samples(
        planes,
        held_out,
        names_of(pairs),
        digest([*planes, *held_out]),
        scale,
    )


def hold_out(folder: Path, pairs: list[Pair], count: int) -> tuple[list[Pair], list[Pair]]:
    """Split images into those to train on and those held out: the same for every seed.

    Raises:
        UserError: there are too few images.
    """
    if len(pairs) <= count:
        raise UserError(
            f"{folder} has {len(pairs)} images and {count} are held out for "
            "validation; add images or lower validation_images in the recipe"
        )
    return split_validation(pairs, count, seed=0)


def names_of(pairs: Sequence[Pair]) -> str:
    """The number of images, and a digest of their names."""
    names = "\n".join(sorted(pair.name for pair in pairs)).encode()
    return f"{len(pairs)} images, {hashlib.sha256(names).hexdigest()[:12]}"


def digest(groups: Iterable[tuple[Pixels, ...]]) -> str:
    """The first 16 hex digits of the SHA-256 of all shapes and pixels."""
    sha256 = hashlib.sha256()
    for group in groups:
        sha256.update(repr(tuple(image.shape for image in group)).encode())
        for image in group:
            sha256.update(image.tobytes())
    return sha256.hexdigest()[:16]
