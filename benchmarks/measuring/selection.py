"""Chooses the cases to measure: those of a suite, of a model file, or of a shipped network."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import subject, suites
from benchmarks.measuring.suites import BACKENDS, MAX_SIDE, QUICK, CaseRequest, request
from edge_sr.errors import UserError
from edge_sr.records import Precision, Sampling
from edge_sr.sizes import parse_size
from edge_sr.zoo import catalog

DEFAULT_SUITE = "quick"
DEFAULT_SIZES = {
    "upscaler": "320x240",
    "encoder": "768x512",
    "decoder": "768x512",
}


@dataclass(frozen=True)
class Options:
    """What a user says of the cases; None or empty where nothing is said.

    Attributes:
        artifact: a model file.
        suite: name or path of a suite; at most one of artifact, suite and model is given.
        model: name of a shipped network.
        scale: of the model.
        parts: of the model, a codec: encoder, decoder.
        int8: True for int8, False for float32.
        runtimes: names in `BACKENDS`.
        threads: of each case.
        size: of the image, "WIDTHxHEIGHT".
        pinned: cores to bind to.
        boards: to be emulated.
        end_to_end: whether to time 8-bit pixels to 8-bit pixels as well.
        samples: minimum number of timed runs.
        seconds: minimum measuring time.
    """

    artifact: Path | None = None
    suite: str | None = None
    model: str | None = None
    scale: int | None = None
    parts: Sequence[str] = ()
    int8: bool | None = None
    runtimes: Sequence[str] = ()
    threads: int | None = None
    size: str | None = None
    pinned: tuple[int, ...] = ()
    boards: Sequence[str] = ()
    end_to_end: bool = False
    samples: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Selection:
    """The cases to measure.

    Attributes:
        suite: its name; None where the cases are not those of a suite.
        sampling: of each case.
        cases: without repetition.
    """

    suite: str | None
    sampling: Sampling
    cases: tuple[CaseRequest, ...]


def select(options: Options) -> Selection:
    """Return the cases that the options describe.

    Raises:
        UserError: the options contradict each other, or name what does not exist.
    """
    sources = [options.artifact, options.suite, options.model]
    if sum(source is not None for source in sources) > 1:
        raise UserError("ARTIFACT, --suite and --model exclude each other; name one of them")
    for backend in options.runtimes:
        if backend not in BACKENDS:
            raise UserError(f"unknown runtime {backend!r}; available: {_listed([*BACKENDS])}")
    if options.model is None and (options.scale is not None or options.parts):
        raise UserError("--scale and --part need --model")
    if options.artifact is None and options.model is None:
        suite, sampling, cases = _of_suite(options)
    else:
        suite, sampling = None, QUICK
        cases = _of_file(options, options.artifact) if options.artifact else _of_model(options)
        cases = _apply(options, cases)
    return Selection(suite, _with_limits(sampling, options), tuple(dict.fromkeys(cases)))


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _of_suite(options: Options) -> tuple[str, Sampling, list[CaseRequest]]:
    suite = suites.read(options.suite or DEFAULT_SUITE)
    if options.boards:
        raise UserError("--board needs --model or a file")
    cases = _apply(options, suite.cases)
    if options.runtimes:
        cases = [case for case in cases if case.backend in options.runtimes]
    if options.int8 is not None:
        cases = [case for case in cases if (case.precision == "int8") == options.int8]
    if not cases:
        raise UserError(f"no case of the suite {suite.name} matches the options")
    return suite.name, suite.sampling, cases


def _apply(options: Options, cases: Sequence[CaseRequest]) -> list[CaseRequest]:
    """Return the cases with the options that apply to all of them."""
    applied = []
    for case in cases:
        case = replace(case, pinned=options.pinned, end_to_end=options.end_to_end)
        if options.threads is not None and BACKENDS[case.backend].threaded:
            case = replace(case, threads=options.threads)
        if options.size is not None:
            height, width = parse_size(options.size, MAX_SIDE)
            case = replace(case, height=height, width=width)
        applied.append(case)
    return applied


def _of_file(options: Options, path: Path) -> list[CaseRequest]:
    opened = subject.open_file(path)
    if options.int8 is not None and (opened.precision == "int8") != options.int8:
        raise UserError(f"{path} computes in {opened.precision}")
    suffix = path.suffix.lower()
    if options.size is not None and not opened.is_sized:
        raise UserError(f"{path} runs at one size only; leave --size out")
    if options.end_to_end and opened.part == "network":
        raise UserError(f"{path} is run on noise, which has no pixels; leave --end-to-end out")
    opens = [
        name
        for name, backend in BACKENDS.items()
        if backend.suffix == suffix and opened.precision in backend.precisions
    ]
    for backend in options.runtimes:
        if backend not in opens:
            raise UserError(f"{backend} does not open {path}; {_listed(opens)} do")
    size = opened.own_size or parse_size(DEFAULT_SIZES[opened.part], MAX_SIDE)
    cases = [
        replace(
            request(opened.name, opened.part, opened.precision, backend, 1, size), subject=opened
        )
        for backend in (_backends(options, []) or _all(opens))
    ]
    return _on_boards(options, cases)


def _backends(options: Options, opens: Sequence[str]) -> Sequence[str]:
    return ["engine"] if options.boards else options.runtimes or opens[:1]


def _all(opens: Sequence[str]) -> list[str]:
    """Return the runtimes that measure a file by default: all but those of a GPU."""
    return [name for name in opens if BACKENDS[name].delegate != "cuda"]


def _of_model(options: Options) -> list[CaseRequest]:
    model = catalog.resolve(options.model, options.scale)
    if model.entry is None or not model.entry.is_shipped:
        raise UserError(
            f"--model takes the id of a shipped network; write `edge-sr bench {options.model}` to "
            "measure a file"
        )
    name, codec = model.entry.id, model.entry.kind == "codec"
    backends = _backends(options, [*BACKENDS])
    chosen = {backend: _precision(options, backend) for backend in backends}
    for backend, precision in chosen.items():
        if precision not in BACKENDS[backend].precisions or (codec and backend == "keras"):
            raise UserError(f"{backend} does not run {name} in {precision}")
    parts = [model.part] if codec and model.part else _parts(options, codec)
    for part, precision in itertools.product(parts, chosen.values()):
        subject.find(name, part, precision)  # raises where it is not shipped
    cases = [
        request(name, part, precision, backend, 1, parse_size(DEFAULT_SIZES[part], MAX_SIDE))
        for part in parts
        for backend, precision in chosen.items()
    ]
    return _on_boards(options, cases)


def _precision(options: Options, backend: str) -> Precision:
    """Return the precision of the options, or the runtime's first one: int8 where it has that."""
    if options.int8 is not None:
        return "int8" if options.int8 else "float32"
    return BACKENDS[backend].precisions[0]


def _parts(options: Options, codec: bool) -> Sequence[Any]:
    available = ["encoder", "decoder"] if codec else ["upscaler"]
    for part in options.parts:
        if part not in available:
            raise UserError(f"{options.model} has no {part}; it has {_listed(available)}")
    return options.parts or available


def _on_boards(options: Options, cases: Sequence[CaseRequest]) -> list[CaseRequest]:
    if not options.boards:
        return list(cases)
    if list(options.runtimes) not in ([], ["engine"]):
        raise UserError("a board runs the engine; leave --runtime out")
    return [replace(case, board=name) for case in cases for name in options.boards]


def _with_limits(sampling: Sampling, options: Options) -> Sampling:
    """Return the sampling with the minima of the options; its maxima grow with them."""
    samples = options.samples or sampling.samples
    seconds = options.seconds or sampling.seconds
    return replace(
        sampling,
        samples=samples,
        seconds=seconds,
        max_samples=max(samples, sampling.max_samples),
        max_seconds=max(4 * seconds, sampling.max_seconds),
    )
