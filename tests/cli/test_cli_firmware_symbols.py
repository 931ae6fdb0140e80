"""`edge-sr firmware` of a codec with qualities."""

from pathlib import Path

import learned_standins
import numpy as np
import pytest
import skimage.data
from command_line import EdgeSr
from PIL import Image
from test_cli_firmware import cells, needs_tools
from tflite_factory import tinypssr

from edge_sr.codec import codec, container2, learned, opening

SIZE = ("--width", 50, "--height", 37)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a codec with qualities."""
    return learned_standins.write(tmp_path / "mycae")


def build(folder: Path, *options: object) -> tuple[object, ...]:
    model = ("--model", folder, "--board", "mps2-an386", "--out", folder / "firmware")
    return ("firmware", "build", *model, *options)


@pytest.mark.cross
@needs_tools
def test_the_board_and_compress_code_the_same_image(edge_sr: EdgeSr, folder: Path) -> None:
    result = edge_sr(*build(folder, *SIZE, "--quality", 6, "--part-rows", 2))
    assert result.code == 0, result.err
    picture, file = folder / "picture.png", folder / "picture.tcz"
    pixels = skimage.data.coffee()[100:137, 200:250]
    Image.fromarray(pixels).save(picture)
    run = ("firmware", "run", folder / "firmware", "--image", picture, "--out", file)
    result = edge_sr(*run)
    assert result.code == 0, result.err
    rows = cells(result.out)
    assert rows["file, compared with the host's"] == ["all bytes equal"]
    assert "emulated" in rows["instructions per pixel, network and coder"][0]
    ladder = opening.find_ladder(str(folder))
    host = learned.compress(pixels, ladder.at(6.0))
    found, expected = (container2.unpack(data) for data in (file.read_bytes(), host))
    assert found.header.place == expected.header.place
    assert len(found.parts) == 3
    images = [codec.decompress(data, ladder.codecs[0]) for data in (file.read_bytes(), host)]
    assert np.array_equal(images[0].pixels, images[1].pixels)
    Image.fromarray(pixels[:-1]).save(picture)
    assert "has 36 rows; the firmware takes 37" in edge_sr.refuses(*run, "--force")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--quality", 11), "a quality is a number from 1 to 10, not 11"),
        (("--part-rows", 0), "a part has 1 to 65535 rows of symbols, not 0"),
        (("--height", 0), "a camera's frame has 1 to 65535 rows, not 0"),
        (("--planes", 3), "--planes and --decoder are for encoders of TinyCompress"),
    ],
)
def test_options_out_of_range_are_refused(
    edge_sr: EdgeSr, folder: Path, options: tuple[object, ...], sentence: str
) -> None:
    assert sentence in edge_sr.refuses(*build(folder, *options))
    assert not (folder / "firmware").exists()


def test_options_of_qualities_are_refused_for_others(edge_sr: EdgeSr, tmp_path: Path) -> None:
    model = tmp_path / "upscaler.tflite"
    model.write_bytes(tinypssr())
    command = ("firmware", "build", "--model", model, "--board", "mps2-an386")
    assert "has no qualities; omit --quality" in edge_sr.refuses(*command, "--quality", 5)
    run = ("firmware", "run", tmp_path, "--quality", 5)
    assert "--quality needs --board" in edge_sr.refuses(*run)
