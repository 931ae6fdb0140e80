"""`edge-sr export`: a network as .tflite, .onnx and C array, verified, its costs in a table."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, parse_path, print_markdown
from edge_sr.cli.export_keras import export_keras, is_keras, request_of
from edge_sr.cli.options import ModelArgument, ModelOption, one_model
from edge_sr.errors import UserError
from edge_sr.files import check_folder
from edge_sr.zoo.catalog import DEFAULT_RATE, DEFAULT_SCALE, Precision

if TYPE_CHECKING:
    from export.manifest import CodecScore, Comparison, Manifest, Score, TensorRecord

_RUNTIMES = {"tflm": "TFLM", "litert": "LiteRT", "onnx": "ONNX Runtime"}
_SIZE = "32x32"


def export(
    model: ModelArgument = None,
    model_option: ModelOption = None,
    scale: Annotated[
        int | None,
        typer.Option(
            help="Scale of an upscaler.",
            show_default=f"the name's or the weights', {DEFAULT_SCALE}",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Rate of tinycompress-encoder and -decoder: 4, 16, 64 or 256.",
            show_default=f"the name's or the weights', {DEFAULT_RATE}",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8/--float32", help="Precision.")] = True,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Size of the network's input in .tflite and C; the .onnx takes any size.",
            show_default=_SIZE,
        ),
    ] = None,
    input_size: Annotated[str | None, typer.Option(hidden=True)] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Weights (.safetensors).",
            show_default="the shipped weights",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="FOLDER",
            help=".keras files: images like those that the network will see, to quantize it.",
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            "--input-range",
            metavar="RANGE",
            help=".keras files: the values of black and white: 0..1, 0..255 or -1..1.",
            show_default="0..1; 0..255 if it starts with a Rescaling layer",
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Some of tflite, onnx, c, joined by commas.",
            show_default="tflite,onnx,c; tflite,c of cae and of a .keras file",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Output folder.",
            show_default="artifacts/<name>, such as tinypssr-x2-int8, tinycompress-16-encoder-int8",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Export a network as int8 .tflite, .onnx and C, verify every file, and state its costs.

    MODEL is a shipped network, your weights (.safetensors), or any Keras network of images
    (.keras), which is quantized on the images of --images. Works offline. Exporting the same
    weights twice gives the same bytes.
    """
    from edge_sr.sizes import parse_size
    from export import networks

    name = None if model is model_option is None else one_model(model, model_option)
    if name is not None and is_keras(name):
        if (scale, rate, checkpoint, input_size) != (None, None, None, None):
            raise UserError("--scale, --rate and --checkpoint are not for .keras files")
        request = request_of(name, images, size, input_range, int8)
        export_keras(request, _formats("tflite,c" if formats is None else formats), out, force)
        return
    if (images, input_range) != (None, None):
        raise UserError("--images and --input-range are for .keras files")
    frame = parse_size(_one_size(size, input_size), networks.MAX_SIDE)
    kinds = _formats("tflite,onnx,c" if formats is None else formats)
    precision: Precision = "int8" if int8 else "float32"
    if out is not None:
        check_folder(out)
    networks.check_arguments(name, scale, rate, precision, checkpoint, kinds)
    weights = networks.find_weights(name, scale, rate, precision, checkpoint)
    if formats is None:
        kinds = list(networks.usual_formats(weights))
    folder = out or Path("artifacts") / f"{weights.name}-{precision}"
    manifest = networks.export_weights(weights, folder, precision, frame, kinds, force)
    print_table(manifest, folder)


def _formats(text: str) -> list[str]:
    return [kind.strip() for kind in text.split(",")] if text.strip() else []


def _one_size(size: str | None, input_size: str | None) -> str:
    """The size as WIDTHxHEIGHT; --input-size, of earlier versions, was HEIGHTxWIDTH.

    Raises:
        UserError: --input-size is not square, so that its order is unclear, or both are given.
    """
    if input_size is None:
        return size or _SIZE
    if size is not None:
        raise UserError("--size and --input-size are the same; give --size alone")
    first, _, second = input_size.lower().partition("x")
    if first != second:
        raise UserError(
            f"--input-size {input_size} is ambiguous: it was HEIGHTxWIDTH, and sizes are "
            f"WIDTHxHEIGHT now; write --size {second}x{first} for a width of {second}"
        )
    return input_size


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
    frame = f"{manifest.input_width}x{manifest.input_height}"
    arena = manifest.tflm_arena
    return [
        ("parameters", f"{manifest.parameters:,}"),
        (f"MACs per {_pixel(manifest)}", f"{manifest.macs_per_lr_pixel:,.10g}"),
        (f"MACs per {frame} frame", f"{manifest.macs_per_frame:,}"),
        (
            f"TFLM arena at {frame}",
            f"{arena.bytes:,} bytes, {arena.abi}" if arena else "unknown, see note",
        ),
        ("halo", f"{manifest.halo} {_pixel(manifest)}s on each side"),
    ]


def _model(manifest: "Manifest") -> str:
    text = f"{manifest.model} x{Fraction(manifest.scale)} {manifest.precision}"
    if not _is_part(manifest) or manifest.model.startswith("cae"):
        return text
    rate = round(max(manifest.scale, 1 / manifest.scale) ** 2)
    return f"{text}, rate {rate}"


def _is_part(manifest: "Manifest") -> bool:
    return manifest.model.endswith(("-encoder", "-decoder"))


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
    images = "images" if record.inputs == "real" else "noise"
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
