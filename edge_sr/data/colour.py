"""BT.601 colour in studio range (Y 16..235, Cb and Cr 16..240), as MATLAB's rgb2ycbcr on uint8.

Luma and chroma are computed in integers and rounded once, halves up.
"""

import numpy as np

from edge_sr.data.image_types import Pixels
from edge_sr.errors import UserError

_BAND_PIXELS = 1 << 16  # a band's int32 sums fit in a core's cache

# ITU-R BT.601-7, studio range, in thousandths; outputs are (offset * 255000 + row . RGB) / 255000.
_FORWARD = ((65481, 128553, 24966), (-37797, -74203, 112000), (112000, -93786, -18214))
_OFFSETS = (16, 128, 128)
_DENOMINATOR = 255_000
_INVERSE: list[list[float]] = (
    np.linalg.inv(np.array(_FORWARD, np.float64)) * _DENOMINATOR
).tolist()


def luminance(pixels: Pixels) -> Pixels:
    """Return the BT.601 luma (16..235) of RGB; a gray image is returned unchanged.

    Args:
        pixels: uint8 (H, W) gray or (H, W, 3) RGB.

    Returns:
        uint8 (H, W).

    Raises:
        UserError: the pixels have another dtype or shape.
    """
    if pixels.ndim == 2 and pixels.dtype == np.uint8:
        return pixels
    _check(pixels)
    out = np.empty(pixels.shape[:2], np.uint8)
    for rows in _bands(pixels):
        _forward(pixels[rows], 0, out[rows])
    return out


def rgb_to_ycbcr(rgb: Pixels) -> Pixels:
    """Convert uint8 (H, W, 3) RGB to uint8 (H, W, 3) Y, Cb, Cr in studio range.

    Raises:
        UserError: the pixels have another dtype or shape.
    """
    _check(rgb)
    out = np.empty_like(rgb)
    for rows in _bands(rgb):
        for component in range(3):
            _forward(rgb[rows], component, out[rows][..., component])
    return out


def _check(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UserError(
            f"cannot convert the colour of {pixels.dtype} {pixels.shape}; "
            "it must be uint8 (height, width, 3)"
        )


def _bands(pixels: Pixels) -> list[slice]:
    step = max(1, _BAND_PIXELS // max(1, pixels.shape[1]))
    return [slice(start, start + step) for start in range(0, len(pixels), step)]


def _forward(rgb: Pixels, component: int, out: Pixels) -> None:
    sums = np.full(rgb.shape[:2], _OFFSETS[component] * _DENOMINATOR + _DENOMINATOR // 2, np.int32)
    for channel, weight in enumerate(_FORWARD[component]):
        sums += np.multiply(rgb[..., channel], weight, dtype=np.int32)
    out[...] = sums // _DENOMINATOR


def ycbcr_to_rgb(ycbcr: Pixels) -> Pixels:
    """Convert uint8 (H, W, 3) Y, Cb, Cr in studio range to uint8 (H, W, 3) RGB, clipped.

    Raises:
        UserError: the pixels have another dtype or shape.
    """
    _check(ycbcr)
    out = np.empty_like(ycbcr)
    for rows in _bands(ycbcr):
        centred = [ycbcr[rows][..., c] - float(_OFFSETS[c]) for c in range(3)]
        for channel in range(3):
            sums = np.full(centred[0].shape, 0.5)
            for component, weight in zip(centred, _INVERSE[channel], strict=True):
                sums += component * weight
            np.clip(sums, 0, 255, out=sums)
            out[rows][..., channel] = sums
    return out
