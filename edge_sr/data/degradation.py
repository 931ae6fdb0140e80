"""Bicubic downscaling and upscaling of images, as MATLAB's imresize with antialiasing.

The kernel is Keys' cubic convolution with a = -0.5 (Keys, IEEE Trans. ASSP 29(6), 1981). For an
integer scale every weight is a rational number with a known denominator, so all sums are exact
integers: a result does not depend on the order of additions, on the size of a band or on the
processor. Edge pixels are replicated beyond the border.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError

Sums = NDArray[np.signedinteger]
Samples = TypeVar("Samples", NDArray[np.uint8], NDArray[np.uint16])
"""8-bit pixels, or the 16-bit samples of a thermal camera."""

UPSCALE_CONTEXT = 2
"""Input rows that `bicubic_upscale` needs above and below the row it enlarges."""

_MAX_SCALE = 8
_UPSCALED_DTYPES = ("uint8", "uint16")
_BAND_ELEMENTS = 1 << 17  # a band's int32 sums fit in a core's cache


def _cubic(n: int, scale: int) -> int:
    """Keys' kernel at the distance |n| / (2 scale), times 16 scale**3, which is an integer."""
    n = abs(n)
    if n <= 2 * scale:
        return 3 * n**3 - 10 * n**2 * scale + 16 * scale**3
    if n <= 4 * scale:
        return -(n**3) + 10 * n**2 * scale - 32 * n * scale**2 + 32 * scale**3
    return 0


def _check(
    pixels: NDArray[np.unsignedinteger[Any]], scale: int, dtypes: tuple[str, ...] = ("uint8",)
) -> None:
    if not 2 <= scale <= _MAX_SCALE:
        raise UserError(f"the scale is {scale}; bicubic resizing supports 2 to {_MAX_SCALE}")
    if pixels.dtype not in dtypes or pixels.ndim not in (2, 3) or pixels.size == 0:
        raise UserError(
            f"cannot resize an array of {pixels.dtype} {pixels.shape}; it must be "
            f"{' or '.join(dtypes)} (height, width) or (height, width, channels)"
        )


def _write(sums: Sums, denominator: int, out: NDArray[np.unsignedinteger[Any]]) -> None:
    """Write sums / denominator to `out`, halves rounded up, clipped; `sums` is overwritten."""
    sums += denominator // 2
    sums //= denominator
    np.clip(sums, 0, np.iinfo(out.dtype).max, out=sums)
    out[...] = sums


def _band_rows(width: int) -> int:
    return max(1, _BAND_ELEMENTS // width)


# --- down ---------------------------------------------------------------------------------------


def _decimate(line: NDArray[np.int16], scale: int, out: Pixels) -> None:
    """Antialiased bicubic along axis 0: line (scale * n + 3 scale, ...) -> out (n, ...)."""
    count = len(out)
    taps = 4 * scale
    sums = np.zeros(out.shape, np.int32)
    for tap in range(taps // 2):
        # The weights are symmetric, so a tap and its mirror image share one multiplication. With
        # an odd scale the window is centred on a pixel: tap 2 * scale - 1, its own mirror image.
        mirror = taps - 1 - tap - scale % 2
        weight = _cubic(2 * tap - 4 * scale + 1 + scale % 2, scale)
        pair = line[tap : tap + scale * count : scale]
        if mirror != tap:
            pair = pair + line[mirror : mirror + scale * count : scale]
        sums += np.multiply(pair, weight, dtype=np.int32)
    _write(sums, 16 * scale**4, out)


def _window(start: int, stop: int, scale: int, length: int) -> NDArray[np.intp]:
    """Input indices (clipped to the image) under outputs start..stop of `_decimate`."""
    first = scale * start - 3 * scale // 2
    indices = np.arange(first, first + scale * (stop - start) + 3 * scale)
    return np.clip(indices, 0, length - 1)


def bicubic_downscale(pixels: Pixels, scale: int) -> Pixels:
    """Reduce an image as the low-resolution images of DIV2K and the standard test sets are made.

    As MATLAB's imresize with antialiasing: floor-crop to a multiple of the scale, the vertical pass
    first, rounding to uint8 after each pass (halves up), edges replicated.

    Args:
        pixels: uint8 (H, W) or (H, W, C).
        scale: 2 to 8.

    Returns:
        uint8 (H // scale, W // scale) or (H // scale, W // scale, C).

    Raises:
        UserError: the dtype or rank is another, the scale is out of range, or the image is smaller
            than the scale.
    """
    _check(pixels, scale)
    height, width = pixels.shape[0] // scale, pixels.shape[1] // scale
    if height == 0 or width == 0:
        raise UserError(
            f"an image of {pixels.shape[1]}x{pixels.shape[0]} is too small to be reduced by {scale}"
        )
    out = np.empty((height, width, *pixels.shape[2:]), np.uint8)
    planes = pixels.reshape(*pixels.shape[:2], -1)
    for channel in range(planes.shape[2]):
        target = out.reshape(height, width, -1)[..., channel]
        _downscale_plane(planes[: height * scale, : width * scale, channel], scale, target)
    return out


def _downscale_plane(plane: Pixels, scale: int, out: Pixels) -> None:
    height, width = out.shape
    columns = _window(0, width, scale, plane.shape[1])
    step = _band_rows(plane.shape[1])
    for start in range(0, height, step):
        stop = min(start + step, height)
        rows = plane[_window(start, stop, scale, plane.shape[0])].astype(np.int16)
        narrow = np.empty((stop - start, plane.shape[1]), np.uint8)
        _decimate(rows, scale, narrow)
        # Transposed, so that the second pass also reads whole rows.
        across = np.ascontiguousarray(narrow.T)[columns].astype(np.int16)
        reduced = np.empty((width, stop - start), np.uint8)
        _decimate(across, scale, reduced)
        out[start:stop] = reduced.T


# --- up -----------------------------------------------------------------------------------------


def _phase(phase: int, scale: int) -> tuple[int, list[int]]:
    """First tap (relative to the input pixel, -2 or -1) and the four weights of one output phase.

    Output scale * i + phase lies at i + (2 phase + 1 - scale) / (2 scale) on the input's grid.
    """
    shift = 2 * phase + 1 - scale
    first = -2 if shift < 0 else -1
    return first, [_cubic(2 * scale * tap - shift, scale) for tap in range(first, first + 4)]


def bicubic_upscale(pixels: Samples, scale: int) -> Samples:
    """Enlarge an image with the same kernel (MATLAB's imresize), rounded once, halves up.

    Args:
        pixels: uint8 or uint16 (H, W) or (H, W, C).
        scale: 2 to 8.

    Returns:
        The same dtype, (scale * H, scale * W) or (scale * H, scale * W, C).

    Raises:
        UserError: the dtype or rank is another, or the scale is out of range.
    """
    _check(pixels, scale, _UPSCALED_DTYPES)
    return bicubic_upscale_band(pixels, scale, 0, len(pixels), len(pixels))


def bicubic_upscale_band(
    rows: Samples, scale: int, start: int, stop: int, height: int, out: Samples | None = None
) -> Samples:
    """Compute rows [scale * start, scale * stop) of `bicubic_upscale` from a band of the input.

    Args:
        rows: uint8 or uint16 (R, W) or (R, W, C), the image's rows [start - 2, stop + 2) clipped
            to [0, height).
        scale: 2 to 8.
        start: first input row of the band.
        stop: the row after its last.
        height: rows of the whole image.
        out: where to write; a new array by default.

    Returns:
        The same dtype, (scale * (stop - start), scale * W) or with C, bit-identical to those rows
        of the whole image.

    Raises:
        UserError: the dtype or rank is another, or the scale is out of range.
        ValueError: the number of rows, or the shape of `out`, is not the band's.
    """
    _check(rows, scale, _UPSCALED_DTYPES)
    first = max(start - UPSCALE_CONTEXT, 0)
    if not 0 <= start < stop <= height or len(rows) != min(stop + UPSCALE_CONTEXT, height) - first:
        raise ValueError(f"{len(rows)} rows are not those of band {start}:{stop} of {height}")
    shape = ((stop - start) * scale, rows.shape[1] * scale, *rows.shape[2:])
    if out is None:
        out = np.empty(shape, rows.dtype)
    elif out.shape != shape:
        raise ValueError(f"out is {out.shape}; the band is {shape}")
    step = _band_rows(rows.shape[1])
    columns = np.arange(-UPSCALE_CONTEXT, rows.shape[1] + UPSCALE_CONTEXT)
    columns = np.clip(columns, 0, rows.shape[1] - 1)
    for low in range(start, stop, step):
        high = min(low + step, stop)
        needed = np.arange(low - UPSCALE_CONTEXT, high + UPSCALE_CONTEXT)
        padded = rows[np.clip(needed, 0, height - 1) - first]
        target = out[(low - start) * scale : (high - start) * scale]
        for plane in _planes(rows.shape):
            _interpolate(padded[plane], columns, scale, target[plane])
    return out


def _planes(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The index of every channel, or of the only plane of a gray image."""
    return [(..., *channel) for channel in np.ndindex(shape[2:])]


def _interpolate(
    padded: NDArray[np.unsignedinteger[Any]],
    columns: NDArray[np.intp],
    scale: int,
    out: NDArray[np.unsignedinteger[Any]],
) -> None:
    """Enlarge `padded` (n + 4 rows, W) into `out` (scale * n, scale * W)."""
    denominator = 16 * scale**3
    # The absolute weights sum to at most 1.25 in each direction; 1.25**2 is below 2.25.
    wide = np.iinfo(padded.dtype).max * 2.25 * denominator**2 >= 2**31
    source: Sums = padded[:, columns].astype(np.int64 if wide else np.int32)
    count, width = len(padded) - 4, padded.shape[1]
    for row_phase in range(scale):
        first, weights = _phase(row_phase, scale)
        tall = _weighted(source, first + UPSCALE_CONTEXT, weights, count).T.copy()
        for column_phase in range(scale):
            first, weights = _phase(column_phase, scale)
            sums = _weighted(tall, first + UPSCALE_CONTEXT, weights, width)
            _write(sums.T, denominator**2, out[row_phase::scale, column_phase::scale])


def _weighted(line: Sums, first: int, weights: list[int], count: int) -> Sums:
    """Sum over taps k of weights[k] * line[first + k : first + k + count]."""
    sums = line[first : first + count] * weights[0]
    for tap, weight in enumerate(weights[1:], first + 1):
        sums += line[tap : tap + count] * weight
    return sums
