"""Encoders of symbols as firmware: the board's .tcz file equals the host's byte for byte."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from board_tools import build_image, skip_without_tools
from context_reference import random_master
from tcz2_runner import encoder

from edge_sr.codec import container2, context
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import read_graph
from firmware_harness import board_file, project, symbol_camera, verify
from firmware_harness.project import Project
from firmware_harness.symbol_camera import SymbolCamera

CHANNELS = 5
BLOB = context.fold(random_master(CHANNELS, 1), 1.25)
CAMERA = SymbolCamera(37, 2, 320, "cae-test", "00ff" * 4, "0123456789abcdef")


def settings(board: str, **changes: object) -> Project:
    return Project("encoder", board, 50, symbols=dataclasses.replace(CAMERA, **changes))


# The boards cover the DSP, Helium and portable kernels.
@pytest.mark.cross
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mps2-an386", "mps3-an547", "qemu-rv32imc"])
def test_the_board_writes_the_file_of_the_host(tmp_path: Path, name: str) -> None:
    board = board_file.find(name)
    skip_without_tools(board)
    project.write(tmp_path, settings(name), encoder(40, 56, CHANNELS), BLOB)
    build_image(tmp_path, board)
    outcome = verify.run_symbols(tmp_path, None)
    found = container2.unpack(outcome.result.file)
    assert (found.header.width, found.header.height, found.header.place) == (50, 37, 320)
    assert found.header.context_hash.hex() == CAMERA.context_hash
    assert len(found.parts) == 3
    assert outcome.result.stack_used < board.stack
    assert outcome.result.largest_part <= outcome.memory.part
    most = symbol_camera.most_bytes(read_graph(encoder(40, 56, CHANNELS)), 50, 2, BLOB)
    assert outcome.firmware.ram.codec <= most


@pytest.mark.cross
@pytest.mark.slow
def test_a_file_that_is_not_the_hosts_is_noticed(tmp_path: Path) -> None:
    board = board_file.find("mps2-an386")
    skip_without_tools(board)
    project.write(tmp_path, settings(board.name), encoder(40, 56, CHANNELS), BLOB)
    build_image(tmp_path, board)
    facts = json.loads((tmp_path / project.FACTS).read_text())
    facts["symbols"]["place"] += 1
    (tmp_path / project.FACTS).write_text(json.dumps(facts))
    with pytest.raises(VerificationError, match=r"the board's file of .* bytes is not the host's"):
        verify.run_symbols(tmp_path, None)


def test_a_project_of_symbols_round_trips(tmp_path: Path) -> None:
    made = settings("mps2-an386")
    project.write(tmp_path, made, encoder(40, 56, CHANNELS), BLOB)
    assert project.read(tmp_path) == made
    assert {path.name for path in (tmp_path / "app").iterdir()} == {"compress2.c"}
    text = (tmp_path / "model" / "context.c").read_text()
    words = [int(word[:18], 16) for word in text.split("UINT64_C(")[1:]]
    assert np.array(words, "<u8").tobytes()[: len(BLOB)] == BLOB


@pytest.mark.parametrize(
    "change", [{"height": 0}, {"place": -1}, {"rows_per_part": "4"}, {"context_hash": None}]
)
def test_a_damaged_project_of_symbols_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    facts = dataclasses.asdict(settings("mps2-an386"))
    facts["symbols"].update(change)
    (tmp_path / project.FACTS).write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"project.json is damaged; build the firmware again"):
        project.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "blob", "sentence"),
    [
        ({"rows_per_part": 0}, BLOB, "a part has 1 to 65535 rows of symbols, not 0"),
        ({"height": 65536}, BLOB, "a camera's frame has 1 to 65535 rows, not 65536"),
        ({}, BLOB[:-1], "the context of this codec is damaged"),
    ],
)
def test_what_cannot_run_is_refused(
    tmp_path: Path, change: dict[str, object], blob: bytes, sentence: str
) -> None:
    made = settings("mps2-an386", **change)
    with pytest.raises(UserError, match=sentence):
        project.write(tmp_path, made, encoder(40, 56, CHANNELS), blob)


def test_an_encoder_of_another_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="makes images 8 times smaller"):
        project.write(tmp_path, settings("mps2-an386"), encoder(40, 56, CHANNELS, steps=2), BLOB)


def test_bounds_without_a_context_hold() -> None:
    network = read_graph(encoder(40, 56, CHANNELS))
    assert symbol_camera.is_encoder(network)
    rows = symbol_camera.ROWS_PER_PART
    needed, most = symbol_camera.memory(network, 50, rows, BLOB), symbol_camera.bound(network, 50)
    assert needed.coder <= most.coder
    assert (needed.part, needed.row) == (most.part, most.row)
    assert len(BLOB) <= symbol_camera.context_bound(network)
