"""Runs plans through the C interface row by row, and checks order and latency of the output."""

import ctypes
import functools

import numpy as np

from edge_sr.engine import binding
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.graph import read_graph
from edge_sr.zoo import catalog

MODEL = catalog.find("tinypssr-x2").file("int8", ".tflite")


def arena_bytes(plan: Plan, width: int) -> int:
    """The arena in bytes, as the C code computes it."""
    memory = binding.aligned(len(plan.blob))
    memory[:] = np.frombuffer(plan.blob, np.uint8)
    return int(binding.load().esr_arena_bytes(memory.ctypes.data, len(memory), width))


@functools.cache
def kernel_sets() -> list[str]:
    """The sets of kernels that this machine can run."""
    arena = Arena(make_plan(read_graph(MODEL)).blob, 8)
    return [name for name in binding.KERNELS if arena.limit(name) == name]


class Arena:
    """An open engine whose arena lies between guard bytes, which must not change."""

    GUARD = 64

    def __init__(self, plan: bytes, width: int, kernels: str = binding.KERNELS[-1]) -> None:
        self.esr = binding.load()
        self.plan = binding.aligned(len(plan))
        self.plan[:] = np.frombuffer(plan, np.uint8)
        self.plan.flags.writeable = False
        address = self.plan.ctypes.data
        self.size = int(self.esr.esr_arena_bytes(address, len(plan), width))
        self.memory = binding.aligned(self.size + 2 * self.GUARD)
        self.memory[:] = 0xA5
        self.handle = ctypes.c_void_p()
        start = self.memory.ctypes.data + self.GUARD
        self.status = self.esr.esr_open(
            ctypes.byref(self.handle), address, len(plan), width, start, self.size
        )
        self.info = binding.Info()
        if self.status == binding.OK:
            assert self.esr.esr_describe(self.handle, ctypes.byref(self.info)) == binding.OK
            self.limit(kernels)

    def limit(self, kernels: str) -> str:
        """Limit the kernels; return the set that runs."""
        most = binding.KERNELS.index(kernels)
        return binding.KERNELS[self.esr.esr_limit_kernels(self.handle, most)]

    def guarded(self) -> bool:
        """Whether the guard bytes are unchanged."""
        guards = (self.memory[: self.GUARD], self.memory[self.GUARD + self.size :])
        return all((guard == 0xA5).all() for guard in guards)


def run_outputs(
    plan: Plan, image: np.ndarray, kernels: str = binding.KERNELS[-1]
) -> list[np.ndarray]:
    """All outputs of one frame; assert that the rows of each come in order, within the latency."""
    _, height, width, _ = image.shape
    arena = Arena(plan.blob, width, kernels)
    assert arena.status == binding.OK
    infos = [binding.Info() for _ in range(arena.esr.esr_outputs(arena.handle))]
    for index, info in enumerate(infos):
        described = arena.esr.esr_describe_output(arena.handle, index, ctypes.byref(info))
        assert described == binding.OK
    rows: list[list[np.ndarray]] = [[] for _ in infos]

    def take(_: int, output: int, y: int, row: int) -> int:
        assert y == len(rows[output])
        size = infos[output].out_width * infos[output].out_channels
        values = np.ctypeslib.as_array((ctypes.c_int8 * size).from_address(row)).copy()
        rows[output].append(values.reshape(infos[output].out_width, -1))
        return 0

    sink = binding.OutputsSink(take)
    assert arena.esr.esr_begin_outputs(arena.handle, height, sink, None) == binding.OK
    for y in range(height):
        pixels = np.ascontiguousarray(image[0, y])
        assert arena.esr.esr_push_row(arena.handle, y, pixels.ctypes.data) == binding.OK
        for info, done in zip(infos, rows, strict=True):
            due = (y + 1 - info.latency) * info.rows_num // info.rows_den
            assert len(done) >= min(due, height * info.rows_num // info.rows_den)
    assert arena.esr.esr_end(arena.handle) == binding.OK
    assert arena.guarded()
    return [np.stack(done)[None] for done in rows]


def run_plan(plan: Plan, image: np.ndarray, kernels: str = binding.KERNELS[-1]) -> np.ndarray:
    """Run one frame; assert that rows come out in order and within the plan's latency."""
    _, height, width, _ = image.shape
    arena = Arena(plan.blob, width, kernels)
    assert arena.status == binding.OK
    info = arena.info
    out_height = height * info.rows_num // info.rows_den
    out = np.empty((1, out_height, info.out_width, info.out_channels), np.int8)
    rows: list[int] = []

    def take(_: int, y: int, row: int) -> int:
        rows.append(y)
        out[0, y] = np.ctypeslib.as_array(
            (ctypes.c_int8 * out[0, y].size).from_address(row)
        ).reshape(out[0, y].shape)
        return 0

    sink = binding.Sink(take)
    assert arena.esr.esr_begin(arena.handle, height, sink, None) == binding.OK
    for y in range(height):
        row = np.ascontiguousarray(image[0, y])
        assert arena.esr.esr_push_row(arena.handle, y, row.ctypes.data) == binding.OK
        due = (y + 1 - info.latency) * info.rows_num // info.rows_den
        assert len(rows) >= min(due, out_height)
    assert arena.esr.esr_end(arena.handle) == binding.OK
    assert rows == list(range(out_height))
    assert arena.guarded()
    return out
