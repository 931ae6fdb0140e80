"""Image quality: PSNR, SSIM and MS-SSIM of single 8-bit planes, computed with NumPy only.

Super-resolution results compare BT.601 luma with a border of `scale` pixels cropped on all sides.
"""

import math

import numpy as np
from numpy.typing import NDArray

from edge_sr.errors import UserError

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]
Samples = Pixels | Plane

_PEAK = 255.0
SSIM_WINDOW = 11
"""Side of the Gaussian window of SSIM, pixels."""
_SIGMA = 1.5
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2
MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of MS-SSIM's octaves: Wang et al. 2003, section 3.2."""
_BAND_ELEMENTS = 1 << 16  # a band's float64 maps fit in a core's cache


def psnr(reference: Pixels, image: Pixels, border: int = 0) -> float:
    """Return the peak signal-to-noise ratio in dB, peak 255; infinite for identical planes.

    Args:
        reference: uint8 (H, W).
        image: uint8 (H, W).
        border: pixels cropped from each side of both.

    Raises:
        UserError: the planes differ in size, have another dtype or rank, or no pixel is left.
    """
    a, b = _crop(reference, image, border, 1)
    squares = 0
    for rows in _bands(a):
        difference = a[rows].astype(np.int32) - b[rows]
        squares += int(np.sum(difference * difference, dtype=np.int64))
    return math.inf if squares == 0 else 10 * math.log10(_PEAK**2 * a.size / squares)


def ssim(reference: Pixels, image: Pixels, border: int = 0) -> float:
    """Return the mean structural similarity (SSIM) where the 11x11 window fits, sigma 1.5.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 13(4), 2004: K1 = 0.01, K2 = 0.03, population variances.

    Args:
        reference: uint8 (H, W).
        image: uint8 (H, W).
        border: pixels cropped from each side of both, before the window is applied.

    Returns:
        -1..1; 1 for identical planes.

    Raises:
        UserError: the planes differ in size, have another dtype or rank, or fewer than 11x11 pixels
            are left.
    """
    a, b = _crop(reference, image, border, SSIM_WINDOW)
    return _similarity(a, b)[0]


def ms_ssim(reference: Pixels, image: Pixels, border: int = 0) -> float:
    """Return the multi-scale structural similarity (MS-SSIM) over five octaves.

    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment",
    Asilomar 2003: the product of the contrast-structure of every octave and the luminance of the
    last, each to the power of its weight. Octaves are 2x2 means (an odd last row or column is
    repeated); a negative octave counts as 0.

    Args:
        reference: uint8 (H, W).
        image: uint8 (H, W).
        border: pixels cropped from each side of both.

    Returns:
        0..1; 1 for identical planes.

    Raises:
        UserError: the planes differ in size, have another dtype or rank, or fewer than 161x161
            pixels are left.
    """
    octaves = len(MS_WEIGHTS)
    x: Samples
    y: Samples
    x, y = _crop(reference, image, border, (SSIM_WINDOW - 1) * 2 ** (octaves - 1) + 1)
    product = 1.0
    for octave, weight in enumerate(MS_WEIGHTS):
        similarity, structure = _similarity(x, y)
        last = octave == octaves - 1
        product *= max(similarity if last else structure, 0.0) ** weight
        if not last:
            x, y = _halve(x), _halve(y)
    return product


def _crop(a: Pixels, b: Pixels, border: int, min_side: int) -> tuple[Pixels, Pixels]:
    if a.shape != b.shape or a.ndim != 2 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise UserError(
            f"cannot compare {a.dtype} {a.shape} with {b.dtype} {b.shape}; "
            "two uint8 planes of the same height and width are needed"
        )
    if border < 0:
        raise UserError(f"the border is {border}; it must be at least 0")
    height, width = a.shape
    if min(height, width) - 2 * border < min_side:
        raise UserError(
            f"an image of {width}x{height} is too small to compare: "
            f"{min_side}x{min_side} pixels must be left inside a border of {border}"
        )
    inside = np.s_[border : height - border, border : width - border]
    return a[inside], b[inside]


def _bands(plane: Samples) -> list[slice]:
    step = max(1, _BAND_ELEMENTS // plane.shape[1])
    return [slice(start, start + step) for start in range(0, len(plane), step)]


def _gaussian() -> list[float]:
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return (weights / weights.sum()).tolist()


def _blur(plane: Plane) -> Plane:
    """Gaussian blur of the valid region: (H, W) -> (H - 10, W - 10)."""
    for _ in range(2):
        count = len(plane) - SSIM_WINDOW + 1
        half = SSIM_WINDOW // 2
        weights = _gaussian()
        sums = plane[half : half + count] * weights[half]
        for tap in range(half):
            mirror = SSIM_WINDOW - 1 - tap
            sums += (plane[tap : tap + count] + plane[mirror : mirror + count]) * weights[tap]
        plane = sums.T.copy()
    return plane


def _similarity(a: Samples, b: Samples) -> tuple[float, float]:
    """Means over the valid region of SSIM and of its contrast-structure part."""
    total = structure_total = 0.0
    height, width = len(a) - SSIM_WINDOW + 1, a.shape[1] - SSIM_WINDOW + 1
    step = max(4 * SSIM_WINDOW, _BAND_ELEMENTS // a.shape[1])
    for start in range(0, height, step):
        rows = slice(start, start + step + SSIM_WINDOW - 1)
        x, y = a[rows].astype(np.float64), b[rows].astype(np.float64)
        mean_x, mean_y = _blur(x), _blur(y)
        product = mean_x * mean_y
        squares = mean_x * mean_x + mean_y * mean_y
        covariance = _blur(x * y) - product
        variances = _blur(x * x + y * y) - squares
        structure = (2 * covariance + _C2) / (variances + _C2)
        structure_total += float(structure.sum())
        total += float((structure * ((2 * product + _C1) / (squares + _C1))).sum())
    return total / (height * width), structure_total / (height * width)


def _halve(plane: Samples) -> Plane:
    """Means of 2x2 blocks; an odd last row or column is repeated."""
    even = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge").astype(np.float64)
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
