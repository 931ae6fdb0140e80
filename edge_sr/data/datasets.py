"""Folders of training and test images: which files belong together, and their pixels.

Known layouts: DIV2K's (`DIV2K_train_HR/0001.png` beside `DIV2K_train_LR_bicubic/X2/0001x2.png`),
that of the standard test sets (`hr/` beside `lr_x2/`), those of two sets of thermal images (see
`thermal`), and a plain folder, searched recursively. Where there are no low-resolution images they
are computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sr.data import thermal
from edge_sr.data.counts import Span, span_of
from edge_sr.data.degradation import bicubic_downscale
from edge_sr.data.images import list_images, read_image, read_wide
from edge_sr.errors import UserError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """A high-resolution file and its low-resolution counterpart.

    Attributes:
        name: path below the folder, without suffix.
        hr: the original.
        lr: the reduced image's file, or None where it is computed from the original.
    """

    name: str
    hr: Path
    lr: Path | None


def find_pairs(folder: Path | str, scale: int, judging: bool = False) -> list[Pair]:
    """Find the images of a data set, sorted by name.

    DIV2K may be named by `DIV2K_train_HR` or by the folder above it; where that holds both the
    training and the validation images, the training images are meant.

    Args:
        folder: of the data set.
        scale: of the reduced images.
        judging: take the images that a set of thermal images is judged by, not those to train on.

    Raises:
        UserError: no such folder, no image, or a low-resolution file that is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name a folder with images")
    layout = thermal.find(folder)
    if layout is not None:
        files = [file for part in layout.part(judging) for file in list_images(part)]
        return [Pair(_name(file, folder), file, None) for file in files]
    high, low, suffix = _layout(folder, scale)
    files = list_images(high)
    if low is None or not low.is_dir():
        return [Pair(_name(file, high), file, None) for file in files]
    below = {_name(file, low): file for file in list_images(low)}
    missing = [file for file in files if _name(file, high) + suffix not in below]
    if missing:
        raise UserError(
            f"{low} lacks {_name(missing[0], high) + suffix}{missing[0].suffix}, "
            f"the counterpart of {missing[0]}"
        )
    return [Pair(_name(file, high), file, below[_name(file, high) + suffix]) for file in files]


def _layout(folder: Path, scale: int) -> tuple[Path, Path | None, str]:
    """The folder of originals, that of reduced images (it may not exist), and what names gain."""
    if (folder / "hr").is_dir():
        return folder / "hr", folder / f"lr_x{scale}", ""
    high = _div2k(folder)
    if high is None:
        return folder, None, ""
    low = high.with_name(high.name.removesuffix("_HR") + "_LR_bicubic")
    return high, low / f"X{scale}", f"x{scale}"


def _div2k(folder: Path) -> Path | None:
    whole = folder.absolute()  # "." has no name
    if whole.name.startswith("DIV2K_") and whole.name.endswith("_HR"):
        return whole
    for pattern in ("DIV2K_train_HR", "DIV2K_*_HR", "*/DIV2K_train_HR", "*/DIV2K_*_HR"):
        for high in sorted(folder.glob(pattern)):
            if high.is_dir():
                return high
    return None


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def load_pair(pair: Pair, scale: int) -> tuple[Pixels, Pixels]:
    """Read a pair: (low resolution, original), the original floor-cropped to a multiple of `scale`.

    Of 16-bit gray the span that the original fills becomes 8 bits (see `counts`).

    Returns:
        uint8 (h, w) and (scale * h, scale * w), or both with 3 channels.

    Raises:
        UserError: a file that cannot be read, two that do not fit together, or a scale below 1.
    """
    if scale < 1:
        raise UserError(f"the scale is {scale}; images are reduced by 1 or more")
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
    """An image in 8 bits: of a 16-bit one the span that its original fills, where that has one."""
    wide = None if span is None else read_wide(path)
    return read_image(path).pixels if span is None or wide is None else span.narrow(wide.pixels)


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} {'gray' if len(shape) == 2 else 'RGB'}"


def split_validation(pairs: Sequence[Pair], count: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Hold out `count` pairs, chosen by `seed` alone: (training, validation), each in given order.

    Raises:
        UserError: nothing would be left to train on.
    """
    if not 0 <= count < len(pairs):
        raise UserError(
            f"cannot hold out {count} of {len(pairs)} images: at least one must be left to train on"
        )
    held = set(np.random.default_rng(seed).permutation(len(pairs))[:count].tolist())
    train = [pair for index, pair in enumerate(pairs) if index not in held]
    return train, [pairs[index] for index in sorted(held)]
