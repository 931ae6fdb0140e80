"""Upscales whole images, tile by tile, so that memory grows with the image's pixels alone.

A tile is a window of one fixed size; windows at the border are moved inside instead of being cut
or padded, so that the networks' zero padding falls on the image's own border only. Of each window
only the pixels that no cut edge can reach are kept: the result has the bits of the whole image.

Networks work on 8 bits. Of a 16-bit gray image they see the span that holds it (`Span`), and what
they add to bicubic enlargement of that is added to bicubic enlargement of all 16 bits: counts stay
counts, and nothing is clipped.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.colour import rgb_to_ycbcr, ycbcr_to_rgb
from edge_sr.data.counts import Counts, Span, span_of
from edge_sr.data.degradation import UPSCALE_CONTEXT, bicubic_upscale
from edge_sr.data.images import (
    PROFILE_LEFT_OUT,
    Image,
    WideImage,
    holds_profile,
    holds_wide,
    read_image,
    read_wide,
    write_image,
)
from edge_sr.data.png_writer import open_png
from edge_sr.errors import UserError
from edge_sr.runtime.pixels import run_plane
from edge_sr.runtime.session import Session
from edge_sr.runtime.tiles import Window, windows

Pixels = NDArray[np.uint8]
Samples = NDArray[np.unsignedinteger[Any]]
_P = TypeVar("_P", Pixels, Counts)

WINDOW = 256
"""Side of a window in low-resolution pixels: small enough for a core's cache."""

_STRIP_BYTES = 4 * 1024 * 1024


def upscale(session: Session, pixels: _P, per_channel: bool = False, window: int = WINDOW) -> _P:
    """Upscale an image; see `upscale_bands`.

    Returns:
        The pixels' dtype, (scale*H, scale*W) or (scale*H, scale*W, 3).
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
    """Upscale an image file; the target appears whole or not at all.

    16-bit gray stays 16-bit gray in the same units where both files are PNG or TIFF.

    A PNG is written while it is computed: memory holds the input's pixels (while they are decoded,
    Pillow's copy as well), one row of tiles, and what the runtime needs for one tile. In every
    other format Pillow holds the output as well (4 bytes a pixel in colour, 1 in gray).

    Args:
        session: the network.
        source: an image file; an existing target is replaced.
        target: its suffix names the format.
        per_channel: as in `upscale_bands`.

    Returns:
        The image that was read, with the note on what was converted. Its colour profile, if any,
        is kept in every format that holds one.

    Raises:
        UserError: the source is no image, or the target cannot be written.
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
    """Cut bands into pieces of at most a few megabytes, because the writers copy each."""
    for band in bands:
        step = max(1, _STRIP_BYTES // band[0].nbytes)
        for row in range(0, len(band), step):
            yield band[row : row + step]


def upscale_bands(
    session: Session, pixels: Samples, per_channel: bool = False, window: int = WINDOW
) -> Iterator[Samples]:
    """Upscale an image, giving the result from top to bottom, one row of tiles at a time.

    Args:
        session: the network.
        pixels: uint8 (H, W) gray, which the network upscales as it is, or (H, W, 3) RGB, or uint16
            (H, W) gray. A network of RGB sees gray as three equal channels, and the mean of what
            it makes is kept.
        per_channel: run a network of one channel on R, G and B; otherwise it runs on BT.601 luma,
            and chroma is upscaled bicubically. A network of RGB takes all three at once.
        window: side of a window in low-resolution pixels; every choice gives the same bits
            wherever the runtime's arithmetic does not depend on the image's size (int8 does not).

    Yields:
        The pixels' dtype, (rows, scale*W) or (rows, scale*W, 3); the rows add up to scale*H.

    Raises:
        UserError: the window does not exceed twice the halo, the session runs at a fixed size that
            the image is smaller than, or a network of RGB is to run on each channel.
    """
    tile = _tile_function(session, pixels, per_channel)
    halo = max(session.halo, UPSCALE_CONTEXT)
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
    """The kept stretch, counted in high-resolution pixels from the window's start."""
    return slice(
        (window.keep_start - window.start) * scale, (window.keep_stop - window.start) * scale
    )


def _tile_function(
    session: Session, pixels: Samples, per_channel: bool
) -> Callable[[Any], Samples]:
    if session.channels == 3 and per_channel:
        raise UserError("the network takes RGB at once: leave out --per-channel")
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
    narrow = span.narrow(counts)
    large = _upscale_gray(session, narrow).astype(np.int16)
    detail = large - bicubic_upscale(narrow, session.scale)
    return span.add(bicubic_upscale(counts, session.scale), detail)


def _upscale_luma(session: Session, rgb: Pixels) -> Pixels:
    ycbcr = rgb_to_ycbcr(rgb)
    luma = run_plane(session, ycbcr[..., 0])
    chroma = bicubic_upscale(ycbcr[..., 1:], session.scale)
    return ycbcr_to_rgb(np.dstack((luma, chroma)))


def _window_size(
    session: Session, shape: tuple[int, ...], window: int, halo: int
) -> tuple[int, int]:
    size = session.fixed_size or (window, window)
    if min(size) <= 2 * halo and (size[0] < shape[0] or size[1] < shape[1]):
        raise UserError(
            f"windows of {size[0]}x{size[1]} pixels are too small for a model that looks "
            f"{halo} pixels far; they must exceed {2 * halo}"
        )
    if session.fixed_size and (shape[0] < size[0] or shape[1] < size[1]):
        raise UserError(
            f"the model runs at {size[1]}x{size[0]} pixels only, and the image is "
            f"{shape[1]}x{shape[0]}; use an image at least as large, or a .tflite"
        )
    return size
