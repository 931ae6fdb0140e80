"""Cases of `edge-sr bench` that run on an emulated board."""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_sr.errors import VerificationError
from edge_sr.records import Case, Decision, Instructions, Memory, Output, Result

if TYPE_CHECKING:
    from firmware_harness.elf import Flash, StaticRam
    from firmware_harness.emulate import Run


def emulate(case: Case, model: bytes) -> Result:
    """Build firmware, run it in QEMU on the case's picture, compare every byte with TFLM's.

    Args:
        case: names an emulated board; its height and width are those of the image.
        model: the .tflite.

    Raises:
        UserError: a tool is missing, or the network does not fit.
        VerificationError: the board did not end the frame.
    """
    from benchmarks import device, picture
    from edge_sr.graph import read_graph
    from edge_sr.runtime.pixels import encode
    from edge_sr.runtime.tflite_interface import read_interface, read_part
    from firmware_harness import board_file, build, elf, oracle, project
    from firmware_harness import emulate as emulation

    assert case.board is not None
    target = board_file.find(case.board)
    part = case.network.part
    interface = read_interface(model) if part == "upscaler" else read_part(model)
    pixels, _ = picture.made(part, case.height, case.width, interface.scale, case.channels)
    frame = encode(pixels, interface.input)
    assert frame.shape[2] == read_graph(model).input.shape[3]
    started = device.now()
    expected = oracle.tflm_output(model, frame)
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as scratch:
        folder = Path(scratch)
        project.write(folder, project.Project("benchmark", case.board, frame.shape[1]), model)
        image = build.build(folder, target)
        flash, ram = elf.measure(image)
        done = emulation.run(image, target, frame)
    if done.status != 0:
        raise VerificationError(f"the engine ended the frame with esr_status {done.status}")
    output = _output(done.output, expected)
    return Result(
        case=case,
        status="measured",
        reason=None,
        started=started,
        cold=None,
        timings=(),
        operators=(),
        memory=_memory(len(model), flash, ram, done),
        output=output,
        instructions=Instructions(target.core, done.open_instructions, done.frame_instructions),
        before=None,
        after=None,
        other_load=None,
        marks=("emulated",) if output.right else ("emulated", "wrong"),
    )


def _output(made: np.ndarray, expected: np.ndarray) -> Output:
    due = expected.astype(np.int8).ravel()
    right = bool(np.array_equal(made, due))
    steps = np.abs(made.astype(int) - due) if made.size == due.size else np.full(1, 255)
    return Output(
        sha256=hashlib.sha256(made.tobytes()).hexdigest(),
        bytes=made.nbytes,
        reference="tflm",
        reference_sha256=hashlib.sha256(due.tobytes()).hexdigest(),
        max_difference=float(steps.max()),
        differing_share=float(np.mean(steps != 0)),
        psnr_difference=None,
        right=right,
        decision=Decision("largest difference", float(steps.max()), 0.0),
    )


def _memory(model_bytes: int, flash: "Flash", ram: "StaticRam", done: "Run") -> tuple[Memory, ...]:
    return (
        Memory("file", model_bytes, "the .tflite file"),
        Memory("flash", flash.engine_and_model, "the engine's code and the model in the image"),
        Memory("engine ram", ram.arena, "the engine's arena in the image, frames left out"),
        Memory("stack", done.stack_used, "stack at most, start-up and test program included"),
    )
