"""The entropy coder of the engine through ctypes; `c/esr_coder.h` is its documentation."""

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
    3: f"there are no more than {PLANES} planes",
    4: "a plane needs more bytes than it can",
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
        raise UserError(f"the entropy coder stopped: {_STATUS[status]}")


def _begin(shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) != 3 or not all(0 <= size <= MAX_SIDE for size in shape):
        raise UserError(f"samples are (channels, height, width), not {shape}")
    coder = aligned(_library().esr_coder_bytes())
    _check(_library().esr_coder_begin(coder.ctypes.data, byref(_Shape(*shape))))
    return coder


def most_bytes(shape: tuple[int, ...]) -> int:
    """Bytes that a segment of samples of this shape can have at most.

    A chance is at least 31 in 65536, less what rounding takes: a bit costs less than 12.
    """
    return 12 * math.prod(shape) // 8 + 8


def encode(samples: np.ndarray, planes: int = PLANES) -> list[bytes]:
    """Code the most significant planes of samples.

    Args:
        samples: (channels, height, width) uint8.
        planes: 1 to 8; what the planes below hold is lost.

    Returns:
        A segment of bytes for each plane, the most significant first.

    Raises:
        UserError: the coder has no such shape.
    """
    samples = np.ascontiguousarray(samples, np.uint8)
    coder = _begin(samples.shape)
    buffer = np.empty(most_bytes(samples.shape), np.uint8)
    esr, segments = _library(), []
    for _ in range(planes):
        to = _Bytes(buffer.ctypes.data, buffer.size, 0)
        _check(
            esr.esr_encode_plane(
                coder.ctypes.data, samples.ctypes.data, esr.esr_put_bytes, byref(to)
            )
        )
        segments.append(buffer[: to.used].tobytes())
    return segments


def decode(segments: Sequence[bytes], shape: tuple[int, int, int]) -> np.ndarray:
    """Decode the planes that there are; the bits of the others are 0.

    Whatever the bytes are, the answer is some samples.

    Args:
        segments: as `encode` returns them, or the first of those.
        shape: (channels, height, width) of the samples.

    Returns:
        uint8 samples of that shape.

    Raises:
        UserError: the coder has no such shape.
    """
    coder, esr = _begin(shape), _library()
    samples = np.zeros(shape, np.uint8)
    for segment in segments:
        data = np.frombuffer(segment, np.uint8)
        taken = _Bytes(data.ctypes.data, data.size, 0)
        _check(
            esr.esr_decode_plane(
                coder.ctypes.data, samples.ctypes.data, esr.esr_take_bytes, byref(taken)
            )
        )
    return samples


def crc32(data: bytes, start: int = 0) -> int:
    """The engine's CRC-32, which a board puts into files; on a desk zlib's is the same and faster.

    Args:
        data: what it goes on with.
        start: the CRC-32 of what came before.
    """
    esr = _library()
    esr.esr_crc32.restype, esr.esr_crc32.argtypes = c_uint32, [c_uint32, c_char_p, c_size_t]
    return int(esr.esr_crc32(start, data, len(data)))
