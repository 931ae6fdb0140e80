"""esr_tcz: an encoder in the engine, from the rows of a camera to a file, on the host."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sanitized
import skimage.data
import standins
from hypothesis import given, settings
from hypothesis import strategies as st
from tcz_runner import Camera, network

from edge_sr.codec import container, planes
from edge_sr.codec.header import Colour, Header
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.engine import coder
from edge_sr.engine.build import c_files
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.graph import read_graph
from firmware_harness import oracle

OK, NULL, NETWORK, SIZE, MEMORY, PLANES, STATE, ROWS, STOPPED = range(9)

RATES = (4, 16, 64)
ENCODERS = {rate: standins.encoder(rate) for rate in RATES}


def plan_of(rate: int) -> Plan:
    return make_plan(read_graph(ENCODERS[rate]))


def image(height: int, width: int) -> np.ndarray:
    return skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width]


def by_tflm(rate: int, pixels: np.ndarray) -> np.ndarray:
    """Return TFLM's latents of the image padded by edge replication, (C,h,w) uint8."""
    step = round(rate**0.5)
    margins = [(0, -side % step) for side in pixels.shape[:2]]
    padded = np.pad(pixels, (*margins, (0, 0)), "edge")
    latents = oracle.tflm_output(ENCODERS[rate], (padded.astype(np.int16) - 128).astype(np.int8))
    return (latents.astype(np.int16) + 128).astype(np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(24, 32), (8, 8), (37, 50), (1, 1), (5, 41), (40, 3)])
@pytest.mark.parametrize("rate", RATES)
def test_files_hold_the_latents_of_tflm(rate: int, size: tuple[int, int]) -> None:
    pixels = image(*size)
    camera = Camera(plan_of(rate), size[1], size[0])
    camera.feed(pixels)
    assert camera.write() == OK
    found = container.unpack(camera.file)
    assert found.note == ""
    assert found.header == Header(
        *("tc-test", bytes(range(8)), rate, size[1], size[0], Colour.RGB),
        Quantizer(Kind.CLIPPING, (0.0,) * 3, (1.0,) * 3),
    )
    expected = by_tflm(rate, pixels)
    assert np.array_equal(coder.decode(found.segments, found.header.shape), expected)
    assert camera.file == container.pack(found.header, expected, 8)
    assert camera.intact


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("driver") / "tcz_driver"
    return sanitized.build(program, [Path(__file__).with_name("tcz_driver.c"), *c_files()], "-O0")


@pytest.mark.parametrize("size", [(24, 32), (37, 50), (1, 1), (5, 41), (40, 3)])
@pytest.mark.parametrize("rate", RATES)
def test_files_written_under_sanitizers_are_the_same(
    driver: Path, rate: int, size: tuple[int, int], tmp_path: Path
) -> None:
    pixels, plan = image(*size), plan_of(rate)
    head = struct.pack("<5I", len(plan.blob), size[1], size[0], plan.pixels_per_unit, 3)
    (tmp_path / "dump").write_bytes(head + plan.blob + pixels.tobytes())
    camera = Camera(plan, size[1], size[0])
    camera.feed(pixels)
    for kept in (1, 8):
        command = [driver, tmp_path / "dump", str(kept)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert camera.write(kept) == OK
        assert done.stdout == camera.file


def test_the_stand_ins_preserve_the_image() -> None:
    """If all latents were alike, equal ones would prove nothing."""
    for rate in RATES:
        latents = by_tflm(rate, image(128, 128))
        assert (latents.std((1, 2)) > 5).all()


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 20), width=st.integers(1, 20), kept=st.integers(1, 8))
def test_any_size_and_number_of_planes(height: int, width: int, kept: int) -> None:
    pixels = image(height, width)
    camera = Camera(plan_of(4), width, height)
    camera.feed(pixels)
    assert camera.write(kept) == OK
    found = container.unpack(camera.file)
    decoded = coder.decode(found.segments, found.header.shape)
    assert np.array_equal(decoded, planes.drop(by_tflm(4, pixels), kept))
    assert found.planes == kept
    assert camera.intact


def test_a_camera_compresses_several_images_and_writes_each_several_times() -> None:
    camera = Camera(plan_of(4), 21, 18)
    files = []
    for pixels in (image(18, 21), image(18, 21)[::-1], image(18, 21)):
        camera.feed(pixels)
        assert [camera.write(3), camera.write()] == [OK, OK]
        files.append(camera.file)
    assert files[0] == files[2] != files[1]


def test_ranges_and_name_are_written_unchanged() -> None:
    camera = Camera(plan_of(4), 8, 6)
    camera.network = network("sixteen-letters!", -0.125, 1.75)
    camera.feed(image(6, 8))
    assert camera.write(1) == OK
    header = container.unpack(camera.file).header
    assert header.model_id == "sixteen-letters!"
    assert (header.quantizer.low, header.quantizer.high) == ((-0.125,) * 3, (1.75,) * 3)


def test_the_state_is_little_larger_than_the_coder() -> None:
    camera = Camera(plan_of(4), 8, 6)
    assert 0 < camera.tcz.size - coder._library().esr_coder_bytes() <= 160


# --- what is refused


def test_calls_out_of_order() -> None:
    camera = Camera(plan_of(4), 8, 6)
    pixels = image(6, 8)
    assert camera.begin() == OK
    assert camera.write() == STATE
    assert camera.push(0, pixels[0]) == OK
    assert camera.push(2, pixels[2]) == ROWS
    assert [camera.push(1, pixels[1]), camera.end(), camera.write()] == [STATE] * 3
    assert camera.begin() == OK
    assert camera.push(0, pixels[0]) == OK
    assert camera.end() == ROWS
    camera.feed(pixels)
    assert camera.end() == STATE
    assert camera.push(6, pixels[0]) == STATE
    assert [camera.write(0), camera.write(9)] == [PLANES] * 2
    assert camera.write() == OK


@pytest.mark.parametrize("height", [5, 6])
def test_a_surplus_row_is_refused_even_if_the_edge_is_padded(height: int) -> None:
    camera = Camera(plan_of(4), 8, height)
    assert camera.begin() == OK
    pixels = image(7, 8)
    for y in range(height):
        assert camera.push(y, pixels[y]) == OK
    assert camera.push(height, pixels[height]) == ROWS


def test_wrong_sizes_and_too_little_memory_are_refused() -> None:
    camera = Camera(plan_of(4), 8, 6)
    for width, height in ((0, 6), (8, 0), (9, 6), (6, 6), (8, 65536), (2**32 - 1, 6)):
        assert camera.begin(width, height) == SIZE
    assert camera.begin(7, 5) == OK
    for missing in ((1, 0), (0, 1)):
        assert Camera(plan_of(4), 8, 6, missing).begin() == MEMORY


@pytest.mark.parametrize("model", [standins.decoder(4), standins.encoder(4, channels=1)])
def test_other_networks_are_refused(model: bytes) -> None:
    assert Camera(make_plan(read_graph(model)), 8, 6).begin() == NETWORK


def test_an_output_that_stops_leaves_the_latents_unchanged() -> None:
    camera = Camera(plan_of(4), 40, 30)
    camera.feed(image(30, 40))
    assert camera.write() == OK
    expected = camera.file
    for most in (0, 1, len(camera.parts) - 1):
        assert camera.write(most=most) == STOPPED
        assert len(camera.parts) == most
    assert camera.write() == OK
    assert camera.file == expected


def test_the_header_is_written_in_one_call_before_the_planes() -> None:
    camera = Camera(plan_of(4), 8, 6)
    camera.feed(image(6, 8))
    assert camera.write(2) == OK
    assert len(camera.parts[0]) == 44 + 3 * 8 + 2 * 8 + 4
    sizes = struct.unpack_from("<IIII", camera.parts[0], 68)[::2]
    assert sum(sizes) == len(camera.file) - len(camera.parts[0])
