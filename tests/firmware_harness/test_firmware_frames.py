"""Networks of one size built for boards and run in QEMU: classifiers, strides, any padding."""

from pathlib import Path

import numpy as np
import pytest
from board_tools import build_image
from PIL import Image
from random_frames import FrameWriter, Window

from edge_sr.engine.frame_plan import make_frame_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph
from firmware_harness import board_file, fit, frames, project, verify
from firmware_harness.project import Project

BOARDS = ("mps2-an386", "mps3-an547")
HEIGHT, WIDTH, CLASSES = 13, 17, 5


def classifier(seed: int = 1) -> bytes:
    """Strides, a depthwise layer, both paddings, pooling, a dense layer and softmax."""
    writer = FrameWriter(HEIGHT, WIDTH, 3, seed)
    image = writer.window_conv(writer.input, Window(stride=(2, 2)), 8, 1, "RELU")
    image = writer.window_conv(image, Window((5, 3), (2, 1), same=False), 8, 8, "RELU6")
    image = writer.window_conv(image, Window((1, 1)), 12, 1, "NONE")
    image = writer.dense(writer.mean(image, keep=False), CLASSES, "NONE")
    return writer.finish(writer.softmax(image))


@pytest.mark.cross
@pytest.mark.parametrize("name", BOARDS)
def test_a_classifier_is_bit_exact_with_tflm(tmp_path: Path, name: str) -> None:
    model, board = classifier(), board_file.find(name)
    project.write(tmp_path, Project("it", name, WIDTH, height=HEIGHT), model)
    build_image(tmp_path, board)
    outcome = verify.run_network(tmp_path, None)
    plan = make_frame_plan(read_graph(model))
    assert outcome.frame.shape == (HEIGHT, WIDTH, 3)
    assert outcome.result.output.size == CLASSES
    assert len(np.unique(outcome.result.output)) > 1
    assert outcome.firmware.ram.arena == plan.arena_bytes
    assert outcome.firmware.flash.total <= plan.flash_bytes + fit.CODE_BYTES
    assert outcome.result.frame_instructions > plan.macs / 4


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
    network = read_graph(classifier())
    plan = make_frame_plan(network)
    assert frames.width_of(plan, None, 160) == frames.width_of(plan, WIDTH, 160) == WIDTH
    with pytest.raises(UserError, match=f"frames of {WIDTH}x{HEIGHT} only, not of width 160"):
        frames.width_of(plan, 160, 160)
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
