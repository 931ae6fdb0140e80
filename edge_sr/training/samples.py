"""The images of a run: planes to train on and planes held out to validate."""

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
    """Planes (low resolution, high resolution), uint8, and what tells this set of images.

    Attributes:
        train: planes to cut patches from.
        validation: of the images held out; the originals are luminance planes, and what is
            upscaled is what the network takes.
        images: how many images, and a digest of their names.
        digest: of all planes' pixels.
        scale: of the planes.
    """

    train: Planes
    validation: Planes
    images: str
    digest: str
    scale: int

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Patches of both resolutions; see `sample_patches`."""
        return sample_patches(self.train, self.scale, data.patch, count, rng, data.candidates)

    def validate(self, model: Any) -> Score:
        """Mean quality of a Keras model over the images held out."""
        return validate(model, self.validation, self.scale)


def load_samples(folder: Path, scale: int, recipe: Recipe, channels: int = 1) -> Samples:
    """Load a folder of images and hold some out for validation: the same ones for every seed.

    Args:
        folder: of images.
        scale: of the network.
        recipe: its patches; its colour is for networks of one channel.
        channels: of the network; 3 are those of an RGB image, together.

    Raises:
        UserError: the folder has no or too few images, or they are smaller than a patch, or one
            that is held out is too small to be compared.
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
            f"no image in {folder} is as large as a patch ({largest * scale} pixels at "
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
                f"{pair.hr} is too small to validate by: "
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
    """Images to train on and images to validate by: the same ones for every seed.

    Raises:
        UserError: too few images.
    """
    if len(pairs) <= count:
        raise UserError(
            f"{folder} has {len(pairs)} images and {count} are held out for "
            "validation; add images or lower validation_images in the recipe"
        )
    return split_validation(pairs, count, seed=0)


def names_of(pairs: Sequence[Pair]) -> str:
    """How many images, and a digest of their names."""
    names = "\n".join(sorted(pair.name for pair in pairs)).encode()
    return f"{len(pairs)} images, {hashlib.sha256(names).hexdigest()[:12]}"


def digest(groups: Iterable[tuple[Pixels, ...]]) -> str:
    """Tells sets of images apart by their pixels."""
    found = hashlib.sha256()
    for group in groups:
        found.update(repr(tuple(image.shape for image in group)).encode())
        for image in group:
            found.update(image.tobytes())
    return found.hexdigest()[:16]
