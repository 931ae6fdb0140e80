"""Bit planes: drops the least significant ones, and restores samples without them."""

import numpy as np

from edge_sr.errors import UserError

BITS = 8


def check(planes: int) -> None:
    """Check the number of bit planes to keep.

    Raises:
        UserError: the number is not 1 to 8.
    """
    if not 1 <= planes <= BITS:
        raise UserError(f"{planes} bit planes cannot be kept; use 1 to {BITS}")


def drop(samples: np.ndarray, planes: int) -> np.ndarray:
    """Keep the most significant planes; the other bits become 0.

    Args:
        samples: uint8, of any shape.
        planes: number of planes to keep, 1 to 8.

    Raises:
        UserError: `planes` is not 1 to 8.
    """
    check(planes)
    return samples & np.uint8(0xFF << (BITS - planes) & 0xFF)


def restore(kept: np.ndarray, planes: int) -> np.ndarray:
    """Replace dropped bits by the middle of the range that they may have had.

    The highest of p dropped bits becomes 1 and the others 0, so that the error of a sample is at
    most 2^(p - 1).

    Args:
        kept: uint8, as returned by `drop`.
        planes: number of planes that were kept, 1 to 8.

    Raises:
        UserError: `planes` is not 1 to 8.
    """
    return drop(kept, planes) | np.uint8((1 << (BITS - planes)) >> 1)
