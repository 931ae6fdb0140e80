"""An encoder as a camera's program: what is kept beside the engine's arena, and what files say."""

import struct
from dataclasses import dataclass

import numpy as np

from edge_sr.codec import planes as bit_planes
from edge_sr.codec.container import RATES, Colour, Header, unpack
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.engine import coder
from edge_sr.engine.plan import Plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import Graph, ratio
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import TensorSpec

COLOURS = 3

_STATE_BYTES = 4096
"""More than esr_tcz takes on any board."""

_C = """\
/* The camera: its frames, and what its files say. */
#ifndef CAMERA_H
#define CAMERA_H

#include "esr_tcz.h"

#define CAMERA_WIDTH {width}u
#define CAMERA_HEIGHT {height}u /* at most */
#define CAMERA_PLANES {planes}u
#define CAMERA_STEP {step}u
#define CAMERA_CHANNELS {channels}u /* of the latents */
#define CAMERA_LATENT_BYTES \\
    ESR_TCZ_LATENT_BYTES(CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_STEP, CAMERA_CHANNELS)
#define CAMERA_ROW_BYTES ESR_TCZ_ROW_BYTES(CAMERA_WIDTH, CAMERA_STEP)

static const esr_tcz_network camera_network = {{
    {{{model_id}}},
    {{{hash}}},
    {{{low}}},
    {{{high}}},
}};

#endif
"""


@dataclass(frozen=True)
class Camera:
    """What a project is told beside model, board and width.

    Attributes:
        height: rows of a frame at most.
        planes: that files keep, 1 to 8.
        model_id: of the network, for files.
        decoder_hash: for files, as 16 hexadecimal digits.
    """

    height: int
    planes: int
    model_id: str
    decoder_hash: str


@dataclass(frozen=True)
class Memory:
    """What is kept beside the arena, in bytes.

    Attributes:
        latents: of a whole frame.
        row: extended to the network's step.
    """

    latents: int
    row: int


def is_encoder(network: Graph) -> bool:
    """Return whether a network makes images smaller."""
    return ratio(network) < 1


def check(name: str, network: Graph, plan: Plan) -> None:
    """Refuse what is no encoder of RGB images.

    Raises:
        UserError: so, with what it is.
    """
    channels, latents = network.input.shape[3], network.output.shape[3]
    rate = (plan.pixels_per_unit / plan.out_pixels_per_unit) ** 2
    if channels != COLOURS or rate not in RATES or plan.out_pixels_per_unit != 1:
        raise UserError(
            f"{name} makes 1/{rate:g} as many pixels of {channels} channels; a camera's encoder "
            f"takes {COLOURS} channels and makes 1/{', 1/'.join(map(str, RATES))} as many"
        )
    if latents > coder.MAX_CHANNELS:
        raise UserError(f"{name} makes {latents} channels; files have 1 to {coder.MAX_CHANNELS}")
    quantization = network.input.quantization
    assert quantization is not None  # the planner has checked it
    spec = TensorSpec("int8", quantization.scale[0], quantization.zero_point[0])
    pixels = np.arange(256, dtype=np.uint8)
    if not np.array_equal(encode(pixels, spec), (pixels ^ 0x80).view(np.int8)):
        raise UserError(
            f"{name} takes a scale of {spec.scale:g} and a zero point of {spec.zero_point}; a "
            "camera's bytes want 1/255 and -128"
        )


def check_frame(width: int, height: int, planes: int) -> None:
    """Refuse a frame or file that there cannot be.

    Raises:
        UserError: so.
    """
    bit_planes.check(planes)
    for side, what in ((width, "pixels in a row"), (height, "rows")):
        if not 1 <= side <= coder.MAX_SIDE:
            raise UserError(f"a camera's frame has 1 to {coder.MAX_SIDE} {what}, not {side}")


def is_sound(camera: Camera) -> bool:
    """Whether its fields are what they are said to be, for one that was read from a file."""
    numbers, texts = (camera.height, camera.planes), (camera.model_id, camera.decoder_hash)
    kinds = [type(value) for value in (*numbers, *texts)]
    return kinds == [int, int, str, str] and min(numbers) >= 1


def extended(side: int, plan: Plan) -> int:
    """A side of an image, extended to a multiple of the network's step."""
    return -(-side // plan.pixels_per_unit) * plan.pixels_per_unit


def quantizer(network: Graph) -> Quantizer:
    """What the latents' bytes stand for."""
    found = network.output.quantization
    assert found is not None  # the planner has checked it
    scale, zero_point = found.scale[0], found.zero_point[0]
    low, high = (float(np.float32(scale * (end - zero_point))) for end in (-128, 127))
    channels = network.output.shape[3]
    return Quantizer(Kind.CLIPPING, (low,) * channels, (high,) * channels)


def memory(network: Graph, plan: Plan, width: int, height: int) -> Memory:
    """What a frame of that size needs, exactly as esr_tcz.h says it."""
    wide, tall = extended(width, plan), extended(height, plan)
    return Memory(
        latents=wide
        // plan.pixels_per_unit
        * (tall // plan.pixels_per_unit)
        * network.output.shape[3],
        row=wide * COLOURS,
    )


def most_bytes(network: Graph, plan: Plan, width: int, height: int) -> int:
    """RAM beside the arena, the coder's state included, at most."""
    kept = memory(network, plan, width, height)
    return kept.latents + kept.row + _STATE_BYTES


def extend(pixels: np.ndarray, plan: Plan) -> np.ndarray:
    """The network's frame (H, W, 3) int8 of a picture (H, W, 3) uint8, its edge repeated."""
    height, width, _ = pixels.shape
    below, right = extended(height, plan) - height, extended(width, plan) - width
    return (np.pad(pixels, ((0, below), (0, right), (0, 0)), "edge") ^ 0x80).view(np.int8)


def samples(latents: np.ndarray) -> np.ndarray:
    """Int8 latents (h, w, channels) as a file's samples, (channels, h, w) uint8."""
    return np.ascontiguousarray((latents.view(np.uint8) ^ 0x80).transpose(2, 0, 1))


def file_header(network: Graph, plan: Plan, pixels: np.ndarray, camera: Camera) -> Header:
    """What the file of a picture (H, W, 3) must say."""
    height, width, _ = pixels.shape
    return Header(
        model_id=camera.model_id,
        model_hash=bytes.fromhex(camera.decoder_hash),
        rate=plan.pixels_per_unit**2,
        width=width,
        height=height,
        colour=Colour.RGB,
        quantizer=quantizer(network),
    )


def check_file(file: bytes, expected: Header, latents: np.ndarray) -> None:
    """Read a board's file as a desk does.

    Args:
        file: the .tcz.
        expected: its header.
        latents: that went into it, (channels, h, w) uint8; the file may keep fewer planes.

    Raises:
        VerificationError: it is damaged, or holds something else.
    """
    try:
        found = unpack(file)
    except UserError as error:
        raise VerificationError(f"the board's file cannot be read: {error}") from None
    if found.header != expected or found.note:
        raise VerificationError(f"the board's file says {found.header}, not {expected}")
    kept = coder.decode(found.segments, found.header.shape)
    wrong = np.argwhere(kept != bit_planes.drop(latents, found.planes))
    if len(wrong):
        raise VerificationError(
            f"{len(wrong):,} of {kept.size:,} latents in the board's file are not TFLM's, first at "
            f"channel, row, column {tuple(map(int, wrong[0]))}"
        )


def header(network: Graph, plan: Plan, width: int, camera: Camera) -> str:
    """The C header that the program is built with."""
    ranges = quantizer(network)
    return _C.format(
        width=width,
        height=camera.height,
        planes=camera.planes,
        step=plan.pixels_per_unit,
        channels=network.output.shape[3],
        model_id=_c_bytes(camera.model_id.encode("ascii")),
        hash=_c_bytes(bytes.fromhex(camera.decoder_hash)),
        low=", ".join(map(_c_float, ranges.low)),
        high=", ".join(map(_c_float, ranges.high)),
    )


def _c_bytes(values: bytes) -> str:
    return ", ".join(f"0x{value:02x}" for value in values)


def _c_float(value: float) -> str:
    """C99, the very bits."""
    (exact,) = struct.unpack("<f", struct.pack("<f", value))
    return f"{float(exact).hex()}f"
