"""Exports a network: finds its weights, converts them, and writes and verifies the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_sr import graph
from edge_sr.errors import UserError, VerificationError
from edge_sr.files import check_folder, check_is_file
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import registry
from edge_sr.models.cae import CaeConfig
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.models.tinycompress import CodecConfig
from edge_sr.zoo import catalog
from edge_sr.zoo.card import Card
from edge_sr.zoo.catalog import CODEC, CODEC_PARTS, Precision
from export import bundle, tflite
from export.manifest import CodecScore, Manifest, Score
from export.placement import FORMATS, check_target

DEFAULT_SIZE = (32, 32)
MAX_SIDE = 4096
"""Pixels; an interpreter's memory grows with the exported size."""

_OTHER_SIDE = 32  # of a codec's other part, which verification runs at any size


@dataclass(frozen=True)
class Weights:
    """The weights to export.

    Attributes:
        checkpoint: an upscaler's or a codec's.
        id: "tinypssr-x2", "tinycompress-16/encoder".
        model: as the manifest names it: "tinypssr", "tinycompress-encoder".
        part: of a codec: "encoder" or "decoder"; None for an upscaler.
        quality: measured quality of an upscaler; empty if unknown.
        codec_quality: measured quality of a codec; empty if unknown.
    """

    checkpoint: Checkpoint
    id: str
    model: str
    part: str | None = None
    quality: tuple[Score, ...] = ()
    codec_quality: tuple[CodecScore, ...] = ()

    @property
    def name(self) -> str:
        """Name of the export without the precision: "tinypssr-x2", "tinycompress-16-encoder"."""
        return self.id.replace("/", "-")


def find_weights(
    name: str | None = None,
    scale: int | None = None,
    rate: int | None = None,
    precision: Precision = "int8",
    checkpoint: Path | None = None,
) -> Weights:
    """Find the weights that a name or a checkpoint means.

    Args:
        name: as in `catalog.resolve`, or a .safetensors file; with `checkpoint` the model or the
            part of a codec that it must be of.
        scale: that an upscaler must have.
        rate: that a codec must have.
        precision: of the shipped weights, "int8" or "float32".
        checkpoint: a .safetensors file; None for shipped weights.

    Raises:
        UserError: no network has that name, a file is not a checkpoint or of another model, scale
            or rate, or a codec is named without a part.
    """
    if checkpoint is None and name is not None and name.lower().endswith(".safetensors"):
        checkpoint, name = Path(name), None
    if checkpoint is not None:
        return _own(checkpoints.read(checkpoint), name, scale, rate)
    network = _shipped(name, scale, rate)
    assert network.entry is not None
    path = network.entry.checkpoint(precision)
    if precision == "int8" and not path.is_file():
        raise UserError(f"{network.entry.id} has no int8 networks; give --float32")
    found, card = checkpoints.read(path), network.entry.card
    if network.part == "upscaler":
        return Weights(found, network.id, network.entry.model, None, scores(card))
    model = f"{found.spec.name}-{network.part}"
    return Weights(found, network.id, model, network.part, (), codec_scores(card))


def check_arguments(
    name: str | None,
    scale: int | None,
    rate: int | None,
    precision: Precision,
    checkpoint: Path | None,
    formats: Sequence[str],
) -> None:
    """Check the arguments of `find_weights`, the formats and then the packages; read no weights.

    Raises:
        UserError: a name or format is unknown, a file is missing, or packages are.
    """
    bundle.check_formats(formats)
    if checkpoint is None and (name is None or not name.lower().endswith(".safetensors")):
        _shipped(name, scale, rate)
    else:
        _check_checkpoint(Path(name or "") if checkpoint is None else checkpoint)
    bundle.check_packages(formats, precision)


def _check_checkpoint(path: Path) -> None:
    if path.suffix.lower() in (".tflite", ".onnx"):
        raise UserError(f"{path} is converted already; export takes a checkpoint (.safetensors)")
    check_is_file(path, "a checkpoint (.safetensors)")


def _shipped(name: str | None, scale: int | None, rate: int | None) -> catalog.Network:
    """The shipped upscaler or part of a codec that a name means."""
    network = catalog.resolve(name, scale, rate)
    if network.entry is None:
        raise UserError(f"{name} is converted already; export takes a checkpoint (.safetensors)")
    if network.part is None:
        parts = " or ".join(f"{network.id}/{part}" for part in CODEC_PARTS)
        raise UserError(f"a codec is exported part by part: name {parts}")
    return network


def _own(checkpoint: Checkpoint, name: str | None, scale: int | None, rate: int | None) -> Weights:
    """A user's own checkpoint, which says its model, scale and rate itself."""
    base, part = catalog.split_part(name or checkpoint.spec.name)
    source, model = checkpoint.source, checkpoint.spec.name
    if part is None:
        if tflite.step_of(checkpoint) is not None:
            raise UserError(_part_needed(model))
        if rate is not None:
            raise UserError(f"{source} is an upscaler, which has no rate; leave --rate out")
        expected, named_scale = _model_and_scale(base, scale)
        scale = checkpoint.config.scale if named_scale is None else named_scale
        checkpoints.require_model(checkpoint, expected, scale)
        return Weights(checkpoint, f"{model}-x{scale}", model)
    codecs = [each for each in registry.names("codec") if not each.endswith(CODEC_PARTS)]
    if base not in codecs:
        raise UserError(f"{base} is a shipped codec; with --checkpoint, name {model}-{part}")
    if scale is not None:
        raise UserError(f"{name} has a rate and no scale; name --rate instead of --scale")
    if base != model:
        raise UserError(f"{source} is a checkpoint of {model}; one of {base} is needed")
    if not isinstance(checkpoint.config, CodecConfig):
        if rate is not None:
            raise UserError(f"{source} has qualities, and no rate; leave --rate out")
        return Weights(checkpoint, f"{model}/{part}", f"{model}-{part}", part)
    if rate not in (None, checkpoint.config.rate):
        raise UserError(f"{source} has rate {checkpoint.config.rate}, not {rate}")
    return Weights(checkpoint, f"{CODEC}-{checkpoint.config.rate}/{part}", f"{CODEC}-{part}", part)


def _model_and_scale(name: str, scale: int | None) -> tuple[str, int | None]:
    """Model and scale of "tinypssr-x2", or of "tinypssr" with the scale that is given."""
    model, separator, digits = name.rpartition("-x")
    if not (separator and digits.isdecimal()):
        return name, scale
    if scale not in (None, int(digits)):
        raise UserError(f"{name} upscales x{digits}, not x{scale}")
    return model, int(digits)


def _part_needed(model: str) -> str:
    parts = " or ".join(f"{model}-{part}" for part in CODEC_PARTS)
    return f"{model} is exported part by part: name {parts}"


def export_weights(
    weights: Weights,
    folder: Path,
    precision: Precision = "int8",
    size: tuple[int, int] = DEFAULT_SIZE,
    formats: Sequence[str] = FORMATS,
    force: bool = False,
) -> Manifest:
    """Convert weights, write all files and verify each; a failure leaves nothing behind.

    Args:
        weights: as `find_weights` gives them.
        folder: where to; made if it is missing.
        precision: "int8" or "float32".
        size: (height, width) of the network's input in .tflite and C, pixels or latent samples.
        formats: some of "tflite", "onnx", "c".
        force: whether an earlier export in the folder is replaced.

    Returns:
        what manifest.json holds.

    Raises:
        UserError: a format is unknown, a package is missing, the size does not suit the network,
            the folder cannot be written or holds an export, or the checkpoint is of the other
            precision.
        VerificationError: a file failed its check.
    """
    name = f"{weights.name}-{precision}"
    bundle.check_formats(formats)
    _check_size(weights, size)
    if "onnx" in formats and "onnx" not in usual_formats(weights):
        raise UserError(f"{weights.id} has no .onnx yet; give --format tflite,c")
    check_target(folder, name, formats, force)
    check_folder(folder)
    bundle.check_packages(formats, precision)
    return bundle.write(_convert(weights, size, precision), name, formats, folder, force)


def usual_formats(weights: Weights) -> tuple[str, ...]:
    """The formats that are written where none is asked for: all that the network can have."""
    with_onnx = not isinstance(weights.checkpoint.config, CaeConfig)
    return tuple(each for each in FORMATS if with_onnx or each != "onnx")


def _check_size(weights: Weights, size: tuple[int, int]) -> None:
    height, width = size
    if max(size) > MAX_SIDE or min(size) < 1:
        raise UserError(f"an input of {width}x{height} is not possible; sides are 1 to {MAX_SIDE}")
    step = tflite.step_of(weights.checkpoint)
    if step is None:
        return
    if weights.part == "decoder" and max(size) * step > MAX_SIDE:
        raise UserError(
            f"{width}x{height} latents are {width * step}x{height * step} pixels; a decoder makes "
            f"at most {MAX_SIDE} a side, so a side of its input is at most {MAX_SIDE // step}"
        )
    if weights.part == "encoder" and (height % step or width % step):
        raise UserError(
            f"{weights.id} halves images {step.bit_length() - 1} times: sides of its input are "
            f"multiples of {step}, not {width}x{height}"
        )


def _convert(weights: Weights, size: tuple[int, int], precision: Precision) -> bundle.Source:
    int8 = precision == "int8"
    if weights.part is None:
        network = tflite.convert(weights.checkpoint, *size, int8)
        source = bundle.Source(network, weights.model, precision, weights.quality)
    else:
        source = _convert_part(weights, weights.part, size, precision)
    try:
        graph.read_graph(source.tflite)
    except UserError as error:
        raise VerificationError(
            f"{weights.checkpoint.source} makes a network that cannot be used: {error}"
        ) from None
    return source


def _convert_part(
    weights: Weights, part: str, size: tuple[int, int], precision: Precision
) -> bundle.Source:
    """A codec's part, with the other one, by which it is verified."""
    config, int8 = weights.checkpoint.config, precision == "int8"
    (other,) = (each for each in CODEC_PARTS if each != part)
    side = max(_OTHER_SIDE, tflite.step_of(weights.checkpoint) or 1)
    return bundle.Source(
        tflite.convert_part(weights.checkpoint, part, *size, int8),
        weights.model,
        precision,
        other=tflite.convert_part(weights.checkpoint, other, side, side, int8),
        passes=config.iterations if isinstance(config, CodecConfig) else 1,
        codec_quality=weights.codec_quality,
    )


def scores(card: Card) -> tuple[Score, ...]:
    """An upscaler's quality on its card, by precision and data set."""
    return tuple(
        Score(precision, dataset, float(values["psnr"]), float(values["ssim"]))
        for precision in ("float32", "int8")
        for dataset, values in card.scores(precision).items()
    )


def codec_scores(card: Card) -> tuple[CodecScore, ...]:
    """A codec's quality on its card, by precision and data set."""
    names = ("bpp", "psnr_y", "psnr_rgb", "ms_ssim")
    return tuple(
        CodecScore(precision, dataset, *(float(values[name]) for name in names))
        for precision in ("float32", "int8")
        for dataset, values in card.scores(precision).items()
    )
