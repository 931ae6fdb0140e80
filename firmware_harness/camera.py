"""An encoder as a camera's program: its RAM outside the arena, its frames and its .tcz files."""

import struct
from dataclasses import dataclass

import numpy as np

from edge_sr.codec import planes as bit_planes
from edge_sr.codec.container import unpack
from edge_sr.codec.header import RATES, Colour, Header
from edge_sr.codec.quantizer import Kind, Quantizer
from edge_sr.engine import coder
from edge_sr.engine.plan import Plan
from edge_sr.errors import UserError, VerificationError
from edge_sr.graph import Graph, ratio
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import TensorSpec
from firmware_harness.frames import round_up

COLOURS = 3

_STATE_BYTES = 4096
"""An upper bound of the size of esr_tcz on any board."""

_C = """\
/* The camera: its frames, and the header of its files. */
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
    """The settings of a camera's program.

    Attributes:
        height: the maximum height of a frame, in rows.
        planes: bit planes that files store, 1 to 8.
        model_id: the network id in files.
        decoder_hash: the decoder's hash in files, as 16 hexadecimal digits.
    """

    height: int
    planes: int
    model_id: str
    decoder_hash: str


@dataclass(frozen=True)
class Memory:
    """RAM outside the arena, in bytes.

    Attributes:
        latents: the latents of a whole frame.
        row: one row, extended to a multiple of the network's step.
    """

    latents: int
    row: int


def is_encoder(network: Graph) -> bool:
    """Return whether a network makes images smaller."""
    return ratio(network) < 1


def check(name: str, network: Graph, plan: Plan) -> None:
    """Refuse a network that is not an encoder of RGB images.

    Raises:
        UserError: the network is something else; the text says what.
    """
    channels, latents = network.input.shape[3], network.output.shape[3]
    rate = (plan.pixels_per_unit / plan.out_pixels_per_unit) ** 2
    if channels != COLOURS or rate not in RATES or plan.out_pixels_per_unit != 1:
        raise UserError(
            f"{name} has {channels} input channels and rate {rate:g}; a camera's encoder has "
            f"{COLOURS} input channels and one of the rates {', '.join(map(str, RATES))}"
        )
    if latents > coder.MAX_CHANNELS:
        raise UserError(
            f"{name} has {latents} latent channels; files store 1 to {coder.MAX_CHANNELS}"
        )
    quantization = network.input.quantization
    assert quantization is not None  # the planner has checked it
    spec = TensorSpec("int8", quantization.scale[0], quantization.zero_point[0])
    pixels = np.arange(256, dtype=np.uint8)
    if not np.array_equal(encode(pixels, spec), (pixels ^ 0x80).view(np.int8)):
        raise UserError(
            f"{name} has the input scale {spec.scale:g} and zero point {spec.zero_point}; a "
            "camera's bytes need 1/255 and -128"
        )


def check_frame(width: int, height: int, planes: int) -> None:
    """Refuse an impossible frame size or number of bit planes.

    Raises:
        UserError: a number is out of range.
    """
    bit_planes.check(planes)
    for side, what in ((width, "pixels in a row"), (height, "rows")):
        if not 1 <= side <= coder.MAX_SIDE:
            raise UserError(f"a camera's frame has 1 to {coder.MAX_SIDE} {what}, not {side}")


def is_sound(camera: Camera) -> bool:
    """Return whether the fields of settings read from a file have valid types and values."""
    numbers, texts = (camera.height, camera.planes), (camera.model_id, camera.decoder_hash)
    kinds = [type(value) for value in (*numbers, *texts)]
    return kinds == [int, int, str, str] and min(numbers) >= 1


def extended(side: int, plan: Plan) -> int:
    """Return a side of an image, extended to a multiple of the network's step."""
    return round_up(side, plan.pixels_per_unit)


def quantizer(network: Graph) -> Quantizer:
    """Return the quantizer that the latents' bytes are values of."""
    quantization = network.output.quantization
    assert quantization is not None  # the planner has checked it
    scale, zero_point = quantization.scale[0], quantization.zero_point[0]
    low, high = (float(np.float32(scale * (end - zero_point))) for end in (-128, 127))
    channels = network.output.shape[3]
    return Quantizer(Kind.CLIPPING, (low,) * channels, (high,) * channels)


def memory(network: Graph, plan: Plan, width: int, height: int) -> Memory:
    """Return the RAM that a frame needs, exactly as in esr_tcz.h."""
    wide, tall = extended(width, plan), extended(height, plan)
    return Memory(
        latents=wide * tall // plan.pixels_per_unit**2 * network.output.shape[3],
        row=wide * COLOURS,
    )


def most_bytes(network: Graph, plan: Plan, width: int, height: int) -> int:
    """Return an upper bound of the RAM outside the arena, with the coder's state."""
    kept = memory(network, plan, width, height)
    return kept.latents + kept.row + _STATE_BYTES


def extend(pixels: np.ndarray, plan: Plan) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as the network's frame, int8, with its edge repeated."""
    height, width, _ = pixels.shape
    below, right = extended(height, plan) - height, extended(width, plan) - width
    return (np.pad(pixels, ((0, below), (0, right), (0, 0)), "edge") ^ 0x80).view(np.int8)


def samples(latents: np.ndarray) -> np.ndarray:
    """Return int8 latents (h, w, channels) as a file's samples, (channels, h, w) uint8."""
    return np.ascontiguousarray((latents.view(np.uint8) ^ 0x80).transpose(2, 0, 1))


def file_header(network: Graph, plan: Plan, pixels: np.ndarray, camera: Camera) -> Header:
    """Return the header that the file of an image (H, W, 3) must have."""
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
    """Decode a board's file and compare it with the expected header and latents.

    Args:
        file: the .tcz.
        expected: its header.
        latents: (channels, h, w) uint8, all planes; the file may store fewer.

    Raises:
        VerificationError: the file is damaged, or header or latents differ.
    """
    try:
        content = unpack(file)
    except UserError as error:
        raise VerificationError(f"the board's file cannot be read: {error}") from None
    if content.header != expected or content.note:
        raise VerificationError(f"the board's file has the header {content.header}, not {expected}")
    kept = coder.decode(content.segments, content.header.shape)
    wrong = np.argwhere(kept != bit_planes.drop(latents, content.planes))
    if len(wrong):
        raise VerificationError(
            f"{len(wrong):,} of {kept.size:,} latents in the board's file differ from TFLM's, "
            f"first at channel, row, column {tuple(map(int, wrong[0]))}"
        )


def header(network: Graph, plan: Plan, width: int, camera: Camera) -> str:
    """Return the C header that the program is built with."""
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
    """Return a C99 literal of exactly this float32 value."""
    (exact,) = struct.unpack("<f", struct.pack("<f", value))
    return f"{float(exact).hex()}f"
