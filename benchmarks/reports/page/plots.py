"""Draws the plots of a report's page, as SVG elements in the page's colours."""

import io
import math
import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator

from benchmarks.reports.choice import run_timing
from benchmarks.reports.sources import memory, network_name, plural, size
from edge_sr.records import Record, Result

_INK = "#010203"
"""A placeholder for the page's text colour, replaced in the finished SVG."""

_COLOURS = ("#3b82c4", "#e07b39", "#3fa66b", "#c65b9b", "#8f7ad6", "#a89500", "#d1495b", "#4aa3b5")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DOUBTFUL = 0.35
"""Opacity of points whose results are flagged."""

_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#808080",
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 10,
}


@dataclass(frozen=True)
class Drawing:
    """A figure with its caption; `svg` is safe in a page."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class _Sketch:
    """A figure before it is drawn; `entries` is the number of lines of its legend."""

    title: str
    caption: str
    entries: int
    paint: Callable[[Axes], None]


def draw(record: Record, prefix: str) -> list[Drawing]:
    """All drawings that a record has points for.

    Args:
        record: with `harmless` texts.
        prefix: of identifiers, which no other record on the page has.
    """
    results = [it for it in record.results if it.timing("run") and "wrong" not in it.marks]
    sketches = [*_quality(results), *_roofline(results), *_memory(results)]
    with matplotlib.rc_context(_STYLE):
        return [_drawing(sketch, f"{prefix}-{n}") for n, sketch in enumerate(sketches)]


def _drawing(sketch: _Sketch, prefix: str) -> Drawing:
    figure = Figure(figsize=(4.6, 3.0 + 0.21 * sketch.entries), layout="constrained")
    axes = figure.add_subplot()
    sketch.paint(axes)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            _label_powers(axis)
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower left", fontsize=9)
    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": prefix}), warnings.catch_warnings():
        # A text in a script that matplotlib's font lacks is drawn by the reader's own fonts.
        warnings.simplefilter("ignore")
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Drawing(sketch.title, sketch.caption, _element(out.getvalue(), prefix, sketch.title))


def _label_powers(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers, as many as fit."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    subs = (1, 2, 5) if decades < 2.5 else (1,)
    axis.set_major_locator(AutoLocator() if decades < 1 else LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:,g}")


def _element(svg: bytes, prefix: str, title: str) -> Markup:
    """Return the drawing as an element: without namespaces, metadata and global style."""
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        parent.tag = parent.tag.rpartition("}")[2]
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
        parent.attrib = {
            name.rpartition("}")[2]: _attribute(name.rpartition("}")[2], value, prefix)
            for name, value in parent.attrib.items()
        }
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": title}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _attribute(name: str, value: str, prefix: str) -> str:
    """Return an attribute with identifiers unique to this drawing, and the page's text colour."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    return value.replace("url(#", f"url(#{prefix}-").replace(_INK, "currentColor")


# --- latency against quality


def _quality(results: Sequence[Result]) -> Iterable[_Sketch]:
    """Yield the plot of the image and test set with the most points."""
    scored = [
        (result, score)
        for result in results
        for score in result.case.network.quality
        if 0 < score.psnr < 200
    ]
    if not scored:
        return
    places = Counter((size(result.case), score.dataset) for result, score in scored)
    image, dataset = max(
        places, key=lambda place: (places[place], int(place[0].split("x")[0]), place[1] == "set5")
    )
    points = {
        (network_name(case), case.runtime_name, case.network.precision): (
            run_timing(result).p50,
            score.psnr,
            _opacity(result),
        )
        for result, score in sorted(scored, key=lambda pair: -run_timing(pair[0]).p50)
        for case in [result.case]
        if (size(case), score.dataset) == (image, dataset)
    }

    def paint(axes: Axes) -> None:
        colours, markers = _styles(key[1] for key in points), _styles(key[0] for key in points)
        for (network, runtime, precision), (latency, psnr, opacity) in points.items():
            colour, marker = _COLOURS[colours[runtime]], _MARKERS[markers[network]]
            _point(axes, (latency, psnr), colour, marker, precision == "int8", opacity)
        axes.set_xscale("log")
        axes.set_xlabel(f"p50 latency in ms, image of {image}")
        axes.set_ylabel(f"PSNR on {dataset}, dB")
        _label_runtimes(axes, colours)
        for network, index in markers.items():
            axes.add_line(_legend(network, _INK, _MARKERS[index]))

    caption = (
        "Left and up is better. The PSNR is from the networks' cards. Filled points are int8, "
        "hollow points float32; each has its fastest number of threads. "
    ) + _faint(results)
    entries = len({key[0] for key in points}) + len({key[1] for key in points})
    yield _Sketch("Latency against quality", caption, entries, paint)


# --- roofline


def _roofline(results: Sequence[Result]) -> Iterable[_Sketch]:
    points = [
        (result, macs, macs / run_timing(result).p50 / 1e6)
        for result in results
        if (macs := result.case.network.macs) is not None and macs > 0
    ]
    if not points:
        return

    def paint(axes: Axes) -> None:
        colours = _styles(result.case.runtime_name for result, _, _ in points)
        for result, macs, rate in points:
            filled = result.case.network.precision == "int8"
            colour = _COLOURS[colours[result.case.runtime_name]]
            _point(axes, (macs / 1e6, rate), colour, "o", filled, _opacity(result))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("million MACs per run")
        axes.set_ylabel("GMAC/s")
        axes.margins(0.12)
        _roofs(axes, points)
        _equal_times(axes)
        _label_runtimes(axes, colours)

    caption = (
        "Up is better; sloping lines connect equal times. A roof is the highest rate of any case "
        "of that precision in this record, not a figure of the processor's vendor. Filled points "
        "are int8, hollow points float32. "
    ) + _faint(results)
    entries = 2 + len({result.case.runtime_name for result, _, _ in points})
    yield _Sketch("Roofline by MACs", caption, entries, paint)


def _roofs(axes: Axes, points: Sequence[tuple[Result, int, float]]) -> None:
    for precision, dashes in (("int8", "--"), ("float32", ":")):
        rates = [rate for it, _, rate in points if it.case.network.precision == precision]
        if rates:
            label = f"highest, {precision}: {max(rates):.3g}"
            axes.axhline(max(rates), color=_INK, linestyle=dashes, linewidth=1, label=label)


def _equal_times(axes: Axes) -> None:
    """Draw a line of equal time for each power of ten of milliseconds in the view."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    first, last = math.floor(math.log10(left / top)), math.ceil(math.log10(right / bottom))
    for power in range(first, last + 1):
        time = 10.0**power
        axes.plot([left, right], [left / time, right / time], color="#808080", linewidth=0.6)
        place = (min(right, top * time), min(top, right / time))
        if place[0] > 1.1 * left and place[1] > 1.1 * bottom:
            axes.annotate(f"{time:g} ms", place, fontsize=7, ha="right", va="top", color=_INK)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


# --- memory against width


def _memory(results: Sequence[Result]) -> Iterable[_Sketch]:
    """Yield a plot for each network, with its smallest number of threads."""
    groups: dict[str, dict[tuple[str, str], dict[int, int]]] = {}
    for result in sorted(results, key=lambda result: -result.case.threads):
        case = result.case
        lines = groups.setdefault(network_name(case), {})
        for name, amount in (
            (case.runtime_name, memory(result, "runtime arena", "tflm arena")),
            ("engine, on a microcontroller", memory(result, "engine ram")),
        ):
            if amount is not None and amount > 0:
                lines.setdefault((name, case.network.precision), {})[case.width] = amount
    for network, lines in groups.items():
        if any(len(line) > 1 for line in lines.values()):
            yield _memory_of(network, lines)


def _memory_of(network: str, lines: dict[tuple[str, str], dict[int, int]]) -> _Sketch:
    def paint(axes: Axes) -> None:
        colours = _styles(name for name, _ in lines)
        for (name, precision), line in lines.items():
            widths = sorted(line)
            axes.plot(
                widths,
                [line[width] / 1e3 for width in widths],
                color=_COLOURS[colours[name]],
                marker="o",
                markersize=4,
                linestyle="-" if precision == "int8" else ":",
                label=_safe(f"{name}, {precision}"),
            )
        axes.set_yscale("log")
        axes.set_xlabel("image width in pixels")
        axes.set_ylabel("kB")

    caption = (
        "Memory for tensors; the height grows with the width as in the table. On a microcontroller "
        "the engine's RAM depends on the width alone."
    )
    return _Sketch(f"Memory against width: {network}", caption, len(lines), paint)


# --- shared


def _styles(names: Iterable[str]) -> dict[str, int]:
    """Return an index into colours and markers for each name; they repeat after eight."""
    known = sorted(set(names))
    return {name: index % len(_COLOURS) for index, name in enumerate(known)}


def _point(
    axes: Axes, place: tuple[float, float], colour: str, marker: str, filled: bool, opacity: float
) -> None:
    axes.plot(
        *place,
        marker=marker,
        color=colour,
        markerfacecolor=colour if filled else "none",
        markersize=6,
        linestyle="none",
        alpha=opacity,
    )


def _label_runtimes(axes: Axes, colours: dict[str, int]) -> None:
    for runtime, index in colours.items():
        axes.add_line(_legend(runtime, _COLOURS[index], "o"))


def _legend(label: str, colour: str, marker: str) -> Line2D:
    """Return a line without points for the legend."""
    return Line2D([], [], color=colour, marker=marker, linestyle="none", label=_safe(label))


def _safe(label: str) -> str:
    """Return a label that Matplotlib shows; it hides those that begin with an underscore."""
    return f"\u200b{label}" if label.startswith("_") else label


def _opacity(result: Result) -> float:
    return _DOUBTFUL if result.marks else 1.0


def _faint(results: Sequence[Result]) -> str:
    marked = [result for result in results if result.marks]
    return f"Faint: {plural(len(marked), 'marked result')} of {len(results)}." if marked else ""
