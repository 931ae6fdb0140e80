"""The picture that `edge-sr models --picture` draws: quality against what it costs."""

from pathlib import Path
from typing import Any

from edge_sr.files import replacing

DATASET = "set14"

_COSTS = {"parameters": "parameters", "macs": "MACs per low-resolution pixel"}
_NAME_WIDTH, _NAME_HEIGHT = 70, 8  # points

_FLOAT, _INT8, _PUBLISHED = "#1f5f99", "#d9822b", "#777777"


def draw(out: Path, facts: list[dict[str, Any]], published: list[dict[str, Any]]) -> None:
    """Draw PSNR on Set14 against parameters and against MACs, a row for each scale.

    Args:
        out: the file to write; its suffix says the format.
        facts: of our networks, as `edge_sr.cli.models.describe` gives them.
        published: as `edge_sr.zoo.published` gives them; what lacks a cost is left out beside it.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    facts = [fact for fact in facts if DATASET in fact["quality"]["int8"]]
    scales = sorted({fact["scale"] for fact in facts})
    figure = Figure(figsize=(13, 5.2 * len(scales)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(scales), len(_COSTS), sharey="row", squeeze=False)
    for row, scale in zip(axes, scales, strict=True):
        ours = [fact for fact in facts if fact["scale"] == scale]
        theirs = [each for each in published if each["scale"] == scale and DATASET in each]
        for axis, cost in zip(row, _COSTS, strict=True):
            _draw_panel(axis, cost, ours, theirs)
        row[0].set_ylabel(f"PSNR on {DATASET}, x{scale}, dB")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    with replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lower().removeprefix("."), dpi=110)


def _draw_panel(
    axis: Any, cost: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    quality = [fact["quality"] for fact in ours]
    x = [fact["parameters" if cost == "parameters" else "macs_per_lr_pixel"] for fact in ours]
    for kind, marker, colour in (("float32", "o", _FLOAT), ("int8", "D", _INT8)):
        y = [each[kind][DATASET]["psnr"] for each in quality]
        axis.scatter(x, y, marker=marker, color=colour, label=f"edge-sr, {kind}", zorder=3)
    names = [
        (fact["model"], (place, each["float32"][DATASET]["psnr"]))
        for place, each, fact in zip(x, quality, ours, strict=True)
    ]
    known = [each for each in theirs if cost in each]
    points = [(each[cost], each[DATASET]["psnr"]) for each in known]
    axis.scatter(*zip(*points, strict=True), marker="x", color=_PUBLISHED, label="published")
    theirs_names = [each["name"].removesuffix(", published") for each in known]
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(_COSTS[cost])
    axis.margins(x=0.25, y=0.1)
    axis.grid(visible=True, which="both", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.autoscale_view()
    _name(axis, names, _FLOAT, 1)
    _name(axis, list(zip(theirs_names, points, strict=True)), _PUBLISHED, -1)


def _name(axis: Any, points: list[tuple[str, tuple[float, float]]], colour: str, side: int) -> None:
    """Write names beside points, to the right or (`side` -1) to the left, none upon another."""
    taken: list[tuple[float, float]] = []
    for text, point in sorted(points, key=lambda named: -named[1][1]):
        x, y = axis.transData.transform(point) * 72 / axis.figure.dpi
        low = y
        while any(abs(x - x_) < _NAME_WIDTH and abs(low - y_) < _NAME_HEIGHT for x_, y_ in taken):
            low -= 1
        taken.append((x, low))
        axis.annotate(
            text,
            point,
            (8 * side, low - y),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=7,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
        )
