"""docs/tcz.md's coder, read anew: slow, plain, and with nothing from the engine.

The encoder keeps its interval as one exact number, so that a carry is no matter at all.
"""

import numpy as np

NEAR = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (0, 1), (1, 0), (1, -1), (1, 1)]
ACROSS = [(0, -1), (0, 1), (-1, 0), (1, 0)]


class Context:
    def __init__(self):
        self.estimates, self.count = [32768, 32768], 0

    def chance(self):
        return sum(self.estimates) >> 5

    def learn(self, bit):
        young = (self.count + 1).bit_length()
        for i, limit in enumerate((5, 8)):
            e, shift = self.estimates[i], min(young, limit)
            self.estimates[i] = e + ((65535 - e) >> shift) if bit else e - (e >> shift)
        self.count = min(self.count + 1, 255)


class Writer:
    """An interval [low, low + range) of numbers with `digits` digits in base 256."""

    def __init__(self):
        self.low, self.range, self.digits = 0, 2**32 - 1, 4

    def code(self, chance, bit):
        bound = (self.range >> 12) * chance
        if bit:
            self.range = bound
        else:
            self.low, self.range = self.low + bound, self.range - bound
        while self.range < 2**24:
            self.low, self.range, self.digits = self.low << 8, self.range << 8, self.digits + 1
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
        bound = (self.range >> 12) * chance
        bit = int(self.value < bound)
        if bit:
            self.range = bound
        else:
            self.value, self.range = self.value - bound, self.range - bound
        while self.range < 2**24:
            self.range = self.range * 256 % 2**32
            self.value = (self.value * 256 + next(self.bytes, 0)) % 2**32
        return bit


def clamp(value, limit):
    return max(-limit, min(limit, value))


class Model:
    def __init__(self, shape):
        self.shape = shape
        self.contexts = [Context() for _ in range(192)]
        first = [24576, 24576, -8192, 0, 0, 0, 12288, 12288] + [0] * 10
        self.weights = [list(first) for _ in range(shape[0])]

    def plane(self, samples, p, code):
        """Code plane p of integer samples; bits that come are put into them."""
        for c, y, x in np.ndindex(*self.shape):
            taps = self.taps(samples, p, c, y, x)
            weights = self.weights[c]
            value = sum(w * t for w, t in zip(weights, taps, strict=True))
            context = self.contexts[self.context(taps, value)]
            bit = code(context.chance(), int(samples[c][y][x]) >> p & 1)
            context.learn(bit)
            self.learn(weights, taps, value, bit)
            samples[c][y][x] |= bit << p

    def taps(self, samples, p, c, y, x):
        _, height, width = self.shape

        def look(channel, step):
            to_y, to_x = y + step[0], x + step[1]
            in_y, in_x = min(max(to_y, 0), height - 1), min(max(to_x, 0), width - 1)
            return int(samples[channel][in_y][in_x]), (to_y, to_x) == (in_y, in_x)

        def due(s):
            return 4 * (s >> (p + 1)) + 2

        def known(s):
            return 2 * (s >> p) + 1

        own, taps = due(int(samples[c][y][x])), []
        for i, step in enumerate(NEAR):
            s, inside = look(c, step)
            taps.append((known(s) if inside and i < 6 else due(s)) - own)
        for before in (c - 1, c - 2):
            for step in ACROSS:
                there = before >= 0
                taps.append(
                    known(int(samples[before][y][x])) - known(look(before, step)[0]) if there else 0
                )
        return [clamp(t, 255) for t in taps]

    def context(self, taps, value):
        w, n, nw, ne, _, _, e, s, sw, _ = taps[:10]
        lively = abs(w - e) + abs(n - s) + abs(w - nw) + abs(n - ne) + abs(ne - e) + abs(s - sw)
        lively += (abs(taps[10] + taps[11]) + abs(taps[12] + taps[13])) // 2
        a = sum(limit <= lively for limit in (3, 6, 10, 16, 26, 44, 80))
        far = abs(value) >> 13
        b = sum(limit <= far for limit in (1, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80))
        return 24 * a + (11 - b if value < 0 else 12 + b)

    def learn(self, weights, taps, value, bit):
        target = 65536 if bit else -65536
        if value > target if bit else value < target:
            return
        error = clamp(target - value, 4194304)
        n = (8 + sum(t * t for t in taps)).bit_length() - 1 + 5
        for i, tap in enumerate(taps):
            weights[i] = clamp(weights[i] + ((error * tap + 2 ** (n - 1)) >> n), 131072)


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
