"""The images of a run: planes to train on and planes held out to validate."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_sr.data.datasets import find_pairs, split_validation
from edge_sr.data.patches import Planes, load_planes
from edge_sr.errors import UserError
from edge_sr.metrics import SSIM_WINDOW
from edge_sr.training.recipe import Recipe


@dataclass(frozen=True)
class Samples:
    """Planes (low resolution, high resolution), uint8, and what tells this set of images.

    Attributes:
        train: planes to cut patches from.
        validation: luminance planes of the images held out.
        images: how many images, and a digest of their names.
        digest: of all planes' pixels.
    """

    train: Planes
    validation: Planes
    images: str
    digest: str


def load_samples(folder: Path, scale: int, recipe: Recipe) -> Samples:
    """Load a folder of images and hold some out for validation: the same ones for every seed.

    Raises:
        UserError: the folder has no or too few images, or they are smaller than a patch, or one
            that is held out is too small to be compared.
    """
    options, largest = recipe.data, recipe.largest_patch
    pairs = find_pairs(folder, scale)
    if len(pairs) <= options.validation_images:
        raise UserError(
            f"{folder} has {len(pairs)} images and {options.validation_images} are held out for "
            "validation; add images or lower validation_images in the recipe"
        )
    train, validation = split_validation(pairs, options.validation_images, seed=0)
    names = "\n".join(sorted(pair.name for pair in pairs)).encode()
    planes = [
        (low, high)
        for low, high in load_planes(train, scale, options.colour)
        if min(low.shape) >= largest
    ]
    if not planes:
        raise UserError(
            f"no image in {folder} is as large as a patch ({largest * scale} pixels at "
            "high resolution); lower patch in the recipe"
        )
    held_out = load_planes(validation, scale, "luminance")
    for pair, (_, high) in zip(validation, held_out, strict=True):
        if min(high.shape) < 2 * scale + SSIM_WINDOW:
            raise UserError(
                f"{pair.hr} is too small to validate by: "
                f"{high.shape[1]}x{high.shape[0]} pixels; leave it out"
            )
    return Samples(
        planes,
        held_out,
        f"{len(pairs)} images, {hashlib.sha256(names).hexdigest()[:12]}",
        digest([*planes, *held_out]),
    )


def digest(planes: Planes) -> str:
    """Tells sets of planes apart by their pixels."""
    found = hashlib.sha256()
    for low, high in planes:
        found.update(repr((low.shape, high.shape)).encode())
        found.update(low.tobytes())
        found.update(high.tobytes())
    return found.hexdigest()[:16]
