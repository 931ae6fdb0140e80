"""The images of a codec's run: RGB images to train on, and some held out for validation."""

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
from edge_sr.data.patches import Pixels, sample_images
from edge_sr.errors import UserError
from edge_sr.training.quality import RatePoint, Score
from edge_sr.training.recipe import DataOptions, Recipe
from edge_sr.training.samples import digest, hold_out, names_of

RATE_LAYER = "rate_model"
"""The layer between encoder and decoder that has a variable `quality`."""

_ENDS = np.array([0, 255], np.uint8)
_BLOCK = 16  # image pixels, in each direction, of a sample of the coarsest latents


@dataclass(frozen=True)
class CodecImages:
    """Images, uint8 (H,W,3), with a digest that identifies the set.

    Attributes:
        train: to cut patches from.
        validation: held out, cropped to multiples of 16 pixels.
        images: number of images, and a digest of their names.
        digest: of all pixels.
    """

    train: list[Pixels]
    validation: list[Pixels]
    images: str
    digest: str

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Random patches (count,p,p,3), flipped and turned; input and target are the same array."""
        patches = sample_images(self.train, data.patch, count, rng)
        return patches, patches

    def validate(self, model: Any) -> Score:
        """Mean PSNR of RGB and SSIM of luma over the images held out, with 8-bit latents."""
        scores = []
        for image in self.validation:
            decoded = _through(model, image)
            height = len(image)
            psnr = metrics.psnr(image.reshape(height, -1), decoded.reshape(height, -1))
            scores.append((psnr, metrics.ssim(luminance(image), luminance(decoded))))
        psnr, ssim = np.mean(scores, axis=0)
        return Score(float(psnr), float(ssim))


@dataclass(frozen=True)
class QualityImages:
    """Images of a codec that has several qualities.

    Attributes:
        codec: the images.
        qualities: their number.
        flat: share of the training patches that are replaced by one colour.
    """

    codec: CodecImages
    qualities: int
    flat: float

    @property
    def images(self) -> str:
        """Their number, and a digest of their names."""
        return self.codec.images

    @property
    def digest(self) -> str:
        """A digest of their pixels."""
        return self.codec.digest

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Random patches (count,p,p,3), some of one colour; input and target are the same array."""
        patches = self.codec.cut(data, count, rng)[0].copy()
        for index in np.flatnonzero(rng.random(count) < self.flat):
            patches[index] = _colour(rng)
        return patches, patches

    def validate(self, model: Any) -> Score:
        """Rate and PSNR at each quality, with rounded symbols; means over qualities."""
        layer = model.get_layer(RATE_LAYER)
        points, similarities = [], []
        for quality in range(self.qualities):
            layer.quality.assign(float(quality))
            results = [_at_quality(model, image) for image in self.codec.validation]
            *point, ssim = np.mean(results, axis=0).tolist()
            points.append(RatePoint(*point))
            similarities.append(ssim)
        layer.quality.assign(0.0)
        psnr = float(np.mean([point.psnr for point in points]))
        return Score(psnr, float(np.mean(similarities)), tuple(points))


def _colour(rng: np.random.Generator) -> Pixels:
    """A random colour (3,): a corner of the RGB cube, a gray (often black or white), or any."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.choice(_ENDS, 3)
    if kind == 1:
        return np.full(3, rng.choice([*_ENDS, rng.integers(256)]), np.uint8)
    return rng.integers(0, 256, 3).astype(np.uint8)


def _at_quality(model: Any, image: Pixels) -> tuple[float, float, float, float]:
    """Bits per pixel, PSNR of RGB and of luma, SSIM of luma of an image, uint8 (H,W,3)."""
    from keras import ops  # converts PyTorch's tensors to NumPy as well

    outputs = model(image[None].astype(np.float32) / 255, training=False)
    decoded = _pixels(ops.convert_to_numpy(outputs["image"])[0])
    height = len(image)
    psnr = metrics.psnr(image.reshape(height, -1), decoded.reshape(height, -1))
    planes = luminance(image), luminance(decoded)
    bpp = float(ops.convert_to_numpy(outputs["bits"])[0])
    return bpp, psnr, metrics.psnr(*planes), metrics.ssim(*planes)


def load_codec_images(folder: Path, recipe: Recipe) -> CodecImages:
    """Load a folder of images as RGB, and hold some out for validation: the same for every seed.

    Raises:
        UserError: the folder has no images or too few, all are smaller than a patch, or one that
            is held out is smaller than 16x16 pixels.
    """
    pairs = find_pairs(folder, 1)
    train, validation = hold_out(folder, pairs, recipe.data.validation_images)
    images = [each for each in _load(train) if min(each.shape[:2]) >= recipe.largest_patch]
    if not images:
        raise UserError(
            f"all images in {folder} are smaller than a patch ({recipe.largest_patch} pixels); "
            "lower patch in the recipe"
        )
    held_out = [
        _cropped(pair, image) for pair, image in zip(validation, _load(validation), strict=True)
    ]
    return CodecImages(
        images,
        held_out,
        names_of(pairs),
        digest((image,) for image in [*images, *held_out]),
    )


def _load(pairs: list[Pair]) -> list[Pixels]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_read, pairs))


def _read(pair: Pair) -> Pixels:
    pixels = read_image(pair.hr).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _cropped(pair: Pair, image: Pixels) -> Pixels:
    height, width = (size // _BLOCK * _BLOCK for size in image.shape[:2])
    if not height or not width:
        raise UserError(f"{pair.hr} is too small for validation: at least {_BLOCK}x{_BLOCK} pixels")
    return np.ascontiguousarray(image[:height, :width])


def _through(model: Any, image: Pixels) -> Pixels:
    """An image, uint8 (H,W,3), encoded and decoded."""
    from keras import ops  # converts PyTorch's tensors to NumPy as well

    output = model(image[None].astype(np.float32) / 255, training=False)
    return _pixels(ops.convert_to_numpy(output)[0])


def _pixels(decoded: np.ndarray) -> Pixels:
    return np.rint(np.clip(decoded, 0, 1) * 255).astype(np.uint8)
