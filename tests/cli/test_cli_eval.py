"""`edge-sr eval`: the table, JSON and CSV, and the protocol that they follow."""

import csv
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from command_line import EdgeSr
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from edge_sr.data.colour import luminance
from edge_sr.data.datasets import find_pairs, load_pair
from edge_sr.data.degradation import bicubic_upscale
from edge_sr.evaluate import Record, evaluate, mean
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog


def bicubic_records(folder: Path, scale: int) -> list[Record]:
    return list(evaluate(partial(bicubic_upscale, scale=scale), find_pairs(folder, scale), scale))


def int8_records(folder: Path, scale: int) -> list[Record]:
    path = catalog.find(f"tinypssr-x{scale}").file("int8", ".tflite")
    return list(evaluate(open_session(path, "litert"), find_pairs(folder, scale), scale))


@pytest.mark.parametrize("scale", [2, 4])
def test_json_holds_every_record_and_the_mean(
    edge_sr: EdgeSr, photographs: Path, scale: int
) -> None:
    options = ("--model", "tinypssr", "--scale", scale, "--json", "-")
    result = edge_sr("eval", "--data", photographs, *options)
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert (report["scale"], report["per_channel"]) == (scale, False)
    methods = [row["method"] for row in report["methods"]]
    assert methods == ["bicubic", f"tinypssr-x{scale} int8 (litert)"]
    for row, records in zip(
        report["methods"],
        (bicubic_records(photographs, scale), int8_records(photographs, scale)),
        strict=True,
    ):
        assert [image["psnr"] for image in row["images"]] == [r.score.psnr for r in records]
        assert [image["ssim"] for image in row["images"]] == [r.score.ssim for r in records]
        assert row["mean"]["psnr"] == mean(records).psnr
        assert row["images"][0]["ms_ssim"] is None


def test_csv_has_a_line_for_each_image_and_the_mean(edge_sr: EdgeSr, photographs: Path) -> None:
    result = edge_sr("eval", "--data", photographs, "--model", "bicubic", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    records = bicubic_records(photographs, 2)
    assert [row["image"] for row in rows] == [*(record.name for record in records), "mean"]
    assert {row["method"] for row in rows} == {"bicubic"}
    assert float(rows[0]["psnr"]) == pytest.approx(records[0].score.psnr, abs=1e-4)
    assert float(rows[-1]["ssim"]) == pytest.approx(mean(records).ssim, abs=1e-6)


def test_the_table_shows_both_methods(edge_sr: EdgeSr, photographs: Path) -> None:
    result = edge_sr("eval", "--data", photographs, "--model", "tinypssr")
    score = mean(bicubic_records(photographs, 2))
    (line,) = [line for line in result.out.splitlines() if "mean" in line]
    assert f"{score.psnr:.2f} / {score.ssim:.4f} / -" in line
    assert "tinypssr" in result.out


def test_files_are_written_and_the_table_is_printed(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path
) -> None:
    files = ("--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv")
    command = ("eval", "--data", photographs, "--model", "bicubic", *files)
    assert "mean" in edge_sr(*command).out
    assert json.loads((tmp_path / "a.json").read_text())["methods"][0]["method"] == "bicubic"
    assert (tmp_path / "a.csv").read_text().startswith("method,image,height,width,psnr,ssim")
    assert "a.json exists; --force replaces it" in edge_sr.refuses(*command)
    assert edge_sr(*command, "--force").code == 0


def test_low_resolution_images_of_the_folder_are_used(edge_sr: EdgeSr, tmp_path: Path) -> None:
    for name in ("hr", "lr_x2"):
        (tmp_path / name).mkdir()
    original = np.random.default_rng(0).integers(0, 256, (31, 40), np.uint8)
    Image.fromarray(original).save(tmp_path / "hr" / "a.png")
    Image.fromarray(np.zeros((15, 20), np.uint8)).save(tmp_path / "lr_x2" / "a.png")
    options = ("--model", "bicubic", "--json", "-")
    report = json.loads(edge_sr("eval", "--data", tmp_path, *options).out)
    black = 10 * np.log10(255**2 / np.mean(original[2:28, 2:38].astype(float) ** 2))
    assert report["methods"][0]["mean"]["psnr"] == pytest.approx(black, abs=1e-9)


def test_per_channel(edge_sr: EdgeSr, photographs: Path) -> None:
    options = ("--model", "tinypssr", "--per-channel", "--json", "-")
    report = json.loads(edge_sr("eval", "--data", photographs, *options).out)
    pairs = find_pairs(photographs, 2)
    path = catalog.find("tinypssr-x2").file("int8", ".tflite")
    records = evaluate(open_session(path, "litert"), pairs, 2, per_channel=True)
    assert report["per_channel"]
    assert report["methods"][1]["mean"]["psnr"] == mean(records).psnr


@pytest.mark.parametrize("scale", [2, 4])
def test_border_sets_the_cropped_pixels(edge_sr: EdgeSr, photographs: Path, scale: int) -> None:
    options = ("--model", "bicubic", "--scale", scale, "--border", 4, "--json", "-")
    report = json.loads(edge_sr("eval", "--data", photographs, *options).out)
    assert report["border"] == 4
    for pair, image in zip(
        find_pairs(photographs, scale), report["methods"][0]["images"], strict=True
    ):
        low, high = load_pair(pair, scale)
        ours = bicubic_upscale(luminance(low), scale)
        inside = np.s_[4:-4, 4:-4]
        expected = peak_signal_noise_ratio(luminance(high)[inside], ours[inside], data_range=255)
        assert image["psnr"] == pytest.approx(expected, abs=1e-9)


def test_published_figures_are_printed_for_flir_and_osu_only(
    edge_sr: EdgeSr, photographs: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    for number in range(1, 11):
        folder = tmp_path / "osu" / f"{number:05}"
        folder.mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "img_00001.bmp")
    command = ("--model", "bicubic", "--border", 4)
    printed = edge_sr("eval", "--data", tmp_path / "osu", *command).out
    assert "TinyPSSR-IR, published: 32.78 / 0.7477" in printed
    assert "00010/img_00001" in printed
    assert "00008" not in printed
    for scale, psnr in ((2, 32.90), (4, 31.31)):
        options = (*command, "--scale", scale, "--json", "-")
        report = json.loads(edge_sr("eval", "--data", tmp_path / "osu", *options).out)
        last = report["published"][-1]
        assert (last["name"], last["psnr"]) == ("TinyPSSR-IR-MAE, published", psnr)
    assert "published" not in edge_sr("eval", "--data", photographs, *command).out


def test_identical_images_give_valid_json(edge_sr: EdgeSr, tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 30), 7, np.uint8)).save(tmp_path / "flat.png")
    result = edge_sr("eval", "--data", tmp_path, "--model", "bicubic", "--json", "-")
    assert json.loads(result.out)["methods"][0]["mean"]["psnr"] is None


def test_bad_input(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    assert "holds no image" in edge_sr.refuses("eval", "--data", tmp_path)
    assert "is not a folder" in edge_sr.refuses("eval", "--data", tmp_path / "none")
    command = ("eval", "--data", photographs)
    assert "unknown network" in edge_sr.refuses(*command, "--model", "edsr9")
    assert "bicubic takes no --runtime" in edge_sr.refuses(*command, "--model", "bicubic", "--int8")
    assert "scale is 9" in edge_sr.refuses(*command, "--model", "bicubic", "--scale", 9)
    assert "scale is 0" in edge_sr.refuses(*command, "--model", "bicubic", "--scale", 0)
    assert "has no scale 0" in edge_sr.refuses(*command, "--scale", 0)
    assert "--json and --csv both print on standard output" in edge_sr.refuses(
        *command, "--json", "-", "--csv", "-"
    )
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "bad.png" in edge_sr.refuses("eval", "--data", tmp_path, "--model", "bicubic")


def test_an_image_smaller_than_the_window(edge_sr: EdgeSr, tmp_path: Path) -> None:
    Image.new("L", (14, 14)).save(tmp_path / "small.png")
    sentence = edge_sr.refuses("eval", "--data", tmp_path)
    assert "small.png" in sentence
    assert "too small to compare" in sentence
