"""The decoder of version 2 of docs/reference/tcz.md, from that page alone: slow and plain.

Nothing is shared with the engine or with `edge_sr.codec`.
"""

import hashlib
import json
import struct
import zlib

import numpy as np
from reference import Reader

PLACES = [(-2, dx) for dx in range(-2, 3)] + [(-1, dx) for dx in range(-2, 3)] + [(0, -2), (0, -1)]
TYPES = {"F64": "<f8", "F32": "<f4", "U16": "<u2"}


def read_arrays(path):
    """The arrays of a .safetensors file; floating point ones as float64."""
    data = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    arrays = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = (start + offset for offset in entry["data_offsets"])
            array = np.frombuffer(data[first:last], TYPES[entry["dtype"]]).reshape(entry["shape"])
            arrays[name] = array.astype(int if entry["dtype"] == "U16" else float)
    return arrays


def at(table, p):
    low = min(int(np.floor(p)), len(table) - 1)
    high = min(low + 1, len(table) - 1)
    share = p - low
    return table[low] * (1 - share) + table[high] * share


def exp2(v):
    whole = np.rint(v)
    x, total = (v - whole) * 0.6931471805599453, np.ones(np.shape(v))
    for n in range(14, 0, -1):
        total = total * x
        total = total / n
        total = total + 1
    return total * 2.0**whole


def quantize(weights):
    """Integers (inputs, outputs) and scales of the outputs."""
    scale = np.abs(weights).max(0) / 127
    scale[scale == 0] = 1
    return np.rint(weights / scale).astype(int), scale


def rounded(values, most):
    return np.clip(np.rint(values), -most, most).astype(int)


class Context:
    """The integers of a place."""

    def __init__(self, a, p):
        channels, hidden = a["kernel"].shape[2:]
        gain = exp2(at(a["log_gains"], p))
        w1 = a["kernel"].reshape(25, channels, hidden)[:12] / gain[:, None]
        self.k1, scale1 = quantize(w1.reshape(12 * channels, hidden))
        unit = a["hidden_ranges"] / 127
        size = np.append(gain * 1024, [1024.0] * channels)
        self.k2, scale2 = quantize(a["out_kernel"] * unit[:, None] * size)
        self.mean_weight = np.zeros((channels, channels), int)
        self.spread_weight = np.zeros((channels, channels), int)
        for c in range(channels):
            for b in range(c):
                mean = a["before"][b, c] / gain[b] * gain[c] * 1024
                self.mean_weight[c, b] = rounded(mean, 32767)
                self.spread_weight[c, b] = rounded(a["before_spread"][b, c] * 4096, 32767)
        self.hidden_bias = rounded(at(a["bias"], p) / scale1, 2**24)
        self.hidden_mult = rounded(scale1 / unit * 2**26, 2**31 - 1)
        self.out_bias = rounded(at(a["out_bias"], p) * size / scale2, 2**24)
        self.out_mult = rounded(scale2 * 2**26, 2**31 - 1)
        self.probabilities, self.steps = a["probabilities"], a["steps"]
        self.channels, self.hidden = channels, hidden

    def hash(self):
        """The first 8 bytes of the SHA-256 of the integers."""
        channels, hidden = self.channels, self.hidden
        inputs = -(-12 * channels // 16) * 16
        k1, k2 = np.zeros((inputs // 16, hidden, 16)), np.zeros((hidden // 16, 2 * channels, 16))
        for k, h in np.ndindex(self.k1.shape):
            k1[k // 16, h, k % 16] = self.k1[k, h]
        for h, o in np.ndindex(self.k2.shape):
            k2[h // 16, o, h % 16] = self.k2[h, o]
        triangles = np.zeros((2, channels, -(-channels // 16) * 16))
        triangles[:, :, :channels] = self.mean_weight, self.spread_weight
        pieces = [b"ESY1" + struct.pack("<HH8x", channels, hidden)]
        for array, kind in (
            *((k1, "i1"), (k2, "i1"), (triangles, "<i2")),
            *((self.hidden_bias, "<i4"), (self.hidden_mult, "<i4")),
            *((self.out_bias, "<i4"), (self.out_mult, "<i4")),
            *((self.probabilities, "<u2"), (self.steps, "<u2")),
        ):
            pieces.append(array.astype(kind).tobytes())
        return hashlib.sha256(b"".join(pieces)).digest()[:8]


def clamp(x, low, high):
    return max(low, min(high, x))


def scaled(sums, bias, mult):
    return (64 * (sums + bias) * mult + 2**31) >> 32


class Decoder:
    """Decodes rows of symbols; everything but the range coder persists from part to part."""

    def __init__(self, context, width):
        self.context, self.width = context, width
        self.probabilities = context.probabilities.copy()
        self.steps = context.steps.copy()
        self.offset = [0] * context.channels
        self.rows = []

    def decode_row(self, reader):
        self.reader = reader
        self.rows.append(np.zeros((self.width, self.context.channels), int))
        for x in range(self.width):
            self.decode_column(x)

    def inputs(self, x):
        values = []
        for dy, dx in PLACES:
            row, column = len(self.rows) - 1 + dy, x + dx
            inside = row >= 0 and 0 <= column < self.width
            values.append(self.rows[row][column] if inside else [0] * self.context.channels)
        return np.concatenate(values).astype(int)

    def decode_column(self, x):
        m = self.context
        hidden = scaled(self.inputs(x) @ m.k1, m.hidden_bias, m.hidden_mult).clip(0, 127)
        output = scaled(hidden @ m.k2, m.out_bias, m.out_mult).clip(-(2**24), 2**24)
        s, r = self.rows[-1][x], np.zeros(m.channels, int)
        for c in range(m.channels):
            mean = int(output[c]) + int(m.mean_weight[c, :c] @ s[:c])
            mean = clamp(mean, -130048, 130048)
            octaves = int(output[m.channels + c]) + (int(m.spread_weight[c, :c] @ r[:c]) >> 6)
            octaves += self.offset[c] >> 6
            s[c] = self.decode_symbol(c, mean, clamp((octaves + 5248) >> 8, 0, 44))
            r[c] = min(abs(1024 * s[c] - mean) >> 6, 128)

    def decide(self, table, *index):
        """A decision, and by how much its probability was off."""
        p = int(table[index])
        bit = self.reader.code(p, None)
        table[index] = p + (((65504 if bit else 31) - p) >> 8)
        return bit, 65536 * bit - p

    def decode_symbol(self, c, mean, bin_):
        center = (mean + 512) >> 10
        rest = mean - 1024 * center
        side = min(abs(rest) >> 6, 7)
        symbol = center
        differs, error = self.decide(self.probabilities, 0, bin_, side)
        if differs:
            if abs(center) == 127:
                above = center < 0
            else:
                toward, _ = self.decide(self.probabilities, 1, bin_, side)
                above = (rest >= 0) == bool(toward)
            most, n, more = 127 - center if above else 127 + center, 1, 1
            while n < most:
                more, off = self.decide(self.steps, bin_, min(n, 4) - 1)
                error += off
                if not more:
                    break
                n += 1
            symbol = center + n if above else center - n
        self.offset[c] = clamp(self.offset[c] + (error >> 5), -(2**17), 2**17)
        return symbol


def decode(data, arrays):
    """The symbols (rows, w, C) of the intact parts of a file, and its size in pixels."""
    magic, version, kind, _, step = struct.unpack_from("<4s4B", data)
    channels, _, _, width, height, place, per_part = struct.unpack_from("<HbbIIHH", data, 8)
    assert (magic, version, kind, step) == (b"\x89TCZ", 2, 1, 8)
    assert struct.unpack_from("<I", data, 56) == (zlib.crc32(data[:56]),)
    context = Context(arrays, place / 256)
    assert (data[48:56], channels) == (context.hash(), context.channels)
    rows, decoder, start = -(-height // 8), Decoder(context, -(-width // 8)), 60
    while len(decoder.rows) < rows and start + 8 <= len(data):
        size, crc = struct.unpack_from("<2I", data, start)
        segment = data[start + 8 : start + 8 + size]
        if len(segment) < size or zlib.crc32(segment) != crc:
            break
        reader = Reader(segment)
        for _ in range(min(per_part, rows - len(decoder.rows))):
            decoder.decode_row(reader)
        start += 8 + size
    return np.array(decoder.rows), (width, height)
