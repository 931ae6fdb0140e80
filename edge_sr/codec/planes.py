"""Bit planes: what is dropped from the least significant end, and what stands for it."""

import numpy as np

from edge_sr.errors import UserError

BITS = 8


def check(planes: int) -> None:
    """Refuse a number of planes that there cannot be.

    Raises:
        UserError: it is not 1 to 8.
    """
    if not 1 <= planes <= BITS:
        raise UserError(f"{planes} bit planes cannot be kept; 1 to {BITS} can")


def drop(samples: np.ndarray, planes: int) -> np.ndarray:
    """Keep the most significant planes; the bits below become 0.

    Args:
        samples: uint8, of any shape.
        planes: to keep, 1 to 8.

    Raises:
        UserError: no such number of planes can be kept.
    """
    check(planes)
    return samples & np.uint8(0xFF << (BITS - planes) & 0xFF)


def restore(kept: np.ndarray, planes: int) -> np.ndarray:
    """Put the middle of what a sample may have been in place of the bits that were dropped.

    Of p dropped bits the highest becomes 1 and the others 0, so that no sample is wrong by more
    than 2^(p - 1).

    Args:
        kept: uint8, as `drop` returns it.
        planes: that were kept, 1 to 8.

    Raises:
        UserError: no such number of planes can have been kept.
    """
    return drop(kept, planes) | np.uint8((1 << (BITS - planes)) >> 1)
