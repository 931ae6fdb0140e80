"""Runs of built firmware, checked as `edge-sr firmware run` does, and what fits within a budget."""

import dataclasses
from pathlib import Path

import pytest
import standins
from board_tools import build_image
from PIL import Image
from tflite_factory import tinypssr

from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph
from firmware_harness import board_file, camera, elf, fit, frames, project, verify
from firmware_harness.camera import Camera
from firmware_harness.project import Project

BOARD = "mps2-an386"


def built(folder: Path, settings: Project, model: bytes) -> Path:
    project.write(folder, settings, model)
    build_image(folder, board_file.find(settings.board))
    return folder


@pytest.mark.cross
def test_an_upscaler_is_checked_against_tflm_and_its_planned_ram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(tmp_path, Project("it", BOARD, 20), tinypssr(16, 20))
    outcome = verify.run_network(folder, None)
    assert outcome.frame.shape == (15, 20, 1)
    assert outcome.result.output.size == 4 * 15 * 20
    flash, ram = elf.measure(folder / "firmware.elf")
    wrong = dataclasses.replace(ram, arena=ram.arena + 8)
    monkeypatch.setattr(elf, "measure", lambda image: (flash, wrong))
    with pytest.raises(VerificationError, match=f"{wrong.arena} bytes of arena, but"):
        verify.run_network(folder, None)


@pytest.mark.cross
@pytest.mark.parametrize(
    ("part", "text"), [("latents", "of latents, but"), ("codec", "of row and coder, but")]
)
def test_an_encoder_is_checked_against_its_planned_ram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, text: str
) -> None:
    settings = Project("it", BOARD, 20, Camera(16, 8, "tc-4-int8", "0123456789abcdef"))
    folder = built(tmp_path, settings, standins.encoder(4))
    assert verify.run_encoder(folder, None).pixels.shape == (16, 20, 3)
    flash, ram = elf.measure(folder / "firmware.elf")
    wrong = dataclasses.replace(ram, **{part: getattr(ram, part) + 8})
    monkeypatch.setattr(elf, "measure", lambda image: (flash, wrong))
    with pytest.raises(VerificationError, match=text):
        verify.run_encoder(folder, None)


@pytest.mark.parametrize("ram", [1_000, 3_000, 5_001, 60_000])
def test_the_widest_width_within_a_budget_is_exact(ram: int) -> None:
    plan = make_plan(read_graph(tinypssr(16, 20)))
    width = fit.widest_within(plan, ram)
    assert width % plan.pixels_per_unit == 0
    assert width == 0 or plan.arena_bytes(width) <= ram
    assert plan.arena_bytes(width + plan.pixels_per_unit) > ram


def test_only_encoders_need_extra_ram() -> None:
    upscaler, encoder = read_graph(tinypssr(16, 20)), read_graph(standins.encoder(4))
    assert fit.extra_ram(upscaler, make_plan(upscaler))(160) == 0
    plan = make_plan(encoder)
    expected = camera.most_bytes(encoder, plan, 160, 120)
    assert fit.extra_ram(encoder, plan)(160) == expected


def test_frame_heights_are_those_of_4_to_3_rounded_up() -> None:
    assert [frames.frame_height(width) for width in (1, 2, 4, 160)] == [1, 2, 3, 120]
    assert frames.frame_height(160, 9) == 126


def test_an_image_of_another_size_is_refused_for_encoders(tmp_path: Path) -> None:
    pixels, _ = frames.default_pixels(9, 20)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    assert frames.read_pixels(path, 20, 9)[0].shape == (9, 20, 3)
    for width, height in ((21, 9), (20, 8)):
        with pytest.raises(UserError, match="is 20x9, but the firmware was built for a"):
            frames.read_pixels(path, width, height)
