"""The figure that `edge-sr models --picture` draws: quality against parameters and MACs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sr.files import replacing

if TYPE_CHECKING:
    from edge_sr.zoo.summary import UpscalerSummary

DATASET = "set14"

_COSTS = {"parameters": "parameters", "macs": "MACs per low-resolution pixel"}
_LABEL_WIDTH, _LABEL_HEIGHT = 70, 8  # points

_FLOAT, _INT8, _PUBLISHED = "#1f5f99", "#d9822b", "#777777"


def draw(out: Path, networks: "list[UpscalerSummary]", published: list[dict[str, Any]]) -> None:
    """Draw PSNR on Set14 against parameters and against MACs, a row of panels for each scale.

    Args:
        out: the file to write; its suffix states the format.
        networks: the shipped upscalers; those that were not measured on Set14 are left out.
        published: as `edge_sr.zoo.published.results` returns them; a result without a cost is left
            out of that cost's panel.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    networks = [network for network in networks if DATASET in network.quality["int8"]]
    scales = sorted({network.scale for network in networks})
    figure = Figure(figsize=(13, 5.2 * len(scales)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(scales), len(_COSTS), sharey="row", squeeze=False)
    for row, scale in zip(axes, scales, strict=True):
        ours = [network for network in networks if network.scale == scale]
        theirs = [each for each in published if each["scale"] == scale and DATASET in each]
        for axis, cost in zip(row, _COSTS, strict=True):
            _draw_panel(axis, cost, ours, theirs)
        row[0].set_ylabel(f"PSNR on {DATASET}, x{scale}, dB")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    with replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix.lower().removeprefix("."), dpi=110)


def _draw_panel(
    axis: Any, cost: str, ours: "list[UpscalerSummary]", theirs: list[dict[str, Any]]
) -> None:
    """Draw one scale's networks over one cost."""
    _draw_shipped(axis, cost, ours)
    known = [each for each in theirs if cost in each]
    points = [(each[cost], each[DATASET]["psnr"]) for each in known]
    axis.scatter(*zip(*points, strict=True), marker="x", color=_PUBLISHED, label="published")
    _lay_out(axis, cost)
    # Labels are placed in points of the page, which the axes' limits decide: last.
    axis.autoscale_view()
    labels = [
        (network.model, (_cost(network, cost), network.quality["float32"][DATASET]["psnr"]))
        for network in ours
    ]
    _label(axis, labels, _FLOAT, 1)
    names = [each["name"].removesuffix(", published") for each in known]
    _label(axis, list(zip(names, points, strict=True)), _PUBLISHED, -1)


def _cost(network: "UpscalerSummary", cost: str) -> float:
    return network.parameters if cost == "parameters" else network.macs_per_lr_pixel


def _draw_shipped(axis: Any, cost: str, networks: "list[UpscalerSummary]") -> None:
    x = [_cost(network, cost) for network in networks]
    for precision, marker, colour in (("float32", "o", _FLOAT), ("int8", "D", _INT8)):
        y = [network.quality[precision][DATASET]["psnr"] for network in networks]
        label = f"edge-sr, {precision}"
        axis.scatter(x, y, marker=marker, color=colour, label=label, zorder=3)


def _lay_out(axis: Any, cost: str) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(_COSTS[cost])
    axis.margins(x=0.25, y=0.1)
    axis.grid(visible=True, which="both", color="#eeeeee")
    axis.set_axisbelow(True)


def _label(
    axis: Any, points: list[tuple[str, tuple[float, float]]], colour: str, side: int
) -> None:
    """Label points on the right (`side` 1) or on the left (-1); labels do not overlap."""
    occupied: list[tuple[float, float]] = []
    for text, point in sorted(points, key=lambda named: -named[1][1]):
        x, y = axis.transData.transform(point) * 72 / axis.figure.dpi
        low = y
        while any(
            abs(x - x_) < _LABEL_WIDTH and abs(low - y_) < _LABEL_HEIGHT for x_, y_ in occupied
        ):
            low -= 1
        occupied.append((x, low))
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
