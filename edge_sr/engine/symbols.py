"""Code and decode the symbols of a compressive autoencoder with the engine, through ctypes.

`c/esr_symbols.h` documents the C interface and the arithmetic.
"""

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

import numpy as np

from edge_sr.engine.binding import aligned, load
from edge_sr.errors import UserError

LARGEST = 127
"""The largest magnitude of a symbol."""

_STATUS = {
    1: "a pointer is null",
    2: "the context model is damaged",
    3: "a row has 1 to 65535 columns",
    4: "its memory is too small",
    5: "a call is not allowed now",
    6: "a part takes more bytes than it can",
}
_CHANNELS = slice(4, 6)


class _Bytes(ctypes.Structure):
    """esr_bytes."""

    _fields_ = [("bytes", c_void_p), ("room", c_size_t), ("used", c_size_t)]


@functools.cache
def _library() -> Any:
    esr = load()
    blob = (c_void_p, c_size_t, c_uint32)
    esr.esr_symbols_bytes.restype, esr.esr_symbols_bytes.argtypes = c_size_t, list(blob)
    esr.esr_symbols_open.argtypes = [POINTER(c_void_p), *blob, c_void_p, c_size_t]
    for start in (esr.esr_symbols_start_encoding, esr.esr_symbols_start_decoding):
        start.restype, start.argtypes = c_int, [c_void_p, c_void_p, POINTER(_Bytes)]
    for row in (esr.esr_symbols_encode_row, esr.esr_symbols_decode_row):
        row.restype, row.argtypes = c_int, [c_void_p, c_void_p]
    esr.esr_symbols_finish.restype, esr.esr_symbols_finish.argtypes = c_int, [c_void_p]
    return esr


def _check(status: int) -> None:
    if status:
        raise UserError(f"the symbol coder failed: {_STATUS[status]}")


class _Coder:
    """An open coder, with the memory that it lives in."""

    def __init__(self, blob: bytes, width: int, channels: int) -> None:
        self.blob = aligned(len(blob))
        self.blob[:] = np.frombuffer(blob, np.uint8)
        if int.from_bytes(blob[_CHANNELS], "little") != channels:
            raise UserError(f"the context model is not of {channels} channels")
        address = (self.blob.ctypes.data, len(blob))
        width = min(width, 2**32 - 1)
        self.memory = aligned(max(1, _library().esr_symbols_bytes(*address, width)))
        self.handle = c_void_p()
        _check(
            _library().esr_symbols_open(
                byref(self.handle), *address, width, self.memory.ctypes.data, len(self.memory)
            )
        )


def max_part_bytes(shape: tuple[int, ...]) -> int:
    """The maximum length of a part of so many symbols.

    A symbol takes at most 255 decisions, which cost 11.1 bits each at most.
    """
    rows, width, channels = shape
    return 356 * rows * width * channels + 8


def encode(symbols: np.ndarray, blob: bytes, rows_per_part: int) -> list[bytes]:
    """Encode symbols.

    Args:
        symbols: (h,w,C) int8; -128 is taken for -127.
        blob: the context model, of `codec.context.fold`.
        rows_per_part: rows of a part; the last part may have fewer.

    Returns:
        The parts; each needs those before it.

    Raises:
        UserError: the shape is out of range, or the model is damaged or of another shape.
    """
    symbols = np.ascontiguousarray(symbols, np.int8)
    _check_shape(symbols.shape, rows_per_part)
    height, width, channels = symbols.shape
    coder, esr, parts = _Coder(blob, width, channels), _library(), []
    buffer = np.empty(max_part_bytes((min(rows_per_part, height), width, channels)), np.uint8)
    for first in range(0, height, rows_per_part):
        target = _Bytes(buffer.ctypes.data, buffer.size, 0)
        _check(esr.esr_symbols_start_encoding(coder.handle, esr.esr_put_bytes, byref(target)))
        for row in symbols[first : first + rows_per_part]:
            _check(esr.esr_symbols_encode_row(coder.handle, row.ctypes.data))
        _check(esr.esr_symbols_finish(coder.handle))
        parts.append(buffer[: target.used].tobytes())
    return parts


def decode(
    parts: Sequence[bytes], shape: tuple[int, int, int], blob: bytes, rows_per_part: int
) -> np.ndarray:
    """Decode symbols; any bytes can be decoded, and damaged parts give wrong symbols.

    Args:
        parts: all, or the first, of the parts that `encode` returned.
        shape: (h,w,C) of all the symbols.
        blob: the context model.
        rows_per_part: rows of a part.

    Returns:
        int8 (rows,w,C), as many rows as the parts hold.

    Raises:
        UserError: the shape is out of range, there are too many parts, or the model is damaged or
            of another shape.
    """
    _check_shape(shape, rows_per_part)
    height, width, channels = shape
    if len(parts) > -(-height // rows_per_part):
        raise UserError(f"{height} rows have at most {-(-height // rows_per_part)} parts")
    coder, esr = _Coder(blob, width, channels), _library()
    symbols = np.zeros((min(height, len(parts) * rows_per_part), width, channels), np.int8)
    for number, part in enumerate(parts):
        data = np.frombuffer(part, np.uint8)
        source = _Bytes(data.ctypes.data, data.size, 0)
        _check(esr.esr_symbols_start_decoding(coder.handle, esr.esr_take_bytes, byref(source)))
        for row in symbols[number * rows_per_part :][:rows_per_part]:
            _check(esr.esr_symbols_decode_row(coder.handle, row.ctypes.data))
        _check(esr.esr_symbols_finish(coder.handle))
    return symbols


def _check_shape(shape: tuple[int, ...], rows_per_part: int) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise UserError(f"symbols must be (rows, columns, channels), not {shape}")
    if rows_per_part < 1:
        raise UserError(f"a part has at least 1 row, not {rows_per_part}")
