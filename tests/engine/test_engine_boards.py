"""Each set of kernels on an emulated board: which one is built, and whether its bits are TFLM's.

The networks are fixed. They have the shapes that vector code gets wrong: numbers of channels that
are not multiples of a vector, rows of one pixel, even kernels, groups.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from clang_for_arm import compile_with_clang
from random_frames import FrameStep, RandomFrame, Window
from random_models import RandomNetwork, Step
from tflm_oracle import run_tflm

from firmware_harness import board_file, build, emulate, oracle, project
from firmware_harness.board import Board

pytestmark = [pytest.mark.cross, pytest.mark.slow]

WIDE = RandomNetwork(
    height=5,
    width=37,
    channels=1,
    steps=(
        Step("CONV_2D", kernel=(5, 5), channels=17, activation="RELU"),
        Step("PRELU"),
        Step("CONV_2D", kernel=(1, 1), channels=5),
        Step("LEAKY_RELU"),
        Step("CONV_2D", kernel=(2, 4), channels=6, groups=5),
        Step("CONV_2D", kernel=(3, 3), channels=10, groups=5, activation="RELU6"),
        Step("CONCATENATION", partner=3),
        Step("ADD", partner=1),
        Step("CONV_2D", kernel=(1, 3), channels=8),
        Step("DEPTH_TO_SPACE"),
    ),
    seed=7,
)
NARROW = RandomNetwork(
    height=6,
    width=1,
    channels=3,
    steps=(
        Step("CONV_2D", kernel=(3, 3), channels=3),
        Step("TANH"),
        Step("CONV_2D", kernel=(5, 2), channels=16),
        Step("PRELU"),
        Step("CONV_2D", kernel=(7, 1), channels=20, groups=4),
        Step("QUANTIZE"),
        Step("CONV_2D", kernel=(3, 3), channels=1, activation="RELU"),
        Step("RELU"),
    ),
    seed=8,
)

STRIDED = RandomNetwork(
    height=24,
    width=48,
    channels=3,
    steps=(
        Step("CONV_2D", kernel=(5, 5), channels=17, stride=2),
        Step("PRELU"),
        Step("CONV_2D", kernel=(2, 4), channels=12, stride=3),
        Step("CONV_2D", kernel=(3, 6), channels=9, groups=3, stride=2),
        Step("CONV_2D", kernel=(1, 3), channels=5, stride=2),
        Step("CONV_2D", kernel=(1, 1), channels=6),
    ),
    seed=9,
)

FRAME = RandomFrame(
    height=17,
    width=29,
    channels=3,
    steps=(
        FrameStep("CONV", Window((3, 3), (1, 2), same=False), channels=7, activation="RELU"),
        FrameStep("CONV", Window(), groups=7, channels=7),
        FrameStep("CONV", Window((5, 2), (2, 1)), groups=7, channels=7),
        FrameStep("CONV", Window((1, 1)), channels=20),
        FrameStep("CONV", Window((3, 3), (2, 2)), groups=20, channels=20),
        FrameStep("CONV", Window((3, 2), dilation=(2, 2)), groups=4, channels=36),
        FrameStep("CONV", Window((1, 1)), channels=36),
        FrameStep("CONV", Window((3, 3), dilation=(1, 4)), groups=36, channels=36),
        FrameStep("CONV", Window((2, 3), (1, 2)), channels=33),
        FrameStep("AVERAGE_POOL_2D", Window((2, 2), same=False)),
        FrameStep("CONV", Window((4, 3), same=False), channels=9, activation="RELU6"),
    ),
    ending="reshape",
    dense=17,
    seed=6,
)

SETS = {
    "dsp": ("mps2-an386", "", {"smlad"}),
    "helium": ("mps3-an547", "", {"vmlava"}),
    "portable": ("mps2-an386", "-DESR_PORTABLE", set()),
    "dsp, lto": ("mps2-an386", "-flto", {"smlad"}),
    "helium, lto": ("mps3-an547", "-flto", {"vmlava"}),
}
"""Board, flags, and the instructions that identify the kernels; vmlava is an alias of vmladava."""


@pytest.mark.parametrize("network", [WIDE, NARROW, STRIDED], ids=["wide", "narrow", "strided"])
@pytest.mark.parametrize("kernels", SETS)
def test_bits_equal_tflm(kernels: str, network: RandomNetwork, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    name, flags, instructions = SETS[kernels]
    board, model, frame = board_file.find(name), network.write(), network.image()
    project.write(tmp_path, project.Project("model", name, network.width), model)
    image = build.build(tmp_path, board, f"-Werror {flags}")
    assert instructions_in(image) == instructions
    check_output(image, board, model, frame)


@pytest.mark.parametrize("kernels", ["dsp", "helium"])
def test_frame_bits_equal_tflm(kernels: str, tmp_path: Path) -> None:
    """Rows of 14, 7, 3 and 1 pixels, with compact weights, and windows of all kinds."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    board = board_file.find(SETS[kernels][0])
    write_frame(tmp_path, board)
    check_output(build.build(tmp_path, board, "-Werror"), board, FRAME.write(), FRAME.image())


def test_frame_bits_equal_tflm_with_clang(tmp_path: Path) -> None:
    for tool in ("clang", "arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    name, target = CLANG["dsp"]
    board = board_file.find(name)
    write_frame(tmp_path, board)
    build.build(tmp_path, board)
    for source in (tmp_path / "engine").glob("*.c"):
        compile_with_clang(source, tmp_path / "build" / "engine", [*target, "-O0"])
    check_output(build.build(tmp_path, board), board, FRAME.write(), FRAME.image())


def write_frame(folder: Path, board: Board) -> None:
    facts = project.Project("model", board.name, FRAME.width, height=FRAME.height)
    project.write(folder, facts, FRAME.write())


CLANG = {
    "dsp": ("mps2-an386", ("-mcpu=cortex-m4", "-mfloat-abi=soft")),
    "helium": ("mps3-an547", ("-mcpu=cortex-m55", "-mfloat-abi=hard")),
}


@pytest.mark.parametrize("network", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
@pytest.mark.parametrize("kernels", CLANG)
def test_bits_equal_tflm_with_clang(
    kernels: str, level: str, network: RandomNetwork, tmp_path: Path
) -> None:
    """The engine of Clang, in an image that GCC links."""
    for tool in ("clang", "arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    name, target = CLANG[kernels]
    board, model, frame = board_file.find(name), network.write(), network.image()
    project.write(tmp_path, project.Project("model", name, network.width), model)
    build.build(tmp_path, board)
    for source in (tmp_path / "engine").glob("*.c"):
        compile_with_clang(source, tmp_path / "build" / "engine", [*target, level])
    image = build.build(tmp_path, board)
    assert instructions_in(image) == SETS[kernels][2]
    check_output(image, board, model, frame)


def check_output(image: Path, board: Board, model: bytes, frame: np.ndarray) -> None:
    """Run the image on the frame; assert that the output is TFLM's."""
    done = emulate.run(image, board, frame[0])
    assert done.status == 0
    oracle.check(done.output, run_tflm(model, frame)[0])


def instructions_in(image: Path) -> set[str]:
    """The instructions of the image that identify kernels."""
    command = ["arm-none-eabi-objdump", "-d", "-m", "armv8.1-m.main", str(image)]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name for name in ("smlad", "vmlava") if name in code}
