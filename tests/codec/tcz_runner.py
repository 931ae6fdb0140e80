"""Runs the engine's esr_tcz on the host, with guard bytes around all memory that it gets."""

import ctypes
from ctypes import POINTER, Structure, byref, c_char, c_float, c_size_t, c_uint8, c_uint32, c_void_p

import numpy as np

from edge_sr.engine import binding
from edge_sr.engine.plan import Plan

CHANNELS = 4
GUARD = 64

Put = ctypes.CFUNCTYPE(ctypes.c_int, c_void_p, POINTER(c_uint8), c_size_t)


class Network(Structure):
    _fields_ = [
        ("id", c_char * 16),
        ("hash", c_uint8 * 8),
        ("low", c_float * CHANNELS),
        ("high", c_float * CHANNELS),
    ]


class Image(Structure):
    _fields_ = [("network", POINTER(Network)), ("width", c_uint32), ("height", c_uint32)]


class Memory(Structure):
    _fields_ = [
        ("latents", c_void_p),
        ("latent_bytes", c_size_t),
        ("row", c_void_p),
        ("row_bytes", c_size_t),
    ]


def network(name: str = "tc-test", low: float = 0.0, high: float = 1.0) -> Network:
    ranges = (c_float * CHANNELS)(*[low] * CHANNELS), (c_float * CHANNELS)(*[high] * CHANNELS)
    return Network(name.encode(), (c_uint8 * 8)(*range(8)), *ranges)


class Guarded:
    """`size` bytes between guard bytes that must not change."""

    def __init__(self, size: int) -> None:
        self.memory = np.full(size + 2 * GUARD, 0xA5, np.uint8)
        self.size = size

    @property
    def address(self) -> int:
        return self.memory.ctypes.data + GUARD

    @property
    def intact(self) -> bool:
        return bool((self.memory[:GUARD] == 0xA5).all() and (self.memory[-GUARD:] == 0xA5).all())


class Camera:
    """An engine and an esr_tcz with exactly the memory that esr_tcz.h requires."""

    def __init__(self, plan: Plan, width: int, height: int, missing: tuple[int, int] = (0, 0)):
        self.esr = binding.load()
        self.esr.esr_tcz_bytes.restype = c_size_t
        step = plan.pixels_per_unit
        wide, tall = -(-width // step) * step, -(-height // step) * step
        self.plan = binding.aligned(len(plan.blob))
        self.plan[:] = np.frombuffer(plan.blob, np.uint8)
        self.arena = binding.aligned(plan.arena_bytes(wide))
        self.engine = c_void_p()
        arena = self.arena.ctypes.data, len(self.arena)
        plan_bytes = self.plan.ctypes.data, len(self.plan)
        assert self.esr.esr_open(byref(self.engine), *plan_bytes, wide, *arena) == 0
        channels = next(
            ring for ring in plan.rings if plan.nodes[-1].output in ring.tensors
        ).channels
        self.latents = Guarded(wide // step * (tall // step) * channels - missing[0])
        self.row = Guarded(3 * wide - missing[1])
        self.tcz = Guarded(self.esr.esr_tcz_bytes())
        self.network = network()
        self.width, self.height = width, height
        self.parts: list[bytes] = []

    def begin(self, width: int | None = None, height: int | None = None) -> int:
        image = Image(
            ctypes.pointer(self.network),
            self.width if width is None else width,
            self.height if height is None else height,
        )
        memory = Memory(self.latents.address, self.latents.size, self.row.address, self.row.size)
        return int(
            self.esr.esr_tcz_begin(
                c_void_p(self.tcz.address), self.engine, byref(image), byref(memory)
            )
        )

    def push(self, y: int, row: np.ndarray) -> int:
        row = np.ascontiguousarray(row)
        return int(
            self.esr.esr_tcz_push_row(c_void_p(self.tcz.address), y, c_void_p(row.ctypes.data))
        )

    def end(self) -> int:
        return int(self.esr.esr_tcz_end(c_void_p(self.tcz.address)))

    def write(self, planes: int = 8, most: int | None = None) -> int:
        """Write the file to `parts`; the output refuses more than `most` of them."""
        self.parts = []

        def put(_: int, data: "ctypes._Pointer[c_uint8]", count: int) -> int:
            if most is not None and len(self.parts) == most:
                return 1
            self.parts.append(bytes(data[:count]))
            return 0

        return int(self.esr.esr_tcz_write(c_void_p(self.tcz.address), planes, Put(put), c_void_p()))

    def feed(self, pixels: np.ndarray) -> None:
        """Push a whole image, (H,W,3) uint8."""
        assert self.begin() == 0
        for y, row in enumerate(pixels):
            assert self.push(y, row) == 0
        assert self.end() == 0

    @property
    def file(self) -> bytes:
        return b"".join(self.parts)

    @property
    def intact(self) -> bool:
        return all(memory.intact for memory in (self.latents, self.row, self.tcz))
