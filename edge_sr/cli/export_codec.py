"""`edge-sr export` for the parts of a codec: which weights, and both networks made of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge_sr.errors import UserError
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import CODEC

if TYPE_CHECKING:
    from edge_sr.models.checkpoint import Checkpoint
    from edge_sr.models.tinycompress import CodecConfig
    from edge_sr.zoo.card import Card
    from export.bundle import Source
    from export.manifest import CodecScore

ENCODER, DECODER = "encoder", "decoder"
MODELS = (f"{CODEC}-{ENCODER}", f"{CODEC}-{DECODER}")
MAX_SIDE = 4096
"""Pixels; an interpreter's memory grows with the exported size."""

_SIDE = 32
"""Of the other part, which only verification runs, at any size; a multiple of every step."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for; None where it leaves it open."""

    model: str | None
    scale: int | None
    rate: int | None
    int8: bool
    checkpoint: "Checkpoint | None"


@dataclass(frozen=True)
class PartWeights:
    """A checkpoint of a codec, one part of which is to be exported.

    Attributes:
        checkpoint: as it was read.
        codec: its name: "tinycompress-16".
        part: "encoder" or "decoder".
        passes: how often each part applies its weights.
        quality: what is known of the codec's quality.
    """

    checkpoint: "Checkpoint"
    codec: str
    part: str
    passes: int
    quality: "tuple[CodecScore, ...]"

    @property
    def name(self) -> str:
        """Of the export, but for the arithmetic."""
        return f"{self.codec}-{self.part}"


def find_part(wanted: Wanted, size: tuple[int, int]) -> PartWeights | None:
    """The part that the options mean; None where they mean an upscaler.

    Raises:
        UserError: there is none, or it takes no input of this size.
    """
    part, codec = _split(wanted.model)
    if part is None:
        if wanted.model == CODEC or _is_codec(wanted):
            raise UserError(
                f"{CODEC} is exported part by part: name --model {' or --model '.join(MODELS)}"
            )
        if wanted.rate is not None:
            raise UserError(f"--rate is for {' and '.join(MODELS)}; upscalers have a --scale")
        return None
    if wanted.scale is not None:
        raise UserError(f"{wanted.model} has a rate and no scale; name --rate instead of --scale")
    if codec is not None and wanted.checkpoint is not None:
        raise UserError(f"{codec} is a shipped codec; with --checkpoint, name {CODEC}-{part}")
    found = _shipped(wanted, part, codec) if wanted.checkpoint is None else _own(wanted, part)
    _check_size(found, size)
    return found


def _split(model: str | None) -> tuple[str | None, str | None]:
    """The part that a name ends in, and the codec that it names: "tinycompress-rd"."""
    codec, part = catalog.split_part(model or "")
    return part, None if part is None or codec == CODEC else codec


def _is_codec(wanted: Wanted) -> bool:
    if wanted.model is not None or wanted.checkpoint is None:
        return False
    return wanted.checkpoint.spec.name == CODEC


def _shipped(wanted: Wanted, part: str, codec: str | None) -> PartWeights:
    from edge_sr.models import checkpoint

    entry = catalog.resolve(codec, rate=wanted.rate, kind="codec").entry
    assert entry is not None  # a codec is never a single file
    path = entry.checkpoint("int8" if wanted.int8 else "float32")
    if wanted.int8 and not path.is_file():
        raise UserError(f"{entry.id} has no int8 networks; give --float32")
    read = checkpoint.read(path)
    passes = _config(read, wanted.rate).iterations
    return PartWeights(read, entry.id, part, passes, scores(entry.card))


def _own(wanted: Wanted, part: str) -> PartWeights:
    assert wanted.checkpoint is not None
    config = _config(wanted.checkpoint, wanted.rate)
    return PartWeights(wanted.checkpoint, f"{CODEC}-{config.rate}", part, config.iterations, ())


def _config(checkpoint: "Checkpoint", rate: int | None) -> "CodecConfig":
    """Return the config of a codec's checkpoint.

    Raises:
        UserError: the checkpoint is of another model, or not of this rate.
    """
    from edge_sr.models import tinycompress

    source = checkpoint.source
    if checkpoint.spec.name != CODEC:
        raise UserError(
            f"{source} is a checkpoint of {checkpoint.spec.name}; one of {CODEC} is needed"
        )
    config = checkpoint.config
    assert isinstance(config, tinycompress.CodecConfig)
    if rate not in (None, config.rate):
        raise UserError(f"{source} has rate {config.rate}, not {rate}")
    return config


def _check_size(weights: PartWeights, size: tuple[int, int]) -> None:
    step = 2**weights.passes
    if weights.part == DECODER and max(size) * step > MAX_SIDE:
        raise UserError(
            f"{size[0]}x{size[1]} latents are {size[0] * step}x{size[1] * step} pixels; a decoder "
            f"makes at most {MAX_SIDE} a side: {MAX_SIDE // step} is the most for --input-size"
        )
    if weights.part == ENCODER and (size[0] % step or size[1] % step):
        raise UserError(
            f"{weights.codec} halves images {weights.passes} times: --input-size takes multiples "
            f"of {step}, not {size[0]}x{size[1]}"
        )


def convert(weights: PartWeights, height: int, width: int, int8: bool) -> "Source":
    """The part as an export's source, with the other one, by which it is verified."""
    from export import bundle, tflite

    other = DECODER if weights.part == ENCODER else ENCODER
    network = tflite.convert_part(weights.checkpoint, weights.part, height, width, int8)
    precision: Literal["int8", "float32"] = "int8" if int8 else "float32"
    return bundle.Source(
        network,
        f"{CODEC}-{weights.part}",
        precision,
        other=tflite.convert_part(weights.checkpoint, other, _SIDE, _SIDE, int8),
        passes=weights.passes,
        codec_quality=weights.quality,
    )


def scores(card: "Card") -> "tuple[CodecScore, ...]":
    """The quality on a codec's card: [quality.<precision>.<data set>]."""
    from export.manifest import CodecScore

    names = ("bpp", "psnr_y", "psnr_rgb", "ms_ssim")
    return tuple(
        CodecScore(precision, dataset, *(float(values[name]) for name in names))
        for precision in ("float32", "int8")
        for dataset, values in card.scores(precision).items()
    )
