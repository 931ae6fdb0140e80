"""Dataclasses as the schema of a JSON file: what is read is treated as hostile input."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge_sr.errors import UserError

MAX_TEXT = 10_000

_T = TypeVar("_T")


def dumps(record: Any) -> str:
    """A dataclass as JSON, the same text for equal ones.

    Raises:
        ValueError: a number is not finite.
    """
    values = dataclasses.asdict(record)
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path, max_bytes: int, loads: Callable[[bytes], _T]) -> _T:
    """Read a file and let `loads` parse it.

    Args:
        path: of the file.
        max_bytes: one more than these is read at most, for `loads` to refuse.
        loads: from bytes.

    Raises:
        UserError: it cannot be read, or what `loads` raises, with the path in front.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        return loads(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(data: bytes, max_bytes: int, what: str) -> Any:
    """The values that bytes hold as JSON.

    Args:
        data: to be parsed.
        max_bytes: that they may be.
        what: they should be, with its article.

    Raises:
        UserError: they are too many, or no JSON.
    """
    if len(data) > max_bytes:
        raise UserError(f"{what} has at most {max_bytes} bytes")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UserError(f"it is not JSON, so not {what}") from None


def check_version(values: Any, *due: int) -> None:
    """Refuse another version of a schema.

    Raises:
        UserError: `values` do not say that they are of one of the versions `due`.
    """
    version = values.get("schema_version") if isinstance(values, dict) else None
    if type(version) is not int or version not in due:
        known = " and ".join(map(str, due))
        raise UserError(f"its schema version is {version!r:.20}; this edge-sr reads {known}")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def decode(value: Any, kind: Any, where: str, max_items: int) -> Any:
    """Parsed JSON as `kind`.

    Args:
        value: as `parse` gives it.
        kind: a dataclass, `X | None`, Literal, tuple[X, ...], dict[str, X], str, int, float, bool
            or Any; the dataclass's fields are of these kinds, and those with a default may lack.
        where: names the value in messages.
        max_items: of a tuple or dict.

    Raises:
        UserError: the value is of another kind.
    """
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_record(value, typing.cast(type, kind), where, max_items)
    if origin in (types.UnionType, typing.Union):  # the latter of a Literal
        (some,) = (option for option in typing.get_args(kind) if option is not type(None))
        return None if value is None else decode(value, some, where, max_items)
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
        due = f"must have exactly {', '.join(name for name in fields if name not in optional)}"
        also = f", and may have {', '.join(optional)}" if optional else ""
        raise UserError(f"{where} {due}{also}{_odd(value, fields)}")
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


def _odd(value: Any, fields: dict[str, Any]) -> str:
    unknown = [str(key) for key in value if key not in fields] if isinstance(value, dict) else []
    return f"; {unknown[0]!r:.40} is none of them" if unknown else ""


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
        raise UserError(f"{where} holds half a surrogate pair, which is no text")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{where} must be a finite number")
    if kind is int and abs(value) >= 2**63:
        raise UserError(f"{where} must fit into 64 bits")
    return value


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8; JSON may hold half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
