"""Random networks for frames of one size on emulated boards: the bits are TFLM's.

One image runs all networks, so that the emulator starts once. `EDGE_SR_BOARD_MODELS=500 pytest
tests/engine/test_engine_random_boards.py` runs that many.
"""

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from random_frames import FrameStep, RandomFrame, Window, frames
from tflm_oracle import run_tflm

from edge_sr.engine.build import SOURCES
from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.engine.packing import Layout
from edge_sr.graph import read_graph
from firmware_harness import board_file, build, emulate, port

pytestmark = [pytest.mark.cross, pytest.mark.slow]

MODELS = int(os.environ.get("EDGE_SR_BOARD_MODELS", "40"))
BOARDS = {"dsp": ("mps2-an386", Layout.DSP16), "helium": ("mps3-an547", Layout.MVE8)}


def depthwise(kernel: tuple[int, int], stride: tuple[int, int], channels: int) -> RandomFrame:
    """A depthwise convolution alone, of frames that several strips of pixels cover."""
    window = Window(kernel, stride, (1, 2) if kernel[1] > 3 else (1, 1))
    step = FrameStep("CONV", window, channels=channels, groups=channels)
    sizes = {"height": 9, "width": 41, "channels": channels}
    return RandomFrame(**sizes, steps=(step,), ending="map", dense=0, seed=kernel[0])


KERNELS = [
    depthwise(kernel, stride, channels)
    for kernel, stride, channels in (
        ((1, 1), (1, 1), 3),
        ((2, 5), (1, 2), 17),
        ((3, 3), (2, 2), 16),
        ((4, 4), (1, 1), 19),
        ((5, 5), (1, 3), 36),
        ((7, 9), (2, 1), 8),
    )
]


@pytest.mark.parametrize("kernels", BOARDS)
def test_random_networks_have_the_bits_of_tflm(kernels: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    name, layout = BOARDS[kernels]
    jobs: list[bytes] = []
    expected: list[np.ndarray] = []

    def add(network: RandomFrame) -> None:
        model, image = network.write(), network.image()
        plan = make_frame_plan(read_graph(model))
        blob, (_, height, width, channels) = plan.blobs[layout], image.shape
        head = struct.pack("<4I", len(blob), width, height, width * channels)
        jobs.append(head + blob + image.tobytes())
        expected.append(run_tflm(model, image).view(np.int8).ravel())

    @settings(
        max_examples=MODELS,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(network=frames)
    def collect(network: RandomFrame) -> None:
        add(network)

    for network in KERNELS:
        add(network)
    collect()
    (tmp_path / "jobs.bin").write_bytes(b"".join(jobs))
    board = board_file.find(name)
    emulate.execute(built(tmp_path, name), board, tmp_path)
    output = np.fromfile(tmp_path / "output.bin", np.int8)
    assert output.size == sum(values.size for values in expected)
    ends = np.cumsum([values.size for values in expected])
    wrong = [
        index
        for index, values in enumerate(np.split(output, ends[:-1]))
        if not np.array_equal(values, expected[index])
    ]
    assert wrong == []


def built(folder: Path, name: str) -> Path:
    """The image of the program that runs all plans."""
    board = board_file.find(name)
    port.write(folder, board)
    port.copy_files(SOURCES, folder / "engine", "*.[ch]")
    port.copy_files(Path(__file__).parent, folder / "app", "many_plans.c")
    return build.build(folder, board, "-Werror -UESR_TRUSTED_PLANS")
