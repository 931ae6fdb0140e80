"""Bits of order-0 codes of latents, which use no context."""

import numpy as np


def static_bits(symbols: np.ndarray) -> float:
    """Return the entropy of all symbols in bits, without a table; unsigned integers."""
    counts = np.bincount(symbols.ravel())
    counts = counts[counts > 0]
    return float((counts * np.log2(counts.sum() / counts)).sum())


def adaptive_bits(symbols: np.ndarray, alphabet: int) -> float:
    """Return the bits of an adaptive code with Laplace's estimate: counts start at 1.

    The order of the symbols does not matter.

    Args:
        symbols: unsigned integers below `alphabet`.
        alphabet: number of possible symbols.
    """
    counts = np.bincount(symbols.ravel(), minlength=alphabet)
    rising = sum(np.log2(np.arange(1, count + 1)).sum() for count in counts)
    return float(np.log2(np.arange(alphabet, alphabet + counts.sum())).sum() - rising)
