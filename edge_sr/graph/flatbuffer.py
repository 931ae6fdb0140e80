"""Reads tables and vectors of a flatbuffer as hostile input."""

import struct
from typing import Any

import numpy as np

from edge_sr.graph.checks import DamageError

MAX_ITEMS = 4096


def checked(table: Any) -> Any:
    """Return the table after checking that its vtable and its fields lie inside the file.

    Raises:
        DamageError: they do not.
    """
    data, position = table._tab.Bytes, table._tab.Pos
    if position % 4 or not 0 <= position <= len(data) - 4:
        raise DamageError("a table lies outside the file")
    vtable = position - struct.unpack_from("<i", data, position)[0]
    if vtable % 2 or not 0 <= vtable <= len(data) - 4:
        raise DamageError("a table's layout lies outside the file")
    layout_size, table_size = struct.unpack_from("<HH", data, vtable)
    if layout_size < 4 or layout_size % 2 or vtable + layout_size > len(data):
        raise DamageError("a table's layout is malformed")
    if table_size < 4 or position + table_size > len(data):
        raise DamageError("a table is cut off")
    fields = struct.unpack_from(f"<{layout_size // 2 - 2}H", data, vtable + 4)
    if any(field >= table_size or 0 < field < 4 for field in fields):
        raise DamageError("a table's field lies outside the table")
    return table


def tables(table: Any, field: str) -> list[Any]:
    """Return the tables of a vector, each checked.

    Raises:
        DamageError: there are more than `MAX_ITEMS`, or one of them is damaged.
    """
    length = getattr(table, f"{field}Length")()
    if length > MAX_ITEMS:
        raise DamageError(f"it declares {length} {field.lower()}, more than {MAX_ITEMS}")
    return [checked(getattr(table, field)(index)) for index in range(length)]


def vector(table: Any, field: str) -> np.ndarray:
    """Return the values of a vector; none if the field is missing."""
    values = getattr(table, f"{field}AsNumpy")()
    return values if isinstance(values, np.ndarray) else np.empty(0, np.uint8)


def ints(table: Any, field: str) -> tuple[int, ...]:
    """Return the values of a vector of integers.

    Raises:
        DamageError: there are more than `MAX_ITEMS`.
    """
    values = vector(table, field)
    if len(values) > MAX_ITEMS:
        raise DamageError(f"a list of {len(values)} {field.lower()} is longer than {MAX_ITEMS}")
    return tuple(int(value) for value in values)
