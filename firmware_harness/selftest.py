"""The self-test of an image for a board without a host: a generated frame, its output's CRC-32.

The result stays in RAM, where a debugger reads it; app/selftest.c defines its words.
"""

import zlib

import numpy as np

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from firmware_harness import oracle
from firmware_harness.frames import round_up

WORDS = 12
"""The size of the result in words of 4 bytes."""

PASSED = 0x45535231
"""The first word of the result when the test has passed."""

_MIN_ROWS = 24
_HEADER = """\
/* The self-test: rows of its frame, and the CRC-32 of all output bytes, from {source}. */
#ifndef TEST_H
#define TEST_H

#define TEST_HEIGHT {height}
#define TEST_CRC UINT32_C(0x{crc:08x})

#endif
"""


def header(model: bytes, width: int) -> str:
    """Return the C header that the self-test is built with.

    Args:
        model: an int8 .tflite.
        width: frame width in pixels.
    """
    network = graph.read_graph(model)
    height = round_up(_MIN_ROWS, make_plan(network).pixels_per_unit)
    output, source = _output(model, frame(height, width, network.input.shape[3]))
    return _HEADER.format(source=source, height=height, crc=zlib.crc32(output.tobytes()))


def frame(height: int, width: int, channels: int) -> np.ndarray:
    """Return the frame that app/selftest.c makes: noise of a linear congruential generator.

    Returns:
        (H, W, C) int8.
    """
    values = np.empty(height * width * channels, np.uint8)
    state = 1
    for index in range(values.size):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state >> 24
    return values.view(np.int8).reshape(height, width, channels)


def _output(model: bytes, image: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the expected output of a frame, and its source: TFLM, or without it the engine."""
    try:
        return oracle.tflm_output(model, image), "TensorFlow Lite Micro"
    except UserError:
        plan = make_plan(graph.read_graph(model))
        return oracle.engine_output(plan, image), "the engine on the host"
