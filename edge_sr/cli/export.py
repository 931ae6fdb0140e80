"""`edge-sr export`: a network as .tflite, .onnx and C array, verified, its costs in a table."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_sr.cli.common import (
    DEFAULT_MODEL,
    DEFAULT_SCALE,
    ForceOption,
    check_folder,
    known_scale,
    parse_path,
    print_markdown,
)
from edge_sr.errors import UserError, VerificationError

if TYPE_CHECKING:
    from export.manifest import Comparison, Manifest, Score, TensorRecord

MAX_SIDE = 4096
"""Pixels; an interpreter's memory grows with the exported size."""

_RUNTIMES = {"tflm": "TFLM", "litert": "LiteRT", "onnx": "ONNX Runtime"}


@dataclass(frozen=True)
class Weights:
    """A checkpoint to export.

    Attributes:
        path: the file.
        model: its architecture's name.
        scale: its scale.
        quality: what is known of its quality.
    """

    path: Path
    model: str
    scale: int
    quality: "tuple[Score, ...]"


def export(
    model: Annotated[
        str | None,
        typer.Option(help="Name of the model.", show_default=f"{DEFAULT_MODEL}, or the weights'"),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(help="Scale.", show_default=f"{DEFAULT_SCALE}, or the weights'"),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8/--float32", help="Arithmetic.")] = True,
    input_size: Annotated[
        str,
        typer.Option(
            metavar="HxW",
            help="Low-resolution size written into .tflite and C; the .onnx takes any size.",
        ),
    ] = "32x32",
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Weights (.safetensors).",
            show_default="the shipped ones",
        ),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Any of tflite, onnx, c, joined by commas.")
    ] = "tflite,onnx,c",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Folder.",
            show_default="artifacts/<model>-x<scale>-<arithmetic>",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Convert a network, verify every file, and state what it costs and how good it is.

    Needs no network connection. Exporting the same weights twice gives the same bytes.
    """
    from export import bundle

    height, width = parse_size(input_size)
    kinds = [kind.strip() for kind in formats.split(",")] if formats.strip() else []
    bundle.check_formats(kinds)
    weights = find_weights(model, scale, int8, checkpoint)
    precision: Literal["int8", "float32"] = "int8" if int8 else "float32"
    name = f"{weights.model}-x{weights.scale}-{precision}"
    folder = out or Path("artifacts") / name
    bundle.check_target(folder, name, kinds, force)
    check_folder(folder)
    bundle.check_packages(kinds)
    network = _convert(weights.path, height, width, int8)
    source = bundle.Source(network, weights.model, precision, weights.quality)
    print_table(bundle.write(source, name, kinds, folder, force), folder)


def _convert(weights: Path, height: int, width: int, int8: bool) -> bytes:
    from edge_sr import graph
    from export.tflite import convert

    network = convert(weights, height, width, int8)
    try:
        graph.read_graph(network)
    except UserError as error:
        raise VerificationError(f"{weights} makes a network that cannot be used: {error}") from None
    return network


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "HxW", each 1 to 4096.

    Raises:
        UserError: it is something else.
    """
    match = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    height, width = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UserError(
            f"{text!r} is no input size; write HxW with sides of 1 to {MAX_SIDE}, such as 32x32"
        )
    return height, width


def find_weights(
    model: str | None, scale: int | None, int8: bool, checkpoint: Path | None
) -> Weights:
    """The checkpoint that the options mean; one that is named tells its model and scale itself.

    Raises:
        UserError: there is none, or it is of another model or scale.
    """
    from edge_sr import zoo
    from edge_sr.models import checkpoint as checkpoints

    quality: tuple[Score, ...] = ()
    if checkpoint is None:
        entry = zoo.find(DEFAULT_MODEL if model is None else model, known_scale(scale))
        checkpoint = entry.int8_checkpoint if int8 else entry.float_checkpoint
        quality = scores(entry.card)
    found = checkpoints.read(checkpoint)
    model = found.spec.name if model is None else model
    scale = found.config.scale if scale is None else scale
    checkpoints.read_for(checkpoint, model, scale)
    return Weights(checkpoint, model, scale, quality)


def scores(card: dict[str, Any]) -> "tuple[Score, ...]":
    """The quality on a card: [quality.<precision>.<data set>] with psnr and ssim."""
    from export.manifest import Score

    quality = card.get("quality", {})
    return tuple(
        Score(precision, dataset, float(values["psnr"]), float(values["ssim"]))
        for precision in ("float32", "int8")
        for dataset, values in quality.get(precision, {}).items()
    )


def print_table(manifest: "Manifest", folder: Path) -> None:
    """Print the manifest as one Markdown table."""
    print_markdown(["export", str(folder)], describe(manifest))


def describe(manifest: "Manifest") -> list[tuple[str, str]]:
    """The rows of the table, as name and value."""
    return [
        ("model", f"{manifest.model} x{manifest.scale:g} {manifest.precision}"),
        *_costs(manifest),
        *((f"file {file.name}", f"{file.bytes:,} bytes") for file in manifest.files),
        ("operators", ", ".join(f"{each.name} v{each.version}" for each in manifest.operators)),
        ("input", _tensor(manifest.input)),
        ("output", _tensor(manifest.output)),
        *(_comparison(each, manifest) for each in manifest.verification.comparisons),
        *_quality(manifest.quality),
        *(("note", note) for note in manifest.verification.notes),
    ]


def _costs(manifest: "Manifest") -> list[tuple[str, str]]:
    frame = f"{manifest.input_height}x{manifest.input_width}"
    arena = manifest.tflm_arena
    return [
        ("parameters", f"{manifest.parameters:,}"),
        ("MACs per LR pixel", f"{manifest.macs_per_lr_pixel:,.10g}"),
        (f"MACs per {frame} frame", f"{manifest.macs_per_frame:,}"),
        (
            f"TFLM arena at {frame}",
            f"{arena.bytes:,} bytes, {arena.abi}" if arena else "not known, see note",
        ),
    ]


def _tensor(tensor: "TensorRecord") -> str:
    text = f"{tensor.dtype} {list(tensor.shape)}"
    if not tensor.scales:
        return text
    return f"{text}, scale {tensor.scales[0]:.9g}, zero point {tensor.zero_points[0]}"


def _comparison(record: "Comparison", manifest: "Manifest") -> tuple[str, str]:
    suffix = record.file.rpartition(".")[2]
    runtime, reference = _RUNTIMES[record.runtime], _RUNTIMES[manifest.verification.reference]
    name = f".{suffix} in {runtime} against {reference}"
    images = "photographs" if record.inputs == "real" else "noise"
    step = "LSB" if manifest.precision == "int8" else "/255"
    text = f"at most {record.max_difference:.3g} {step}, {record.differing_share:.2%} differ"
    if record.psnr_difference is not None:
        text += f", PSNR within {record.psnr_difference:.4f} dB"
    return f"{name}, {images}", text


def _quality(scores: "tuple[Score, ...]") -> list[tuple[str, str]]:
    if not scores:
        return [("quality", "not measured for these weights")]
    datasets = list(dict.fromkeys(score.dataset for score in scores))
    return [
        (
            f"PSNR / SSIM on {dataset}",
            ", ".join(
                f"{score.precision} {score.psnr:.2f} dB / {score.ssim:.4f}"
                for score in scores
                if score.dataset == dataset
            ),
        )
        for dataset in datasets
    ]
