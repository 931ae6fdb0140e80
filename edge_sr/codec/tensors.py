"""Reads and writes .safetensors files with numpy alone, which every installation has.

https://github.com/huggingface/safetensors#format: a length, a header in JSON, and raw arrays.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError, reason
from edge_sr.files import check_is_file, replacing

MAX_BYTES = 64 * 1024 * 1024
_TYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "U16": np.dtype("<u2"),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write float64, float32 and uint16 arrays atomically; equal arrays give equal bytes."""
    header, data = {}, b""
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary:
        temporary.write_bytes(len(text).to_bytes(8, "little") + text + data)


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file.

    Raises:
        UserError: the file is missing, is too large, is damaged, or has other types of arrays.
    """
    check_is_file(path, "a .safetensors file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES} bytes; it is not of edge-sr")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
    try:
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        return {
            name: _array(entry, data[end:])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path} is not a .safetensors file of edge-sr, or it is damaged") from None


def _array(entry: Mapping[str, Any], data: bytes) -> np.ndarray:
    dtype, shape = _TYPES[entry["dtype"]], tuple(int(side) for side in entry["shape"])
    first, last = (int(offset) for offset in entry["data_offsets"])
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or first < 0 or last - first != size or last > len(data):
        raise ValueError(entry)
    return np.frombuffer(data[first:last], dtype).reshape(shape)
