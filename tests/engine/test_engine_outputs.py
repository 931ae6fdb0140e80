"""Networks of several outputs: TFLM's bits, the C interface, refusals, damaged plans."""

import ctypes
import struct

import numpy as np
import pytest
from engine_runner import Arena, run_plan
from random_frames import FrameWriter, Window
from tflm_oracle import run_tflm_outputs

from edge_sr.engine import binding
from edge_sr.engine.c_source import c_header
from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph
from edge_sr.runtime.frame import FrameSession

NULL, PLAN, STATE, STOPPED, OUTPUT = 1, 3, 7, 11, 12
OUTPUTS_WORD = 8  # of the header


def two_heads() -> bytes:
    """A map, of which the next layer reads every second row, and scores: frames of 9x8 pixels."""
    writer = FrameWriter(9, 8, 3, seed=8)
    image = writer.window_conv(writer.input, Window(), 4, 1, "RELU")
    small = writer.window_conv(image, Window(stride=(2, 2)), 6, 1, "NONE")
    return writer.finish(image, writer.dense(writer.mean(small, keep=False), 5, "NONE"))


def planned(model: bytes) -> FramePlan:
    return make_frame_plan(read_graph(model))


def rows_of(arena: Arena, answer: int = 0) -> tuple[list[tuple[int, int]], list[int]]:
    """Outputs and numbers of the rows that the sink gets, and the status of each call."""
    rows: list[tuple[int, int]] = []

    def take(_: int, output: int, y: int, row: int) -> int:
        rows.append((output, y))
        return answer

    sink, pixels = binding.OutputsSink(take), np.zeros(8 * 3, np.int8)
    assert arena.esr.esr_begin_outputs(arena.handle, 9, sink, None) == binding.OK
    push = arena.esr.esr_push_row
    statuses = [push(arena.handle, y, pixels.ctypes.data) for y in range(9)]
    return rows, [*statuses, arena.esr.esr_end(arena.handle)]


def test_every_output_has_the_bits_of_tflm() -> None:
    session = FrameSession(two_heads())
    values = np.random.default_rng(1).integers(-128, 128, session.in_shape, dtype=np.int8)
    expected = run_tflm_outputs(two_heads(), values, 2)
    assert session.out_shapes == ((1, 9, 8, 4), (1, 5))
    assert all(map(np.array_equal, session.run(values), expected))
    assert np.array_equal(run_plan(session.plan, values), expected[0]), "esr_begin gives output 0"


def test_rows_of_the_map_come_before_the_frame_is_complete() -> None:
    rows, statuses = rows_of(Arena(planned(two_heads()).blob, 8))
    assert statuses == [binding.OK] * 10
    assert rows == [(0, y) for y in range(9)] + [(1, 0)]


def test_a_sink_can_stop_the_frame() -> None:
    _, statuses = rows_of(Arena(planned(two_heads()).blob, 8), answer=1)
    assert statuses == [binding.OK, STOPPED] + [STATE] * 8


def test_outputs_are_described() -> None:
    arena, info = Arena(planned(two_heads()).blob, 8), binding.Info()
    describe = arena.esr.esr_describe_output
    assert arena.esr.esr_outputs(arena.handle) == 2
    assert describe(arena.handle, 1, ctypes.byref(info)) == binding.OK
    assert (info.rows_num, info.rows_den, info.out_width, info.out_channels) == (1, 9, 1, 5)
    assert describe(arena.handle, 2, ctypes.byref(info)) == OUTPUT
    assert describe(None, 0, ctypes.byref(info)) == NULL
    assert arena.esr.esr_outputs(None) == 0
    no_sink = ctypes.cast(None, binding.OutputsSink)
    assert arena.esr.esr_begin_outputs(arena.handle, 9, no_sink, None) == NULL


def test_a_network_for_frames_of_any_size_has_one_output() -> None:
    writer = FrameWriter(9, 8, 3)
    model = writer.finish(writer.random_conv(writer.input, (3, 3), 4, 1, "NONE"))
    arena = Arena(make_plan(read_graph(model)).blob, 8)
    assert arena.esr.esr_outputs(arena.handle) == 1
    rows, _ = rows_of(arena)
    assert rows == [(0, y) for y in range(9)]


def test_the_header_of_a_plan_has_the_size_of_each_output() -> None:
    header = c_header(planned(two_heads()), "net")
    for line in ("NET_OUTPUTS 2u", "NET_OUT_HEIGHT 9u", "NET_OUT1_CHANNELS 5u"):
        assert f"#define {line}\n" in header


def test_an_output_that_is_not_computed_is_refused() -> None:
    writer = FrameWriter(9, 8, 3)
    image = writer.prelu(writer.input)
    with pytest.raises(UserError, match=r"nothing for its output tensor 0 'input', which is its"):
        planned(writer.finish(image, writer.input))


def test_more_outputs_than_the_engine_has_are_refused() -> None:
    writer = FrameWriter(1, 1, 3)
    image = writer.prelu(writer.input)
    with pytest.raises(UserError, match="has 1 inputs and 17 outputs; the engine runs"):
        planned(writer.finish(*[image] * 17))


@pytest.mark.parametrize("outputs", [0, 1, 3, 16, 17, 2**31])
def test_plans_with_another_number_of_outputs_are_refused(outputs: int) -> None:
    blob = bytearray(planned(two_heads()).blob)
    assert struct.unpack_from("<I", blob, 4 * OUTPUTS_WORD) == (2,)
    struct.pack_into("<I", blob, 4 * OUTPUTS_WORD, outputs)
    assert Arena(bytes(blob), 8).status == PLAN


def test_an_output_without_a_buffer_is_refused() -> None:
    blob = bytearray(planned(two_heads()).blob)
    buffers, operators, entries = struct.unpack_from("<3I", blob, 16)
    first = 44 + struct.calcsize("<8HiI") * buffers
    records = struct.calcsize("<4I8H5I5i2I") * operators + 4 * entries
    struct.pack_into("<I", blob, first + records, buffers)
    assert Arena(bytes(blob), 8).status == PLAN
