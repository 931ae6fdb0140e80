"""Fills lookup tables of 256 values, for logistic, tanh and softmax, in TFLM's arithmetic.

The functions mirror gemmlowp's fixedpoint.h (Apache-2.0), which TFLM evaluates for every value. A
number is a raw 32-bit integer with a known number of integer bits. Only the planner computes the
functions; the engine looks up the results.
"""

import math
from collections.abc import Callable

import numpy as np

from edge_sr.engine.rounding import Factor, divide_by_power, high_product, multiply, saturate

_ONE = 2**31 - 1
"""The largest number without integer bits, which represents 1."""

_INPUT_INTEGER_BITS = 4
_SOFTMAX_INTEGER_BITS = 5

# Pairs of exponent and exp(-2^exponent) without integer bits.
_EXPONENTIALS = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)


def logistic(scale: float, zero_point: int) -> np.ndarray:
    """The logistic function of every int8; the output has scale 1/256 and zero point -128.

    Args:
        scale: the input's scale, at least 2^-27.
        zero_point: the input's zero point.

    Returns:
        (256,) int8, the results for inputs -128 to 127.
    """
    return _table(scale, zero_point, lambda raw: divide_by_power(_logistic(raw), 23) - 128)


def tanh(scale: float, zero_point: int) -> np.ndarray:
    """The tanh of every int8; the output has scale 1/128 and zero point 0. See `logistic`."""
    return _table(scale, zero_point, lambda raw: divide_by_power(_tanh(raw), 24))


def exponentials(scale: float) -> np.ndarray:
    """exp(-scale * i) for i from 0 to 255, as TFLM's softmax computes it.

    Args:
        scale: the input's scale times beta, above 2^-26.

    Returns:
        (256,) int32 without integer bits; 0 where TFLM leaves the term out.
    """
    real = min(scale * 2.0 ** (31 - _SOFTMAX_INTEGER_BITS), 2.0**31 - 1)
    factor = Factor.of(real)
    largest = (2**_SOFTMAX_INTEGER_BITS - 1) * 2 ** (31 - _SOFTMAX_INTEGER_BITS)
    radius = math.floor(largest / 2**factor.shift)
    values = [
        _exp_of_negative(multiply(-i, factor), _SOFTMAX_INTEGER_BITS) if i <= radius else 0
        for i in range(256)
    ]
    return np.array(values, "<i4")


def _table(scale: float, zero_point: int, function: Callable[[int], int]) -> np.ndarray:
    factor = Factor.of(scale * 2.0 ** (31 - _INPUT_INTEGER_BITS))
    largest = (2**_INPUT_INTEGER_BITS - 1) * 2 ** (31 - _INPUT_INTEGER_BITS)
    radius = math.floor(largest / 2**factor.shift)
    values = []
    for stored in range(-128, 128):
        value = stored - zero_point
        if abs(value) >= radius:
            values.append(127 if value >= radius and value > -radius else -128)
        else:
            values.append(min(127, max(-128, function(multiply(value, factor)))))
    return np.array(values, np.int8)


def _shift_up(value: int, exponent: int) -> int:
    return saturate(value << exponent)


def _half_sum(a: int, b: int) -> int:
    """(a + b) / 2, rounded away from zero."""
    total = a + b
    return (total + 1) // 2 if total >= 0 else -((1 - total) // 2)


def _exp_of_small(a: int) -> int:
    """exp(a) for a in [-1/4, 0), without integer bits."""
    constant = 1895147668  # exp(-1/8)
    x = a + 2**28  # a + 1/8
    x2 = high_product(x, x)
    x3 = high_product(x2, x)
    x4_over_4 = divide_by_power(high_product(x2, x2), 2)
    higher = divide_by_power(high_product(x4_over_4 + x3, 715827883) + x2, 1)
    return constant + high_product(constant, x + higher)


def _exp_of_negative(a: int, integer_bits: int) -> int:
    """exp(a) for a <= 0 with that many integer bits; the result has no integer bits."""
    if a == 0:
        return _ONE
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    result = _exp_of_small(_shift_up(rest, integer_bits))
    remainder = rest - a
    for exponent, factor in _EXPONENTIALS:
        if integer_bits > exponent and remainder & (1 << (fraction_bits + exponent)):
            result = high_product(result, factor)
    return result


def _reciprocal(half_denominator: int) -> int:
    """1 / x for x in [1/2, 1], by Newton's method; the result has two integer bits."""
    x = 1515870810 + high_product(half_denominator, -1010580540)  # 48/17 - 32/17 x
    for _ in range(3):
        error = 2**29 - high_product(half_denominator, x)
        x += _shift_up(high_product(x, error), 2)
    return x


def _logistic(a: int) -> int:
    """1 / (1 + exp(-a)); the input has four integer bits, the result none."""
    if a == 0:
        return 2**30
    half = _half_sum(_exp_of_negative(-abs(a), _INPUT_INTEGER_BITS), _ONE)
    positive = _shift_up(_reciprocal(half), 1)
    return positive if a > 0 else _ONE - positive


def _tanh(a: int) -> int:
    """(1 - exp(-2a)) / (1 + exp(-2a)); the input has four integer bits, the result none."""
    if a == 0:
        return 0
    half = _half_sum(_exp_of_negative(-abs(a), _INPUT_INTEGER_BITS + 1), _ONE)
    positive = _shift_up(_reciprocal(half) - 2**29, 2)
    return positive if a > 0 else -positive
