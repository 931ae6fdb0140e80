"""The tables of upscalers that `edge-sr models` prints: for the terminal, and as Markdown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge_sr.cli.common import quality_text
from edge_sr.zoo.catalog import PRECISIONS

if TYPE_CHECKING:
    from rich.table import Table

    from edge_sr.zoo.summary import UpscalerSummary

_WIDTH = 80


def tables(networks: "list[UpscalerSummary]") -> "list[Table]":
    """Return tables for the terminal, one for each group of test sets."""
    return [_table(group) for group in _by_test_sets(networks)]


def show(tables: "Sequence[Table]") -> None:
    """Print tables on standard output; every table fits in 80 columns, which no row exceeds."""
    from rich.console import Console

    for table in tables:
        Console(width=_WIDTH).print(table)


def new_table(title: str, name: str, headings: "Sequence[str]") -> "Table":
    """Return an empty table: columns of names, precisions, and numbers with headings."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(name, no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def markdown_lines(networks: "list[UpscalerSummary]", published: list[dict[str, Any]]) -> list[str]:
    """Return Markdown tables of PSNR / SSIM, one for each group of test sets, line by line.

    Args:
        networks: the shipped upscalers.
        published: as `edge_sr.zoo.published.results` returns them.
    """
    groups = [_markdown_table(group, published) for group in _by_test_sets(networks)]
    return [line for lines in groups for line in ("", *lines)][1:]


def _by_test_sets(networks: "list[UpscalerSummary]") -> "list[list[UpscalerSummary]]":
    """Group networks by the test sets on their cards."""
    groups: dict[tuple[str, ...], list[UpscalerSummary]] = {}
    for network in networks:
        groups.setdefault(tuple(network.quality["int8"]), []).append(network)
    return list(groups.values())


def _markdown_table(
    networks: "list[UpscalerSummary]", published: list[dict[str, Any]]
) -> list[str]:
    """Return the shipped and the published results, by scale."""
    sets = list(networks[0].quality["int8"])
    lines = [f"| | parameters | {' | '.join(sets)} |", "|---|---:" + "|---:" * len(sets) + "|"]
    for scale in sorted({network.scale for network in networks}):
        shipped = [network for network in networks if network.scale == scale]
        first = shipped[0]
        lines.append(_row(f"bicubic x{scale}", None, first.quality["bicubic"], sets))
        for result in published:
            if result["scale"] == scale and any(name in result for name in sets):
                name = f"*{result['name']}* x{scale}"
                lines.append(_row(name, result.get("parameters"), result, sets))
        for precision, quality in first.quality.get("start", {}).items():
            name = f"{first.architecture}-x{scale} {precision}"
            lines.append(_row(name, first.parameters, quality, sets))
        for network in shipped:
            for precision in ("float32", "int8"):
                name = f"{network.id} {precision}"
                lines.append(_row(name, network.parameters, network.quality[precision], sets))
    return lines


def _row(name: str, parameters: int | None, quality: dict[str, Any], sets: list[str]) -> str:
    count = "" if parameters is None else f"{parameters:,}"
    scores = [quality_text(quality[dataset]) if dataset in quality else "" for dataset in sets]
    return f"| {' | '.join([name, count, *scores])} |"


def _table(networks: "list[UpscalerSummary]") -> "Table":
    sets = list(networks[0].quality["int8"])
    title = "Shipped upscalers: PSNR in dB; --markdown adds SSIM"
    headings = ("weights", "MACs", "file, KB", *sets)
    table = new_table(title, "network", headings)
    for network in networks:
        sizes = {"float32": network.float32_bytes, "int8": network.int8_bytes}
        for precision in PRECISIONS:
            quality = network.quality[precision]
            table.add_row(
                network.id,
                precision,
                f"{network.parameters:,}",
                f"{network.macs_per_lr_pixel:,.10g}",
                f"{sizes[precision] / 1024:,.1f}",
                *(f"{quality[name]['psnr']:.2f}" for name in sets),
            )
    return table
