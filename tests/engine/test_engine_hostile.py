"""Hostile networks and frame plans: one sentence, and nothing read or written outside."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from engine_runner import Arena
from random_frames import FrameWriter, Window

from edge_sr.engine import binding
from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.nodes import Kind
from edge_sr.errors import UserError
from edge_sr.graph import read_graph

PLAN = 3  # esr_status ESR_PLAN
HEADER_WORDS, BUFFER_WORDS, OPERATOR_WORDS = 11, 6, 20
KIND, IN, OUT, WEIGHTS, BIAS, SCALES, SCRATCH, SCRATCH_BYTES = 0, 1, 3, 10, 11, 12, 18, 19

HUGE = (
    (1, 65536, 65536, 65536),
    (1, 2**31 - 1, 2**31 - 1, 2**31 - 1),
    (2**31 - 1, 2**31 - 1, 1, 1),
    (1, -5, 4, 4),
    (1, 0, 4, 4),
)


def refused(writer: FrameWriter, last: int) -> str:
    writer.subgraph.outputs = [last]
    out = writer.activation("end", (1, 1, 1, 1), 0.1, 0)
    out = type(out)(last, out.shape, out.scale, out.zero_point)
    with pytest.raises(UserError) as caught:
        make_frame_plan(read_graph(writer.finish(out)))
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("shape", HUGE)
@pytest.mark.parametrize("name", ["CONV_2D", "RESHAPE", "MAX_POOL_2D", "FULLY_CONNECTED", "input"])
def test_shapes_that_overflow_are_refused(name: str, shape: tuple[int, ...]) -> None:
    writer = FrameWriter(6, 5, 4)
    if name == "CONV_2D":
        last = writer.window_conv(writer.input, Window(), 4, 1, "NONE")
    elif name == "RESHAPE":
        last = writer.reshape(writer.input, (1, 5, 6, 4))
    elif name == "FULLY_CONNECTED":
        last = writer.dense(writer.input, 3, "NONE")
    else:
        last = writer.pool(writer.input, "MAX_POOL_2D", Window((2, 2), (2, 2)), "NONE")
    changed = writer.input if name == "input" else last
    writer.subgraph.tensors[changed.index].shape = list(shape)
    assert refused(writer, last.index)


@pytest.mark.parametrize("name", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_a_pooling_window_larger_than_the_map_is_refused(name: str) -> None:
    writer = FrameWriter(6, 5, 4)
    out = writer.activation("pooled", (1, 1, 1, 4), writer.input.scale, writer.input.zero_point)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = 1, 1, 1
    options.filterHeight, options.filterWidth = 7, 2
    writer.operator(name, [writer.input.index], [out.index], options)
    assert "a window of 7 pixels over tensor 0 'input', of 6" in refused(writer, out.index)


@pytest.mark.parametrize("shape", [(65536, 32768), (2**31 - 1, 16), (16, 2**31 - 1), (3, -1)])
def test_a_dense_layer_of_more_weights_than_the_file_has_is_refused(
    shape: tuple[int, int],
) -> None:
    writer = FrameWriter(1, 1, 16)
    out = writer.dense(writer.input, 3, "NONE")
    weights = writer.subgraph.operators[-1].inputs[1]
    writer.subgraph.tensors[weights].shape = list(shape)
    assert f"tensor {weights}" in refused(writer, out.index)


# --- plans


def plan() -> FramePlan:
    """A plan with packed and compact weights, scratch memory, sums and a dense layer."""
    writer = FrameWriter(9, 7, 3, seed=3)
    image = writer.window_conv(writer.input, Window(), 8, 1, "RELU")
    image = writer.window_conv(image, Window(stride=(2, 2)), 8, 8, "RELU")
    image = writer.unary(image, "HARD_SWISH")
    image = writer.pool(image, "AVERAGE_POOL_2D", Window((5, 4), same=False), "NONE")
    made = make_frame_plan(
        read_graph(writer.finish(writer.softmax(writer.dense(image, 5, "NONE"))))
    )
    kinds = {call.kind for node in made.nodes for call in node.calls}
    assert {Kind.SUM_ROWS, Kind.AVERAGE_SUMS, Kind.LUT} <= kinds
    return made


def operators(blob: bytes) -> Iterator[tuple[int, int]]:
    """The kind and the first word of each operator."""
    header = struct.unpack_from(f"<{HEADER_WORDS}I", blob)
    first = HEADER_WORDS + BUFFER_WORDS * header[4]
    for index in range(header[5]):
        word = first + OPERATOR_WORDS * index
        yield struct.unpack_from("<I", blob, 4 * word)[0], word


def changed(blob: bytes, word: int, value: int) -> bytes:
    copy = bytearray(blob)
    struct.pack_into("<I", copy, 4 * word, value % 2**32)
    return bytes(copy)


def status(blob: bytes) -> int:
    return Arena(blob, 7).status


def test_an_operator_that_points_outside_the_plan_is_refused() -> None:
    blob = plan().blob
    assert status(blob) == binding.OK
    with_weights = {Kind.CONV, Kind.ANY_CONV, Kind.ANY_DEPTHWISE, Kind.LUT, Kind.SOFTMAX}
    tried = 0
    for kind, word in operators(blob):
        fields = [WEIGHTS] * (kind in with_weights)
        fields += [BIAS, SCALES] * (kind in with_weights - {Kind.LUT, Kind.SOFTMAX})
        for field in fields:
            for offset in (len(blob), len(blob) - 4, 2**32 - 4, 2**31, len(blob) + 4, 2):
                assert status(changed(blob, word + field, offset)) == PLAN, (kind, field, offset)
                tried += 1
    assert tried > 50


def test_scratch_memory_outside_the_arena_or_on_the_operator_s_rows_is_refused() -> None:
    made = plan()
    blob, end = made.blob, made.arena
    rings = [ring.offset for ring in made.rings]
    tried = 0
    for _, word in operators(blob):
        fields = (IN, OUT, SCRATCH_BYTES)
        source, target, size = (
            struct.unpack_from("<I", blob, 4 * (word + field))[0] for field in fields
        )
        if size:
            for offset in (end, end - size + 4, 2**32 - 4, rings[source], rings[target], 2):
                assert status(changed(blob, word + SCRATCH, offset)) == PLAN, offset
            for longer in (end, 2**32 - 4, 2**31):
                assert status(changed(blob, word + SCRATCH_BYTES, longer)) == PLAN, longer
            tried += 1
    assert tried


def test_a_table_in_the_plan_s_header_is_read_there() -> None:
    """An offset of 0 means no slopes to PRELU, but not to operators that need a table."""
    blob, row = plan().blob, np.zeros(21, np.int8)
    for kind, word in operators(blob):
        if kind in (Kind.LUT, Kind.SOFTMAX):
            arena = Arena(changed(blob, word + WEIGHTS, 0), 7)
            if arena.status == binding.OK:
                sink = binding.Sink(lambda user, y, row: 0)
                arena.esr.esr_begin(arena.handle, 9, sink, None)
                for y in range(9):
                    arena.esr.esr_push_row(arena.handle, y, row.ctypes.data)
                assert arena.guarded()


def test_sums_of_another_width_are_refused() -> None:
    blob = plan().blob
    for kind, word in operators(blob):
        if kind in (Kind.SUM_ROWS, Kind.AVERAGE_SUMS):
            for other in range(struct.unpack_from("<I", blob, 16)[0]):
                for field in (IN, OUT):
                    if other != struct.unpack_from("<I", blob, 4 * (word + field))[0]:
                        assert status(changed(blob, word + field, other)) == PLAN
