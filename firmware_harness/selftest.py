"""The self-test of an image for a board without a host: a generated frame, its output's CRC-32.

The result stays in RAM, where a debugger reads it; app/selftest.c defines its words.
"""

import zlib

import numpy as np

from edge_sr import graph
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.engine.planning import plan_network
from edge_sr.errors import UserError
from firmware_harness import frames, oracle

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
    plan = plan_network(network)
    if isinstance(plan, FramePlan):
        height, _, channels = plan.in_shape
    else:
        height = frames.round_up(_MIN_ROWS, plan.pixels_per_unit)
        channels = network.input.shape[3]
    frame = frames.noise(height, width, channels)
    outputs, source = _outputs(model, plan, frame)
    crc = 0
    for output in outputs:
        crc ^= zlib.crc32(output.tobytes())
    return _HEADER.format(source=source, height=height, crc=crc)


def _outputs(
    model: bytes, plan: Plan | FramePlan, frame: np.ndarray
) -> tuple[list[np.ndarray], str]:
    """Return the expected outputs of a frame, and their source: TFLM, or without it the engine."""
    try:
        outputs, source = oracle.reference_outputs(model, plan, frame)
    except UserError:
        outputs, source = oracle.engine_outputs(plan, frame), oracle.HOST
    return outputs, "TensorFlow Lite Micro" if source == oracle.TFLM else "the engine on the host"
