"""Reads records for reports: labelled, and without control characters."""

import collections
import dataclasses
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_sr import records
from edge_sr.errors import UserError
from edge_sr.records import Case, MemoryKind, Record, Result

MAX_TEXT = 500
"""Maximum length of a text in a report."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Source:
    """A record with its file's name and a unique label."""

    file: str
    label: str
    record: Record


def load(paths: Sequence[Path]) -> list[Source]:
    """Read the records of a report.

    Raises:
        UserError: a file is not a record, or is named twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a record is named twice; name each once")
    read = [harmless(records.read(path)) for path in paths]
    return [
        Source(plain(path.name), label, record)
        for path, label, record in zip(paths, _labels(read, paths), read, strict=True)
    ]


def _labels(read: Sequence[Record], paths: Sequence[Path]) -> list[str]:
    """Return the devices' names, with details where several records share a device."""
    names = [device_name(record) for record in read]
    suites = [f"{record.suite or 'single cases'}, {record.started}" for record in read]
    for details in (suites, [plain(str(path)) for path in paths]):
        count = collections.Counter(names)
        names = [
            f"{name} ({detail})" if count[name] > 1 else name
            for name, detail in zip(names, details, strict=True)
        ]
    return names


def device_name(record: Record) -> str:
    """Return the device's name; an emulated device says so."""
    device = record.device
    name = device.name or f"{device.cpu}, {plural(device.cores, 'core')}"
    return f"{name}, emulated by {device.emulated}" if device.emulated else name


def harmless(value: _T) -> _T:
    """Return a record, or a part of one, with `plain` texts."""
    safe: Any = value
    if isinstance(value, str):
        safe = plain(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        safe = dataclasses.replace(
            value, **{item.name: harmless(getattr(value, item.name)) for item in fields}
        )
    elif isinstance(value, dict):
        safe = {plain(key): plain(item) for key, item in value.items()}
    elif isinstance(value, tuple) and not all(isinstance(item, int) for item in value):
        safe = tuple(harmless(item) for item in value)
    return safe


def plain(text: str) -> str:
    """Return a text without control and format characters, such as escape sequences, line ends
    and changes of writing direction; long texts are cut.
    """
    shown = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return "".join("\ufffd" if _is_control(sign) else sign for sign in shown)


def _is_control(sign: str) -> bool:
    kind = unicodedata.category(sign)
    return kind[0] == "C" or kind in ("Zl", "Zp")


def where(case: Case) -> str:
    """Return what of the device a case uses: "2 threads on cores 0,1"."""
    if case.board is not None:
        return f"{case.board} (emulated)"
    pinned = f" on cores {','.join(map(str, case.pinned))}" if case.pinned else ""
    return plural(case.threads, "thread") + pinned


def network_name(case: Case) -> str:
    """Return the network's name, with its part for a codec: "tinycompress-4 encoder"."""
    network = case.network
    whole = network.part in ("upscaler", "network")
    return network.name if whole else f"{network.name} {network.part}"


def size(case: Case) -> str:
    """Return the image size, width x height, or the shapes of other inputs."""
    return case.size


def input_text(case: Case) -> str:
    """Return what the network runs on: "image of 32x32", or the shapes of other inputs."""
    return f"image of {case.size}" if case.inputs is None else f"input {case.inputs}"


def is_right(result: Result) -> bool:
    """Return whether it was measured and passed the output check."""
    checked = result.output is not None and result.output.right is True
    return result.status == "measured" and checked and "wrong" not in result.marks


def plural(count: int, what: str) -> str:
    """Return a count with its noun, such as "1 core" or "2 cores"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def memory(result: Result, *kinds: MemoryKind) -> int | None:
    """Return the bytes of the first of these kinds that the result has, or None."""
    return next((item.bytes for kind in kinds for item in result.memory if item.kind == kind), None)
