"""`edge-sr compare`: the figure, the crop and the scores."""

import sys
from pathlib import Path

import pytest
from command_line import EdgeSr
from PIL import Image


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


def test_arguments_are_checked_before_packages(
    edge_sr: EdgeSr, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.chdir(tmp_path)
    assert "no such file" in edge_sr.refuses("compare", "none.png")
    assert "X,Y,W,H" in edge_sr.refuses("compare", image, "--crop", "foo")
    assert "unknown network" in edge_sr.refuses("compare", image, "--model", "edsr9")
    assert "none does not exist" in edge_sr.refuses("compare", image, "--out", "none/out.png")
    assert "needs matplotlib" in edge_sr.refuses("compare", image)


def test_bad_input(edge_sr: EdgeSr, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert "no such file" in edge_sr.refuses("compare", tmp_path / "none.png", "--out", out)
    assert ".png, .pdf or .svg" in edge_sr.refuses("compare", image, "--out", "a.txt")
    assert "X,Y,W,H" in edge_sr.refuses("compare", image, "--out", out, "--crop", "1,2")
    Image.new("L", (10, 10)).save(tmp_path / "small.png")
    small = edge_sr.refuses("compare", tmp_path / "small.png", "--out", out)
    assert "small.png is 10x10, too small to compare at x2; it needs at least 16x16" in small
    assert not out.exists()
