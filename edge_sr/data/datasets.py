"""Finds and reads the pairs of high- and low-resolution images of a data set.

Known layouts: DIV2K (`DIV2K_train_HR/0001.png` and `DIV2K_train_LR_bicubic/X2/0001x2.png`), the
standard test sets (`hr/` and `lr_x2/`), two sets of thermal images (see `thermal`), and any other
folder, searched recursively. Missing low-resolution images are computed from the originals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sr.data import thermal
from edge_sr.data.counts import Span, span_of
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.data.image_types import Pixels
from edge_sr.data.images import list_images, read_image, read_wide
from edge_sr.errors import UserError


@dataclass(frozen=True)
class Pair:
    """A high-resolution file and its low-resolution counterpart.

    Attributes:
        name: path below the folder, without suffix.
        hr: the original.
        lr: the low-resolution file, or None if it is computed from the original.
    """

    name: str
    hr: Path
    lr: Path | None


def find_pairs(folder: Path | str, scale: int, for_test: bool = False) -> list[Pair]:
    """Find the images of a data set, sorted by name.

    For DIV2K, give `DIV2K_train_HR` or its parent; if the parent holds both training and
    validation images, the training images are used.

    Args:
        folder: of the data set.
        scale: of the low-resolution images.
        for_test: of a set of thermal images, take the test images instead of the training images.

    Raises:
        UserError: the folder is missing or holds no image, or a low-resolution file is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; a folder with images is needed")
    layout = thermal.find(folder)
    if layout is not None:
        files = [file for part in layout.part(for_test) for file in list_images(part)]
        return [Pair(_name(file, folder), file, None) for file in files]
    high, low, suffix = _layout(folder, scale)
    files = list_images(high)
    if low is None or not low.is_dir():
        return [Pair(_name(file, high), file, None) for file in files]
    lows = {_name(file, low): file for file in list_images(low)}
    missing = [file for file in files if _name(file, high) + suffix not in lows]
    if missing:
        raise UserError(
            f"{low} lacks {_name(missing[0], high) + suffix}{missing[0].suffix}, "
            f"the counterpart of {missing[0]}"
        )
    return [Pair(_name(file, high), file, lows[_name(file, high) + suffix]) for file in files]


def _layout(folder: Path, scale: int) -> tuple[Path, Path | None, str]:
    """The folder of originals, that of low-resolution images (may not exist), and its suffix."""
    if (folder / "hr").is_dir():
        return folder / "hr", folder / f"lr_x{scale}", ""
    high = _div2k(folder)
    if high is None:
        return folder, None, ""
    low = high.with_name(high.name.removesuffix("_HR") + "_LR_bicubic")
    return high, low / f"X{scale}", f"x{scale}"


def _div2k(folder: Path) -> Path | None:
    absolute = folder.absolute()  # "." has no name
    if absolute.name.startswith("DIV2K_") and absolute.name.endswith("_HR"):
        return absolute
    for pattern in ("DIV2K_train_HR", "DIV2K_*_HR", "*/DIV2K_train_HR", "*/DIV2K_*_HR"):
        for high in sorted(folder.glob(pattern)):
            if high.is_dir():
                return high
    return None


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def load_pair(pair: Pair, scale: int) -> tuple[Pixels, Pixels]:
    """Read a pair as (low resolution, original).

    The original is floor-cropped to a multiple of `scale`. 16-bit gray is mapped to 8 bits by the
    span of the original (see `counts`).

    Returns:
        uint8 (h, w) and (scale * h, scale * w), or both with 3 channels.

    Raises:
        UserError: a file cannot be read, the two sizes do not match, or the scale is below 1.
    """
    if scale < 1:
        raise UserError(f"the scale is {scale}; it must be at least 1")
    wide = read_wide(pair.hr)
    span = None if wide is None else span_of(wide.pixels)
    hr = _read(pair.hr, span)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    if height == 0 or width == 0:
        raise UserError(
            f"{pair.hr} is {hr.shape[1]}x{hr.shape[0]}: too small to be reduced by {scale}"
        )
    hr = hr[: height * scale, : width * scale]
    if pair.lr is None:
        return bicubic_downscale(hr, scale), hr
    lr = _read(pair.lr, span)
    expected = (height, width, *hr.shape[2:])
    if lr.shape != expected:
        raise UserError(
            f"{pair.lr} is {_describe(lr.shape)}, but {pair.hr} reduced by {scale} "
            f"is {_describe(expected)}"
        )
    return lr, hr


def _read(path: Path, span: Span | None) -> Pixels:
    """Read an image as 8 bits; a 16-bit one is mapped by `span`, the original's."""
    wide = None if span is None else read_wide(path)
    return read_image(path).pixels if span is None or wide is None else span.narrow(wide.pixels)


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} {'gray' if len(shape) == 2 else 'RGB'}"


def split_validation(pairs: Sequence[Pair], count: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Hold out `count` pairs, chosen by `seed` only.

    Returns:
        (training, validation), each in the order of `pairs`.

    Raises:
        UserError: no pair would be left to train on.
    """
    if not 0 <= count < len(pairs):
        raise UserError(
            f"cannot hold out {count} of {len(pairs)} images: at least one must be left to train on"
        )
    held = set(np.random.default_rng(seed).permutation(len(pairs))[:count].tolist())
    train = [pair for index, pair in enumerate(pairs) if index not in held]
    return train, [pairs[index] for index in sorted(held)]
