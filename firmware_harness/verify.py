"""Run built firmware in QEMU on an image, and check its output and its RAM.

The output must equal the reference's byte for byte (`oracle.py`); the sizes of the image's sections
must equal what the planner and the image itself say.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.engine.planning import plan_network
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import Graph, Tensor, read_bytes, read_graph
from firmware_harness import (
    board_file,
    build,
    camera,
    elf,
    emulate,
    frames,
    oracle,
    project,
    symbol_camera,
)
from firmware_harness.board import Board
from firmware_harness.camera import Camera
from firmware_harness.elf import Flash, StaticRam
from firmware_harness.emulate import Compression, Run, SymbolCompression
from firmware_harness.project import Project
from firmware_harness.symbol_camera import SymbolCamera
from firmware_harness.targets import content

_ALIGNMENT = 8  # bytes, of the coder's state
_BLOCKS = 3  # of memory outside the arena, for an encoder of symbols


@dataclass(frozen=True)
class Firmware:
    """A built project.

    Attributes:
        project: the model, the board's name and the width it was built for.
        board: the board it was built for.
        flash: the flash that its image takes.
        ram: the RAM that is known at build time.
    """

    project: Project
    board: Board
    flash: Flash
    ram: StaticRam


@dataclass(frozen=True)
class NetworkRun:
    """Firmware after a run whose output equals the reference's.

    Attributes:
        firmware: what ran.
        plan: of its network.
        frame: the input, (H, W, C) int8.
        source: what the frame shows, for people.
        output: the network's output tensor.
        reference: who computed the expected output: `oracle.TFLM` or `oracle.HOST`.
        result: output and counts.
    """

    firmware: Firmware
    plan: Plan | FramePlan
    frame: np.ndarray
    source: str
    output: Tensor
    reference: str
    result: Run

    @property
    def ram(self) -> int:
        """Return all RAM in bytes but the frame buffers: arena, variables and peak stack."""
        return self.firmware.ram.total + self.result.stack_used

    @property
    def best(self) -> tuple[int, float] | None:
        """Return the class with the highest score, and the score; None if there are no scores."""
        if isinstance(self.plan, Plan) or not content.is_classifier(self.plan):
            return None
        quantization = self.output.quantization
        assert quantization is not None  # the planner has checked it
        scores = self.result.outputs[0].view(self.output.dtype).astype(np.float64)
        best = int(scores.argmax())
        return best, float((scores[best] - quantization.zero_point[0]) * quantization.scale[0])

    @property
    def macs(self) -> float:
        """Return the multiply-accumulates of the frame."""
        if isinstance(self.plan, FramePlan):
            return self.plan.macs
        height, width, _ = self.frame.shape
        return self.plan.macs * height * width


@dataclass(frozen=True)
class EncoderRun:
    """An encoder's firmware after a run whose file holds TFLM's latents.

    Attributes:
        firmware: what ran.
        pixels: the input, (H, W, 3) uint8.
        source: what the image shows, for people.
        result: file and counts.
    """

    firmware: Firmware
    pixels: np.ndarray
    source: str
    result: Compression


@dataclass(frozen=True)
class SymbolRun:
    """An encoder's firmware after a run whose file equals the host's byte for byte.

    Attributes:
        firmware: what ran.
        pixels: the input, (H, W, 3) uint8.
        source: what the image shows, for people.
        memory: RAM outside the arena.
        context_bytes: flash of the context, part of the model's.
        reference: who computed the symbols: `oracle.TFLM` or `oracle.HOST`.
        result: file and counts.
    """

    firmware: Firmware
    pixels: np.ndarray
    source: str
    memory: symbol_camera.Memory
    context_bytes: int
    reference: str
    result: SymbolCompression

    @property
    def ram(self) -> int:
        """Return all RAM in bytes but the camera's row: arena, coder, variables and peak stack."""
        return self.firmware.ram.total + self.result.stack_used


def run_network(folder: Path, image: Path | None) -> NetworkRun:
    """Run firmware on an image and compare every output byte with the reference's.

    Args:
        folder: written by `project.write`, built by `build.build`.
        image: as `frames.read_frame` takes it.

    Raises:
        UserError: the folder holds no firmware, the image does not fit, or the emulator is missing,
            or tflite-micro where it could be installed.
        VerificationError: the run failed, or output or RAM differ from what they must be.
    """
    firmware, model = _open(folder)
    network = read_graph(model)
    frame, source = frames.read_frame(image, firmware.project.width, network)
    plan = plan_network(network)
    expected, reference = oracle.reference_outputs(model, plan, frame)
    result = emulate.run(folder / build.IMAGE, firmware.board, frame)
    if result.status != 0:
        raise VerificationError(f"the engine ended the frame with esr_status {result.status}")
    _check_size("arena", firmware.ram.arena, result.arena_needed)
    oracle.check_outputs(result.outputs, expected, reference)
    output = network.tensors[network.outputs[0]]
    return NetworkRun(firmware, plan, frame, source, output, reference, result)


def run_model(name: str, model: bytes, board: str) -> NetworkRun:
    """Build firmware of a network in a temporary folder, and run it as `run_network` does.

    Args:
        name: the model's name, for people.
        model: an int8 .tflite, not an encoder; one that takes any width gets the default one.
        board: the name of an emulated board, or its file.

    Raises:
        UserError: as `project.write` and `run_network`.
        VerificationError: as `run_network`.
    """
    plan = plan_network(read_graph(model))
    height = plan.in_shape[0] if isinstance(plan, FramePlan) else None
    settings = Project(name, board, frames.width_of(plan, None), height=height)
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as scratch:
        folder = Path(scratch)
        project.write(folder, settings, model)
        build.build(folder, board_file.find(board))
        return run_network(folder, None)


def run_encoder(folder: Path, image: Path | None) -> EncoderRun:
    """Run an encoder's firmware on an image; its file must hold TFLM's latents.

    Args:
        folder: written by `project.write`, built by `build.build`.
        image: as wide as the firmware was built for, and at most as high; None: a photograph.

    Raises:
        UserError: as `run_network`.
        VerificationError: as `run_network`.
    """
    firmware, model = _open(folder)
    settings = firmware.project.camera
    assert settings is not None  # else another program was built
    network = read_graph(model)
    plan = make_plan(network)
    camera.check(firmware.project.name, network, plan)
    pixels, source = frames.read_pixels(image, firmware.project.width, settings.height)
    latents = _latents(model, plan, pixels)
    result = emulate.compress(folder / build.IMAGE, firmware.board, pixels)
    if result.status != 0:
        raise VerificationError(f"compression ended with esr_tcz_status {result.status}")
    _check_camera_ram(firmware, settings, network, plan, result)
    header = camera.file_header(network, plan, pixels, settings)
    camera.check_file(result.file, header, latents)
    return EncoderRun(firmware, pixels, source, result)


def run_symbols(folder: Path, image: Path | None) -> SymbolRun:
    """Run the firmware of a compressive autoencoder's encoder on an image.

    Its file must equal the host's, which codes TFLM's symbols.

    Args:
        folder: written by `project.write`, built by `build.build`.
        image: of the size that the firmware was built for; None: a photograph.

    Raises:
        UserError: as `run_network`.
        VerificationError: as `run_network`.
    """
    firmware, model = _open(folder)
    settings = firmware.project.symbols
    assert settings is not None  # else another program was built
    context, network = read_bytes(folder / project.CONTEXT), read_graph(model)
    plan = plan_network(network)
    symbol_camera.check(firmware.project.name, network, plan)
    pixels, source = frames.read_pixels(image, firmware.project.width, settings.height)
    if len(pixels) != settings.height:
        raise UserError(f"{image} has {len(pixels)} rows; the firmware takes {settings.height}")
    memory = symbol_camera.memory(network, firmware.project.width, settings.rows_per_part, context)
    (symbols,), reference = oracle.reference_outputs(model, plan, symbol_camera.extend(pixels))
    expected = symbol_camera.file(symbols, firmware.project.width, settings, context)
    result = emulate.compress_symbols(folder / build.IMAGE, firmware.board, pixels)
    _check_symbol_run(result, settings)
    _check_size("arena", firmware.ram.arena, result.arena_needed)
    _check_symbol_ram(firmware, memory, result)
    if result.file != expected:
        raise VerificationError(
            f"the board's file of {len(result.file):,} bytes is not the host's of "
            f"{len(expected):,} bytes"
        )
    return SymbolRun(firmware, pixels, source, memory, len(context), reference, result)


def _check_symbol_run(result: SymbolCompression, settings: SymbolCamera) -> None:
    if result.status == emulate.PART_TOO_LARGE:
        raise VerificationError(
            "a part of the file does not fit its memory; build the firmware with fewer rows in a "
            f"part than {settings.rows_per_part}, or a lower quality"
        )
    if result.status != 0:
        raise VerificationError(f"compression ended with esr_tcz2_status {result.status}")


def _check_symbol_ram(
    firmware: Firmware, memory: symbol_camera.Memory, result: SymbolCompression
) -> None:
    """Compare an encoder's section with what it must hold, and with the image's own figures.

    Raises:
        VerificationError: they differ.
    """
    gaps = firmware.ram.codec - memory.total - result.state_bytes
    if not 0 <= gaps < _BLOCKS * _ALIGNMENT or memory.coder < result.coder_needed:
        raise VerificationError(
            f"{firmware.ram.codec} bytes of coder, part and row, but {memory.total} and "
            f"{result.state_bytes} are needed"
        )


def _open(folder: Path) -> tuple[Firmware, bytes]:
    """Return a built project, and its .tflite."""
    settings, board = project.read(folder), project.read_board(folder)
    emulate.check_tools(board, folder)
    model = read_bytes(folder / project.MODEL)
    flash, ram = elf.measure(folder / build.IMAGE)
    return Firmware(settings, board, flash, ram), model


def _latents(model: bytes, plan: Plan, pixels: np.ndarray) -> np.ndarray:
    """Return TFLM's latents, (channels, h, w) uint8."""
    frame = camera.extend(pixels, plan)
    oracle.check_size(model, *frame.shape[:2])
    return camera.samples(oracle.tflm_output(model, frame))


def _check_camera_ram(
    firmware: Firmware, settings: Camera, network: Graph, plan: Plan, result: Compression
) -> None:
    """Compare an encoder's sections with the planner's and the image's own figures.

    Raises:
        VerificationError: they differ.
    """
    width, ram = firmware.project.width, firmware.ram
    memory = camera.memory(network, plan, width, settings.height)
    _check_size("arena", ram.arena, result.arena_needed)
    _check_size("arena", ram.arena, plan.arena_bytes(camera.extended(width, plan)))
    _check_size("latents", ram.latents, memory.latents)
    if not 0 <= ram.codec - memory.row - result.state_bytes < _ALIGNMENT:
        raise VerificationError(
            f"{ram.codec} bytes of row and coder, but {memory.row} and {result.state_bytes} are "
            "needed"
        )


def _check_size(what: str, size: int, needed: int) -> None:
    if size != needed:
        raise VerificationError(f"{size} bytes of {what}, but {needed} are needed")
