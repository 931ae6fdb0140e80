"""Networks of one size built for boards and run in QEMU: classifiers, strides, any padding."""

import re
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from board_tools import build_image
from libraries import write_library
from PIL import Image
from random_frames import FrameWriter, Window
from tflm_oracle import run_tflm

from edge_sr.engine.build import STRICT
from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph
from firmware_harness import board_file, fit, frames, oracle, project, verify
from firmware_harness.project import Project
from firmware_harness.targets import compose, example, target

BOARDS = ("mps2-an386", "mps3-an547")
HEIGHT, WIDTH, CLASSES = 13, 17, 5


def classifier(heads: int = 1) -> bytes:
    """Strides, a depthwise layer, both paddings, pooling, a dense layer and softmax.

    A second head is the map before the pooling.
    """
    writer = FrameWriter(HEIGHT, WIDTH, 3, seed=1)
    image = writer.window_conv(writer.input, Window(stride=(2, 2)), 8, 1, "RELU")
    image = writer.window_conv(image, Window((5, 3), (2, 1), same=False), 8, 8, "RELU6")
    image = writer.window_conv(image, Window((1, 1)), 12, 1, "NONE")
    vector = writer.dense(writer.mean(image, keep=False), CLASSES, "NONE")
    return writer.finish(*(writer.softmax(vector), image)[:heads])


@pytest.mark.cross
@pytest.mark.parametrize(("name", "heads"), [(BOARDS[0], 1), (BOARDS[1], 2)])
def test_a_classifier_is_bit_exact_with_tflm(tmp_path: Path, name: str, heads: int) -> None:
    model, board = classifier(heads), board_file.find(name)
    project.write(tmp_path, Project("it", name, WIDTH, height=HEIGHT), model)
    build_image(tmp_path, board)
    outcome = verify.run_network(tmp_path, None)
    plan = make_frame_plan(read_graph(model))
    assert outcome.frame.shape == (HEIGHT, WIDTH, 3)
    assert [output.size for output in outcome.result.outputs] == [CLASSES, 2 * 7 * 12][:heads]
    scores = (outcome.result.outputs[0].astype(float) + 128) / 256
    # Nobody knows which of several outputs holds the scores of classes.
    assert outcome.best == ((scores.argmax(), scores.max()) if heads == 1 else None)
    assert all(len(np.unique(output)) > 1 for output in outcome.result.outputs)
    assert outcome.firmware.ram.arena == plan.arena_bytes
    assert outcome.firmware.flash.total <= plan.flash_bytes + fit.CODE_BYTES
    assert outcome.firmware.flash.engine_text < 12_000  # kernels of other operators are left out
    assert outcome.result.frame_instructions > plan.macs / 4


@pytest.mark.parametrize("name", target.NAMES)
def test_a_library_of_a_classifier_is_complete(tmp_path: Path, name: str) -> None:
    request = compose.Request("cats_model", classifier(), None, None, None)
    folder = write_library(tmp_path / "library", request, name, "streaming")
    for path in (path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text("ascii")
        assert not re.search(r"@[A-Z_]+@", text), path
        assert path.name.startswith("esr") or "pscale" not in text, path
    header = (folder / "src" / "cats_model.h").read_text()
    assert f"Input: int8, {HEIGHT} rows of {WIDTH} pixels with 3 channels." in header
    assert f"Output: int8, one row of one pixel with {CLASSES} channels, the scores" in header
    assert "An output value q means (q + 128) * 0.00390625.\n" in header
    arena = make_frame_plan(read_graph(classifier())).arena_bytes
    assert f"CATS_MODEL_PLAN_ARENA_BYTES {arena}u\n" in (
        folder / "src" / "cats_model_plan.h"
    ).read_text("ascii")


def example_output(folder: Path, scratch: Path) -> str:
    """Compile all of src/ and of the example, and return what it prints."""
    sources = [*(folder / "src").glob("*.c"), *(folder / "example").glob("*.c")]
    command = ["gcc", *STRICT, f"-I{folder / 'src'}", *map(str, sources), "-o", "it"]
    subprocess.run(command, cwd=scratch, check=True)
    return subprocess.run([scratch / "it"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("is_map", [False, True])
def test_the_example_computes_tflms_output(tmp_path: Path, is_map: bool) -> None:
    writer = FrameWriter(HEIGHT, WIDTH, 3)
    image = writer.window_conv(writer.input, Window(stride=(2, 3)), 5, 1, "NONE")
    model = writer.finish(image) if is_map else classifier()
    request = compose.Request("it_model", model, None, None, None)
    folder = write_library(tmp_path / "library", request, "cmake", "streaming")
    frame = example.built_in_frame(HEIGHT, WIDTH, 3)
    output = run_tflm(model, frame[np.newaxis])
    done = f"class {output.argmax()} of {CLASSES}"
    done = "computed" if is_map else f"classified as {done}"
    crc = zlib.crc32(output.tobytes())
    assert example_output(folder, tmp_path) == (
        f"{WIDTH}x{HEIGHT} {done}, status 0, checksum {crc:08x}: matches the host\n"
    )
    config = folder / "src" / "esr_config.h"
    assert "#define ESR_STREAMS 0\n" in config.read_text()
    if is_map:  # an engine without the kernels that a plan needs refuses it
        text = re.sub("ESR_FRAME_KINDS 0x[0-9a-f]+", "ESR_FRAME_KINDS 0x2000", config.read_text())
        config.write_text(text)
        assert "status 3, checksum 00000000: WRONG" in example_output(folder, tmp_path)


def test_a_library_of_another_size_or_more_ram_is_refused() -> None:
    for request, text in (
        (compose.Request("it", classifier(), 64, None, None), f"of {WIDTH}x{HEIGHT} only; leave"),
        (compose.Request("it", classifier(), None, 64, None), f"of {WIDTH}x{HEIGHT} only; leave"),
        (compose.Request("it", classifier(), None, None, 500), "more than --ram 500; a smaller"),
    ):
        with pytest.raises(UserError, match=text):
            compose.streaming_library(request)


def test_a_frame_is_an_image_of_any_size_or_noise(tmp_path: Path) -> None:
    pixels, _ = frames.default_pixels(30, 20)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    network = read_graph(classifier())
    frame, source = frames.read_frame(path, WIDTH, network)
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert f"resized to {WIDTH}x{HEIGHT}" in source
    writer = FrameWriter(6, 5, 2)
    deep = read_graph(writer.finish(writer.window_conv(writer.input, Window(), 3, 1, "NONE")))
    writer = FrameWriter(1, 1, 640)
    vector = read_graph(writer.finish(writer.dense(writer.input, 3, "NONE")))
    assert frames.read_frame(None, 1, vector)[1] == "noise"
    with pytest.raises(UserError, match="takes 640 channels; an image has 1 or 3"):
        frames.read_frame(path, 1, vector)
    assert deep.input.shape == (1, 6, 5, 2)


def test_other_widths_are_refused() -> None:
    model = classifier()
    network = read_graph(model)
    plan = make_frame_plan(network)
    assert frames.width_of(plan, None) == WIDTH
    assert frames.at_size(model, WIDTH, HEIGHT) == frames.at_size(model, None, None) == model
    for width, height in ((160, None), (None, 160)):
        with pytest.raises(UserError, match=f"frames of {WIDTH}x{HEIGHT} only; leave --width"):
            frames.at_size(model, width, height)
    with pytest.raises(UserError, match=f"frames of width {WIDTH} only, not 160"):
        fit.fit(network, plan, 160, board_file.find("pico"))


def test_all_that_a_board_lacks_is_named_at_once() -> None:
    writer = FrameWriter(1, 1, 4000)
    model = writer.finish(writer.dense(writer.input, 80, "NONE"))
    network = read_graph(model)
    plan = make_frame_plan(network)
    board = board_file.find("microbit")
    lacking = fit.fit(network, plan, 1, board)
    assert not lacking.fits
    with pytest.raises(UserError) as error:
        fit.check("it", network, plan, 1, board)
    assert f"{lacking.flash_lacking:,} bytes more flash than microbit has" in str(error.value)


def test_a_map_network_is_built_for_the_size_that_is_named() -> None:
    writer = FrameWriter(12, 16, 3)
    window = Window(stride=(3, 3))  # which does not divide 16: such a network does not stream
    model = writer.finish(writer.window_conv(writer.input, window, 5, 1, "NONE"))
    larger = read_graph(frames.at_size(model, 24, None))
    assert (larger.input.shape, larger.output.shape) == ((1, 18, 24, 3), (1, 6, 8, 5))
    assert read_graph(frames.at_size(model, None, 30)).input.shape == (1, 30, 16, 3)


def gated() -> bytes:
    """A map times a gate of its means, minus a constant map; uint8 at both ends."""
    writer = FrameWriter(HEIGHT, WIDTH, 3, seed=3)
    image = writer.window_conv(writer.uint8_input(), Window(), 8, 1, "RELU")
    first = image
    gate = writer.unary(writer.mean(image, keep=True), "LOGISTIC")
    image = writer.unary(writer.combine("MUL", image, gate, "NONE"), "HARD_SWISH")
    image = writer.combine("SUB", writer.partner(image, 2), image, "NONE")
    return writer.finish(writer.uint8_output(writer.combine("MAXIMUM", image, first, "NONE")))


@pytest.mark.cross
@pytest.mark.parametrize("name", BOARDS)
def test_element_wise_operators_are_bit_exact_with_tflm(tmp_path: Path, name: str) -> None:
    model, board = gated(), board_file.find(name)
    project.write(tmp_path, Project("it", name, WIDTH, height=HEIGHT), model)
    build_image(tmp_path, board)
    outcome = verify.run_network(tmp_path, None)
    assert outcome.result.output.size == HEIGHT * WIDTH * 8
    assert len(np.unique(outcome.result.output)) > 9


def test_a_library_of_uint8_says_so(tmp_path: Path) -> None:
    """The output is compared with TFLM's on the way."""
    writer = FrameWriter(6, 8, 3, seed=3)
    image = writer.random_conv(writer.uint8_input(), (3, 3), 12, 1, "NONE")
    upscaler = writer.finish(writer.uint8_output(writer.rearrange(image, "DEPTH_TO_SPACE", 2)))
    for ident, model in (("one_size", gated()), ("any_size", upscaler)):
        request = compose.Request(ident, model, None, None, None)
        folder = write_library(tmp_path / ident, request, "cmake", "streaming")
        (header,) = folder.rglob(f"model_{ident}.h")
        text = header.read_text()
        for role in ("Input", "Output"):
            assert f"{role}: uint8 (cast the pointers to int8_t *), " in text


def test_a_library_of_several_outputs_says_so(tmp_path: Path) -> None:
    """Its example runs operators that other libraries leave out, and prints the first output."""
    writer = FrameWriter(HEIGHT, WIDTH, 3)
    image = writer.transposed(writer.input, (3, 3), (2, 2), 4, True)
    image = writer.transpose(image, (0, 2, 1, 3))
    scores = writer.dense(writer.mean(image, keep=False), 5, "NONE")
    model = writer.finish(image, scores)
    request = compose.Request("two_model", model, None, None, None)
    folder = write_library(tmp_path / "library", request, "cmake", "streaming")
    header = (folder / "src" / "two_model.h").read_text()
    assert "; the first of 2 outputs, esr_begin_outputs() of esr.h gives all." in header
    assert example_output(folder, tmp_path).endswith(": matches the host\n")


def test_the_engine_is_the_reference_where_tflm_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(heads=2)
    plan, frame = make_frame_plan(read_graph(model)), frames.noise(HEIGHT, WIDTH, 3)
    expected, source = oracle.reference_outputs(model, plan, frame)
    assert source == oracle.TFLM

    def fail(*arguments: object) -> None:
        raise VerificationError("TFLM cannot run the model")

    monkeypatch.setattr(oracle, "tflm_outputs", fail)
    outputs, source = oracle.reference_outputs(model, plan, frame)
    assert source == oracle.HOST_ALONE
    oracle.check_outputs(outputs, expected)
    outputs[1][0, 1, 2] ^= 1
    with pytest.raises(VerificationError, match="TFLM of output 1, first at row 0, column 1"):
        oracle.check_outputs(outputs, expected)
    with pytest.raises(VerificationError, match="the firmware has 1 outputs, TFLM has 2"):
        oracle.check_outputs(outputs[:1], expected)
