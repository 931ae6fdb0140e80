"""The coder of docs/reference/tcz.md, implemented from that page alone: slow and plain.

Nothing is shared with the engine. The encoder keeps its interval as one exact number, so that it
needs no carry propagation.
"""

import numpy as np

STEP_SIZES = [min(32767, 2**18 // (8 + h * h)) for h in range(128)]


class Context:
    def __init__(self):
        self.estimates, self.count = [32768, 32768], 0

    def probability(self):
        return sum(self.estimates) >> 1

    def update(self, bit):
        shift = (self.count + 1).bit_length()
        for i, limit in enumerate((5, 8)):
            e = self.estimates[i]
            self.estimates[i] = e + (((65504 if bit else 31) - e) >> min(shift, limit))
        self.count = min(self.count + 1, 127)


class Writer:
    """An interval [low, low + range) of numbers with `digits` digits in base 256."""

    def __init__(self):
        self.low, self.range, self.digits = 0, 2**32 - 1, 4

    def code(self, probability, bit):
        bound = self.range * probability >> 16
        if bit:
            self.range = bound
        else:
            self.low, self.range = self.low + bound, self.range - bound
        if self.range < 2**16:
            self.low, self.range, self.digits = self.low << 16, self.range << 16, self.digits + 2
        return bit

    def finish(self):
        for dropped in (3, 2, 1, 0):
            unit = 256**dropped
            number = -(-self.low // unit) * unit
            if number < self.low + self.range:
                return number.to_bytes(self.digits, "big")[: self.digits - dropped]
        raise AssertionError


class Reader:
    def __init__(self, segment):
        self.bytes = iter(segment)
        self.range, self.value = 2**32 - 1, 0
        for _ in range(4):
            self.value = self.value * 256 + next(self.bytes, 0)

    def code(self, probability, _):
        bound = self.range * probability >> 16
        bit = int(self.value < bound)
        if bit:
            self.range = bound
        else:
            self.value, self.range = self.value - bound, self.range - bound
        if self.range < 2**16:
            self.range *= 2**16
            for _ in range(2):
                self.value = (self.value * 256 + next(self.bytes, 0)) % 2**32
        return bit


def clamp(value, limit):
    return max(-limit, min(limit, value))


def wrap(value):
    return (value + 2**15) % 2**16 - 2**15


class Model:
    def __init__(self, shape):
        self.shape = shape
        self.contexts = [Context() for _ in range(192)]
        first = [24576, 24576, -8192, 0, 12288, 12288, 0, 0, 0]
        self.weights = [list(first) for _ in range(shape[0])]

    def plane(self, samples, p, code):
        """Code plane p of integer samples; decoded bits are set in them."""
        channels, height, width = self.shape
        for c in range(channels):
            for y in range(height):
                left = 0
                for start in range(0, width, 64):
                    sums, rounded = [0] * 9, [(w + 256) >> 9 for w in self.weights[c]]
                    for x in range(start, min(start + 64, width)):
                        taps, activity = self.taps(samples, p, c, y, x, left)
                        prediction = wrap(sum(w * t for w, t in zip(rounded, taps, strict=True)))
                        context = self.contexts[self.context(activity, prediction)]
                        bit = left = code(context.probability(), int(samples[c][y][x]) >> p & 1)
                        context.update(bit)
                        samples[c][y][x] |= bit << p
                        error = self.error(activity, prediction, bit)
                        sums = [sum_ + error * t for sum_, t in zip(sums, taps, strict=True)]
                    for i, sum_ in enumerate(sums):
                        self.weights[c][i] = clamp(self.weights[c][i] + ((sum_ + 32) >> 6), 131072)

    def taps(self, samples, p, c, y, x, left):
        _, height, width = self.shape

        def shifted(down, right, channel=c):
            in_y, in_x = min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)
            return int(samples[channel][in_y][in_x]) >> p

        def partial(down, right):
            return 2 * (shifted(down, right) | 1)

        def above(right):
            return 2 * (shifted(-1, right) if y else shifted(0, right) | 1) + 1

        own, west, n, nw, ne = partial(0, 0), partial(0, -1), above(0), above(-1), above(1)
        e, s, sw = partial(0, 1), partial(1, 0), partial(1, -1)
        second_x = second_y = 0
        if c > 0:
            twice = 2 * shifted(0, 0, c - 1)
            second_x = twice - shifted(0, -1, c - 1) - shifted(0, 1, c - 1)
            second_y = twice - shifted(-1, 0, c - 1) - shifted(1, 0, c - 1)
        activity = abs(west - e) + abs(n - s) + abs(west - nw) + abs(n - ne)
        activity += (abs(west + e - 2 * own) >> 1) + (abs(n + s - 2 * own) >> 1)
        activity += abs(second_x) + abs(second_y)
        neighbours = [west - 1 + 2 * left, n, nw, ne, e, s, sw]
        taps = [neighbour - own for neighbour in neighbours]
        return [*taps, second_x, second_y], min(activity, 255)

    def context(self, activity, prediction):
        a = sum(limit <= activity for limit in (3, 6, 10, 16, 26, 44, 80))
        v = clamp(prediction >> 4, 80)
        distance = v if v >= 0 else -1 - v
        b = sum(limit <= distance for limit in (1, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80))
        return 24 * a + (11 - b if v < 0 else 12 + b)

    def error(self, activity, prediction, bit):
        sign = 1 if bit else -1
        hinge = 128 - max(0, min(128, sign * prediction))
        return (64 * sign * hinge * STEP_SIZES[activity // 2] + 2**14) >> 15


def encode(samples, planes):
    model, values, segments = Model(samples.shape), samples.astype(int), []
    for p in range(7, 7 - planes, -1):
        writer = Writer()
        model.plane(values, p, writer.code)
        segments.append(writer.finish())
    return segments


def decode(segments, shape):
    model, values = Model(shape), np.zeros(shape, int)
    for p, segment in zip(range(7, -1, -1), segments, strict=False):
        model.plane(values, p, Reader(segment).code)
    return values.astype(np.uint8)
