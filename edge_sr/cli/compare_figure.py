"""The figure that `edge-sr compare` draws: a crop of each panel, side by side."""

from pathlib import Path
from typing import Any

from edge_sr.comparison import Crop, Panel
from edge_sr.files import replacing


def draw(out: Path, panels: list[Panel], crop: Crop, title: str) -> None:
    """Draw the crop of each panel in a row, each with its PSNR and SSIM.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = 3.0 * crop.height / crop.width
    figure = Figure(figsize=(3.1 * len(panels), height + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel, crop)
    with replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lower().removeprefix("."), dpi=150)


def _draw_panel(axis: Any, panel: Panel, crop: Crop) -> None:
    axis.imshow(crop.of(panel.pixels), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()
    figures = "PSNR / SSIM"
    if panel.score is not None:
        figures = f"{panel.score.psnr:.2f} dB / {panel.score.ssim:.4f}"
    axis.set_title(f"{panel.title}\n{figures}", fontsize=10)
