"""Suites of cases as data: suites/*.toml, each a list of products.

title = "Encoding and decoding"
[sampling]                         # see edge_sr.records.Sampling
warmup_s = 0.3
samples = 30
seconds = 1.0
max_samples = 20000
max_seconds = 4.0
[[case]]                           # every combination of the lists that a runtime supports
networks = ["tinycompress-4"]      # or upscalers, such as "tinypssr-x2"
parts = ["encoder", "decoder"]     # of codecs; of upscalers ["upscaler"]
precisions = ["int8", "float32"]
backends = ["litert", "engine"]
sizes = ["768x512"]                # of the image, width x height
threads = [1, 2]
"""

import dataclasses
import itertools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring.subject import Subject
from edge_sr.errors import UserError, reason
from edge_sr.records import Delegate, Part, Precision, RuntimeName, Sampling
from edge_sr.sizes import parse_size
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Kind

FOLDER = Path(__file__).parents[1] / "suites"
MAX_SIDE = 16_384
QUICK = Sampling(warmup_s=0.3, samples=20, seconds=1.0, max_samples=20_000, max_seconds=6.0)
"""The default sampling: one case takes a second or two."""


@dataclass(frozen=True)
class Backend:
    """A runtime with a delegate, as one name on the command line.

    Attributes:
        precisions: that it supports.
        threaded: whether its number of threads can be set.
    """

    runtime: RuntimeName
    delegate: Delegate
    suffix: str
    precisions: tuple[Precision, ...]
    threaded: bool


BACKENDS = {
    "litert": Backend("litert", "xnnpack", ".tflite", ("int8", "float32"), True),
    "litert-plain": Backend("litert", "none", ".tflite", ("int8", "float32"), True),
    "onnx": Backend("onnx", "none", ".onnx", ("int8", "float32"), True),
    "onnx-cuda": Backend("onnx", "cuda", ".onnx", ("int8", "float32"), False),
    "engine": Backend("engine", "none", ".tflite", ("int8",), True),
    "tflm": Backend("tflm", "none", ".tflite", ("int8", "float32"), False),
    "keras": Backend("keras", "none", ".safetensors", ("float32",), True),
}


@dataclass(frozen=True)
class CaseRequest:
    """A case to measure; its network or runtime may be missing.

    Attributes:
        network: its name.
        backend: one of `BACKENDS`.
        pinned: cores to bind to; empty: all.
        subject: of a user's own file; None for a shipped network.
        board: to emulate; the backend is then the engine.
    """

    network: str
    part: Part
    precision: Precision
    backend: str
    threads: int
    height: int
    width: int
    end_to_end: bool = False
    pinned: tuple[int, ...] = ()
    subject: Subject | None = field(default=None, compare=False)
    board: str | None = None


@dataclass(frozen=True)
class Suite:
    """A named list of cases."""

    name: str
    title: str
    sampling: Sampling
    cases: tuple[CaseRequest, ...]


def names() -> list[str]:
    """Return the names of all shipped suites."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> Suite:
    """Read a shipped suite, or a user's own file.

    Raises:
        UserError: no suite has that name, or the file is not a suite.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise UserError(f"unknown suite {name!r}; available: {', '.join(names())}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None
    try:
        return _suite(path.stem, values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _suite(name: str, values: dict[str, Any]) -> Suite:
    _check_keys(values, {"title", "sampling", "case"}, "a suite")
    cases, title = values["case"], values["title"]
    if not isinstance(cases, list) or not isinstance(title, str):
        raise UserError("a suite needs a title, which is text, and [[case]] tables")
    requests = [item for case in cases for item in _product(case)]
    return Suite(name, title, _sampling(values["sampling"]), tuple(dict.fromkeys(requests)))


def _check_keys(values: Any, keys: set[str], what: str) -> None:
    if not isinstance(values, dict) or set(values) != keys:
        raise UserError(f"{what} must have exactly the keys {', '.join(sorted(keys))}")


def _sampling(values: Any) -> Sampling:
    _check_keys(values, {field.name for field in dataclasses.fields(Sampling)}, "[sampling]")
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise UserError(f"{key} of [sampling] must be a positive number")
    for key in ("samples", "max_samples"):
        if type(values[key]) is not int:
            raise UserError(f"{key} of [sampling] must be a whole number")
    for key in ("samples", "seconds"):
        if values[f"max_{key}"] < values[key]:
            raise UserError(f"max_{key} of [sampling] is less than {key}")
    return Sampling(
        warmup_s=float(values["warmup_s"]),
        samples=values["samples"],
        seconds=float(values["seconds"]),
        max_samples=values["max_samples"],
        max_seconds=float(values["max_seconds"]),
    )


_LISTS = ("networks", "parts", "precisions", "backends", "sizes", "threads")


def _product(case: Any) -> list[CaseRequest]:
    _check_keys(case, set(_LISTS), "[[case]]")
    for key in _LISTS:
        kind, name = (int, "whole numbers") if key == "threads" else (str, "texts")
        values = case[key]
        listed = isinstance(values, list) and len(values) > 0
        if not listed or not all(type(value) is kind for value in values):
            raise UserError(f"{key} of [[case]] must be a list of {name} and not empty")
    networks = [catalog.identify(network) for network in case["networks"]]
    _check_known(case, {kind for _, kind in networks})
    sizes = [parse_size(size, MAX_SIDE) for size in case["sizes"]]
    combinations = itertools.product(
        networks, sizes, case["parts"], case["precisions"], case["backends"], case["threads"]
    )
    return [
        request(network, part, precision, backend, threads, size)
        for (network, kind), size, part, precision, backend, threads in combinations
        if precision in BACKENDS[backend].precisions
        and not (kind == "codec" and backend == "keras")
    ]


def _check_known(case: dict[str, Any], kinds: set[Kind]) -> None:
    if len(kinds) > 1:
        raise UserError("codecs and upscalers need separate [[case]] tables: their parts differ")
    parts = {"encoder", "decoder"} if kinds == {"codec"} else {"upscaler"}
    known = {"parts": parts, "precisions": {"int8", "float32"}, "backends": set(BACKENDS)}
    for key, values in known.items():
        unknown = [value for value in case[key] if value not in values]
        if unknown:
            raise UserError(
                f"unknown {key}: {unknown[0]!r}; available: {', '.join(sorted(values))}"
            )
    if not all(1 <= threads <= 64 for threads in case["threads"]):
        raise UserError("threads must be 1 to 64")


def request(
    network: str,
    part: Part,
    precision: Precision,
    backend: str,
    threads: int,
    size: tuple[int, int],
) -> CaseRequest:
    """Return a case; `size` is (height, width). A runtime with fixed threads gets one thread."""
    threads = threads if BACKENDS[backend].threaded else 1
    return CaseRequest(network, part, precision, backend, threads, *size)
