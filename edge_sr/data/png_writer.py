"""Writes PNG files band by band, so that a large image need not fit in memory."""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import png

from edge_sr.data.image_types import Pixels, Samples
from edge_sr.errors import UserError
from edge_sr.files import replacing

_AVERAGE = 3  # PNG's filter type: the mean of the pixels to the left and above predicts a pixel
_LEVEL = 4  # with this filter files are within 2 % of Pillow's size, in a fifth of the time
_MAX_SIDE = 2**31 - 1


class PngWriter:
    """Takes bands of rows from top to bottom; use `open_png` to make one."""

    def __init__(
        self,
        file: BinaryIO,
        height: int,
        width: int,
        channels: int,
        profile: bytes | None = None,
        bits: int = 8,
    ) -> None:
        self._file = file
        self._shape = (height, width) if channels == 1 else (height, width, channels)
        self._dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
        self._pixel_bytes = channels * bits // 8
        self._above = np.zeros((1, width * self._pixel_bytes), np.uint8)
        self._compressor = zlib.compressobj(_LEVEL)
        self._rows = 0
        png.Writer(width, height, greyscale=channels == 1, bitdepth=bits).write_preamble(file)
        if profile:  # name, terminator, method 0, compressed bytes
            png.write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))

    def write(self, rows: Samples) -> None:
        """Append rows: (n, width) for gray, (n, width, 3) for RGB; uint8, or uint16 with 16 bits.

        Raises:
            ValueError: the rows have another shape or dtype, or exceed the image.
        """
        if rows.dtype != self._dtype or rows.shape[1:] != self._shape[1:]:
            raise ValueError(f"rows of {rows.dtype} {rows.shape}; the image is {self._shape}")
        if self._rows + len(rows) > self._shape[0]:
            raise ValueError(f"more than the {self._shape[0]} rows of the image")
        self._rows += len(rows)
        big_endian = np.ascontiguousarray(rows, self._dtype.newbyteorder(">"))
        lines = big_endian.view(np.uint8).reshape(len(rows), self._above.shape[1])
        self._emit(self._compressor.compress(self._filter(lines).data))

    def finish(self) -> None:
        """Write the end of the file; `open_png` calls it.

        Raises:
            ValueError: rows are missing.
        """
        if self._rows != self._shape[0]:
            raise ValueError(f"{self._rows} of {self._shape[0]} rows were written")
        self._emit(self._compressor.flush())
        png.write_chunk(self._file, b"IEND")

    def _filter(self, lines: Pixels) -> Pixels:
        """Apply PNG's Average filter to a band; each line begins with its filter byte."""
        lines_above = np.concatenate([self._above, lines])
        self._above, above = lines_above[-1:].copy(), lines_above[:-1]
        left = np.zeros_like(lines)
        left[:, self._pixel_bytes :] = lines[:, : -self._pixel_bytes]
        out = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
        out[:, 0] = _AVERAGE
        # (a & b) + ((a ^ b) >> 1) is floor((a + b) / 2) without a ninth bit.
        out[:, 1:] = lines - ((left & above) + ((left ^ above) >> 1))
        return out

    def _emit(self, data: bytes) -> None:
        if data:
            png.write_chunk(self._file, b"IDAT", data)


@contextlib.contextmanager
def open_png(
    path: Path | str,
    height: int,
    width: int,
    channels: int,
    profile: bytes | None = None,
    bits: int = 8,
) -> Iterator[PngWriter]:
    """Write a PNG band by band: `with open_png(path, height, width, 3) as png: png.write(band)`.

    The file appears under its name, replacing an existing one, when the block ends and all rows
    are written; after an error nothing is left behind.

    Args:
        path: the file; its folder must exist.
        height: rows of the image, at least 1.
        width: columns of the image, at least 1.
        channels: 1 for gray, 3 for RGB.
        profile: an ICC profile to embed.
        bits: per sample, 8 or 16.

    Raises:
        UserError: PNG cannot hold an image of this size, or the file cannot be written.
    """
    path = Path(path)
    if channels not in (1, 3) or not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise UserError(
            f"cannot write {path}: {width}x{height} with {channels} channels is not an image size"
        )
    with replacing(path) as temporary, temporary.open("wb") as file:
        writer = PngWriter(file, height, width, channels, profile, bits)
        yield writer
        writer.finish()
