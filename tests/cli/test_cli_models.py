"""`edge-sr models`: the tables of upscalers and codecs, and the figure."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import EdgeSr

from edge_sr.cli.models.table import markdown_lines
from edge_sr.zoo import catalog, published, summary

STAND_INS = Path(__file__).parents[1] / "golden"
CARD = """
model = "tinycompress"
rate = 16
parameters = 6498
data = "none"
remade_by = []

[quality.int8.kodak]
bpp = 1.25
psnr_y = 28.8
psnr_rgb = 26.31
ms_ssim = 0.97
"""
ROWS = [
    "| | rate | parameters | MACs per pixel | kodak bpp | kodak PSNR-Y | kodak PSNR-RGB "
    "| kodak MS-SSIM |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
    "| tinycompress-16 int8 | 16 | 5,427 + 1,071 | 5,133 + 979 | 1.250 | 28.80 | 26.31 | 0.9700 |",
]


@pytest.fixture
def codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ship one codec with the upscalers, measured in int8 only."""
    for entry in catalog.entries("super-resolution"):
        shutil.copytree(entry.folder, tmp_path / entry.folder.name)
    folder = tmp_path / "tinycompress-16"
    shutil.copytree(STAND_INS / "tinycompress-16", folder)
    (folder / "card.toml").write_text(CARD)
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)


@pytest.mark.usefixtures("codec")
def test_codecs_come_after_the_upscalers(edge_sr: EdgeSr) -> None:
    upscalers = markdown_lines(
        [summary.upscaler(entry) for entry in catalog.entries("super-resolution")],
        published.results(),
    )
    lines = edge_sr("models", "--markdown").out.splitlines()
    assert lines == [*upscalers, "", *ROWS]
    printed = edge_sr("models").out
    assert printed.index("tinypssr-x4") < printed.index("tinycompress-16")
    assert "6,498" in printed
    *_, last = json.loads(edge_sr("models", "--json").out)
    assert (last["model"], last["rate"]) == ("tinycompress-16", 16)
    assert last["quality"]["int8"]["kodak"]["bpp"] == 1.25


def test_every_figure_fits_in_80_columns(edge_sr: EdgeSr) -> None:
    lines = edge_sr("models").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\u2026" not in "".join(lines)
    by_name = {tuple(line.split()[:2]): line.split()[2:] for line in lines if line}
    float32 = ["609,520", "608,112", "2,391.3", "31.56", "28.09", "27.39"]
    assert by_name["wdsr-a-x4", "float32"] == float32
    assert by_name["wdsr-a-x4", "int8"][:3] == ["609,520", "608,112", "647.0"]
    codec = ["16", "6,498", "6,112", "0.778", "29.41", "27.28", "0.9672"]
    assert by_name["tinycompress-16", "int8"] == codec


def test_without_codecs_only_upscalers_are_listed(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscalers_only = catalog.entries("super-resolution")
    monkeypatch.setattr(
        catalog, "entries", lambda kind: upscalers_only if kind == "super-resolution" else []
    )
    upscalers = markdown_lines(
        [summary.upscaler(entry) for entry in catalog.entries("super-resolution")],
        published.results(),
    )
    assert edge_sr("models", "--markdown").out.splitlines() == upscalers
    assert "codec" not in edge_sr("models").out


def test_the_figure_has_a_panel_for_each_scale_and_cost(edge_sr: EdgeSr, tmp_path: Path) -> None:
    out = tmp_path / "cost.svg"
    result = edge_sr("models", "--picture", str(out))
    assert (result.code, result.out.strip()) == (0, str(out))
    drawn = out.read_text()
    # Matplotlib writes texts as outlines, each after a comment with the text.
    for text in (
        "parameters",
        "MACs per low-resolution pixel",
        "FSRCNN-s",
        "PSNR on set14, x4, dB",
    ):
        assert f"<!-- {text} -->" in drawn
    for entry in catalog.entries("super-resolution"):
        assert (f"<!-- {entry.model} -->" in drawn) == (not entry.thermal)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("cost.gif",), "name a .png, .pdf or .svg file"),
        (("cost.png", "--json"), "--json, --markdown and --picture exclude each other"),
        (("cost.png", "--fit"), "--picture and --fit exclude each other"),
        (("there.png",), "--force replaces it"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused(
    edge_sr: EdgeSr, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "there.png").write_bytes(b"kept")
    name, *rest = options
    result = edge_sr("models", "--picture", str(tmp_path / name), *rest)
    assert result.code == 2
    assert sentence in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]
