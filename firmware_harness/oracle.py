"""What an image's output must be: TensorFlow Lite Micro's, byte for byte."""

import numpy as np

from edge_sr import graph
from edge_sr.errors import VerificationError, require
from edge_sr.runtime.tflm import arena_bound


def tflm_output(model: bytes, frame: np.ndarray) -> np.ndarray:
    """Run a model in the tflite-micro wheel.

    Args:
        model: an int8 .tflite.
        frame: (H, W, C) int8.

    Returns:
        (H', W', C') int8.

    Raises:
        UserError: the wheel is missing, or the model cannot be resized to the frame.
        VerificationError: TFLM cannot run it.
    """
    runtime = require("tflite_micro", "tflm").runtime
    height, width, _ = frame.shape
    resized = graph.resize(model, height, width)
    size = arena_bound(graph.read_graph(resized))
    try:
        interpreter = runtime.Interpreter.from_bytes(resized, arena_size=size)
        interpreter.set_input(frame[np.newaxis], 0)
        interpreter.invoke()
        return np.array(interpreter.get_output(0))[0]
    except (ValueError, RuntimeError) as error:
        raise VerificationError(f"TFLM cannot run the model at {height}x{width}: {error}") from None


def check(output: np.ndarray, expected: np.ndarray) -> None:
    """Compare every byte of an image's output.

    Args:
        output: int8 values in the order in which they came.
        expected: (H, W, C) int8.

    Raises:
        VerificationError: they differ; the text says where first.
    """
    if output.size != expected.size:
        raise VerificationError(
            f"the image gave {output.size:,} output bytes where TFLM gives {expected.size:,}"
        )
    wrong = np.flatnonzero(output != expected.ravel())
    if wrong.size:
        y, x, channel = np.unravel_index(wrong[0], expected.shape)
        raise VerificationError(
            f"{wrong.size:,} of {output.size:,} output bytes differ from TFLM's, first at row {y}, "
            f"column {x}, channel {channel}: {output[wrong[0]]}, not {expected[y, x, channel]}"
        )
