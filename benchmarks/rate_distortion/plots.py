"""Draws curves of quality against bits per pixel."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rate_distortion.study import Mean
from benchmarks.rate_distortion.survey import Survey
from edge_sr.files import replacing

FIGURES = {"psnr_y": "PSNR-Y, dB", "psnr_rgb": "PSNR-RGB, dB", "ms_ssim": "MS-SSIM"}
"""The plots, each as a PNG file."""


def file_name(collection: str, figure: str) -> str:
    """Return the file name of a set's plot."""
    return f"{collection}-{figure.replace('_', '-')}.png"


def draw_survey(folder: Path, survey: Survey) -> tuple[list[Path], list[Path]]:
    """Draw a set's plots.

    Returns:
        the files, and those that were not drawn because no image has their figure.

    Raises:
        UserError: a file cannot be written.
    """
    drawn = draw(folder, survey.collection, survey.curves, survey.formats)
    paths = [folder / file_name(survey.collection, name) for name in FIGURES]
    return drawn, [path for path in paths if path not in drawn]


def draw(
    folder: Path,
    collection: str,
    curves: Sequence[Sequence[Mean]],
    formats: Mapping[str, Sequence[Mean]],
) -> list[Path]:
    """Draw a set's plots of PSNR-Y, PSNR-RGB and MS-SSIM; figures without data are left out.

    Args:
        folder: for the files; existing files are replaced.
        collection: the set's name.
        curves: of each network, means by planes.
        formats: means of each format, by quality.

    Returns:
        the files.

    Raises:
        UserError: a file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    files = []
    for name, label in FIGURES.items():
        if not any(_points(name, means) for means in (*curves, *formats.values())):
            continue
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        for means in curves:
            line = "-" if "int8" in means[0].codec else ":"
            _draw_curve(axis, name, means, means[0].codec, f"o{line}")
        for form, means in formats.items():
            _draw_curve(axis, name, means, form, "--")
        axis.set(xscale="log", xlabel="bits per pixel", ylabel=label, title=collection)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
        files.append(folder / file_name(collection, name))
        with replacing(files[-1]) as temporary:
            figure.savefig(temporary, format="png", dpi=100)
    return files


def _points(name: str, means: Sequence[Mean]) -> list[tuple[float, float]]:
    """Return bits per pixel and the figure, where it is finite."""
    points = [(mean.bpp, getattr(mean.quality, name)) for mean in means]
    return [(bpp, y) for bpp, y in points if y is not None and math.isfinite(y)]


def _draw_curve(axis: Any, name: str, means: Sequence[Mean], label: str, style: str) -> None:
    drawn = _points(name, means)
    if drawn:
        axis.plot(*zip(*drawn, strict=True), style, label=label, markersize=3, linewidth=1.2)
