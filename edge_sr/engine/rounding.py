"""Repeats the integer arithmetic of TensorFlow Lite Micro that the planner needs offline.

The planner computes constants and lookup tables with it; the engine itself runs `c/esr_rounding.h`.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """A non-negative real number as multiplier * 2^(shift - 31).

    Attributes:
        multiplier: 2^30 to 2^31 - 1, or 0.
        shift: at least -31.
    """

    multiplier: int
    shift: int

    @staticmethod
    def of(real: float) -> "Factor":
        """The nearest factor, as TFLM's QuantizeMultiplier finds it; 0 below 2^-32.

        Args:
            real: a finite number, not negative.
        """
        fraction, shift = math.frexp(real)
        multiplier = math.floor(fraction * 2**31 + 0.5)
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift + 1
        return Factor(0, 0) if real == 0 or shift < -31 else Factor(multiplier, shift)


def saturate(value: int) -> int:
    """The value clipped to the range of int32."""
    return min(2**31 - 1, max(-(2**31), value))


def high_product(a: int, b: int) -> int:
    """a * b / 2^31, rounded to nearest, ties upward, clipped to int32."""
    return saturate((a * b + 2**30) >> 31)


def divide_by_power(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded to nearest, ties away from zero."""
    half = (1 << exponent) >> 1
    return (value + half) >> exponent if value >= 0 else -((half - value) >> exponent)


def multiply(value: int, factor: Factor) -> int:
    """value * factor, rounded twice, as TFLM's MultiplyByQuantizedMultiplier does."""
    left, right = max(factor.shift, 0), max(-factor.shift, 0)
    return divide_by_power(high_product(value << left, factor.multiplier), right)
