"""Upscales images tile by tile, so that the memory of the runtime does not grow with the image.

All tiles are windows of one size. Windows at the border are moved inside instead of being cut or
padded, so that the networks' zero padding falls on the border of the image only. Pixels that the
cut edge of a window can influence are dropped: the result is bit-identical to that of the whole
image.

Networks work on 8 bits. They see the span of a 16-bit gray image (`Span`); the difference between
their output and bicubic upscaling of that span is added to bicubic upscaling of the 16-bit samples.
The units are kept, and nothing is clipped.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge_sr.data.colour import rgb_to_ycbcr, ycbcr_to_rgb
from edge_sr.data.counts import Span, span_of
from edge_sr.data.degradation import UPSCALE_CONTEXT, bicubic_upscale
from edge_sr.data.image_formats import PROFILE_LEFT_OUT, holds_profile, holds_wide
from edge_sr.data.image_types import Counts, Image, Pixels, Samples, WideImage
from edge_sr.data.image_writer import write_image
from edge_sr.data.images import read_image, read_wide
from edge_sr.data.png_writer import open_png
from edge_sr.errors import UserError
from edge_sr.runtime.pixels import run_plane
from edge_sr.runtime.session import Session
from edge_sr.runtime.tiles import Window, windows

_P = TypeVar("_P", Pixels, Counts)

WINDOW = 256
"""Side of a window in low-resolution pixels; it fits in a core's cache."""

_STRIP_BYTES = 4 * 1024 * 1024


def upscale(session: Session, pixels: _P, per_channel: bool = False, window: int = WINDOW) -> _P:
    """Upscale an image; `upscale_bands` describes the arguments.

    Returns:
        The dtype of `pixels`, (scale*H, scale*W) or (scale*H, scale*W, 3).
    """
    scale = session.scale
    large = np.empty(
        (pixels.shape[0] * scale, pixels.shape[1] * scale, *pixels.shape[2:]), pixels.dtype
    )
    row = 0
    for band in upscale_bands(session, pixels, per_channel, window):
        large[row : row + len(band)] = band
        row += len(band)
    return large


def upscale_file(
    session: Session, source: Path, target: Path, per_channel: bool = False
) -> Image | WideImage:
    """Upscale an image file; the target is written whole or not at all.

    16-bit gray stays 16-bit gray in the same units if both files are PNG or TIFF.

    A PNG is written while it is computed. Memory: the input's pixels (and Pillow's copy while they
    are decoded), one row of tiles, and the memory of the runtime for one tile. For all other
    formats Pillow also holds the output (4 bytes a pixel in colour, 1 in gray).

    Args:
        session: the network.
        source: an image file.
        target: the suffix names the format; an existing file is replaced.
        per_channel: as in `upscale_bands`.

    Returns:
        The image that was read, with the note on what was converted. Its colour profile, if any,
        is written in every format that can hold it.

    Raises:
        UserError: the source is not an image, or the target cannot be written.
    """
    wide = read_wide(source) if holds_wide(target) else None
    image = wide or read_image(source)
    bits = 8 * image.pixels.itemsize
    height, width, *colour = image.pixels.shape
    height, width = height * session.scale, width * session.scale
    bands = upscale_bands(session, image.pixels, per_channel)
    if target.suffix.lower() == ".png":
        with open_png(target, height, width, 3 if colour else 1, image.profile, bits) as png:
            for rows in _strips(bands):
                png.write(rows)
        return image
    write_image(target, (height, width, *colour), _strips(bands), image.profile, bits)
    if image.profile and not holds_profile(target, image.profile):
        before = f"{image.note};" if image.note else f"{source.name}:"
        image = dataclasses.replace(image, note=f"{before} {PROFILE_LEFT_OUT}", profile=None)
    return image


def _strips(bands: Iterable[Samples]) -> Iterator[Samples]:
    """Cut bands into strips of at most a few megabytes, because the writers copy each strip."""
    for band in bands:
        step = max(1, _STRIP_BYTES // band[0].nbytes)
        for row in range(0, len(band), step):
            yield band[row : row + step]


def upscale_bands(
    session: Session, pixels: Samples, per_channel: bool = False, window: int = WINDOW
) -> Iterator[Samples]:
    """Upscale an image, and yield the result from top to bottom, one row of tiles at a time.

    Args:
        session: the network.
        pixels: uint8 (H, W) gray or (H, W, 3) RGB, or uint16 (H, W) gray. An RGB network sees gray
            as three equal channels, and the mean of its output channels is taken.
        per_channel: run a one-channel network on R, G and B; otherwise it runs on BT.601 luma, and
            chroma is upscaled bicubically. An RGB network takes all three at once.
        window: side of a window in low-resolution pixels; every choice gives the same bits if the
            arithmetic of the runtime does not depend on the image's size (int8 does not). A network
            whose halo is unknown takes the image as a whole.

    Yields:
        The dtype of `pixels`, (rows, scale*W) or (rows, scale*W, 3); the rows add up to scale*H.

    Raises:
        UserError: the window does not exceed twice the halo, the image is smaller than the fixed
            size of the session, or `per_channel` is set for an RGB network.
    """
    tile = _tile_function(session, pixels, per_channel)
    halo = max(session.halo or 0, UPSCALE_CONTEXT)
    height, width = _window_size(session, pixels.shape, window, halo)
    columns = windows(pixels.shape[1], width, halo)
    for rows in windows(pixels.shape[0], height, halo):
        yield _band(tile, pixels, rows, columns, session.scale)


def _band(
    tile: Callable[[Samples], Samples],
    pixels: Samples,
    rows: Window,
    columns: list[Window],
    scale: int,
) -> Samples:
    shape = (rows.keep_stop - rows.keep_start, pixels.shape[1], *pixels.shape[2:])
    band = np.empty((shape[0] * scale, shape[1] * scale, *shape[2:]), pixels.dtype)
    for column in columns:
        large = tile(pixels[rows.start : rows.stop, column.start : column.stop])
        band[:, column.keep_start * scale : column.keep_stop * scale] = large[
            _kept(rows, scale), _kept(column, scale)
        ]
    return band


def _kept(window: Window, scale: int) -> slice:
    """The kept range in high-resolution pixels, relative to the start of the window."""
    return slice(
        (window.keep_start - window.start) * scale, (window.keep_stop - window.start) * scale
    )


def _tile_function(
    session: Session, pixels: Samples, per_channel: bool
) -> Callable[[Any], Samples]:
    if session.channels == 3 and per_channel:
        raise UserError("the network takes RGB at once; omit --per-channel")
    if pixels.dtype == np.uint16:
        span = span_of(pixels)
        return lambda tile: _upscale_counts(session, span, tile)
    if session.channels == 3 and pixels.ndim == 3:
        return lambda tile: run_plane(session, tile)
    if pixels.ndim == 2:
        return lambda tile: _upscale_gray(session, tile)
    if per_channel:
        return lambda tile: np.stack(
            [run_plane(session, tile[..., channel]) for channel in range(3)], axis=-1
        )
    return lambda tile: _upscale_luma(session, tile)


def _upscale_gray(session: Session, plane: Pixels) -> Pixels:
    if session.channels == 1:
        return run_plane(session, plane)
    large = run_plane(session, np.repeat(plane[..., np.newaxis], 3, axis=2))
    return np.rint(large.mean(axis=2)).astype(np.uint8)


def _upscale_counts(session: Session, span: Span, counts: Counts) -> Counts:
    pixels = span.narrow(counts)
    large = _upscale_gray(session, pixels).astype(np.int16)
    detail = large - bicubic_upscale(pixels, session.scale)
    return span.add(bicubic_upscale(counts, session.scale), detail)


def _upscale_luma(session: Session, rgb: Pixels) -> Pixels:
    ycbcr = rgb_to_ycbcr(rgb)
    luma = run_plane(session, ycbcr[..., 0])
    chroma = bicubic_upscale(ycbcr[..., 1:], session.scale)
    return ycbcr_to_rgb(np.dstack((luma, chroma)))


def _window_size(
    session: Session, shape: tuple[int, ...], window: int, halo: int
) -> tuple[int, int]:
    if session.halo is None:
        return _whole(session, shape)
    size = session.fixed_size or (window, window)
    if min(size) <= 2 * halo and (size[0] < shape[0] or size[1] < shape[1]):
        raise UserError(
            f"windows of {size[0]}x{size[1]} pixels are too small for a model with a halo of "
            f"{halo} pixels; both sides must exceed {2 * halo}"
        )
    if session.fixed_size and (shape[0] < size[0] or shape[1] < size[1]):
        raise UserError(
            f"the model runs at {size[1]}x{size[0]} pixels only, and the image is "
            f"{shape[1]}x{shape[0]}; use an image at least as large, or a .tflite"
        )
    return size


def _whole(session: Session, shape: tuple[int, ...]) -> tuple[int, int]:
    """The size of an image that a network takes as a whole."""
    height, width = shape[:2]
    if session.fixed_size not in (None, (height, width)):
        rows, columns = session.fixed_size or (height, width)
        raise UserError(
            f"the model runs on whole images of {columns}x{rows} pixels only, and the image is "
            f"{width}x{height}; resize or crop the image first"
        )
    return height, width
