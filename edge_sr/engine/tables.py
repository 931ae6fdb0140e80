"""Fills tables of 256 values for operators that map each int8 by itself, in TFLM's arithmetic.

`lut.py` has those that need gemmlowp's exponentials. Arithmetic that TFLM does in single precision
is done in numpy's float32, in the same order.
"""

import math
from collections.abc import Callable

import numpy as np

from edge_sr.engine.operands import zero_point_of
from edge_sr.engine.rounding import Factor, divide_by_power, high_product, multiply, saturate
from edge_sr.graph import Tensor

STORED = range(-128, 128)

_RSQRT_SHIFT = 20
_SQRT_HALF = 1518500250  # sqrt(1/2) without integer bits


def rescaled(factor: Factor, source: Tensor, target: Tensor) -> np.ndarray:
    """QUANTIZE between int8 and uint8; the table takes and gives the bits of uint8 as int8.

    Returns:
        (256,) int8, the results for inputs -128 to 127, as all functions here.
    """
    limits = np.iinfo(target.dtype)

    def value(x: int) -> int:
        stored = x % 256 if source.dtype == "uint8" else x
        scaled = zero_point_of(target) + multiply(stored - zero_point_of(source), factor)
        return min(int(limits.max), max(int(limits.min), scaled))

    return np.array([value(x) % 256 for x in STORED], np.uint8).view(np.int8)


def absolute(factor: Factor, in_zero_point: int, out_zero_point: int) -> np.ndarray:
    """ABS."""
    return _table(lambda x: out_zero_point + multiply(abs(x - in_zero_point), factor))


def elu(in_scale: float, in_zero_point: int, out_scale: float, out_zero_point: int) -> np.ndarray:
    """ELU, with exponentials rounded to the nearest float32."""
    inverse = np.float32(1) / np.float32(out_scale)

    def value(x: int) -> int:
        real = np.float32(in_scale) * np.float32(x - in_zero_point)
        if real < 0:
            real = np.float32(math.exp(real)) - np.float32(1)
        scaled = float(real * inverse)
        return out_zero_point + math.floor(abs(scaled) + 0.5) * (1 if scaled >= 0 else -1)

    return _table(value)


def hard_swish(
    in_scale: float, in_zero_point: int, out_scale: float, out_zero_point: int
) -> np.ndarray | None:
    """HARD_SWISH; None where TFLM refuses the scales, or shifts 16 bits by more than 15."""
    to_output = Factor.of(in_scale / 128 / out_scale)
    to_gate = Factor.of(in_scale / 128 / (3 / 32768))
    if not -15 <= to_output.shift <= 0 or to_gate.shift < -15:
        return None
    multipliers = [min(32767, (f.multiplier + 2**15) >> 16) for f in (to_output, to_gate)]

    def value(x: int) -> int:
        wide = (x - in_zero_point) * 128
        gate = (_clip16(_gate(wide, multipliers[1], to_gate.shift)) + 2**15) >> 1
        product = gate * _high_product16(wide, multipliers[0])
        halved = abs(product) >> 15
        return out_zero_point + divide_by_power(
            halved if product >= 0 else -halved, -to_output.shift
        )

    return _table(value)


def _gate(wide: int, multiplier: int, shift: int) -> int:
    """The input, on the scale on which 3 is 32768."""
    if shift > 0:
        gate = _high_product16(_clip16(wide << (shift - 1)), multiplier)
        return gate << 1
    return divide_by_power(_high_product16(wide, multiplier), -shift)


def _clip16(value: int) -> int:
    return min(32767, max(-32768, value))


def _high_product16(a: int, b: int) -> int:
    """a * b / 2^15, rounded to nearest, ties upward, as gemmlowp does for int16."""
    return _clip16((a * b + 2**14) >> 15)


def rsqrt(
    in_scale: float, in_zero_point: int, out_scale: float, out_zero_point: int
) -> np.ndarray | None:
    """RSQRT; None where all outputs are too small for TFLM's shifts.

    TFLM stops at negative inputs; the table has its largest value for them.
    """
    root = np.sqrt(np.float32(in_scale)) * np.float32(out_scale)
    factor = Factor.of(1 / float(root))
    if factor.shift - _RSQRT_SHIFT < -31:
        return None

    def value(x: int) -> int:
        if x <= in_zero_point:
            return 127
        inverse = _inverse_root(x - in_zero_point)
        raised = multiply(1, Factor(inverse.multiplier, inverse.shift + _RSQRT_SHIFT))
        return out_zero_point + multiply(
            raised, Factor(factor.multiplier, factor.shift - _RSQRT_SHIFT)
        )

    return _table(value)


def _inverse_root(value: int) -> Factor:
    """1 / sqrt(value) for 1 to 255, by Newton's method on numbers with three integer bits."""
    if value == 1:
        return Factor(2**31 - 1, 0)
    pairs = (32 - value.bit_length() - 1) // 2 - 1
    shift = 11 - pairs
    half = (value << (2 * pairs)) >> 1
    x, half_input = 2**28, divide_by_power(half, 1)
    for _ in range(5):
        x3 = saturate(high_product(high_product(x, x), x) << 6)
        x = saturate((high_product(2**28 + 2**27, x) - high_product(half_input, x3)) << 3)
    root = high_product(x, _SQRT_HALF)
    return Factor(root << -shift, 0) if shift < 0 else Factor(root, -shift)


def _table(value: Callable[[int], int]) -> np.ndarray:
    return np.array([min(127, max(-128, value(x))) for x in STORED], np.int8)
