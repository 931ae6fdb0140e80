"""`edge-sr info`: describes a .tcz file or a network file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import streams
from edge_sr.cli.common import parse_path, print_markdown
from edge_sr.cli.compress import SUFFIX
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.runtime.description import Description


def info(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            parser=parse_path,
            help="A .tcz file (or - for stdin), a .tflite, .onnx or .safetensors file.",
        ),
    ],
) -> None:
    """Describe a .tcz file or a network's file.

    Of a .tcz file: its header, and the size and state of each bit plane or part. Of a .tflite or
    .onnx of any kind: inputs and outputs, costs, operators, and which runtimes and commands take
    it. Of a .safetensors file: the network that it holds.
    """
    describe = {".tflite": _tflite, ".onnx": _onnx, ".safetensors": _safetensors, SUFFIX: _tcz}
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
    from edge_sr.cli import tcz_info

    tcz_info.describe(path)


def _tflite(path: Path) -> None:
    from edge_sr.graph import read_bytes
    from edge_sr.runtime.description import describe_tflite

    _describe(path, describe_tflite(read_bytes(path)))


def _onnx(path: Path) -> None:
    from edge_sr.graph import read_bytes
    from edge_sr.runtime.onnx_description import describe_onnx

    _describe(path, describe_onnx(read_bytes(path)))


def _describe(path: Path, network: "Description") -> None:
    typer.echo(f"{path.name}: {network.summary}\n")
    print_markdown(("property", "value"), network.facts)
    typer.echo()
    print_markdown(("taken by", ""), [(door.name, door.takes) for door in network.doors])
    obstacles: dict[tuple[str, ...], list[str]] = {}
    for door in network.doors:
        if door.obstacles:
            obstacles.setdefault(door.obstacles, []).append(door.name)
    for texts, names in obstacles.items():
        typer.echo(f"\nIn the way of {', '.join(names)}:")
        for text in texts:
            typer.echo(f"- {text}")


def _safetensors(path: Path) -> None:
    from edge_sr.models import checkpoint
    from edge_sr.models.registry import config_dict

    contents = checkpoint.read(path)
    kind = "int8 by quantization-aware training" if checkpoint.is_quantized(contents) else "float32"
    options = ", ".join(f"{name} {value}" for name, value in config_dict(contents.config).items())
    values = sum(array.size for array in contents.weights.values())
    typer.echo(f"{path.name}: {contents.spec.name} ({options}), {kind}, {values:,} values")
