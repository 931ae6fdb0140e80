"""esr_tcz2: an encoder of symbols in the engine, from a camera's rows to a file, on the host."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sanitized
import skimage.data
from context_reference import random_master
from tcz2_runner import STEP, Camera, encoder

from edge_sr.codec import container2, context
from edge_sr.codec.header2 import Header
from edge_sr.engine import symbols
from edge_sr.engine.build import c_files
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.engine.planning import plan_network
from edge_sr.graph import read_graph
from firmware_harness import oracle

OK, NULL, NETWORK, CONTEXT, SIZE, MEMORY, STATE, ROWS, PART, STOPPED = range(10)
CHANNELS = 5
BLOB = context.fold(random_master(CHANNELS, 1), 1.25)


def up(side: int) -> int:
    return -(-side // STEP) * STEP


def image(height: int, width: int) -> np.ndarray:
    return skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width]


def plan_of(height: int, width: int, channels: int = CHANNELS) -> Plan | FramePlan:
    return plan_network(read_graph(encoder(up(height), up(width), channels)))


def expected_file(pixels: np.ndarray, rows_per_part: int) -> bytes:
    """The file of TFLM's symbols of the image, padded by edge replication."""
    height, width, _ = pixels.shape
    margins = [(0, up(side) - side) for side in (height, width)]
    padded = np.pad(pixels, (*margins, (0, 0)), "edge")
    frame = (padded.astype(np.int16) - 128).astype(np.int8)
    values = oracle.tflm_output(encoder(*padded.shape[:2]), frame)
    header = Header(
        *("cae-test", bytes(range(8)), bytes(range(8, 16)), width, height),
        *(CHANNELS, 300, rows_per_part),
    )
    return container2.assemble(header, symbols.encode(values, BLOB, rows_per_part))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("driver") / "tcz2_driver"
    return sanitized.build(program, [Path(__file__).with_name("tcz2_driver.c"), *c_files()], "-O0")


@pytest.mark.parametrize(("size", "rows"), [((37, 50), 2), ((1, 1), 1), ((40, 3), 9)])
def test_files_written_under_sanitizers_hold_the_symbols_of_tflm(
    driver: Path, size: tuple[int, int], rows: int, tmp_path: Path
) -> None:
    pixels, plan = image(*size), plan_of(*size)
    head = struct.pack("<6I", len(plan.blob), len(BLOB), size[1], size[0], CHANNELS, rows)
    (tmp_path / "dump").write_bytes(head + plan.blob + BLOB + pixels.tobytes())
    done = subprocess.run([driver, tmp_path / "dump"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == expected_file(pixels, rows)


def test_a_camera_writes_header_and_parts_as_soon_as_they_are_complete() -> None:
    pixels = image(60, 24)
    camera = Camera(plan_of(60, 24), BLOB, (60, 24), 2)
    assert camera.begin() == OK
    assert [len(part) for part in camera.parts] == [60]
    for y, row in enumerate(pixels):
        assert camera.push(y, row) == OK
    early = camera.file
    assert len(camera.parts) > 3
    assert camera.end() == OK
    kept = container2.unpack(early, salvage=True)
    assert kept.parts == container2.unpack(camera.file).parts[: len(kept.parts)]
    for _ in range(2):
        assert camera.begin() == OK
        assert camera.feed(pixels) == OK
        assert camera.file == expected_file(pixels, 2)
    assert camera.intact


# --- what is refused


def test_calls_out_of_order() -> None:
    pixels = image(8, 8)
    camera = Camera(plan_of(8, 8), BLOB, (8, 8))
    assert camera.begin() == OK
    assert camera.push(1, pixels[1]) == ROWS
    assert [camera.push(0, pixels[0]), camera.end()] == [STATE] * 2
    assert camera.begin() == OK
    for y in range(8):
        assert camera.push(y, pixels[y]) == OK
    assert camera.push(8, pixels[0]) == ROWS
    assert camera.begin() == OK
    assert camera.feed(pixels) == OK
    assert camera.end() == STATE


def test_wrong_sizes_and_too_little_memory_are_refused() -> None:
    plan = plan_of(16, 24)
    camera = Camera(plan, BLOB, (16, 24))
    for width, height in ((0, 16), (24, 0), (25, 16), (16, 16), (24, 65536), (2**32 - 1, 16)):
        assert camera.begin(width, height) == SIZE
    camera.rows_per_part = 0
    assert camera.begin() == SIZE
    for missing in ((1, 0, 0), (0, 8, 0)):
        assert Camera(plan, BLOB, (16, 24), missing=missing).begin() == MEMORY


def test_other_networks_and_contexts_are_refused() -> None:
    quarter = plan_network(read_graph(encoder(16, 24, steps=2)))
    assert Camera(quarter, BLOB, (16, 24)).begin() == NETWORK
    other = context.fold(random_master(CHANNELS + 1, 1), 0.0)
    assert Camera(plan_of(16, 24), other, (16, 24)).begin() == CONTEXT
    camera = Camera(plan_of(16, 24), BLOB, (16, 24))
    camera.context[0] ^= 1
    assert camera.begin() == CONTEXT


def test_a_part_that_does_not_fit_ends_the_file_with_the_part_before() -> None:
    plan = plan_of(48, 48)
    camera = Camera(plan, BLOB, (48, 48))
    for seed in range(20):  # until the largest part is not the first one
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 48, 3), np.uint8)
        assert (camera.begin(), camera.feed(pixels)) == (OK, OK)
        sizes = [len(part) for part in camera.parts[2::2]]
        largest = int(np.argmax(sizes))
        if largest > 0:
            break
    small = Camera(plan, BLOB, (48, 48), missing=(0, 0, camera.part.size - max(sizes) + 1))
    assert (small.begin(), small.feed(pixels)) == (OK, PART)
    assert camera.file.startswith(small.file)
    assert len(container2.unpack(small.file, salvage=True).parts) == largest
    assert small.end() == STATE
    assert small.intact


def test_an_output_that_stops_ends_the_image() -> None:
    pixels = image(24, 16)
    camera = Camera(plan_of(24, 16), BLOB, (24, 16))
    assert camera.begin(most=0) == STOPPED
    assert camera.push(0, pixels[0]) == STATE
    for most in (1, 2, 3):
        assert camera.begin(most=most) == OK
        assert camera.feed(pixels) == STOPPED
        assert len(camera.parts) == most
