"""`edge-sr compare`: the figure, the crop and the scores."""

from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr
from PIL import Image

from edge_sr.comparison import Crop, most_detailed, panels, parse_crop
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.errors import UserError
from edge_sr.evaluate import score
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog


@pytest.fixture
def image(photographs: Path) -> Path:
    return photographs / "astronaut0.png"


def test_one_figure_shows_four_panels(edge_sr: EdgeSr, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "compare.png"
    result = edge_sr("compare", image, "--out", out)
    assert (result.code, result.out, result.err) == (0, f"{out}\n", "")
    with Image.open(out) as figure:
        assert figure.width > 3 * figure.height  # four panels in a row
    assert "exists; --force replaces it" in edge_sr.refuses("compare", image, "--out", out)
    assert edge_sr("compare", image, "--out", out, "--force", "--scale", 4).code == 0


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_vector_formats(edge_sr: EdgeSr, image: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"compare{suffix}"
    assert edge_sr("compare", image, "--out", out, "--crop", "5,6,40,30").code == 0
    assert out.stat().st_size > 1000


def test_panels_hold_the_scores_that_eval_computes(photographs: Path) -> None:
    pair = find_pairs(photographs, 2)[0]
    low, original = load_pair(pair, 2)
    path = catalog.find("tinypssr-anchor-x2").file("int8", ".tflite")
    session = open_session(path, "litert")
    drawn = panels(original, low, {"int8": session}, per_channel=False)
    assert [panel.title for panel in drawn] == ["original", "bicubic", "int8"]
    assert {panel.pixels.shape for panel in drawn} == {original.shape}
    assert drawn[0].score is None
    assert drawn[2].score == score(session, low, original, 2)


def test_the_automatic_crop_covers_the_edges() -> None:
    pixels = np.full((200, 300), 90, np.uint8)
    pixels[120:150, 210:250:2] = 255
    crop = most_detailed(pixels, 50)
    assert crop.left <= 210
    assert crop.left + crop.width >= 250
    assert crop.top <= 120
    assert crop.top + crop.height >= 150
    assert most_detailed(pixels[:20, :30], 50) == Crop(0, 0, 30, 20)


def test_a_crop_is_parsed_or_refused() -> None:
    crop = parse_crop("1, 2,30,40", (50, 60, 3))
    assert crop == Crop(1, 2, 30, 40)
    assert crop.of(np.zeros((50, 60, 3))).shape == (40, 30, 3)
    for text in ("1,2,3", "a,b,c,d", "", "1,2,3,4,5", "1.5,2,3,4"):
        with pytest.raises(UserError, match="is not X,Y,W,H"):
            parse_crop(text, (50, 60))
    for text in ("0,0,0,5", "3,3,5,-1"):
        with pytest.raises(UserError, match="is empty; W and H must be at least 1"):
            parse_crop(text, (50, 60))
    for text in ("-1,0,5,5", "0,0,61,5", "0,46,5,5"):
        with pytest.raises(UserError, match="outside the image of 60x50"):
            parse_crop(text, (50, 60))


@pytest.mark.parametrize(("scale", "least"), [(2, 16), (4, 20)])
def test_images_below_the_smallest_size_are_refused(
    edge_sr: EdgeSr, tmp_path: Path, scale: int, least: int
) -> None:
    for side in (least - 1, least):
        Image.new("L", (least + 9, side)).save(tmp_path / f"{side}.png")
    out = ("--scale", scale, "--out", tmp_path / "out.png")
    assert f"it needs at least {least}x{least}" in edge_sr.refuses(
        "compare", tmp_path / f"{least - 1}.png", *out
    )
    assert edge_sr("compare", tmp_path / f"{least}.png", *out).code == 0


def test_bad_input(edge_sr: EdgeSr, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert "no such file" in edge_sr.refuses("compare", tmp_path / "none.png", "--out", out)
    assert ".png, .pdf or .svg" in edge_sr.refuses("compare", image, "--out", "a.txt")
    assert "X,Y,W,H" in edge_sr.refuses("compare", image, "--out", out, "--crop", "1,2")
    Image.new("L", (10, 10)).save(tmp_path / "small.png")
    small = edge_sr.refuses("compare", tmp_path / "small.png", "--out", out)
    assert "small.png is 10x10, too small to compare at x2; it needs at least 16x16" in small
    assert not out.exists()
