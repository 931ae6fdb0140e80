"""`edge-sr export`: a network as .tflite, .onnx and C array, verified, its costs in a table."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge_sr.cli import export_codec
from edge_sr.cli.common import (
    ForceOption,
    parse_path,
    print_markdown,
)
from edge_sr.cli.export_codec import MAX_SIDE
from edge_sr.errors import UserError, VerificationError
from edge_sr.files import check_folder
from edge_sr.zoo.catalog import DEFAULT_MODEL, DEFAULT_SCALE

if TYPE_CHECKING:
    from edge_sr.models.checkpoint import Checkpoint
    from edge_sr.zoo.card import Card
    from export.bundle import Source
    from export.manifest import CodecScore, Comparison, Manifest, Score, TensorRecord

_RUNTIMES = {"tflm": "TFLM", "litert": "LiteRT", "onnx": "ONNX Runtime"}


@dataclass(frozen=True)
class Weights:
    """A checkpoint to export.

    Attributes:
        checkpoint: as it was read.
        model: its architecture's name, or a shipped network's.
        scale: its scale.
        quality: what is known of its quality.
    """

    checkpoint: "Checkpoint"
    model: str
    scale: int
    quality: "tuple[Score, ...]" = ()

    @property
    def name(self) -> str:
        """Of the export, but for the arithmetic."""
        return f"{self.model}-x{self.scale}"


def export(
    model: Annotated[
        str | None,
        typer.Option(help="Name of the model.", show_default=f"{DEFAULT_MODEL}, or the weights'"),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(help="Scale.", show_default=f"{DEFAULT_SCALE}, or the weights'"),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Rate of a part of TinyCompress: 4, 16, 64 or 256.",
            show_default="16, or the weights'",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8/--float32", help="Arithmetic.")] = True,
    input_size: Annotated[
        str,
        typer.Option(
            metavar="HxW",
            help="Size of the network's input written into .tflite and C; the .onnx takes any.",
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
            show_default="artifacts/<name>, such as tinypssr-x2-int8, tinycompress-16-encoder-int8",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Convert a network, verify every file, and state what it costs and how good it is.

    Needs no network connection. Exporting the same weights twice gives the same bytes.
    """
    from export import bundle

    size = height, width = parse_size(input_size)
    kinds = [kind.strip() for kind in formats.split(",")] if formats.strip() else []
    bundle.check_formats(kinds)
    own = None if checkpoint is None else _read(checkpoint)
    weights = _find(export_codec.Wanted(model, scale, rate, int8, own), size)
    name = f"{weights.name}-{'int8' if int8 else 'float32'}"
    folder = out or Path("artifacts") / name
    bundle.check_target(folder, name, kinds, force)
    check_folder(folder)
    bundle.check_packages(kinds)
    source = _convert(weights, height, width, int8)
    print_table(bundle.write(source, name, kinds, folder, force), folder)


def _read(path: Path) -> "Checkpoint":
    from edge_sr.models import checkpoint

    return checkpoint.read(path)


def _find(wanted: export_codec.Wanted, size: tuple[int, int]) -> Weights | export_codec.PartWeights:
    part = export_codec.find_part(wanted, size)
    if part is not None:
        return part
    return find_weights(wanted.model, wanted.scale, wanted.int8, wanted.checkpoint)


def _convert(
    weights: Weights | export_codec.PartWeights, height: int, width: int, int8: bool
) -> "Source":
    from edge_sr import graph
    from export import bundle, tflite

    if isinstance(weights, Weights):
        network = tflite.convert(weights.checkpoint, height, width, int8)
        precision: Literal["int8", "float32"] = "int8" if int8 else "float32"
        source = bundle.Source(network, weights.model, precision, weights.quality)
    else:
        source = export_codec.convert(weights, height, width, int8)
    try:
        graph.read_graph(source.tflite)
    except UserError as error:
        raise VerificationError(
            f"{weights.checkpoint.source} makes a network that cannot be used: {error}"
        ) from None
    return source


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
    model: str | None, scale: int | None, int8: bool, checkpoint: "Checkpoint | None"
) -> Weights:
    """Return the shipped checkpoint that the options name, or the given one, which tells its model
    and scale itself.

    Raises:
        UserError: there is none, or it is of another model or scale.
    """
    from edge_sr.models import checkpoint as checkpoints
    from edge_sr.zoo import catalog

    if checkpoint is None:
        entry = catalog.resolve(model, scale, kind="super-resolution").entry
        if entry is None:
            raise UserError(f"{model} is a file; name weights with --checkpoint")
        read = checkpoints.read(entry.checkpoint("int8" if int8 else "float32"))
        return Weights(read, entry.model, entry.scale, scores(entry.card))
    model = checkpoint.spec.name if model is None else model
    scale = checkpoint.config.scale if scale is None else scale
    checkpoints.require_model(checkpoint, model, scale)
    return Weights(checkpoint, model, scale)


def scores(card: "Card") -> "tuple[Score, ...]":
    """The quality on a card: [quality.<precision>.<data set>] with psnr and ssim."""
    from export.manifest import Score

    return tuple(
        Score(precision, dataset, float(values["psnr"]), float(values["ssim"]))
        for precision in ("float32", "int8")
        for dataset, values in card.scores(precision).items()
    )


def print_table(manifest: "Manifest", folder: Path) -> None:
    """Print the manifest as one Markdown table."""
    print_markdown(["export", str(folder)], describe(manifest))


def describe(manifest: "Manifest") -> list[tuple[str, str]]:
    """The rows of the table, as name and value."""
    return [
        ("model", _model(manifest)),
        *_costs(manifest),
        *((f"file {file.name}", f"{file.bytes:,} bytes") for file in manifest.files),
        ("operators", ", ".join(f"{each.name} v{each.version}" for each in manifest.operators)),
        ("input", _tensor(manifest.input)),
        ("output", _tensor(manifest.output)),
        *(_comparison(each, manifest) for each in manifest.verification.comparisons),
        *(_codec_quality(manifest.codec_quality) or _quality(manifest.quality)),
        *(("note", note) for note in manifest.verification.notes),
    ]


def _costs(manifest: "Manifest") -> list[tuple[str, str]]:
    frame = f"{manifest.input_height}x{manifest.input_width}"
    arena = manifest.tflm_arena
    return [
        ("parameters", f"{manifest.parameters:,}"),
        (f"MACs per {_pixel(manifest)}", f"{manifest.macs_per_lr_pixel:,.10g}"),
        (f"MACs per {frame} frame", f"{manifest.macs_per_frame:,}"),
        (
            f"TFLM arena at {frame}",
            f"{arena.bytes:,} bytes, {arena.abi}" if arena else "not known, see note",
        ),
        ("halo", f"{manifest.halo} {_pixel(manifest)}s on each side"),
    ]


def _model(manifest: "Manifest") -> str:
    text = f"{manifest.model} x{Fraction(manifest.scale)} {manifest.precision}"
    if not _is_part(manifest):
        return text
    rate = round(max(manifest.scale, 1 / manifest.scale) ** 2)
    return f"{text}, rate {rate}"


def _is_part(manifest: "Manifest") -> bool:
    return manifest.model in export_codec.MODELS


def _pixel(manifest: "Manifest") -> str:
    return "input pixel" if _is_part(manifest) else "LR pixel"


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
    if record.mean_difference is not None:
        text += f", mean {record.mean_difference:.2g}"
    if record.psnr_difference is not None:
        measure = "PSNR-RGB of the decoded" if _is_part(manifest) else "PSNR"
        text += f", {measure} within {record.psnr_difference:.4f} dB"
    return f"{name}, {images}", text


def _codec_quality(scores: "tuple[CodecScore, ...]") -> list[tuple[str, str]]:
    return [
        (
            f"codec on {score.dataset}, {score.precision}",
            f"{score.bpp:.3f} bpp, PSNR-Y {score.psnr_y:.2f} dB, "
            f"PSNR-RGB {score.psnr_rgb:.2f} dB, MS-SSIM {score.ms_ssim:.4f}",
        )
        for score in scores
    ]


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
