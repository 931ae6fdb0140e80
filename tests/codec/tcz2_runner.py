"""Runs the engine's esr_tcz2 on the host, with guard bytes around all memory that it gets."""

import ctypes
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_void_p,
)

import numpy as np
from tcz_runner import Guarded, Put
from tflite_factory import TfliteWriter

from edge_sr.engine import binding
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan

STEP = 8


class Codec(Structure):
    _fields_ = [
        ("id", c_char * 16),
        ("hash", c_uint8 * 8),
        ("context_hash", c_uint8 * 8),
        ("place", c_uint16),
        ("context", c_void_p),
        ("context_bytes", c_size_t),
    ]


class Image(Structure):
    _fields_ = [
        ("codec", POINTER(Codec)),
        ("width", c_uint32),
        ("height", c_uint32),
        ("rows_per_part", c_uint32),
    ]


class Memory(Structure):
    _fields_ = [
        ("row", c_void_p),
        ("row_bytes", c_size_t),
        ("coder", c_void_p),
        ("coder_bytes", c_size_t),
        ("part", c_void_p),
        ("part_bytes", c_size_t),
    ]


def encoder(height: int, width: int, channels: int = 5, steps: int = 3) -> bytes:
    """Return an int8 encoder of random weights, whose symbols are mostly small."""
    writer = TfliteWriter(height, width, 3)
    image = writer.prelu(writer.conv(writer.input, 6, 5, stride=2))
    for _ in range(steps - 2):
        image = writer.prelu(writer.conv(image, 8, 5, stride=2))
    out = writer.conv(image, channels, 5, stride=2)
    tensors = writer.subgraph.tensors
    _, weights, bias = (
        tensors[index].quantization for index in writer.subgraph.operators[-1].inputs
    )
    factor = 3 / (40 * out.scale)
    for each in (weights, bias):
        each.scale = [float(np.float32(scale * factor)) for scale in each.scale]
    bias.scale = [float(np.float32(image.scale) * np.float32(each)) for each in weights.scale]
    tensors[out.index].quantization.scale = [1.0]
    tensors[out.index].quantization.zeroPoint = [0]
    return writer.finish(out)


class Camera:
    """An engine and an esr_tcz2 with exactly the memory that esr_tcz2.h requires.

    `missing` bytes are left out of row, coder and part.
    """

    def __init__(
        self,
        plan: Plan | FramePlan,
        context: bytes,
        size: tuple[int, int],
        rows_per_part: int = 1,
        missing: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self.esr = binding.load()
        for name in ("esr_tcz2_bytes", "esr_symbols_bytes"):
            getattr(self.esr, name).restype = c_size_t
        self.height, self.width = size
        self.rows_per_part = rows_per_part
        wide = -(-self.width // STEP) * STEP
        self.plan = _copy(plan.blob)
        self.context = _copy(context)
        self.engine = c_void_p()
        block = c_void_p(self.plan.ctypes.data), c_size_t(len(self.plan)), wide
        self.esr.esr_arena_bytes.restype = c_size_t
        self.arena = binding.aligned(self.esr.esr_arena_bytes(*block))
        arena = c_void_p(self.arena.ctypes.data), c_size_t(len(self.arena))
        assert self.esr.esr_open(byref(self.engine), *block, *arena) == 0
        channels = context[4]
        self.blob = c_void_p(self.context.ctypes.data), c_size_t(len(self.context))
        sizes = (
            3 * wide,
            int(self.esr.esr_symbols_bytes(*self.blob, wide // STEP)),
            wide // STEP * channels * rows_per_part,
        )
        self.row, self.coder, self.part = (
            Guarded(size - less) for size, less in zip(sizes, missing, strict=True)
        )
        self.tcz = Guarded(self.esr.esr_tcz2_bytes())
        self.parts: list[bytes] = []

    def begin(
        self, width: int | None = None, height: int | None = None, most: int | None = None
    ) -> int:
        """Start an image; the output refuses more than `most` calls."""
        codec = Codec(
            *(b"cae-test", (c_uint8 * 8)(*range(8)), (c_uint8 * 8)(*range(8, 16)), 300),
            *self.blob,
        )
        self.codec = codec
        image = Image(
            ctypes.pointer(codec),
            self.width if width is None else width,
            self.height if height is None else height,
            self.rows_per_part,
        )
        blocks = (self.row, self.coder, self.part)
        memory = Memory(*(field for each in blocks for field in (each.address, each.size)))
        self.parts = []

        def put(_: int, data: "ctypes._Pointer[c_uint8]", count: int) -> int:
            if most is not None and len(self.parts) == most:
                return 1
            self.parts.append(bytes(data[:count]))
            return 0

        self.put = Put(put)
        state = c_void_p(self.tcz.address)
        return int(
            self.esr.esr_tcz2_begin(
                state, self.engine, byref(image), byref(memory), self.put, c_void_p()
            )
        )

    def push(self, y: int, row: np.ndarray) -> int:
        row = np.ascontiguousarray(row)
        pixels = c_void_p(row.ctypes.data)
        return int(self.esr.esr_tcz2_push_row(c_void_p(self.tcz.address), y, pixels))

    def end(self) -> int:
        return int(self.esr.esr_tcz2_end(c_void_p(self.tcz.address)))

    def feed(self, pixels: np.ndarray) -> int:
        """Push a whole image, (H,W,3) uint8; return the first status that is not 0."""
        for y, row in enumerate(pixels):
            status = self.push(y, row)
            if status:
                return status
        return self.end()

    @property
    def file(self) -> bytes:
        return b"".join(self.parts)

    @property
    def intact(self) -> bool:
        return all(memory.intact for memory in (self.row, self.coder, self.part, self.tcz))


def _copy(data: bytes) -> np.ndarray:
    block = binding.aligned(len(data))
    block[:] = np.frombuffer(data, np.uint8)
    return block
