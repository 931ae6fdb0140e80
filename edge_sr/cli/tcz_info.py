"""Describes .tcz files for `edge-sr info`: the header, then the size and state of each part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from edge_sr.cli import streams
from edge_sr.cli.common import print_markdown

_MAX_PIXELS = 65535**2  # the largest image that a header can describe


def describe(path: Path) -> None:
    """Print what a .tcz file of any version holds, intact or not."""
    from edge_sr.codec import header, versions

    with streams.reading(path) as stream:
        data = versions.read(stream, _MAX_PIXELS)
    (_planes if versions.version_of(data) == header.VERSION else _parts)(data)


def _planes(data: bytes) -> None:
    """Describe a file of version 1."""
    from edge_sr.codec import container
    from edge_sr.codec.header import VERSION

    contents = container.inspect(data, _MAX_PIXELS)
    header = contents.header
    pixels = header.width * header.height
    channels, height, width = header.shape
    quantizer = header.quantizer
    ranges = ", ".join(
        f"{low:g} to {high:g}" for low, high in zip(quantizer.low, quantizer.high, strict=True)
    )
    facts = {
        "version": str(VERSION),
        "image": f"{header.width}x{header.height}, {header.colour.name.lower()}",
        "network": f"{header.model_id}, decoder {header.model_hash.hex()}",
        "rate": f"{header.rate}, {channels} channels of {width}x{height} samples",
        "quantizer": f"{quantizer.kind.name.lower()}, {ranges}",
        "size": _size(len(data), contents.head, [p.size for p in contents.planes], pixels),
    }
    _print_facts(facts)
    rows = [
        (str(number), str(plane.size), f"{8 * plane.size / pixels:.4g}", str(plane.state))
        for number, plane in enumerate(contents.planes, 1)
    ]
    print_markdown(("plane", "bytes", "bits per pixel", "state"), rows)
    if contents.intact < len(rows):
        typer.echo(f"\n{contents.intact} of {len(rows)} planes can be decoded")
    if contents.extra:
        typer.echo("\nthe file has surplus bytes after its last plane")


def _parts(data: bytes) -> None:
    """Describe a file of version 2."""
    from edge_sr.codec import container2, opening
    from edge_sr.codec.header2 import VERSION
    from edge_sr.codec.quality import PLACE_STEPS

    contents = container2.inspect(data, _MAX_PIXELS)
    header = contents.header
    pixels = header.width * header.height
    height, width, channels = header.shape
    alphabet = f"{header.smallest} to {header.largest}"
    quality = opening.quality_of(header)
    known = "unknown, " if quality is None else f"{quality:.4g}, "
    facts = {
        "version": str(VERSION),
        "image": f"{header.width}x{header.height}, {header.colour.name.lower()}",
        "network": f"{header.model_id}, decoder {header.model_hash.hex()}",
        "context": header.context_hash.hex(),
        "quality": f"{known}place {header.place / PLACE_STEPS:g} among the gains",
        "symbols": f"{channels} channels of {width}x{height}, {alphabet}",
        "size": _size(len(data), contents.head, [p.size for p in contents.parts], pixels),
    }
    _print_facts(facts)
    rows = []
    for number, part in enumerate(contents.parts):
        first, end = header.pixel_rows(number), header.pixel_rows(number + 1)
        size, bpp = "unknown", "unknown"
        if part.size is not None:
            size, bpp = str(part.size), f"{8 * part.size / pixels:.4g}"
        rows.append((str(number + 1), f"{first} to {end - 1}", size, bpp, str(part.state)))
    print_markdown(("part", "rows", "bytes", "bits per pixel", "state"), rows)
    if contents.intact < len(rows):
        there = header.pixel_rows(contents.intact)
        typer.echo(
            f"\n{contents.intact} of {len(rows)} parts, {there} of {header.height} rows, can be "
            "decoded"
        )
    if contents.extra:
        typer.echo("\nthe file has surplus bytes after its last part")


def _size(there: int, head: int, coded: Sequence[int | None], pixels: int) -> str:
    """The size that a file states, and the bytes that it has if these are fewer."""
    total = head + sum(size or 0 for size in coded)
    if None in coded:
        return f"unknown; the file has {there} bytes"
    size = f"{total} bytes, {8 * total / pixels:.4g} bits per pixel; header {head}"
    return f"{size}; the file has {there} bytes" if there < total else size


def _print_facts(facts: Mapping[str, str]) -> None:
    for name, fact in facts.items():
        typer.echo(f"{name + ':':<11}{fact}")
    typer.echo()
