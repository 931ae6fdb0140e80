"""`edge-sr rd` on the command line, with the networks of tests/golden."""

import csv
import io
import re
import shutil
import sys
from pathlib import Path

import learned_standins
import numpy as np
import pytest
import skimage.data
from command_line import EdgeSr
from PIL import Image
from rich.console import Console

from edge_sr.cli import tables

GOLDEN = Path(__file__).parent.parent / "golden"
MODELS = ("--model", GOLDEN / "tinycompress-4", "--model", GOLDEN / "tinycompress-16")
PIXELS = skimage.data.astronaut()[20:191, 100:263]


@pytest.fixture
def kodak(tmp_path: Path) -> Path:
    """A folder of this name, which gets the published figures."""
    folder = tmp_path / "kodak"
    folder.mkdir()
    Image.fromarray(PIXELS).save(folder / "large.png")
    Image.fromarray(PIXELS[:41, :33]).save(folder / "small.png")
    return folder


def lines(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_survey_prints_tables_and_writes_files(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = ("rd", kodak, *MODELS[:2], "--out", out)
    with monkeypatch.context() as lacking:
        lacking.setitem(sys.modules, "matplotlib", None)
        result = edge_sr(*command)
    assert result.code == 0, result.err
    assert "means exclude small" in result.err
    assert "no plots were drawn: this needs matplotlib" in result.err
    assert "pip install 'edge-sr[plot]'" in result.err
    for network in ("tc-4", "tc-4-int8"):
        assert f"kodak, {network}" in result.out
        assert f"kodak, {network}: bpp of the latents" in result.out
    files = {"records.csv", "means.csv", "matched.csv"}
    assert {path.name for path in out.iterdir()} == files
    check_files(out)
    again = edge_sr(*command)
    drawn = [f"kodak-{name}.png" for name in ("psnr-y", "psnr-rgb", "ms-ssim")]
    assert again.out.split() == [*result.out.split(), *(f"{out / name}" for name in drawn)]
    for name in drawn:
        with Image.open(out / name) as picture:
            assert picture.size == (750, 500)


def check_files(out: Path) -> None:
    """Check means against records, and that matches are near."""
    records = [line for line in lines(out / "records.csv") if line["codec"] == "tc-4-int8"]
    assert len(records) == 2 * 8
    eight = [line for line in records if line["setting"] == "8"]
    bpp = [8 * int(line["size"]) / int(line["width"]) / int(line["height"]) for line in eight]
    means = {(line["codec"], line["setting"]): line for line in lines(out / "means.csv")}
    assert float(means["tc-4-int8", "8"]["bpp"]) == pytest.approx(np.mean(bpp), abs=1e-5)
    matched = lines(out / "matched.csv")
    assert {line["matched_codec"] for line in matched} == {"jpeg", "webp", "avif"}
    for line in matched:
        assert 0.9 < float(line["matched_bpp"]) / float(line["bpp"]) < 1.1


def test_the_size_is_that_of_the_file_that_compress_writes(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path
) -> None:
    from edge_sr.codec import codec, opening

    assert edge_sr("rd", kodak, *MODELS[:2], "--table", "planes", "--out", tmp_path / "o").code == 0
    for line in lines(tmp_path / "o" / "records.csv"):
        coding = opening.find(model=str(MODELS[1]), int8="int8" in line["codec"])
        pixels = np.asarray(Image.open(kodak / f"{line['image']}.png"))
        data = codec.compress(pixels, coding, int(line["setting"]))
        assert len(data) == int(line["size"])
        error = np.mean((pixels.astype(float) - codec.decompress(data, coding).pixels) ** 2)
        assert float(line["psnr_rgb"]) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("aac", ("tc-4-int8", "tc-16", "6.000", "5.1043", "14.9%")),
        ("quantizer", ("tc-4", "tc-16", "clipping", "normalization")),
        ("planes", ("0.9957 / 39.0109 / 4.5383", "large", "small", "tc-4-int8")),
        ("image", ("published, one image", "0.9819 / 31.9334 / 1.2758", "large")),
        ("jpeg", ("no image here has a matching JPEG file", "51.8739", "25.7558")),
    ],
)
def test_the_tables_of_the_slides(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, table: str, words: tuple[str, ...]
) -> None:
    command = ("rd", kodak, *MODELS, "--table", table, "--markdown", "--out", tmp_path / "out")
    result = edge_sr(*command)
    assert result.code == 0, result.err
    for word in words:
        assert word in result.out
    assert edge_sr(*command).out == result.out


def test_without_ms_ssim_its_plot_is_left_out(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (kodak / "large.png").unlink()
    out = tmp_path / "out"
    result = edge_sr("rd", kodak, *MODELS[:2], "--out", out)
    assert result.code == 0, result.err
    assert f"{out / 'kodak-ms-ssim.png'} was not drawn" in result.err
    drawn = {path.name for path in out.iterdir() if path.suffix == ".png"}
    assert drawn == {"kodak-psnr-y.png", "kodak-psnr-rgb.png"}
    assert not [each for each in recwarn if "matplotlib" in each.filename]
    assert "legend" not in result.err


def test_published_planes_are_shown_for_their_rate_only(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path
) -> None:
    command = ("rd", kodak, *MODELS, "--table", "planes", "--markdown", "--out", tmp_path / "out")
    for rates, there in (("16", False), ("4,16", True)):
        out = edge_sr(*command, "--rates", rates).out
        assert ("published, rate 4, one image" in out) == there
        assert ("0.9957 / 39.0109 / 4.5383" in out) == there
        assert "tc-16-int8" in out


def test_the_normalized_files_are_those_of_compress(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path
) -> None:
    command = ("rd", kodak, *MODELS[:2], "--table", "quantizer", "--out", tmp_path / "out")
    assert edge_sr(*command).code == 0
    options = (*MODELS[:2], "--float32", "--quantizer", "normalization")
    for line in lines(tmp_path / "out" / "records.csv"):
        file = tmp_path / f"{line['image']}-{line['codec']}.tcz"
        used = options if "normalized" in line["codec"] else options[:3]
        assert edge_sr("compress", kodak / f"{line['image']}.png", file, *used).code == 0
        assert file.stat().st_size == int(line["size"])


def test_a_terminal_of_80_columns_shows_every_figure(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_console", lambda: Console(width=80, highlight=False))
    for table in ("aac", "quantizer", "planes", "image", "jpeg"):
        command = ("rd", kodak, *MODELS, "--table", table, "--out", tmp_path / "out")
        shown, whole = edge_sr(*command).out, edge_sr(*command, "--markdown").out
        assert "…" not in shown
        assert figures(shown) == figures(whole)


def figures(text: str) -> list[str]:
    return sorted(re.findall(r"\d\.\d{2,4}", text))


def test_several_sets(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    shutil.copytree(kodak, tmp_path / "set5" / "hr")
    command = ("rd", kodak, tmp_path / "set5", *MODELS, "--table", "aac", "--markdown")
    result = edge_sr(*command, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "kodak: bpp" in result.out
    assert "set5: bpp" in result.out
    assert result.out.count("5.1043") == 2  # for float32 and int8, of kodak alone


def test_an_interrupted_study_resumes(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.rate_distortion import study

    command = ("rd", kodak, *MODELS[:2], "--table", "planes", "--out", tmp_path / "out")
    compare, calls = study.compare, []

    def interrupted(*images: np.ndarray) -> object:
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return compare(*images)

    monkeypatch.setattr(study, "compare", interrupted)
    stopped = edge_sr(*command)
    assert (stopped.code, stopped.err) == (130, "edge-sr: interrupted\n")
    assert len(lines(tmp_path / "out" / "records.csv")) == 8
    assert edge_sr(*command).code == 0
    assert len(lines(tmp_path / "out" / "records.csv")) == 32
    assert len(calls) == 12 + 24


def test_bad_input(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("rd", kodak, *MODELS, "--out", out)
    assert "unknown table 'x'; available: aac" in edge_sr.refuses(*command, "--table", "x")
    assert "unknown rate '5'" in edge_sr.refuses(*command, "--rates", "4,5")
    assert "no codec has one of these rates" in edge_sr.refuses(*command, "--rates", "256")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no image" in edge_sr.refuses("rd", empty, *command[2:])
    assert "is not a folder" in edge_sr.refuses("rd", tmp_path / "none", *command[2:])
    assert "lies in the image" in edge_sr.refuses("rd", kodak, *MODELS, "--out", kodak / "rd")
    assert "two folders have the name kodak" in edge_sr.refuses("rd", kodak, *command[1:])
    assert not out.exists()


def test_a_pillow_without_a_format_is_reported(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    command = ("rd", kodak, *MODELS[:2], "--out", tmp_path / "out")
    assert "this Pillow cannot write avif" in edge_sr.refuses(*command)


def test_a_folder_with_other_files_is_refused(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    command = ("rd", kodak, *MODELS[:2], "--table", "aac", "--out", out)
    assert "holds thesis.txt, which" in edge_sr.refuses(*command)
    (out / "thesis.txt").unlink()
    (out / "records.csv").write_text("a,b\n")
    assert "does not have the header" in edge_sr.refuses(*command)
    (out / "records.csv").unlink()
    (out / "means.csv").mkdir()
    assert edge_sr(*command).code == 0


def test_records_of_another_image_are_refused(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    command = ("rd", kodak, *MODELS[:2], "--table", "aac", "--out", tmp_path / "out")
    assert edge_sr(*command).code == 0
    Image.fromarray(PIXELS[::-1]).save(kodak / "large.png")
    assert "figures of another image large of kodak" in edge_sr.refuses(*command)


def test_an_image_that_cannot_be_read_is_named(
    edge_sr: EdgeSr, kodak: Path, tmp_path: Path
) -> None:
    (kodak / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    command = ("rd", kodak, *MODELS[:2], "--table", "aac", "--out", tmp_path / "out")
    assert "bad.png" in edge_sr.refuses(*command)


def test_codecs_are_compared_at_equal_bpp(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    """The row of JPEG is checked with Pillow's own files."""
    toy = learned_standins.write(tmp_path / "toy")
    command = ("rd", kodak, "--model", toy, *MODELS[2:], "--bpp", "2,1.2", "--markdown")
    result = edge_sr(*command, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    lines = [line for line in result.out.splitlines() if line.startswith("|")][2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    names = [row[1] for row in rows]
    assert names[-3:] == ["jpeg-optimized", "webp", "avif"]
    assert [row[0] for row in rows if row[0]] == ["1.2", "2"]
    sizes, errors = [], []
    pixels = [np.asarray(Image.open(kodak / f"{name}.png")) for name in ("large", "small")]
    for quality in range(1, 101):
        files = [io.BytesIO() for _ in pixels]
        for image, file in zip(pixels, files, strict=True):
            Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
        pairs = list(zip(pixels, files, strict=True))
        sizes.append(np.mean([8 * len(f.getvalue()) / p[..., 0].size for p, f in pairs]))
        decoded = [np.asarray(Image.open(file)) for file in files]
        squares = [
            np.mean((a - b.astype(float)) ** 2) for a, b in zip(pixels, decoded, strict=True)
        ]
        errors.append(np.mean(10 * np.log10(255**2 / np.array(squares))))
    expected = np.interp(np.log(2), np.log(sizes), errors)
    assert float(rows[-3][3]) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("text", ["0", "a", "-1", "0.2,", "25", "nan"])
def test_bits_per_pixel_must_be_numbers(edge_sr: EdgeSr, kodak: Path, text: str) -> None:
    assert "--bpp takes numbers above 0" in edge_sr.refuses("rd", kodak, "--bpp", text)


def test_a_survey_of_a_codec_with_qualities(edge_sr: EdgeSr, kodak: Path, tmp_path: Path) -> None:
    toy = learned_standins.write(tmp_path / "toy")
    (kodak / "large.png").unlink()
    result = edge_sr("rd", kodak, "--model", toy, "--markdown", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "| quality | codec, quality " in result.out
    assert "bpp of the latents" not in result.out
    records = lines(tmp_path / "out" / "records.csv")
    ours = [int(line["setting"]) for line in records if line["codec"] == "toy-int8"]
    assert sorted(ours) == list(range(10, 101, 10))
