"""Measures a case of a benchmark on an emulated board: instructions, memory and the output."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from edge_sr import records
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.planning import plan_network
from edge_sr.errors import VerificationError
from edge_sr.graph import read_graph
from edge_sr.records import Case, Decision, Instructions, Memory, Output, Result
from firmware_harness import board_file, build, elf, emulate, oracle, project
from firmware_harness.elf import Flash, StaticRam
from firmware_harness.emulate import Run


def measure(case: Case, model: bytes, values: np.ndarray) -> Result:
    """Build firmware, run it in QEMU, and compare each output byte with TFLM's.

    Where tflite-micro has no wheel, the engine on this machine is the reference.

    Args:
        case: names an emulated board.
        model: the .tflite; one that does not stream is at the size of its input.
        values: the network's input, int8 (H, W, channels); of one that does not stream of any
            shape.

    Raises:
        UserError: a tool is missing, or the network does not fit.
        VerificationError: the board did not finish the frame.
    """
    assert case.board is not None
    board = board_file.find(case.board)
    plan = plan_network(read_graph(model))
    frame = values.reshape(plan.in_shape) if isinstance(plan, FramePlan) else values
    started = records.now()
    expected, source = oracle.reference_outputs(model, plan, frame)
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as scratch:
        folder = Path(scratch)
        project.write(folder, project.Project("benchmark", case.board, frame.shape[1]), model)
        image = build.build(folder, board)
        flash, ram = elf.measure(image)
        run = emulate.run(image, board, frame)
    if run.status != 0:
        raise VerificationError(f"the engine ended the frame with esr_status {run.status}")
    values = np.concatenate([each.ravel() for each in expected])
    output = _output(run.output, values, "tflm" if source == oracle.TFLM else "engine")
    return Result(
        case=case,
        status="measured",
        reason=None,
        started=started,
        cold=None,
        timings=(),
        operators=(),
        memory=_memory(len(model), flash, ram, run),
        output=output,
        instructions=Instructions(board.core, run.open_instructions, run.frame_instructions),
        before=None,
        after=None,
        other_load=None,
        marks=("emulated",) if output.right else ("emulated", "wrong"),
    )


def _output(output: np.ndarray, expected: np.ndarray, reference: str) -> Output:
    expected = expected.astype(np.int8).ravel()
    right = bool(np.array_equal(output, expected))
    steps = (
        np.abs(output.astype(int) - expected) if output.size == expected.size else np.full(1, 255)
    )
    return Output(
        sha256=hashlib.sha256(output.tobytes()).hexdigest(),
        bytes=output.nbytes,
        reference=reference,
        reference_sha256=hashlib.sha256(expected.tobytes()).hexdigest(),
        max_difference=float(steps.max()),
        differing_share=float(np.mean(steps != 0)),
        psnr_difference=None,
        right=right,
        decision=Decision("largest difference", float(steps.max()), 0.0),
    )


def _memory(model_bytes: int, flash: Flash, ram: StaticRam, run: Run) -> tuple[Memory, ...]:
    return (
        Memory("file", model_bytes, "the .tflite file"),
        Memory("flash", flash.engine_and_model, "the engine's code and the model in the image"),
        Memory("engine ram", ram.arena, "the engine's arena in the image, without frames"),
        Memory("stack", run.stack_used, "largest stack use, with start-up and test program"),
    )
