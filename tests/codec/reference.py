"""docs/reference/tcz.md's coder, read anew: slow, plain, and with nothing from the engine.

The encoder keeps its interval as one exact number, so that a carry is no matter at all.
"""

import numpy as np

GAINS = [min(32767, 2**18 // (8 + h * h)) for h in range(128)]


class Context:
    def __init__(self):
        self.estimates, self.count = [32768, 32768], 0

    def chance(self):
        return sum(self.estimates) >> 1

    def learn(self, bit):
        young = (self.count + 1).bit_length()
        for i, limit in enumerate((5, 8)):
            e = self.estimates[i]
            self.estimates[i] = e + (((65504 if bit else 31) - e) >> min(young, limit))
        self.count = min(self.count + 1, 127)


class Writer:
    """An interval [low, low + range) of numbers with `digits` digits in base 256."""

    def __init__(self):
        self.low, self.range, self.digits = 0, 2**32 - 1, 4

    def code(self, chance, bit):
        bound = self.range * chance >> 16
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

    def code(self, chance, _):
        bound = self.range * chance >> 16
        bit = int(self.value < bound)
        if bit:
            self.range = bound
        else:
            self.value, self.range = self.value - bound, self.range - bound
        if self.range < 2**16:
            self.range *= 2**16
            for _ in range(2):
                self.value = self.value * 256 + next(self.bytes, 0)
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
        """Code plane p of integer samples; bits that come are put into them."""
        channels, height, width = self.shape
        for c in range(channels):
            for y in range(height):
                left = 0
                for start in range(0, width, 64):
                    pulls, used = [0] * 9, [(w + 256) >> 9 for w in self.weights[c]]
                    for x in range(start, min(start + 64, width)):
                        taps, lively = self.look(samples, p, c, y, x, left)
                        value = wrap(sum(u * t for u, t in zip(used, taps, strict=True)))
                        context = self.contexts[self.context(lively, value)]
                        bit = left = code(context.chance(), int(samples[c][y][x]) >> p & 1)
                        context.learn(bit)
                        samples[c][y][x] |= bit << p
                        pull = self.pull(lively, value, bit)
                        pulls = [sum_ + pull * t for sum_, t in zip(pulls, taps, strict=True)]
                    for i, pull in enumerate(pulls):
                        self.weights[c][i] = clamp(self.weights[c][i] + ((pull + 32) >> 6), 131072)

    def look(self, samples, p, c, y, x, left):
        _, height, width = self.shape

        def cut(down, right, channel=c):
            in_y, in_x = min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)
            return int(samples[channel][in_y][in_x]) >> p

        def due(down, right):
            return 2 * (cut(down, right) | 1)

        def above(right):
            return 2 * (cut(-1, right) if y else cut(0, right) | 1) + 1

        own, west, n, nw, ne = due(0, 0), due(0, -1), above(0), above(-1), above(1)
        e, s, sw = due(0, 1), due(1, 0), due(1, -1)
        across = down = 0
        if c > 0:
            twice = 2 * cut(0, 0, c - 1)
            across = twice - cut(0, -1, c - 1) - cut(0, 1, c - 1)
            down = twice - cut(-1, 0, c - 1) - cut(1, 0, c - 1)
        lively = abs(west - e) + abs(n - s) + abs(west - nw) + abs(n - ne)
        lively += (abs(west + e - 2 * own) >> 1) + (abs(n + s - 2 * own) >> 1)
        lively += abs(across) + abs(down)
        near = [west - 1 + 2 * left, n, nw, ne, e, s, sw]
        return [there - own for there in near] + [across, down], min(lively, 255)

    def context(self, lively, value):
        a = sum(limit <= lively for limit in (3, 6, 10, 16, 26, 44, 80))
        v = clamp(value >> 4, 80)
        far = v if v >= 0 else -1 - v
        b = sum(limit <= far for limit in (1, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80))
        return 24 * a + (11 - b if v < 0 else 12 + b)

    def pull(self, lively, value, bit):
        sign = 1 if bit else -1
        wrong = 128 - max(0, min(128, sign * value))
        return (64 * sign * wrong * GAINS[lively // 2] + 2**14) >> 15


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
