"""Encoders as firmware: the .tcz file of a frame holds TFLM's latents."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import standins
from board_tools import build_image, skip_without_tools
from tflite_factory import pack as pack_model
from tflite_factory import tinypssr, unpack

from edge_sr.codec.container import pack
from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph
from firmware_harness import board_file, camera, elf, emulate, frames, oracle, project
from firmware_harness.camera import Camera
from firmware_harness.project import Project

CAMERA = Camera(30, 8, "tc-4-int8", "0123456789abcdef")


# The boards cover the DSP, Helium and portable kernels, and a core that is not Arm.
@pytest.mark.cross
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rate", "size", "planes"),
    [
        ("mps2-an386", 4, (30, 40), 8),
        ("microbit", 4, (9, 44), 8),
        ("mps2-an386", 16, (37, 50), 8),
        ("mps3-an547", 64, (23, 21), 8),
        ("qemu-rv32imc", 16, (18, 31), 3),
    ],
)
def test_the_board_writes_a_file_with_tflm_latents(
    tmp_path: Path, name: str, rate: int, size: tuple[int, int], planes: int
) -> None:
    board, model = board_file.find(name), standins.encoder(rate)
    skip_without_tools(board)
    (height, width), network = size, read_graph(model)
    plan, chosen = make_plan(network), Camera(height + 3, planes, "tc-test", "00ff" * 4)
    project.write(tmp_path, Project("encoder", name, width, chosen), model)
    image = build_image(tmp_path, board)
    pixels, _ = frames.default_pixels(height, width)
    done = emulate.compress(image, board, pixels)
    assert done.status == 0
    latents = camera.samples(oracle.tflm_output(model, camera.extend(pixels, plan)))
    header = camera.file_header(network, plan, pixels, chosen)
    camera.check_file(done.file, header, latents)
    assert done.file == pack(header, latents, planes)
    _, ram = elf.measure(image)
    kept = camera.memory(network, plan, width, height + 3)
    wide = camera.extended(width, plan)
    assert done.arena_needed == ram.arena == plan.arena_bytes(wide)
    assert ram.latents == kept.latents
    assert 0 <= ram.codec - kept.row - done.state_bytes < 8
    assert ram.latents + ram.codec <= camera.most_bytes(network, plan, width, height + 3)
    assert done.stack_used < board.stack
    assert done.latent_instructions > plan.macs * width * height / 16


def test_an_encoder_project_round_trips(tmp_path: Path) -> None:
    made = Project("encoder", "mps2-an386", 33, CAMERA)
    project.write(tmp_path, made, standins.encoder(4))
    assert project.read(tmp_path) == made
    assert {path.name for path in (tmp_path / "app").iterdir()} == {"compress.c"}


@pytest.mark.parametrize(
    "change",
    [{"height": 0}, {"height": "9"}, {"planes": True}, {"model_id": 7}, {"decoder_hash": None}],
)
def test_a_damaged_encoder_project_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    facts = dataclasses.asdict(Project("encoder", "mps2-an386", 33, CAMERA))
    facts["camera"].update(change)
    (tmp_path / project.FACTS).write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"project.json is damaged; build the firmware again"):
        project.read(tmp_path)
    facts["camera"] = ["a list"]
    (tmp_path / project.FACTS).write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"project.json is damaged"):
        project.read(tmp_path)


def test_a_frame_too_large_for_the_board_names_the_width_that_fits(tmp_path: Path) -> None:
    made = Project("it", "microbit", 160, dataclasses.replace(CAMERA, height=120))
    with pytest.raises(UserError, match="bytes more RAM than microbit has; it fits") as refused:
        project.write(tmp_path, made, standins.encoder(4))
    widest = int(str(refused.value).rsplit(" ", 1)[1])
    project.write(tmp_path, dataclasses.replace(made, width=widest), standins.encoder(4))


def other_scale(scale: float) -> bytes:
    """Return an encoder whose input scale does not match a camera's bytes."""
    model = unpack(standins.encoder(4))
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].quantization.scale = [scale]
    return pack_model(model)


def many_channels() -> bytes:
    writer = standins.CodecWriter(8, 8, 3)
    return writer.finish(writer.space_to_depth(writer.input))


@pytest.mark.parametrize(
    ("model", "camera_", "board", "sentence"),
    [
        (tinypssr(), CAMERA, "mps2-an386", "has 1 input channels and rate 0.25; a camera"),
        (
            standins.encoder(4, channels=1),
            CAMERA,
            "mps2-an386",
            "has 1 input channels and rate 4; a",
        ),
        (other_scale(1 / 128), CAMERA, "mps2-an386", "has the input scale 0.0078125 and zero"),
        (many_channels(), CAMERA, "mps2-an386", "has 12 latent channels; files store 1"),
        (standins.encoder(4), CAMERA, "nrf52840-dk", "from an emulator's host, and nrf52840-dk"),
        (
            standins.encoder(4),
            dataclasses.replace(CAMERA, height=65536),
            "mps2-an386",
            "a camera's frame has 1 to 65535 rows, not 65536",
        ),
        (
            standins.encoder(4),
            dataclasses.replace(CAMERA, planes=9),
            "mps2-an386",
            "9 bit planes cannot be kept; use 1 to 8",
        ),
    ],
)
def test_a_network_or_frame_unfit_for_a_camera_is_refused(
    tmp_path: Path, model: bytes, camera_: Camera, board: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        project.write(tmp_path, Project("it", board, 16, camera_), model)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_tcz_file_fails_the_check() -> None:
    model = standins.encoder(4)
    network = read_graph(model)
    plan, (pixels, _) = make_plan(network), frames.default_pixels(6, 8)
    latents = camera.samples(oracle.tflm_output(model, camera.extend(pixels, plan)))
    header = camera.file_header(network, plan, pixels, CAMERA)
    file = pack(header, latents, 8)
    camera.check_file(file, header, latents)
    with pytest.raises(VerificationError, match="the board's file cannot be read: this is not"):
        camera.check_file(b"no file", header, latents)
    with pytest.raises(VerificationError, match="the board's file has the header"):
        camera.check_file(file[:-1], header, latents)
    with pytest.raises(VerificationError, match="the board's file has the header"):
        camera.check_file(file, dataclasses.replace(header, height=5), latents)
    latents[1, 2, 3] ^= 1
    with pytest.raises(VerificationError, match=r"1 of 36 .* channel, row, column \(1, 2, 3\)"):
        camera.check_file(file, header, latents)


def test_samples_are_int8_latents_plus_128() -> None:
    values = np.arange(-128, 128, dtype=np.int8).reshape(8, 8, 4)
    assert np.array_equal(
        camera.samples(values), (values.astype(int) + 128).transpose(2, 0, 1).astype(np.uint8)
    )


def test_the_quantizer_has_the_ranges_of_the_encoder_output() -> None:
    writer = standins.CodecWriter(8, 8, 3)
    found = camera.quantizer(
        read_graph(writer.finish(writer.scaled_prelu(writer.input, (0.01, -100))))
    )
    np.testing.assert_allclose([found.low, found.high], [[-0.28] * 3, [2.27] * 3], rtol=1e-6)
