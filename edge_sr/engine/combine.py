"""Operators that combine two int8 tensors value by value, in TFLM's arithmetic."""

from dataclasses import dataclass
from enum import IntEnum

from edge_sr.engine.operands import activation_range, make_factor, scale_of, zero_point_of
from edge_sr.engine.rounding import Factor, multiply
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Operator, Tensor

_SHIFT = 20  # bits by which TFLM shifts the inputs of a sum or a difference
_MAX_PRODUCT_FACTOR = 2.0**15  # a product has 16 bits and a sign


class Function(IntEnum):
    """What is computed of two values, numbered as in `c/esr_frame_plan.h`."""

    ADD = 0
    SUB = 1
    SUB_FROM = 2  # right minus left
    MUL = 3
    MINIMUM = 4
    MAXIMUM = 5


@dataclass(frozen=True)
class Combination:
    """A function with its constants.

    Attributes:
        function: what is computed.
        factors: of left, right and the sum or difference; of the product; none of the others.
        zero_points: of left, right and the output.
        low: the least value of the output, which the fused activation limits.
        high: the largest one.
    """

    function: Function
    factors: tuple[Factor, ...]
    zero_points: tuple[int, int, int]
    low: int
    high: int

    def swapped(self) -> "Combination":
        """The same function with left and right exchanged."""
        functions = {Function.SUB: Function.SUB_FROM, Function.SUB_FROM: Function.SUB}
        left, right, out = self.zero_points
        factors = self.factors
        if len(factors) == 3:
            factors = (factors[1], factors[0], factors[2])
        function = functions.get(self.function, self.function)
        return Combination(function, factors, (right, left, out), self.low, self.high)

    def value(self, left: int, right: int) -> int:
        """The output for two stored values."""
        return min(self.high, max(self.low, self._unlimited(left, right)))

    def _unlimited(self, left: int, right: int) -> int:
        if self.function == Function.MINIMUM:
            return min(left, right)
        if self.function == Function.MAXIMUM:
            return max(left, right)
        a, b = left - self.zero_points[0], right - self.zero_points[1]
        if self.function == Function.MUL:
            return self.zero_points[2] + multiply(a * b, self.factors[0])
        a, b = multiply(a << _SHIFT, self.factors[0]), multiply(b << _SHIFT, self.factors[1])
        total = {Function.ADD: a + b, Function.SUB: a - b, Function.SUB_FROM: b - a}
        return self.zero_points[2] + multiply(total[self.function], self.factors[2])


def combination_of(graph: Graph, operator: Operator) -> Combination:
    """What ADD, SUB, MUL, MINIMUM or MAXIMUM computes.

    Raises:
        UserError: scales are too far apart, or the engine does not support the activation.
    """
    left, right = (graph.tensors[index] for index in operator.inputs)
    output = graph.tensors[operator.outputs[0]]
    function = Function[operator.name]
    limits = (-128, 127)
    if function not in (Function.MINIMUM, Function.MAXIMUM):
        limits = activation_range(operator, output)
    factors: tuple[Factor, ...] = ()
    if function in (Function.ADD, Function.SUB):
        factors = sum_factors(operator, left, right, output)
    elif function == Function.MUL:
        real = scale_of(left) * scale_of(right) / scale_of(output)
        if real >= _MAX_PRODUCT_FACTOR:
            raise UserError(f"{operator} has scales that are too far apart for TFLM's product")
        factors = (make_factor(operator, real),)
    zero_points = (zero_point_of(left), zero_point_of(right), zero_point_of(output))
    return Combination(function, factors, zero_points, *limits)


def sum_factors(
    operator: Operator, left: Tensor, right: Tensor, output: Tensor
) -> tuple[Factor, ...]:
    """The factors of a sum or a difference.

    TFLM rescales both to twice the larger scale with 20 more bits, then to the output's scale.

    Raises:
        UserError: the scales are too far apart.
    """
    twice = 2 * max(scale_of(left), scale_of(right))
    reals = (
        scale_of(left) / twice,
        scale_of(right) / twice,
        twice / (2**_SHIFT * scale_of(output)),
    )
    if reals[2] >= 1:
        raise UserError(
            f"{operator} has scales that are too far apart for the 20 bits of TFLM's addition"
        )
    return tuple(make_factor(operator, real) for real in reals)
