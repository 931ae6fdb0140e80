"""Code and decode bit planes with the engine's entropy coder, through ctypes.

`c/esr_coder.h` documents the C interface, docs/reference/tcz.md the bytes.
"""

import ctypes
import functools
import math
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

import numpy as np

from edge_sr.engine.binding import aligned, load
from edge_sr.errors import UserError

PLANES = 8
MAX_CHANNELS = 4
MAX_SIDE = 65535

_STATUS = {
    1: "a pointer is null",
    2: f"samples have 1 to {MAX_CHANNELS} channels and sides of 1 to {MAX_SIDE}",
    3: f"samples have at most {PLANES} planes",
    4: "a plane takes more bytes than it can",
}


class _Shape(ctypes.Structure):
    """esr_coder_shape."""

    _fields_ = [(name, c_uint32) for name in ("channels", "height", "width")]


class _Bytes(ctypes.Structure):
    """esr_bytes."""

    _fields_ = [("bytes", c_void_p), ("room", c_size_t), ("used", c_size_t)]


@functools.cache
def _library() -> Any:
    esr = load()
    esr.esr_coder_bytes.restype, esr.esr_coder_bytes.argtypes = c_size_t, []
    esr.esr_coder_begin.argtypes = [c_void_p, POINTER(_Shape)]
    for function in (esr.esr_encode_plane, esr.esr_decode_plane):
        function.restype = c_int
        function.argtypes = [c_void_p, c_void_p, c_void_p, POINTER(_Bytes)]
    return esr


def _check(status: int) -> None:
    if status:
        raise UserError(f"the entropy coder failed: {_STATUS[status]}")


def _begin(shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) != 3 or not all(0 <= size <= MAX_SIDE for size in shape):
        raise UserError(f"samples must be (channels, height, width), not {shape}")
    coder = aligned(_library().esr_coder_bytes())
    _check(_library().esr_coder_begin(coder.ctypes.data, byref(_Shape(*shape))))
    return coder


def max_bytes(shape: tuple[int, ...]) -> int:
    """The maximum length in bytes of a segment of samples of this shape.

    The probability of a coded bit is at least 31 / 65536 minus rounding: a bit takes less than 12
    bits.
    """
    return 12 * math.prod(shape) // 8 + 8


def encode(samples: np.ndarray, planes: int = PLANES) -> list[bytes]:
    """Encode the most significant bit planes of samples.

    Args:
        samples: (channels, height, width) uint8; 1 to 4 channels, sides of 1 to 65535.
        planes: number of planes to encode, 1 to 8; the other planes are lost.

    Returns:
        A segment of bytes for each plane, the most significant first.

    Raises:
        UserError: the shape or the number of planes is out of range.
    """
    samples = np.ascontiguousarray(samples, np.uint8)
    coder = _begin(samples.shape)
    buffer = np.empty(max_bytes(samples.shape), np.uint8)
    esr, segments = _library(), []
    for _ in range(planes):
        target = _Bytes(buffer.ctypes.data, buffer.size, 0)
        _check(
            esr.esr_encode_plane(
                coder.ctypes.data, samples.ctypes.data, esr.esr_put_bytes, byref(target)
            )
        )
        segments.append(buffer[: target.used].tobytes())
    return segments


def decode(segments: Sequence[bytes], shape: tuple[int, int, int]) -> np.ndarray:
    """Decode bit planes; the bits of missing planes are 0.

    Any bytes can be decoded; damaged segments give wrong samples, not an error.

    Args:
        segments: all or the first of the segments that `encode` returned.
        shape: (channels, height, width) of the samples.

    Returns:
        uint8 samples of that shape.

    Raises:
        UserError: the shape is out of range, or there are more than 8 segments.
    """
    coder, esr = _begin(shape), _library()
    samples = np.zeros(shape, np.uint8)
    for segment in segments:
        data = np.frombuffer(segment, np.uint8)
        source = _Bytes(data.ctypes.data, data.size, 0)
        _check(
            esr.esr_decode_plane(
                coder.ctypes.data, samples.ctypes.data, esr.esr_take_bytes, byref(source)
            )
        )
    return samples


def crc32(data: bytes, start: int = 0) -> int:
    """The CRC-32 of bytes, computed by the engine as on a board; zlib's is the same and faster.

    Args:
        data: the bytes.
        start: the CRC-32 of the preceding bytes.
    """
    esr = _library()
    esr.esr_crc32.restype, esr.esr_crc32.argtypes = c_uint32, [c_uint32, c_char_p, c_size_t]
    return int(esr.esr_crc32(start, data, len(data)))
