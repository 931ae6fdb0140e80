"""The frame that a library's example upscales, and the expected output."""

import zlib

import numpy as np

from edge_sr.errors import UserError

MAX_BYTES = 2**20
"""The largest frame in bytes; its C source is five times as long."""

_BYTES_PER_LINE = 16


def built_in_frame(height: int, width: int, channels: int) -> np.ndarray:
    """Draw rings that get finer from one corner to the other, int8 (H, W, C), with integers only.

    Raises:
        UserError: the frame is empty or too large to be built in.
    """
    if min(height, width) < 1 or height * width * channels > MAX_BYTES:
        raise UserError(
            f"{width}x{height} cannot be the example's frame; it must have 1 to "
            f"{MAX_BYTES // channels:,} pixels"
        )
    y, x, channel = np.ogrid[:height, :width, :channels]
    return (((x * x + y * y) // 4 + 64 * channel) % 256 - 128).astype(np.int8)


def checksum(output: np.ndarray) -> int:
    """Return the CRC-32 of all bytes."""
    return zlib.crc32(np.ascontiguousarray(output).tobytes())


def c_values(frame: np.ndarray) -> str:
    """Return the values of a frame as the initializer of a C array."""
    values = [f"{value}," for value in frame.ravel().tolist()]
    rows = (values[i : i + _BYTES_PER_LINE] for i in range(0, len(values), _BYTES_PER_LINE))
    return "\n".join("    " + " ".join(row) for row in rows)
