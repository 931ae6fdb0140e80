"""The reference for firmware: the output of TensorFlow Lite Micro, byte for byte.

Where tflite-micro has no wheel, or TFLM does not run a network of one size, the engine on the host
is the reference, and messages name it.
"""

import importlib.util
from collections.abc import Sequence

import numpy as np

from edge_sr import graph
from edge_sr.engine.binding import Engine
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.errors import UserError, VerificationError, has_tflm_wheels, require
from edge_sr.runtime.arena import arena_bytes
from edge_sr.runtime.tflm import arena_bound

MAX_ARENA_BYTES = 2**29
"""Frames for which TFLM's arena may be larger are not tried."""

TFLM = "TFLM"
HOST = "the engine on this machine, for which tflite-micro has no wheel"
HOST_ALONE = "the engine on this machine; TFLM does not run this model right"

# TFLM reads memory that was not written where a batch is split: outputs change from run to run.
_NOT_RIGHT = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")


def is_feasible(model: bytes, height: int, width: int) -> bool:
    """Return whether TFLM's arena for a frame is surely at most `MAX_ARENA_BYTES`."""
    resized = graph.read_graph(graph.resize(model, height, width))
    return arena_bound(resized) <= MAX_ARENA_BYTES


def check_size(model: bytes, height: int, width: int) -> None:
    """Refuse a frame for which TFLM would need too much memory.

    Raises:
        UserError: the frame is too large.
    """
    if not is_feasible(model, height, width):
        raise UserError(
            f"a frame of {width}x{height} is too large for TFLM, which checks the output; name an "
            "image with fewer rows with --image"
        )


def arena(model: bytes, height: int, width: int) -> int | str:
    """Return TFLM's arena for a frame in bytes, or why it is unknown."""
    if importlib.util.find_spec("tflite_micro") is None:
        return "unknown: tflite-micro is not installed"
    try:
        return _arena(graph.resize(model, height, width))
    except UserError:
        return _CANNOT


_CANNOT = "unknown: TFLM cannot run it"


def own_arena(model: bytes) -> int | str:
    """Return TFLM's arena for a network at its own size in bytes, or why it is unknown."""
    if importlib.util.find_spec("tflite_micro") is None:
        return "unknown: tflite-micro is not installed"
    return _arena(model)


def _arena(model: bytes) -> int | str:
    try:
        if arena_bound(graph.read_graph(model)) > MAX_ARENA_BYTES:
            return "unknown: too large to try"
        return arena_bytes(model)
    except (UserError, VerificationError):
        return _CANNOT


def reference_outputs(
    model: bytes, plan: Plan | FramePlan, frame: np.ndarray
) -> tuple[list[np.ndarray], str]:
    """Return the outputs that firmware must give for a frame, and who computed them.

    Args:
        model: an int8 .tflite.
        plan: of that model.
        frame: (H, W, C) int8, of a frame plan's only size; the bytes of a uint8 input as int8.

    Returns:
        Each output (H', W', C') int8, the bytes of a uint8 output as int8, and `TFLM`, `HOST` or
        `HOST_ALONE`.

    Raises:
        UserError: tflite-micro is missing where it could be installed, or TFLM would need too much
            memory for a frame of that size.
        VerificationError: TFLM cannot run the model, which streams.
    """
    if importlib.util.find_spec("tflite_micro") is None and not has_tflm_wheels():
        return engine_outputs(plan, frame), HOST
    if isinstance(plan, Plan):
        check_size(model, *frame.shape[:2])
        return [tflm_output(model, frame)], TFLM
    network = graph.read_graph(model)
    if any(operator.name in _NOT_RIGHT for operator in network.operators):
        return engine_outputs(plan, frame), HOST_ALONE
    source = network.input
    inputs = [frame.view(source.dtype).reshape(source.shape)]
    try:
        outputs = tflm_outputs(model, inputs, len(plan.outputs))
    except VerificationError:
        return engine_outputs(plan, frame), HOST_ALONE
    shaped = zip(outputs, plan.out_shapes, strict=True)
    return [output.reshape(shape).view(np.int8) for output, shape in shaped], TFLM


def tflm_output(model: bytes, frame: np.ndarray) -> np.ndarray:
    """Run a model in TFLM (the tflite-micro wheel) at the frame's size.

    Args:
        model: an int8 .tflite.
        frame: (H, W, C) int8; the bytes of a uint8 input as int8.

    Returns:
        (H', W', C') int8; the bytes of a uint8 output as int8.

    Raises:
        UserError: tflite-micro is missing, or the model cannot be resized to the frame.
        VerificationError: TFLM cannot run it.
    """
    resized = graph.resize(model, *frame.shape[:2])
    dtype = graph.read_graph(resized).input.dtype
    (output,) = tflm_outputs(resized, [frame.view(dtype)[np.newaxis]], 1)
    return output[0].view(np.int8)


def tflm_outputs(model: bytes, inputs: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """Run a model in TFLM at its own size.

    Args:
        model: a .tflite.
        inputs: of the shapes and dtypes of its inputs.
        count: of its outputs.

    Raises:
        UserError: tflite-micro is missing.
        VerificationError: TFLM cannot run it.
    """
    runtime = require("tflite_micro", "tflm").runtime
    size = arena_bound(graph.read_graph(model))
    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=size)
        for index, values in enumerate(inputs):
            interpreter.set_input(values, index)
        interpreter.invoke()
        return [np.array(interpreter.get_output(index)) for index in range(count)]
    except (ValueError, RuntimeError) as error:
        shapes = ", ".join("x".join(map(str, values.shape)) for values in inputs)
        raise VerificationError(f"TFLM cannot run the model at {shapes}: {error}") from None


def engine_outputs(plan: Plan | FramePlan, frame: np.ndarray) -> list[np.ndarray]:
    """Return the engine's outputs for a frame, all int8 (H, W, C).

    Raises:
        UserError: the engine does not run the network at this size.
    """
    height, width, _ = frame.shape
    if isinstance(plan, Plan) and height % plan.pixels_per_unit:
        raise UserError(
            f"the model cannot run at height {height}; it needs a multiple of "
            f"{plan.pixels_per_unit}"
        )
    engine = Engine(plan.blob, width)
    info = engine.info
    first = height * info.rows_num // info.rows_den, info.out_width, info.out_channels
    shapes = plan.out_shapes if isinstance(plan, FramePlan) else [first]
    outs = [np.empty(shape, np.int8) for shape in shapes]
    engine.run_frame(frame, outs)
    return outs


def engine_output(plan: Plan | FramePlan, frame: np.ndarray) -> np.ndarray:
    """Return the engine's first output, as `engine_outputs` does."""
    return engine_outputs(plan, frame)[0]


def check_outputs(
    outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray], source: str = TFLM
) -> None:
    """Compare every byte of every output of firmware with the expected ones, as `check` does."""
    if len(outputs) != len(expected):
        raise VerificationError(
            f"the firmware has {len(outputs)} outputs, {source} has {len(expected)}"
        )
    for number, (output, values) in enumerate(zip(outputs, expected, strict=True)):
        check(output, values, source if len(outputs) == 1 else f"{source} of output {number}")


def check(output: np.ndarray, expected: np.ndarray, source: str = TFLM) -> None:
    """Compare every output byte of firmware with the expected output.

    Args:
        output: int8 values, in order, of any shape.
        expected: (H, W, C) int8.
        source: who computed the expected output.

    Raises:
        VerificationError: they differ; the text states the first difference.
    """
    if output.size != expected.size:
        raise VerificationError(
            f"the firmware wrote {output.size:,} output bytes, {source} writes {expected.size:,}"
        )
    output = output.ravel()
    wrong = np.flatnonzero(output != expected.ravel())
    if wrong.size:
        y, x, channel = np.unravel_index(wrong[0], expected.shape)
        raise VerificationError(
            f"{wrong.size:,} of {output.size:,} output bytes differ from {whose(source)}, first at "
            f"row {y}, column {x}, channel {channel}: {output[wrong[0]]}, not "
            f"{expected[y, x, channel]}"
        )


def whose(source: str) -> str:
    """Return the source of an output in the possessive."""
    return f"{source}'s" if source == TFLM else f"those of {source}"
