"""Compresses images with codecs that have qualities, and decompresses their files (version 2)."""

from bisect import bisect_right
from functools import cache

import numpy as np

from edge_sr.codec import container2, context
from edge_sr.codec.autoencoder import Autoencoder, Coding, Ladder
from edge_sr.codec.header import Colour
from edge_sr.codec.header2 import MAX_SIDE, Header
from edge_sr.codec.pixels import as_rgb, to_gray
from edge_sr.data.image_types import Pixels
from edge_sr.engine import symbols as coder
from edge_sr.errors import UserError

ROWS_PER_PART = 16
"""Rows of symbols in a part: 128 rows of pixels, at a cost of about 12 bytes each."""

GRID = 16
"""Qualities that `compress_within` tries, per unit."""

MISSING = 128
"""The gray of rows whose symbols are missing."""


def compress(pixels: Pixels, coding: Coding) -> bytes:
    """Return a .tcz file of an image.

    Args:
        pixels: uint8 (H, W) gray, which is coded as three equal channels, or (H, W, 3) RGB.
        coding: the codec at one quality.

    Raises:
        UserError: the image is too large for a file, or the codec has no encoder.
    """
    gray = pixels.ndim == 2
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise UserError(f"the image is {width}x{height}; .tcz files hold at most {MAX_SIDE} a side")
    symbols = coding.symbols(as_rgb(pixels))
    codec = coding.codec
    header = Header(
        *(codec.id, codec.hash, context.blob_hash(coding.context)),
        *(width, height, codec.channels, coding.place, ROWS_PER_PART),
        Colour.GRAY if gray else Colour.RGB,
    )
    parts = coder.encode(symbols, coding.context, ROWS_PER_PART)
    return container2.assemble(header, parts)


def compress_within(pixels: Pixels, ladder: Ladder, bpp: float) -> bytes:
    """Return a .tcz file of the highest quality that a size allows.

    Args:
        pixels: as in `compress`.
        ladder: the codecs.
        bpp: limit on the size of the whole file, in bits per pixel.

    Raises:
        UserError: as in `compress`, or the lowest quality exceeds the limit.
    """
    lowest, highest = ladder.qualities
    grid = range(round(GRID * (highest - lowest)) + 1)

    @cache
    def file(index: int) -> bytes:
        return compress(pixels, ladder.at(min(lowest + index / GRID, highest)))

    def size(index: int) -> float:
        return 8 * len(file(index)) / (pixels.shape[0] * pixels.shape[1])

    fitting = bisect_right(grid, bpp, key=size)
    if fitting == 0:
        raise UserError(
            f"quality {lowest:.3g} alone needs {size(0):.4g} bits per pixel, and the limit is "
            f"{bpp:g}"
        )
    return file(fitting - 1)


def decode(file: container2.File, codec: Autoencoder) -> Pixels:
    """Decode the parts of a file that are there; rows without symbols are gray.

    Args:
        file: that was read.
        codec: that made it (`opening.check_made_by`).

    Raises:
        UserError: the file has another context, its place is out of range, or it has symbols that
            its header does not allow.
    """
    header = file.header
    coding = _coding_of(header, codec)
    known = coder.decode(file.parts, header.shape, coding.context, header.rows_per_part)
    container2.check_symbols(known, header)
    rows = file.pixel_rows
    rgb = coding.restore(known, rows, header.width)
    pixels = to_gray(rgb) if header.colour is Colour.GRAY else rgb
    if rows == header.height:
        return pixels
    whole = np.full((header.height, *pixels.shape[1:]), MISSING, np.uint8)
    whole[:rows] = pixels
    return whole


def _coding_of(header: Header, codec: Autoencoder) -> Coding:
    """The codec as the file needs it; its decoder is the file's."""
    if header.channels != codec.channels or header.place > codec.span.last:
        raise UserError(
            f"this file claims {header.channels} channels and place {header.place}, and its "
            f"network {codec.id} has {codec.channels} and 0 to {codec.span.last}; fetch the file "
            "again"
        )
    coding = codec.at(header.place)
    digest = context.blob_hash(coding.context)
    if header.context_hash != digest:
        raise UserError(
            f"this file needs the context {header.context_hash.hex()} of {header.model_id}, and "
            f"{codec.id} here has {digest.hex()}"
        )
    return coding
