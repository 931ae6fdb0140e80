"""A compressive autoencoder's encoder as a camera's program: its memory, sources and files.

The program writes .tcz files of version 2, part by part, while the rows of a frame come in. It is
built for one size of the frame.
"""

import ctypes
from dataclasses import dataclass

import numpy as np

from edge_sr.codec import container2
from edge_sr.codec.context import MAX_HIDDEN
from edge_sr.codec.header2 import MAX_SIDE, Header
from edge_sr.engine import binding, symbols
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan
from edge_sr.errors import UserError
from edge_sr.graph import Graph, ratio
from edge_sr.models.cae import COLOURS, STEP
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import TensorSpec
from firmware_harness.frames import round_up

ROWS_PER_PART = 3
"""Rows of symbols in a part, unless the user says otherwise: a part is 24 rows of pixels."""

_STATE_BYTES = 256
"""An upper bound of the size of esr_tcz2 on any board, and of gaps between blocks."""

_CODER_BYTES, _CODER_ROWS, _CODER_MARGIN = 4608, 3, 4
"""Of esr_symbols: at most this many bytes, and rows of symbols with a margin of columns."""

_CONTEXT_BYTES = 4096  # at most, besides the weights of the context

_WORDS = 4  # of 8 bytes in a line of C

_C = """\
/* The camera: its frames, the header of its files, and the context that predicts symbols. */
#ifndef CAMERA_H
#define CAMERA_H

#include "esr_tcz2.h"

#define CAMERA_WIDTH {width}u
#define CAMERA_HEIGHT {height}u
#define CAMERA_CHANNELS {channels}u /* of the symbols */
#define CAMERA_ROWS_PER_PART {rows_per_part}u
#define CAMERA_ROW_BYTES ESR_TCZ2_ROW_BYTES(CAMERA_WIDTH)
#define CAMERA_PART_BYTES \\
    ESR_TCZ2_PART_BYTES(CAMERA_WIDTH, CAMERA_CHANNELS, CAMERA_ROWS_PER_PART)
#define CAMERA_CODER_BYTES {coder}u /* at least esr_symbols_bytes() */
#define CAMERA_CONTEXT_BYTES {context}u

extern const uint64_t camera_context[(CAMERA_CONTEXT_BYTES + 7u) / 8u];

static const esr_tcz2_codec camera_codec = {{
    {{{model_id}}},
    {{{hash}}},
    {{{context_hash}}},
    {place}u,
    camera_context,
    CAMERA_CONTEXT_BYTES,
}};

#endif
"""

_CONTEXT_C = """\
/* The context, to be passed to esr_tcz2_begin; little-endian, as the boards are. */
#include "camera.h"

const uint64_t camera_context[(CAMERA_CONTEXT_BYTES + 7u) / 8u] = {{
{words}
}};
"""


@dataclass(frozen=True)
class SymbolCamera:
    """The settings of a camera's program.

    Attributes:
        height: rows of the frame.
        rows_per_part: rows of symbols in a part of a file.
        place: the quality, as a position among the codec's gains, in 1/256.
        model_id: the codec's id in files.
        decoder_hash: the decoder's hash in files, as 16 hexadecimal digits.
        context_hash: the context's hash in files, likewise.
    """

    height: int
    rows_per_part: int
    place: int
    model_id: str
    decoder_hash: str
    context_hash: str


@dataclass(frozen=True)
class Memory:
    """RAM outside the arena, in bytes.

    Attributes:
        coder: state of the symbol coder.
        part: one part of a file.
        row: one row, extended to a multiple of 8 pixels.
    """

    coder: int
    part: int
    row: int

    @property
    def total(self) -> int:
        """The sum, without gaps between them."""
        return self.coder + self.part + self.row


def is_encoder(network: Graph) -> bool:
    """Return whether a network makes RGB images eight times smaller, as whole numbers."""
    quantization = network.output.quantization
    if quantization is None or ratio(network) * STEP != 1:
        return False
    return (quantization.scale[0], quantization.zero_point[0]) == (1.0, 0)


def check(name: str, network: Graph, plan: Plan | FramePlan) -> None:
    """Refuse a network that does not map RGB images to symbols at an eighth of their size.

    Raises:
        UserError: the network is something else; the text says what.
    """
    if isinstance(plan, FramePlan):
        (height, width, channels), (tall, wide, _) = plan.in_shape, plan.out_shape
        fits = (height, width) == (STEP * tall, STEP * wide)
    else:
        channels = network.input.shape[3]
        fits = plan.pixels_per_unit == STEP * plan.out_pixels_per_unit
    if channels != COLOURS or not fits:
        raise UserError(
            f"{name} is no encoder of symbols, which has {COLOURS} input channels and makes images "
            f"{STEP} times smaller"
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


def check_frame(width: int, height: int, rows_per_part: int) -> None:
    """Refuse an impossible frame size or number of rows in a part.

    Raises:
        UserError: a number is out of range.
    """
    for count, what in (
        (width, "a camera's frame has 1 to {} pixels in a row"),
        (height, "a camera's frame has 1 to {} rows"),
        (rows_per_part, "a part has 1 to {} rows of symbols"),
    ):
        if not 1 <= count <= MAX_SIDE:
            raise UserError(f"{what.format(MAX_SIDE)}, not {count}")


def is_sound(camera: SymbolCamera) -> bool:
    """Return whether the fields of settings read from a file have valid types and values."""
    numbers = camera.height, camera.rows_per_part, camera.place
    texts = camera.model_id, camera.decoder_hash, camera.context_hash
    kinds = [type(value) for value in (*numbers, *texts)]
    return kinds == [int, int, int, str, str, str] and min(numbers[:2]) >= 1 and numbers[2] >= 0


def extended(side: int) -> int:
    """Return a side of an image, extended to a multiple of 8."""
    return round_up(side, STEP)


def extend(pixels: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as the network's frame, int8, with its edge repeated."""
    below, right = (extended(side) - side for side in pixels.shape[:2])
    return (np.pad(pixels, ((0, below), (0, right), (0, 0)), "edge") ^ 0x80).view(np.int8)


def channels_of(network: Graph) -> int:
    """Return the channels of a network's symbols."""
    return network.output.shape[3]


def memory(network: Graph, width: int, rows_per_part: int, context: bytes) -> Memory:
    """Return the RAM that a frame needs. The coder's is that of a 64-bit machine, which is more.

    Raises:
        UserError: the context is damaged.
    """
    wide = extended(width)
    return Memory(
        coder=_coder_bytes(context, wide // STEP),
        part=wide // STEP * channels_of(network) * rows_per_part,
        row=wide * COLOURS,
    )


def most_bytes(network: Graph, width: int, rows_per_part: int, context: bytes) -> int:
    """Return an upper bound of the RAM outside the arena."""
    return memory(network, width, rows_per_part, context).total + _STATE_BYTES


def bound(network: Graph, width: int) -> Memory:
    """Return upper bounds of the RAM that a frame needs, where the context is not known."""
    columns, channels = extended(width) // STEP, channels_of(network)
    return Memory(
        coder=_CODER_BYTES + _CODER_ROWS * (columns + _CODER_MARGIN) * channels,
        part=columns * channels * ROWS_PER_PART,
        row=extended(width) * COLOURS,
    )


def context_bound(network: Graph) -> int:
    """Return an upper bound of the flash of a network's context."""
    channels = channels_of(network)
    taps = round_up(12 * channels, 16) + 2 * channels
    return taps * MAX_HIDDEN + 4 * channels * round_up(channels, 16) + _CONTEXT_BYTES


def _coder_bytes(context: bytes, columns: int) -> int:
    library = binding.load()
    library.esr_symbols_bytes.restype = ctypes.c_size_t
    block = binding.aligned(len(context))
    block[:] = np.frombuffer(context, np.uint8)
    address = ctypes.c_void_p(block.ctypes.data)
    size = int(library.esr_symbols_bytes(address, ctypes.c_size_t(len(context)), columns))
    if size == 0:
        raise UserError("the context of this codec is damaged")
    return size


def file(values: np.ndarray, width: int, camera: SymbolCamera, context: bytes) -> bytes:
    """Return the file that a program must write.

    Args:
        values: the symbols, int8 (h, w, C).
        width: of the frame, in pixels.
        camera: the program's settings.
        context: as in `memory`.

    Raises:
        UserError: the context is damaged.
    """
    head = Header(
        model_id=camera.model_id,
        model_hash=bytes.fromhex(camera.decoder_hash),
        context_hash=bytes.fromhex(camera.context_hash),
        width=width,
        height=camera.height,
        channels=values.shape[2],
        place=camera.place,
        rows_per_part=camera.rows_per_part,
    )
    return container2.assemble(head, symbols.encode(values, context, camera.rows_per_part))


def header(network: Graph, width: int, camera: SymbolCamera, context: bytes) -> str:
    """Return the C header that the program is built with."""
    return _C.format(
        width=width,
        height=camera.height,
        channels=channels_of(network),
        rows_per_part=camera.rows_per_part,
        coder=memory(network, width, camera.rows_per_part, context).coder,
        context=len(context),
        model_id=_c_bytes(camera.model_id.encode("ascii")),
        hash=_c_bytes(bytes.fromhex(camera.decoder_hash)),
        context_hash=_c_bytes(bytes.fromhex(camera.context_hash)),
        place=camera.place,
    )


def context_source(context: bytes) -> str:
    """Return the C source of the context, an array of 64-bit words for its alignment."""
    padded = context + bytes(-len(context) % 8)
    words = [f"UINT64_C({word:#018x})" for word in np.frombuffer(padded, "<u8").tolist()]
    lines = [", ".join(words[i : i + _WORDS]) for i in range(0, len(words), _WORDS)]
    return _CONTEXT_C.format(words=",\n".join(f"    {line}" for line in lines))


def _c_bytes(values: bytes) -> str:
    return ", ".join(f"0x{value:02x}" for value in values)
