"""`edge-sr models`: the zoo as tables, upscalers and codecs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli.common import ForceOption, check_picture, parse_path, quality_text
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from edge_sr.zoo.catalog import Entry


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print quality beside the published as Markdown.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Only int8 upscalers that fit, the best first.")
    ] = False,
    ram: Annotated[
        str | None, typer.Option(metavar="BYTES", help="With --fit: for the engine, such as 64K.")
    ] = None,
    flash: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="With --fit: for the network and the engine's code."),
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(metavar="MACS", help="With --fit: per low-resolution pixel, such as 1.5K."),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="With --fit: of the frame that goes in.", show_default="320"),
    ] = None,
    scale: Annotated[int | None, typer.Option(help="With --fit: of this scale alone.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Draw quality against parameters and MACs: .png, .pdf or .svg.",
            show_default="none",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """List the shipped networks: parameters, MACs, file sizes, quality in float and int8.

    PSNR (dB) and SSIM are those of each network's card: BT.601 Y, a border of `scale` cropped, and
    of four pixels on thermal images. Codecs follow in a table of their own; nothing is cropped
    there.
    """
    from edge_sr.cli import models_codec, models_fit, models_picture
    from edge_sr.zoo import catalog, published

    if sum([as_json, markdown, picture is not None]) > 1:
        raise UserError("--json, --markdown and --picture are forms of the same; name one")
    if fit and picture is not None:
        raise UserError("--picture shows all networks, --fit what fits: name one")
    if fit:
        found = models_fit.find(ram, flash, max_macs, width, scale)
        typer.echo(json.dumps(found, indent=2)) if as_json else models_fit.show(found)
        return
    models_fit.refuse_limits(
        {"--ram": ram, "--flash": flash, "--max-macs": max_macs, "--width": width, "--scale": scale}
    )
    if picture is not None:
        check_picture(picture, force)
    facts = [describe(entry) for entry in catalog.entries("super-resolution")]
    if picture is not None:
        models_picture.draw(picture, facts, published.results())
        typer.echo(f"{picture}")
        return
    coded = [models_codec.describe(codec) for codec in catalog.entries("codec")]
    if as_json:
        typer.echo(json.dumps([*facts, *coded], indent=2))
    elif markdown:
        tables = [markdown_lines(facts, published.results()), models_codec.markdown_lines(coded)]
        typer.echo("\n\n".join("\n".join(lines) for lines in tables if lines))
    else:
        tables_of_networks = [_table(group) for group in _by_sets(facts)]
        _print([*tables_of_networks, *([models_codec.table(coded)] if coded else [])])


def describe(entry: "Entry") -> dict[str, Any]:
    """What the table says of one network; costs are computed from its int8 file."""
    from edge_sr import graph

    network = graph.read_graph(entry.file("int8"))
    start = {"start": entry.card.start_quality} if entry.card.start_quality else {}
    return {
        "id": entry.id,
        "model": entry.model,
        "architecture": entry.architecture,
        "scale": entry.scale,
        "parameters": graph.parameters(network),
        "macs_per_lr_pixel": graph.macs_per_pixel(network),
        "int8_bytes": entry.file("int8").stat().st_size,
        "float32_bytes": entry.file("float32").stat().st_size,
        "quality": entry.card.quality | start,
    }


def _by_sets(facts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Networks grouped by the images that they were judged by: a table for each group."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for fact in facts:
        groups.setdefault(tuple(fact["quality"]["int8"]), []).append(fact)
    return list(groups.values())


def markdown_lines(facts: list[dict[str, Any]], published: list[dict[str, Any]]) -> list[str]:
    """Markdown tables of PSNR / SSIM, one for each choice of images, an empty line between two."""
    tables = [_markdown_table(group, published) for group in _by_sets(facts)]
    return [line for table in tables for line in ("", *table)][1:]


def _markdown_table(facts: list[dict[str, Any]], published: list[dict[str, Any]]) -> list[str]:
    """Ours and the published, by scale."""
    sets = list(facts[0]["quality"]["int8"])
    lines = [f"| | parameters | {' | '.join(sets)} |", "|---|---:" + "|---:" * len(sets) + "|"]
    for scale in sorted({fact["scale"] for fact in facts}):
        ours = [fact for fact in facts if fact["scale"] == scale]
        lines.append(_row(f"bicubic x{scale}", None, ours[0]["quality"]["bicubic"], sets))
        for result in published:
            if result["scale"] == scale and any(name in result for name in sets):
                name = f"*{result['name']}* x{scale}"
                lines.append(_row(name, result.get("parameters"), result, sets))
        for kind, quality in ours[0]["quality"].get("start", {}).items():
            name = f"{ours[0]['architecture']}-x{scale} {kind}"
            lines.append(_row(name, ours[0]["parameters"], quality, sets))
        for fact in ours:
            for kind in ("float32", "int8"):
                name = f"{fact['id']} {kind}"
                lines.append(_row(name, fact["parameters"], fact["quality"][kind], sets))
    return lines


def _row(name: str, parameters: int | None, quality: dict[str, Any], sets: list[str]) -> str:
    count = "" if parameters is None else f"{parameters:,}"
    scores = [quality_text(quality[dataset]) if dataset in quality else "" for dataset in sets]
    return f"| {' | '.join([name, count, *scores])} |"


def _table(facts: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(title="Shipped networks: PSNR dB / SSIM, float32 and int8")
    table.add_column("model", no_wrap=True)
    for heading in ("parameters", "MACs/LR px", "int8 .tflite", "float32 .tflite"):
        table.add_column(heading, justify="right")
    sets = list(facts[0]["quality"]["int8"]) if facts else []
    for name in sets:
        table.add_column(name, justify="right", no_wrap=True)
    for fact in facts:
        table.add_row(
            fact["id"],
            f"{fact['parameters']:,}",
            f"{fact['macs_per_lr_pixel']:,.10g}",
            f"{fact['int8_bytes']:,} B",
            f"{fact['float32_bytes']:,} B",
            *(_quality(fact["quality"], name) for name in sets),
        )
    return table


def _print(tables: "list[Table]") -> None:
    from rich.console import Console

    console = Console()
    # A pipe has no width: the rows stay whole.
    wide = Console(width=None if console.is_terminal else 160)
    for table in tables:
        wide.print(table)


def _quality(quality: dict[str, Any], dataset: str) -> str:
    return "\n".join(quality_text(quality[kind][dataset]) for kind in ("float32", "int8"))
