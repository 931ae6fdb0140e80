"""The engine's C interface through ctypes; `c/esr.h` is its documentation."""

import ctypes
import functools
import os
import typing
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

import numpy as np

from edge_sr.engine.build import library
from edge_sr.errors import UserError
from edge_sr.records import Kernels

OK = 0
ALIGNMENT = 8
"""Alignment of arenas and plans, in bytes."""

KERNELS: tuple[Kernels, ...] = typing.get_args(Kernels)
"""The sets of kernels; the position of each is its number in `esr_kernel_set`."""

LIMIT = "EDGE_SR_KERNELS"
"""The environment variable that names the best set to use; unset: the best one the machine has."""

Sink = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
"""The C type esr_sink."""


OutputsSink = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint32, c_uint32, c_void_p)
"""The C type esr_outputs_sink."""


class Info(ctypes.Structure):
    """The C struct esr_info."""

    _fields_ = [
        (name, c_uint32)
        for name in (
            *("in_width", "in_channels", "out_width", "out_channels", "rows_num", "rows_den"),
            *("column_step", "halo", "latency"),
        )
    ]


class Strip(ctypes.Structure):
    """The C struct esr_strip."""

    _fields_ = [(name, c_uint32) for name in ("start", "drop", "keep", "offset")]


class Frame(ctypes.Structure):
    """The C struct esr_frame."""

    _fields_ = [("width", c_uint32), ("height", c_uint32), ("source", c_void_p), ("out", c_void_p)]


@functools.cache
def load() -> Any:
    """The shared library with its functions declared.

    Raises:
        UserError: the library is missing and cannot be built, or it cannot be loaded.
    """
    path = library()
    try:
        esr = ctypes.CDLL(str(path))
    except OSError as error:
        raise UserError(f"the engine's library {path} cannot be loaded: {error}") from None
    esr.esr_status_text.restype, esr.esr_status_text.argtypes = c_char_p, [c_int]
    esr.esr_arena_bytes.restype = c_size_t
    esr.esr_arena_bytes.argtypes = [c_void_p, c_size_t, c_uint32]
    esr.esr_open.argtypes = [
        *(POINTER(c_void_p), c_void_p, c_size_t, c_uint32),
        *(c_void_p, c_size_t),
    ]
    esr.esr_limit_kernels.argtypes = [c_void_p, c_int]
    esr.esr_describe.argtypes = [c_void_p, POINTER(Info)]
    esr.esr_begin.argtypes = [c_void_p, c_uint32, Sink, c_void_p]
    esr.esr_outputs.restype, esr.esr_outputs.argtypes = c_uint32, [c_void_p]
    esr.esr_describe_output.argtypes = [c_void_p, c_uint32, POINTER(Info)]
    esr.esr_begin_outputs.argtypes = [c_void_p, c_uint32, OutputsSink, c_void_p]
    esr.esr_push_row.argtypes = [c_void_p, c_uint32, c_void_p]
    esr.esr_end.argtypes = [c_void_p]
    esr.esr_strip_count.restype = c_uint32
    esr.esr_strip_count.argtypes = [POINTER(Info), c_uint32]
    esr.esr_find_strip.argtypes = [POINTER(Info), c_uint32, c_uint32, POINTER(Strip)]
    esr.esr_run_strip.argtypes = [c_void_p, POINTER(Frame), c_uint32]
    return esr


def check(status: int) -> None:
    """Raise an error unless a status is ESR_OK.

    Raises:
        UserError: the status is not ESR_OK.
    """
    if status != OK:
        raise UserError(f"the engine stopped: {load().esr_status_text(status).decode()}")


def kernel_limit() -> int:
    """The number of the best set of kernels that the environment allows.

    Raises:
        UserError: the environment variable does not name a set of kernels.
    """
    name = os.environ.get(LIMIT, KERNELS[-1])
    if name not in KERNELS:
        raise UserError(f"unknown kernels {LIMIT}={name!r}; available: {', '.join(KERNELS)}")
    return KERNELS.index(name)


def aligned(size: int) -> np.ndarray:
    """`size` zero bytes (uint8) at an address aligned for arenas and plans."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


class Engine:
    """A plan opened for one width, with an arena of its own; serves one thread at a time.

    Attributes:
        kernels: the set of kernels that runs the plan.
        info: sizes, halo and latency.
    """

    def __init__(self, plan: bytes, width: int) -> None:
        """Open a plan.

        Args:
            plan: the plan's bytes, `Plan.blob`.
            width: width of a frame or strip in pixels.

        Raises:
            UserError: the plan is damaged or cannot run at this width.
        """
        self._esr = load()
        self._plan = aligned(len(plan))
        self._plan[:] = np.frombuffer(plan, np.uint8)
        address, size = self._plan.ctypes.data, len(plan)
        self._arena = aligned(max(1, self._esr.esr_arena_bytes(address, size, width)))
        self._handle = c_void_p()
        check(
            self._esr.esr_open(
                byref(self._handle), address, size, width, self._arena.ctypes.data, len(self._arena)
            )
        )
        self.kernels = KERNELS[self._esr.esr_limit_kernels(self._handle, kernel_limit())]
        self.info = Info()
        check(self._esr.esr_describe(self._handle, byref(self.info)))

    @property
    def arena_bytes(self) -> int:
        """Size of the arena in bytes."""
        return len(self._arena)

    def strips(self, frame_width: int) -> int:
        """The number of strips of this engine's width that cover a frame; 0 if strips cannot."""
        return int(self._esr.esr_strip_count(byref(self.info), frame_width))

    def run_strip(self, frame: np.ndarray, out: np.ndarray, index: int) -> None:
        """Run one strip of a frame; other Python threads run meanwhile.

        Args:
            frame: (H, W, channels) int8, contiguous.
            out: int8, contiguous, of the output's shape; the strip's columns are written.
            index: the strip's number, from 0.

        Raises:
            UserError: the engine cannot run at this height or width.
        """
        height, width, _ = frame.shape
        call = Frame(width, height, frame.ctypes.data, out.ctypes.data)
        check(self._esr.esr_run_strip(self._handle, byref(call), index))

    def run_frame(self, frame: np.ndarray, outs: Sequence[np.ndarray]) -> None:
        """Run a frame of the engine's width.

        Args:
            frame: (H, W, channels) of 8 bits, contiguous.
            outs: an array for each output, (H, W, channels) of 8 bits, contiguous; written.

        Raises:
            UserError: the engine cannot run at this height.
        """
        if len(outs) == 1:
            self.run_strip(frame, outs[0], 0)
            return

        def take(_: int, output: int, y: int, row: int) -> int:
            target = outs[output][y]
            ctypes.memmove(target.ctypes.data, row, target.nbytes)
            return 0

        sink = OutputsSink(take)
        check(self._esr.esr_begin_outputs(self._handle, len(frame), sink, None))
        for y, pixels in enumerate(frame):
            check(self._esr.esr_push_row(self._handle, y, pixels.ctypes.data))
        check(self._esr.esr_end(self._handle))
