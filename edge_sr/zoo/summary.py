"""Summarizes the networks of the zoo: what each costs, computed from its files, and how good it is.

MACs are multiply-accumulates; a network's costs are the same in float32 and in int8.
"""

from dataclasses import dataclass
from typing import Any

from edge_sr import graph
from edge_sr.models.tinycompress import CodecConfig
from edge_sr.zoo.catalog import CODEC_PARTS, Entry


@dataclass(frozen=True)
class UpscalerSummary:
    """Costs and quality of an upscaler.

    Attributes:
        id: of the network, "tinypssr-x2".
        model: the id without the scale.
        architecture: name of the registered architecture.
        scale: upscaling factor.
        parameters: weights and biases.
        macs_per_lr_pixel: MACs per low-resolution pixel.
        int8_bytes: size of the int8 .tflite file.
        float32_bytes: size of the float32 .tflite file.
        quality: PSNR (dB) and SSIM by precision, then by test set; "bicubic" for comparison, and
            "start" for the network that training started from, where there is one.
    """

    id: str
    model: str
    architecture: str
    scale: int
    parameters: int
    macs_per_lr_pixel: float
    int8_bytes: int
    float32_bytes: int
    quality: dict[str, Any]


@dataclass(frozen=True)
class CodecSummary:
    """Costs and quality of a codec.

    Attributes:
        id: of the codec, "tinycompress-16".
        model: the same.
        rate: pixels per latent sample of a channel; None for a codec with qualities.
        parameters: of the encoder and of the decoder; shared weights count once.
        macs_per_pixel: MACs per pixel of the image, of the encoder and of the decoder.
        quality: bits per pixel, PSNR (dB) and MS-SSIM with all bit planes, or at the quality that
            is given, by precision, then by test set.
    """

    id: str
    model: str
    rate: int | None
    parameters: dict[str, int]
    macs_per_pixel: dict[str, float]
    quality: dict[str, dict[str, dict[str, float]]]


def upscaler(entry: Entry) -> UpscalerSummary:
    """Summarize an upscaler; costs are computed from its int8 file.

    Raises:
        UserError: a file of the network is missing or damaged.
    """
    network = graph.read_graph(entry.file("int8"))
    start = {"start": entry.card.start_quality} if entry.card.start_quality else {}
    return UpscalerSummary(
        id=entry.id,
        model=entry.model,
        architecture=entry.architecture,
        scale=entry.scale,
        parameters=graph.parameters(network),
        macs_per_lr_pixel=graph.macs_per_pixel(network),
        int8_bytes=entry.file("int8").stat().st_size,
        float32_bytes=entry.file("float32").stat().st_size,
        quality=entry.card.quality | start,
    )


def codec(entry: Entry) -> CodecSummary:
    """Summarize a codec; costs are computed from the files of one of its precisions.

    Raises:
        UserError: a file of the codec is missing or damaged.
    """
    # A network file of TinyCompress repeats the block's weights in each iteration.
    iterations = 1 if entry.has_qualities else CodecConfig(rate=entry.rate).iterations
    quality = entry.card.quality
    networks = {part: graph.read_graph(entry.file(min(quality), part=part)) for part in CODEC_PARTS}
    images = {"encoder": networks["encoder"].input, "decoder": networks["decoder"].output}
    return CodecSummary(
        id=entry.id,
        model=entry.id,
        rate=entry.card.rate,
        parameters={
            part: graph.parameters(network) // iterations for part, network in networks.items()
        },
        macs_per_pixel={
            part: graph.macs(network) / (images[part].shape[1] * images[part].shape[2])
            for part, network in networks.items()
        },
        quality=quality,
    )
