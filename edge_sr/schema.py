"""Reads and writes JSON files whose schema is a dataclass; input is treated as hostile."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge_sr.errors import UserError, reason

MAX_TEXT = 10_000

_T = TypeVar("_T")


def dumps(record: Any) -> str:
    """Return a dataclass as JSON; equal dataclasses give equal text.

    Raises:
        ValueError: a number is not finite.
    """
    values = dataclasses.asdict(record)
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path, max_bytes: int, loads: Callable[[bytes], _T]) -> _T:
    """Read a file and let `loads` parse it.

    Args:
        path: of the file.
        max_bytes: at most one byte more is read, so that `loads` can refuse a longer file.
        loads: parses the bytes.

    Raises:
        UserError: the file cannot be read, or `loads` raised it (then with the path in front).
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
    try:
        return loads(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(data: bytes, max_bytes: int, what: str) -> Any:
    """Parse JSON.

    Args:
        data: UTF-8 JSON.
        max_bytes: limit on the size of `data`.
        what: the expected content, for messages, such as "the manifest of an export".

    Raises:
        UserError: `data` is too long or not JSON.
    """
    if len(data) > max_bytes:
        raise UserError(f"{what} has at most {max_bytes} bytes")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UserError(f"it is not JSON; {what} is needed") from None


def check_version(values: Any, *known: int) -> None:
    """Check the schema version of parsed JSON.

    Raises:
        UserError: the version is missing or not one of `known`.
    """
    version = values.get("schema_version") if isinstance(values, dict) else None
    if type(version) is not int or version not in known:
        readable = " and ".join(map(str, known))
        raise UserError(f"its schema version is {version!r:.20}; this edge-sr reads {readable}")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def decode(value: Any, kind: Any, where: str, max_items: int) -> Any:
    """Convert parsed JSON to `kind`.

    Args:
        value: from `parse`.
        kind: a dataclass, `X | None`, Literal, tuple[X, ...], dict[str, X], str, int, float, bool
            or Any; a dataclass has fields of these kinds, and those with a default are optional.
        where: the name of the value in messages.
        max_items: limit for each tuple and dict.

    Raises:
        UserError: the value is not of this kind.
    """
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_record(value, typing.cast(type, kind), where, max_items)
    if origin in (types.UnionType, typing.Union):  # Union for an optional Literal
        (inner,) = (option for option in typing.get_args(kind) if option is not type(None))
        return None if value is None else decode(value, inner, where, max_items)
    if origin is Literal:
        if not isinstance(value, str) or value not in typing.get_args(kind):
            raise UserError(f"{where} must be one of {', '.join(typing.get_args(kind))}")
        return value
    if origin is tuple:
        item, _ = typing.get_args(kind)
        entries = enumerate(_sized(value, list, where, max_items))
        return tuple(
            decode(entry, item, f"{where}[{index}]", max_items) for index, entry in entries
        )
    if origin is dict:
        _, item = typing.get_args(kind)
        return {
            _plain(key, str, where): decode(entry, item, f"{where}.{key:.40}", max_items)
            for key, entry in _sized(value, dict, where, max_items).items()
        }
    return _plain(value, kind, where)


def _decode_record(value: Any, kind: type[_T], where: str, max_items: int) -> _T:
    fields = typing.get_type_hints(kind)
    known: Any = kind
    optional = [f.name for f in dataclasses.fields(known) if _has_default(f)]
    if not isinstance(value, dict) or {*value, *optional} != set(fields):
        needed = f"must have exactly {', '.join(name for name in fields if name not in optional)}"
        also = f", and may have {', '.join(optional)}" if optional else ""
        raise UserError(f"{where} {needed}{also}{_unknown(value, fields)}")
    return kind(
        **{
            name: decode(value[name], item, f"{where}.{name}", max_items)
            for name, item in fields.items()
            if name in value
        }
    )


def _has_default(field: Any) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _unknown(value: Any, fields: dict[str, Any]) -> str:
    unknown = [str(key) for key in value if key not in fields] if isinstance(value, dict) else []
    return f"; {unknown[0]!r:.40} is unknown" if unknown else ""


def _sized(value: Any, kind: Any, where: str, max_items: int) -> Any:
    if not isinstance(value, kind) or len(value) > max_items:
        raise UserError(f"{where} must be a {kind.__name__} of at most {max_items} items")
    return value


def _plain(value: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**53 else math.inf
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{where} must be of type {kind.__name__}")
    if kind is str and len(value) > MAX_TEXT:
        raise UserError(f"{where} is longer than {MAX_TEXT} characters")
    if kind is str and not _is_text(value):
        raise UserError(f"{where} holds half a surrogate pair, which is not text")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{where} must be a finite number")
    if kind is int and abs(value) >= 2**63:
        raise UserError(f"{where} must fit into 64 bits")
    return value


def _is_text(value: str) -> bool:
    """Whether the text can be encoded as UTF-8; JSON may hold half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
