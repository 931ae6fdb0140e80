"""`edge-sr info`: describes a .tcz file or a network file."""

from pathlib import Path
from typing import Annotated

import typer

from edge_sr.cli import streams
from edge_sr.cli.common import parse_path, print_markdown
from edge_sr.cli.compress import SUFFIX
from edge_sr.errors import UserError

_MAX_PIXELS = 65535**2  # the largest image that a header can describe


def info(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            parser=parse_path,
            help="A .tcz file (or - for stdin), a .tflite or a .safetensors file.",
        ),
    ],
) -> None:
    """Describe a .tcz file or a network's file.

    Of a .tcz file: its header, and the size and state of each bit plane.
    A .tflite or .safetensors file is described in one line: the network that it holds.
    """
    describe = {".tflite": _tflite, ".safetensors": _safetensors, SUFFIX: _tcz}
    suffix = SUFFIX if file == streams.STANDARD else file.suffix.lower()
    if suffix not in describe:
        if file.is_dir() or not file.suffix:
            raise UserError(
                f"{file} is not a file that info reads ({', '.join(sorted(describe))}); "
                "`edge-sr models` lists the shipped networks"
            )
        raise UserError(f"{file} has an unknown suffix; info reads {', '.join(sorted(describe))}")
    with streams.naming(file):
        describe[suffix](file)


def _tcz(path: Path) -> None:
    from edge_sr.codec import container
    from edge_sr.codec.header import VERSION

    with streams.reading(path) as stream:
        data = container.read(stream, _MAX_PIXELS)
    parts = container.inspect(data, _MAX_PIXELS)
    header = parts.header
    pixels = header.width * header.height
    channels, height, width = header.shape
    quantizer = header.quantizer
    ranges = ", ".join(
        f"{low:g} to {high:g}" for low, high in zip(quantizer.low, quantizer.high, strict=True)
    )
    total = parts.head + sum(plane.size for plane in parts.planes)
    size = f"{total} bytes, {8 * total / pixels:.4g} bits per pixel; header {parts.head}"
    if len(data) < total:
        size += f"; the file has {len(data)} bytes"
    facts = {
        "version": VERSION,
        "image": f"{header.width}x{header.height}, {header.colour.name.lower()}",
        "network": f"{header.model_id}, decoder {header.model_hash.hex()}",
        "rate": f"{header.rate}, {channels} channels of {width}x{height} samples",
        "quantizer": f"{quantizer.kind.name.lower()}, {ranges}",
        "size": size,
    }
    for name, fact in facts.items():
        typer.echo(f"{name + ':':<11}{fact}")
    typer.echo()
    rows = [
        (str(number), str(plane.size), f"{8 * plane.size / pixels:.4g}", str(plane.state))
        for number, plane in enumerate(parts.planes, 1)
    ]
    print_markdown(("plane", "bytes", "bits per pixel", "state"), rows)
    if parts.intact < len(rows):
        typer.echo(f"\n{parts.intact} of {len(rows)} planes can be decoded")
    if parts.extra:
        typer.echo("\nthe file has surplus bytes after its last plane")


def _tflite(path: Path) -> None:
    from edge_sr import graph

    network = graph.read_graph(path)
    source, target = network.input, network.output
    names = sorted({name for name, _ in graph.operators(network)})
    typer.echo(
        f"{path.name}: {source.dtype} {_size(source.shape)} to {target.dtype} "
        f"{_size(target.shape)}, {graph.parameters(network):,} parameters, "
        f"{graph.macs_per_pixel(network):,} MACs per input pixel, {', '.join(names)}"
    )


def _safetensors(path: Path) -> None:
    from edge_sr.models import checkpoint
    from edge_sr.models.registry import config_dict

    contents = checkpoint.read(path)
    kind = "int8 by quantization-aware training" if checkpoint.is_quantized(contents) else "float32"
    options = ", ".join(f"{name} {value}" for name, value in config_dict(contents.config).items())
    values = sum(array.size for array in contents.weights.values())
    typer.echo(f"{path.name}: {contents.spec.name} ({options}), {kind}, {values:,} values")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
