"""Every error of esr.h, the engine's state after it, and plans that must be refused."""

import ctypes
import struct

import numpy as np
import pytest
from engine_runner import Arena, run_plan
from plan_words import (
    BUFFER,
    BUFFER_WORDS,
    HEADER,
    HEADER_WORDS,
    OPERATOR,
    OPERATOR_WORDS,
    PlanWords,
    stacked,
)
from tflm_oracle import noise, run_tflm

from edge_sr.engine import binding
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.graph import read_graph, resize
from edge_sr.zoo import catalog

(NULL, MISALIGNED, PLAN, WIDTH, ARENA, HEIGHT, STATE, ORDER, TOO_MANY, TOO_FEW, STOPPED, OUTPUT) = (
    range(1, 13)
)
MODEL = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
SIDE = 6


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(read_graph(MODEL))


class Frame:
    """An engine in the middle of a frame; `rows` holds the output rows so far."""

    def __init__(self, plan: Plan, height: int = SIDE, stop_at: int | None = None) -> None:
        self.arena = Arena(plan.blob, SIDE)
        self.esr, self.handle = self.arena.esr, self.arena.handle
        self.rows: list[int] = []
        self.stop_at = stop_at
        self.image = noise(SIDE, SIDE, 5)
        self.sink = binding.Sink(self._take)
        assert self.begin(height) == binding.OK

    def _take(self, user: int, y: int, row: int) -> int:
        self.rows.append(y)
        return 7 if y == self.stop_at else 0

    def begin(self, height: int = SIDE) -> int:
        return self.esr.esr_begin(self.handle, height, self.sink, None)

    def push(self, y: int) -> int:
        row = np.ascontiguousarray(self.image[0, min(y, SIDE - 1)])
        return self.esr.esr_push_row(self.handle, y, row.ctypes.data)

    def end(self) -> int:
        return self.esr.esr_end(self.handle)

    def check_frame_is_over(self) -> None:
        """Assert that the engine accepts only esr_begin, and then runs a whole frame."""
        assert self.push(0) == STATE
        assert self.end() == STATE
        self.rows.clear()
        self.stop_at = None
        assert self.begin() == binding.OK
        assert [self.push(y) for y in range(SIDE)] == [binding.OK] * SIDE
        assert self.end() == binding.OK
        assert self.rows == list(range(2 * SIDE))
        assert self.arena.guarded()


def test_null_pointers_are_refused(plan: Plan) -> None:
    frame = Frame(plan)
    esr, handle = frame.esr, frame.handle
    address, size = frame.arena.plan.ctypes.data, len(plan.blob)
    memory = frame.arena.memory.ctypes.data + Arena.GUARD
    out = ctypes.c_void_p(1)
    assert esr.esr_open(None, address, size, SIDE, memory, 10**6) == NULL
    assert esr.esr_open(ctypes.byref(out), None, size, SIDE, memory, 10**6) == NULL
    assert out.value is None
    assert esr.esr_open(ctypes.byref(out), address, size, SIDE, None, 10**6) == NULL
    assert esr.esr_describe(None, ctypes.byref(binding.Info())) == NULL
    assert esr.esr_describe(handle, None) == NULL
    assert esr.esr_begin(None, SIDE, frame.sink, None) == NULL
    assert esr.esr_begin(handle, SIDE, ctypes.cast(None, binding.Sink), None) == NULL
    assert esr.esr_push_row(None, 0, memory) == NULL
    assert esr.esr_end(None) == NULL
    assert esr.esr_arena_bytes(None, size, SIDE) == 0
    assert esr.esr_strip_count(None, 100) == 0
    assert esr.esr_find_strip(None, 100, 0, ctypes.byref(binding.Strip())) == NULL
    assert esr.esr_run_strip(None, None, 0) == NULL
    assert esr.esr_run_strip(handle, ctypes.byref(binding.Frame()), 0) == NULL


def test_a_null_row_ends_the_frame(plan: Plan) -> None:
    frame = Frame(plan)
    assert frame.esr.esr_push_row(frame.handle, 0, None) == NULL
    frame.check_frame_is_over()


@pytest.mark.parametrize("offset", [1, 2, 4])
def test_a_misaligned_arena_is_refused(plan: Plan, offset: int) -> None:
    arena = Arena(plan.blob, SIDE)
    out = ctypes.c_void_p()
    start = arena.memory.ctypes.data + offset
    address, size = arena.plan.ctypes.data, len(plan.blob)
    status = arena.esr.esr_open(ctypes.byref(out), address, size, SIDE, start, arena.size)
    assert (status, out.value) == (MISALIGNED, None)


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_a_misaligned_plan_is_refused(plan: Plan, offset: int) -> None:
    arena = Arena(plan.blob, SIDE)
    moved = binding.aligned(len(plan.blob) + 8)
    moved[offset : offset + len(plan.blob)] = arena.plan
    address, memory = moved.ctypes.data + offset, arena.memory.ctypes.data + Arena.GUARD
    out = ctypes.c_void_p()
    size = len(plan.blob)
    status = arena.esr.esr_open(ctypes.byref(out), address, size, SIDE, memory, arena.size)
    assert status == MISALIGNED
    assert arena.esr.esr_arena_bytes(address, size, SIDE) == 0


@pytest.mark.parametrize("missing", [1, 8, 200, None])
def test_a_too_small_arena_is_refused_and_left_unchanged(plan: Plan, missing: int | None) -> None:
    arena = Arena(plan.blob, SIDE)
    before = arena.memory.copy()
    out = ctypes.c_void_p()
    status = arena.esr.esr_open(
        ctypes.byref(out),
        arena.plan.ctypes.data,
        len(plan.blob),
        SIDE,
        arena.memory.ctypes.data + Arena.GUARD,
        0 if missing is None else arena.size - missing,
    )
    assert (status, out.value) == (ARENA, None)
    assert np.array_equal(arena.memory, before)


@pytest.mark.parametrize("width", [0, 2**20 + 1, 2**31, 2**32 - 1])
def test_impossible_widths_are_refused(plan: Plan, width: int) -> None:
    arena = Arena(plan.blob, width)
    assert (arena.status, arena.size) == (WIDTH, 0)


@pytest.mark.parametrize("height", [0, 2**20 + 1, 2**32 - 1])
def test_impossible_heights_are_refused(plan: Plan, height: int) -> None:
    frame = Frame(plan)
    assert frame.begin(height) == HEIGHT
    frame.check_frame_is_over()


def test_rows_before_begin_are_refused(plan: Plan) -> None:
    arena = Arena(plan.blob, SIDE)
    assert arena.esr.esr_push_row(arena.handle, 0, arena.memory.ctypes.data) == STATE
    assert arena.esr.esr_end(arena.handle) == STATE


@pytest.mark.parametrize("rows", [[1], [0, 0], [0, 2], [0, 1, 0], [2**32 - 1]])
def test_rows_out_of_order_end_the_frame(plan: Plan, rows: list[int]) -> None:
    frame = Frame(plan)
    assert [frame.push(y) for y in rows] == [binding.OK] * (len(rows) - 1) + [ORDER]
    frame.check_frame_is_over()


@pytest.mark.parametrize("extra", [SIDE, 0])
def test_too_many_rows_end_the_frame(plan: Plan, extra: int) -> None:
    frame = Frame(plan)
    for y in range(SIDE):
        assert frame.push(y) == binding.OK
    assert frame.push(extra) == TOO_MANY
    frame.check_frame_is_over()


@pytest.mark.parametrize("rows", [0, 1, SIDE - 1])
def test_too_few_rows_end_the_frame(plan: Plan, rows: int) -> None:
    frame = Frame(plan)
    for y in range(rows):
        assert frame.push(y) == binding.OK
    assert frame.end() == TOO_FEW
    frame.check_frame_is_over()


@pytest.mark.parametrize("row", [0, 1, 2 * SIDE - 1])
def test_a_sink_can_stop_the_frame(plan: Plan, row: int) -> None:
    frame = Frame(plan, stop_at=row)
    statuses = [frame.push(y) for y in range(SIDE)]
    if row == 2 * SIDE - 1:
        assert statuses == [binding.OK] * SIDE
        assert frame.end() == STOPPED
    else:
        assert STOPPED in statuses
    assert frame.rows == list(range(row + 1))
    frame.check_frame_is_over()


def test_a_sink_cannot_call_the_engine(plan: Plan) -> None:
    frame = Frame(plan)
    answers: list[int] = []

    def call_the_engine(user: int, y: int, row: int) -> int:
        answers.extend((frame.begin(), frame.push(SIDE), frame.end()))
        return 0

    frame.sink = binding.Sink(call_the_engine)
    assert frame.begin() == binding.OK
    assert [frame.push(y) for y in range(SIDE)] == [binding.OK] * SIDE
    assert frame.end() == binding.OK
    assert answers == [STATE] * 3 * 2 * SIDE


def test_begin_drops_an_unfinished_frame(plan: Plan) -> None:
    frame = Frame(plan)
    frame.push(0)
    frame.push(1)
    assert frame.begin(3) == binding.OK
    for y in range(3):
        frame.push(y)
    frame.rows.clear()
    assert frame.end() == binding.OK
    assert frame.rows[-1] == 5


def test_every_status_has_a_text() -> None:
    esr = binding.load()
    texts = [esr.esr_status_text(status).decode() for status in range(OUTPUT + 1)]
    assert len(set(texts)) == OUTPUT + 1
    for status in (-1, OUTPUT + 1, 2**31 - 1):
        assert esr.esr_status_text(status).decode() == "unknown status"


def changed(plan: Plan, word: int, value: int) -> bytes:
    blob = bytearray(plan.blob)
    struct.pack_into("<I", blob, 4 * word, value % 2**32)
    return bytes(blob)


def refused(blob: bytes) -> bool:
    return Arena(blob, SIDE).status == PLAN


@pytest.mark.parametrize("field", HEADER)
@pytest.mark.parametrize("value", [0x7FFFFFFF, 0xFFFFFFFF])
def test_impossible_headers_are_refused(plan: Plan, field: str, value: int) -> None:
    arena = Arena(changed(plan, HEADER[field], value), SIDE)
    assert arena.status in (PLAN, WIDTH)  # a huge arena fits at no width


def test_weights_in_the_layout_of_other_kernels_are_refused(plan: Plan) -> None:
    for layout in set(Layout) - {Layout.SIMD}:
        assert refused(plan.blobs[layout])
        assert refused(changed(plan, HEADER["layout"], layout))


def test_a_truncated_plan_is_refused(plan: Plan) -> None:
    for size in range(0, len(plan.blob), 4):
        assert refused(plan.blob[:size])
    assert refused(b"")


@pytest.mark.parametrize("value", [1, 0xFFFFFFFF, 0x7FFFFFFF, 5000])
@pytest.mark.parametrize("field", ["unit_pixels", "channels", "depth", "padding", "unit_offset"])
def test_impossible_shapes_are_refused(plan: Plan, field: str, value: int) -> None:
    buffers = HEADER_WORDS + BUFFER_WORDS * np.arange(len(plan.rings))
    answers = []
    for start, ring in zip(buffers, plan.rings, strict=True):
        valid = {"unit_pixels": ring.pixels_per_unit, "channels": ring.channels}
        valid |= {"depth": ring.rows, "padding": ring.padding, "unit_offset": ring.offset.per_unit}
        if value == 1 and (field == "unit_offset" or valid[field] <= 1):
            continue
        answers.append(refused(changed(plan, int(start) + BUFFER[field], value)))
    if value != 1:
        assert all(answers)
    elif field in ("channels", "unit_pixels"):
        assert any(answers)


def operators(plan: Plan) -> int:
    return HEADER_WORDS + BUFFER_WORDS * len(plan.rings)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("kind", 8), ("kind", -1), ("in", 99), ("other", 99), ("out", 99), ("in", -1)),
        *(("kernel_h", 0), ("kernel_h", 7), ("kernel_w", 0), ("kernel_w", 7), ("kernel_h", -1)),
        *(("extra", 1), ("extra", 4), ("extra", -1)),
        *(("groups", 0), ("groups", 3), ("groups", -1), ("weights", -4), ("weights", 2)),
        *(("bias", -4), ("bias", 2), ("scales", -4), ("scales", 1), ("bias", 2**31 - 4)),
        *(("low", -129), ("high", 128), ("low", 127), ("zero", 128), ("zero", -129)),
    ],
)
def test_impossible_convolutions_are_refused(plan: Plan, field: str, value: int) -> None:
    assert refused(changed(plan, operators(plan) + OPERATOR[field], value)) == (
        (field, value) != ("low", 127)  # a range of one value is valid
    )


def test_overlapping_buffers_are_refused_at_the_widths_where_they_overlap(plan: Plan) -> None:
    """The distance shrinks with the width; it is 40 bytes minus the width."""
    pairs = set(PlanWords(plan.blob).sources())
    assert len(pairs) >= 4
    for pair in pairs:
        blob = stacked(plan.blob, *pair, gap=(-1, 40))
        statuses = {width: Arena(blob, width).status for width in (1, 39, 40, 41, 44, 500)}
        assert {width for width, status in statuses.items() if status == PLAN} == {41, 44, 500}
        assert set(statuses.values()) == {PLAN, binding.OK}


def test_impossible_shifts_are_refused(plan: Plan) -> None:
    word = operators(plan) + OPERATOR["scales"]
    (scales,) = struct.unpack_from("<I", plan.blob, 4 * word)
    for offset, value in ((0, -1), (0, 2**31), (1, -32), (1, 31), (1, 2**31), (1, 2**31 - 1)):
        assert refused(changed(plan, scales // 4 + offset, value))


def test_impossible_programs_are_refused(plan: Plan) -> None:
    entries = operators(plan) + OPERATOR_WORDS * sum(len(node.calls) for node in plan.nodes)
    count = struct.unpack_from("<I", plan.blob, 4 * HEADER["entries"])[0]
    for entry in range(count):
        word = entries + 2 * entry
        assert refused(changed(plan, word, 1000))
        assert refused(changed(plan, word + 1, 65537))
        assert refused(changed(plan, word + 1, -65537))
        assert refused(changed(plan, word, 0xFFFFFFFF)) == (entry > 0)


def test_random_bytes_are_refused(plan: Plan) -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 3, 51, 52, 60, 100, 4096):
        assert refused(rng.integers(0, 256, size, np.uint8).tobytes())
        assert refused(plan.blob[:8] + rng.integers(0, 256, size, np.uint8).tobytes())


def test_changed_plans_are_refused_or_run_within_their_arena(plan: Plan) -> None:
    """Checks the guard bytes only; the sanitizers and the fuzzer see more."""
    rng = np.random.default_rng(1)
    ran = 0
    for _ in range(3000):
        blob = bytearray(plan.blob)
        offset = 4 * int(rng.integers(0, 300))
        value = int(rng.choice([0, 1, 2, 5, 255, 65536, 2**31 - 1, 2**31, 2**32 - 1]))
        struct.pack_into("<I", blob, offset, value)
        frame_plan = Plan(**{**plan.__dict__, "blobs": {Layout.SIMD: bytes(blob)}})
        if Arena(frame_plan.blob, SIDE).status == binding.OK:
            frame = Frame(frame_plan)
            for y in range(SIDE):
                frame.push(y)
            frame.end()
            assert frame.arena.guarded()
            ran += 1
    assert ran > 100


def test_the_undamaged_plan_runs(plan: Plan) -> None:
    image = noise(SIDE, SIDE, 2)
    assert np.array_equal(run_plan(plan, image), run_tflm(resize(MODEL, SIDE, SIDE), image))
