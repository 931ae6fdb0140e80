"""Opens the folder of a study, and writes its CSV files."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.rate_distortion.plots import FIGURES, file_name
from benchmarks.rate_distortion.study import Mean
from benchmarks.rate_distortion.survey import Survey
from edge_sr.errors import UserError
from edge_sr.files import make_folder, replacing

RECORDS, MEANS, MATCHED = "records.csv", "means.csv", "matched.csv"

_PLOTS = "|".join(file_name("", figure) for figure in FIGURES)
_OURS = re.compile(rf"{RECORDS}|{MEANS}|{MATCHED}|.+({_PLOTS})")

_QUALITY = ("psnr_y", "psnr_rgb", "ms_ssim")
_BITS = ("raw", "static", "adaptive", "coded")


def open_folder(folder: Path) -> Path:
    """Make the folder, or open that of an earlier study.

    Returns:
        the path of its records.

    Raises:
        UserError: it cannot be made, or holds other files.
    """
    make_folder(folder)
    others = sorted(path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name))
    if others:
        raise UserError(
            f"{folder} holds {others[0]}, which is not a file of a rate-distortion study; name an "
            "empty folder with --out"
        )
    return folder / RECORDS


def write_surveys(folder: Path, surveys: Sequence[Survey]) -> None:
    """Write means.csv and matched.csv of all sets."""
    curves = ((each.collection, curve) for each in surveys for curve in each.all_curves())
    write_means(folder, curves)
    write_matches(folder, (pair for each in surveys for pair in each.pairs()))


def write_means(folder: Path, curves: Iterable[tuple[str, Sequence[Mean]]]) -> None:
    """Write means.csv: a line for each set, codec and setting.

    Args:
        folder: for the file; an existing file is replaced.
        curves: the name of a set, and means of one codec on it.
    """
    lines: list[Sequence[object]] = [("set", "codec", "setting", "bpp", *_QUALITY, *_BITS)]
    for collection, means in curves:
        for mean in means:
            bits = (getattr(mean, name) for name in _BITS)
            lines.append((collection, *_cells(mean), *map(_cell, bits)))
    _write(folder / MEANS, lines)


def write_matches(folder: Path, matches: Iterable[tuple[str, Mean, Mean]]) -> None:
    """Write matched.csv: a line for each set, network, number of planes and format.

    Args:
        folder: for the file; an existing file is replaced.
        matches: the name of a set, means of a network, and those of a format at about its bpp.
    """
    headings = ("codec", "setting", "bpp", *_QUALITY)
    lines: list[Sequence[object]] = [("set", *headings, *(f"matched_{name}" for name in headings))]
    lines += [(collection, *_cells(ours), *_cells(theirs)) for collection, ours, theirs in matches]
    _write(folder / MATCHED, lines)


def _cells(mean: Mean) -> list[object]:
    quality = (getattr(mean.quality, name) for name in _QUALITY)
    return [mean.codec, mean.setting, *map(_cell, (mean.bpp, *quality))]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _write(path: Path, lines: Iterable[Sequence[object]]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(lines)
