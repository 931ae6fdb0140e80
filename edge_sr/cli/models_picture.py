"""The picture that `edge-sr models --picture` draws: quality against what it costs."""

from pathlib import Path
from typing import Any

from edge_sr.files import replacing

DATASET = "set14"

_COSTS = {"parameters": "parameters", "macs": "MACs per low-resolution pixel"}
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
    for place, each, fact in zip(x, quality, ours, strict=True):
        top = max(each[kind][DATASET]["psnr"] for kind in ("float32", "int8"))
        _name(axis, fact["model"], (place, top), _FLOAT, 6)
    known = [each for each in theirs if cost in each]
    points = [(each[cost], each[DATASET]["psnr"]) for each in known]
    axis.scatter(*zip(*points, strict=True), marker="x", color=_PUBLISHED, label="published")
    for each, point in zip(known, points, strict=True):
        _name(axis, each["name"].removesuffix(", published"), point, _PUBLISHED, -12)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(_COSTS[cost])
    axis.margins(x=0.12, y=0.1)
    axis.grid(visible=True, which="both", color="#eeeeee")
    axis.set_axisbelow(True)


def _name(axis: Any, text: str, point: tuple[float, float], colour: str, above: int) -> None:
    axis.annotate(
        text,
        point,
        (0, above),
        textcoords="offset points",
        ha="center",
        fontsize=7,
        color=colour,
    )
