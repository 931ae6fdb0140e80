"""What codes of order 0 need for latents: no sample's neighbours are looked at."""

import numpy as np


def static_bits(symbols: np.ndarray) -> float:
    """Entropy of all symbols together, with no table counted; symbols are unsigned integers."""
    counts = np.bincount(symbols.ravel())
    counts = counts[counts > 0]
    return float((counts * np.log2(counts.sum() / counts)).sum())


def adaptive_bits(symbols: np.ndarray, alphabet: int) -> float:
    """Of an adaptive code with Laplace's estimate, counts that start at 1.

    It is the same in whatever order the symbols come.

    Args:
        symbols: unsigned integers below `alphabet`.
        alphabet: how many symbols there could be.
    """
    counts = np.bincount(symbols.ravel(), minlength=alphabet)
    rising = sum(np.log2(np.arange(1, count + 1)).sum() for count in counts)
    return float(np.log2(np.arange(alphabet, alphabet + counts.sum())).sum() - rising)
