"""Makes the seeded noise that networks other than upscalers and codecs run on."""

import numpy as np

from edge_sr.errors import UserError
from edge_sr.runtime.arrays import ArrayInterface, ArraySpec

VECTOR_RUNS = 8
"""The inputs on which networks that give vectors are compared; all others run on one."""

_INDICES = 2  # values of int32 and int64, which may be indices of a short table


def make(interface: ArrayInterface) -> list[list[np.ndarray]]:
    """Return the inputs of each run: the same on every machine.

    8-bit and 16-bit integers have their whole range, floats 0 to 1.

    Raises:
        UserError: an input is not an array of numbers.
    """
    runs = VECTOR_RUNS if interface.vectors else 1
    source = np.random.default_rng(0)
    return [[_noise(spec, source) for spec in interface.inputs] for _ in range(runs)]


def _noise(spec: ArraySpec, source: np.random.Generator) -> np.ndarray:
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        raise UserError(f"the model takes {spec}; noise is made of numbers") from None
    if dtype.kind == "f":
        return source.random(spec.shape).astype(dtype)
    if dtype.kind == "b" or (dtype.itemsize > 2 and dtype.kind in "iu"):
        return source.integers(0, _INDICES, spec.shape).astype(dtype)
    if dtype.kind not in "iu":
        raise UserError(f"the model takes {spec}; noise is made of numbers")
    limits = np.iinfo(dtype)
    return source.integers(limits.min, limits.max, spec.shape, dtype, endpoint=True)
