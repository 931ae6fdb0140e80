"""The images of a codec's run: RGB pictures to train on and pictures held out to validate."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr import metrics
from edge_sr.data.colour import luminance
from edge_sr.data.datasets import Pair, find_pairs
from edge_sr.data.images import read_image
from edge_sr.data.patches import Pixels, sample_pictures
from edge_sr.errors import UserError
from edge_sr.training.quality import Score
from edge_sr.training.recipe import DataOptions, Recipe
from edge_sr.training.samples import digest, hold_out, names_of

_BLOCK = 16  # the coarsest latents' pixels: what is validated has whole ones


@dataclass(frozen=True)
class Pictures:
    """Pictures, uint8 (H,W,3), and what tells this set of images.

    Attributes:
        train: to cut patches from.
        validation: held out, cropped to multiples of 16.
        images: how many images, and a digest of their names.
        digest: of all pixels.
    """

    train: list[Pixels]
    validation: list[Pixels]
    images: str
    digest: str

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Patches (count,p,p,3), flipped and turned at random, twice: input and target."""
        patches = sample_pictures(self.train, data.patch, count, rng)
        return patches, patches

    def validate(self, model: Any) -> Score:
        """Mean PSNR of RGB and SSIM of luma, latents rounded to 8 bits."""
        scores = []
        for picture in self.validation:
            found = _through(model, picture)
            height = len(picture)
            psnr = metrics.psnr(picture.reshape(height, -1), found.reshape(height, -1))
            scores.append((psnr, metrics.ssim(luminance(picture), luminance(found))))
        psnr, ssim = np.mean(scores, axis=0)
        return Score(float(psnr), float(ssim))


def load_pictures(folder: Path, recipe: Recipe) -> Pictures:
    """Load a folder of images as RGB and hold some out for validation: the same for every seed.

    Raises:
        UserError: the folder has no or too few images, or they are smaller than a patch, or one
            that is held out is too small to be compared.
    """
    pairs = find_pairs(folder, 1)
    train, validation = hold_out(folder, pairs, recipe.data.validation_images)
    pictures = [each for each in _load(train) if min(each.shape[:2]) >= recipe.largest_patch]
    if not pictures:
        raise UserError(
            f"no image in {folder} is as large as a patch ({recipe.largest_patch} pixels); "
            "lower patch in the recipe"
        )
    held_out = [
        _cropped(pair, picture) for pair, picture in zip(validation, _load(validation), strict=True)
    ]
    return Pictures(
        pictures,
        held_out,
        names_of(pairs),
        digest((picture,) for picture in [*pictures, *held_out]),
    )


def _load(pairs: list[Pair]) -> list[Pixels]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_read, pairs))


def _read(pair: Pair) -> Pixels:
    pixels = read_image(pair.hr).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _cropped(pair: Pair, picture: Pixels) -> Pixels:
    height, width = (size // _BLOCK * _BLOCK for size in picture.shape[:2])
    if not height or not width:
        raise UserError(f"{pair.hr} is too small to validate by: at least {_BLOCK}x{_BLOCK} pixels")
    return np.ascontiguousarray(picture[:height, :width])


def _through(model: Any, picture: Pixels) -> Pixels:
    from keras import ops  # PyTorch's tensors need its way back to NumPy

    output = model(picture[None].astype(np.float32) / 255, training=False)
    found = ops.convert_to_numpy(output)[0]
    return np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)
