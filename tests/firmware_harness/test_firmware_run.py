"""Networks built for boards and run in QEMU: output, memory and instructions.

`EDGE_SR_BOARD_MODELS=200 pytest tests/firmware_harness/test_firmware_run.py` tries as many random
networks, a second or two each.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from board_tools import build_image, skip_without_tools
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from random_models import RandomNetwork, networks

from edge_sr.engine.plan import make_plan
from edge_sr.errors import VerificationError
from edge_sr.graph import macs_per_pixel, read_graph
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Entry
from firmware_harness import board_file, build, elf, emulate, fit, frames, oracle, project
from firmware_harness.board import Board
from firmware_harness.emulate import Run

pytestmark = [pytest.mark.cross, pytest.mark.slow]

MODELS = int(os.environ.get("EDGE_SR_BOARD_MODELS", "12"))


def built(model: bytes, board: Board, width: int, folder: Path) -> Path:
    project.write(folder, project.Project("model", board.name, width), model)
    return build_image(folder, board)


def run_checked(model: bytes, board: Board, frame: np.ndarray, folder: Path) -> Run:
    """Build and run; check the output against TFLM's, and the size of the arena."""
    image = built(model, board, frame.shape[1], folder)
    done = emulate.run(image, board, frame)
    assert done.status == 0
    oracle.check(done.output, oracle.tflm_output(model, frame))
    assert done.arena_needed == elf.measure(image)[1].arena
    assert done.stack_used < board.stack
    return done


# No shrinking, which would compile for minutes; the engine's tests shrink the same networks.
@settings(
    max_examples=MODELS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    network=networks,
    name=st.sampled_from(board_file.emulated()),
)
def test_random_models_are_bit_exact_with_tflm(
    tmp_path_factory: pytest.TempPathFactory, network: RandomNetwork, name: str
) -> None:
    board, model, frame = board_file.find(name), network.write(), network.image()[0]
    skip_without_tools(board)
    graph = read_graph(model)
    assume(fit.fit(graph, make_plan(graph), frame.shape[1], board).fits)
    run_checked(model, board, frame, tmp_path_factory.mktemp("random"))


# Thermal networks differ in weights only, and an emulator needs an hour for the large networks.
ARCHITECTURES = [
    entry
    for entry in catalog.entries("super-resolution")
    if not entry.thermal and macs_per_pixel(read_graph(entry.file("int8", ".tflite"))) <= 20_000
]


@pytest.mark.parametrize("entry", ARCHITECTURES, ids=lambda entry: f"{entry.model}-x{entry.scale}")
def test_shipped_networks_are_bit_exact_with_tflm(
    board: Board, tmp_path: Path, entry: Entry
) -> None:
    model = entry.file("int8", ".tflite").read_bytes()
    graph = read_graph(model)
    pixels, _ = frames.default_pixels(20, 52)
    if not fit.fit(graph, make_plan(graph), pixels.shape[1], board).fits:
        pytest.skip(f"{board.name} has no room for {entry.model} x{entry.scale}")
    run_checked(model, board, frames.encode_pixels(pixels, graph.input), tmp_path)


@pytest.mark.parametrize(("width", "height", "most"), [(160, 120, 10_000), (320, 24, 20_000)])
def test_tinypssr_stays_within_its_ram_and_flash_limits(
    board: Board, tmp_path: Path, width: int, height: int, most: int
) -> None:
    model = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
    pixels, _ = frames.default_pixels(height, width)
    frame = frames.encode_pixels(pixels, read_graph(model).input)
    done = run_checked(model, board, frame, tmp_path)
    flash, ram = elf.measure(tmp_path / build.IMAGE)
    assert ram.arena + ram.data + ram.bss + done.stack_used <= most
    assert flash.engine_and_model <= 24 * 1024
    assert flash.engine_text > 2000
    assert flash.model > 1356
    assert done.frame_instructions > 1296 / 4 * width * height


def test_an_image_refuses_a_frame_of_another_width(tmp_path: Path) -> None:
    board = board_file.find("mps2-an386")
    model = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
    image = built(model, board, 16, tmp_path)
    with pytest.raises(VerificationError, match="2: the frame is not of the size it was"):
        emulate.run(image, board, np.zeros((4, 17, 1), np.int8))
