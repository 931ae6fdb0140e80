"""`edge-sr bench`: how long networks take and how much memory, as a record."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge_sr.cli.bench_host import (
    HostOption,
    IdentityOption,
    PortOption,
    WheelOption,
    WheelsOption,
    measurer,
)
from edge_sr.cli.common import (
    ForceOption,
    Int8Option,
    check_new,
    known_scale,
    parse_path,
    say,
)
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from benchmarks.measuring.suites import Wanted
    from edge_sr.records import Precision, Record, Sampling

DEFAULT_SUITE = "quick"
_SIZES = {"upscaler": "320x240", "encoder": "768x512", "decoder": "768x512"}


class _RunByDefault(TyperGroup):
    """`edge-sr bench ...` is `edge-sr bench run ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before what is none."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Measure networks: time, memory and outputs, as a record. Without a command: run.",
)


@dataclass(frozen=True)
class _Asked:
    """The options that say what to measure; None and empty where nothing was said."""

    artifact: Path | None
    suite: str | None
    model: str | None
    scale: int | None
    part: list[str]
    int8: bool | None
    runtime: list[str]
    threads: int | None
    size: str | None
    pin: tuple[int, ...]
    board: list[str]
    end_to_end: bool


@app.command("run")
def run(
    artifact: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ARTIFACT]", parser=parse_path, help="A .tflite, .onnx or .safetensors file."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="A list of cases: quick, execution-time, super-resolution, or a .toml file.",
            show_default="quick, where nothing else is named",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A shipped network, such as tinypssr or tinycompress-16.")
    ] = None,
    scale: Annotated[int | None, typer.Option(help="Scale of --model.", show_default="2")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="encoder or decoder of a codec; again for both.", show_default="both"),
    ] = None,
    int8: Int8Option = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="litert (XNNPACK), litert-plain, onnx, onnx-cuda, engine, tflm or keras; again "
            "for more.",
            show_default="what opens the file; of a suite, all",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=64, help="Threads.", show_default="1, or the suite's")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Of the image: an upscaler's or encoder's input, a decoder's output.",
            show_default="320x240, 768x512 for codecs, or the suite's",
        ),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="CORES", help="Bind to cores: 0 or 0,1.")
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option(help="Emulate this board and count instructions instead; again for more."),
    ] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Time 8-bit pixels to 8-bit pixels as well.")
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, help="At least so many.", show_default="20 or the suite's"
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.001, max=3600, help="And for so long.", show_default="1 or the suite's"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="PATH", help="The record.", show_default="none"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the record that --out names.")
    ] = False,
    host: HostOption = None,
    port: PortOption = None,
    identity: IdentityOption = None,
    wheel: WheelOption = None,
    wheels: WheelsOption = None,
    force: ForceOption = False,
) -> None:
    """Measure each case in a process of its own: cold start, warm-up, samples, memory, output.

    Times are in milliseconds. A case whose output is wrong is marked so, and the command then ends
    with exit code 1. Ctrl-C keeps the cases measured until then, in a record that says so.
    """
    from benchmarks.measuring.measure import Task
    from edge_sr import records
    from edge_sr.cli import bench_results
    from edge_sr.engine import binding

    measure = measurer(host, port, identity, wheel, wheels)
    if resume and out is None:
        raise UserError("--resume goes on with a record; name it with --out")
    if out is not None:
        check_new(out, force or resume)
    asked = _Asked(
        artifact, suite, model, scale, part or [], int8, runtime or [], threads, size,
        _cores(pin, host is None), board or [], end_to_end,
    )  # fmt: skip
    name, sampling, wanted = _choose(asked)
    sampling = _more(sampling, samples, seconds)
    if host is None:
        binding.kernel_limit()
    former = records.read(out) if resume and out is not None and out.exists() else None
    task = Task(name, wanted, sampling, _convert, _emulate)
    with _Display(out, len(wanted)) as display:
        record = measure(task, display.keep, former)
    _refuse_nothing(record, None if former else out)
    bench_results.show_results(record)
    bench_results.check_outputs(record)


def _cores(text: str | None, here_only: bool) -> tuple[int, ...]:
    from benchmarks.measuring import device

    if text is None:
        return ()
    here = device.cores()
    try:
        pinned = tuple(sorted({int(core) for core in text.split(",")}))
    except ValueError:
        raise UserError(f"{text!r} is no list of cores; one is like 0,1") from None
    if here_only and not set(pinned) <= set(here):
        raise UserError(f"--pin names cores that are not here; there are {_listed(here)}")
    return pinned


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


# --- what to measure


def _choose(asked: _Asked) -> tuple[str | None, "Sampling", tuple["Wanted", ...]]:
    """The suite's name, if it is one, how to sample, and the cases.

    Raises:
        UserError: the options contradict each other, or name what is not there.
    """
    from benchmarks.measuring.suites import BACKENDS, QUICK

    named = [asked.artifact, asked.suite, asked.model]
    if sum(value is not None for value in named) > 1:
        raise UserError("ARTIFACT, --suite and --model are three ways to say it; name one")
    for backend in asked.runtime:
        if backend not in BACKENDS:
            raise UserError(f"there is no runtime {backend!r}; there are {_listed([*BACKENDS])}")
    if asked.model is None and (asked.scale is not None or asked.part):
        raise UserError("--scale and --part go with --model")
    if asked.artifact is None and asked.model is None:
        return _from_suite(asked)
    cases = _of_file(asked, asked.artifact) if asked.artifact else _of_model(asked)
    return None, QUICK, tuple(dict.fromkeys(_finish(asked, cases)))


def _from_suite(asked: _Asked) -> tuple[str, "Sampling", tuple["Wanted", ...]]:
    from benchmarks.measuring import suites

    suite = suites.read(asked.suite or DEFAULT_SUITE)
    if asked.board:
        raise UserError("--board goes with --model or a file")
    wanted = _finish(asked, suite.wanted)
    if asked.runtime:
        wanted = [case for case in wanted if case.backend in asked.runtime]
    if asked.int8 is not None:
        wanted = [case for case in wanted if (case.precision == "int8") == asked.int8]
    if not wanted:
        raise UserError(f"the suite {suite.name} has no case like that")
    return suite.name, suite.sampling, tuple(dict.fromkeys(wanted))


def _finish(asked: _Asked, cases: Sequence["Wanted"]) -> list["Wanted"]:
    """The cases with what the options say of all of them."""
    from benchmarks.measuring.suites import BACKENDS, parse_size

    made = []
    for case in cases:
        case = replace(case, pinned=asked.pin, end_to_end=asked.end_to_end)
        if asked.threads is not None and BACKENDS[case.backend].threaded:
            case = replace(case, threads=asked.threads)
        if asked.size is not None:
            height, width = parse_size(asked.size)
            case = replace(case, height=height, width=width)
        made.append(case)
    return made


def _of_file(asked: _Asked, path: Path) -> list["Wanted"]:
    from benchmarks.measuring import subject
    from benchmarks.measuring.suites import BACKENDS, parse_size, want

    found = subject.open_file(path)
    if asked.int8 is not None and (found.precision == "int8") != asked.int8:
        raise UserError(f"{path} computes in {found.precision}")
    suffix = path.suffix.lower()
    opens = [
        name
        for name, backend in BACKENDS.items()
        if backend.suffix == suffix and found.precision in backend.precisions
    ]
    for backend in asked.runtime:
        if backend not in opens:
            raise UserError(f"{backend} does not open {path}; {_listed(opens)} do")
    size = parse_size(_SIZES[found.part])
    cases = [
        replace(want(found.name, found.part, found.precision, backend, 1, size), subject=found)
        for backend in _backends(asked, opens)
    ]
    return _on_boards(asked, cases)


def _backends(asked: _Asked, opens: Sequence[str]) -> Sequence[str]:
    return ["engine"] if asked.board else asked.runtime or opens[:1]


def _of_model(asked: _Asked) -> list["Wanted"]:
    from benchmarks.measuring import subject
    from benchmarks.measuring.suites import BACKENDS, parse_size, want

    model = asked.model or ""
    codec = subject.is_codec(model)
    if codec and asked.scale is not None:
        raise UserError(f"{model} is a codec and has no scale; leave --scale out")
    name = model if codec else f"{model} x{known_scale(asked.scale)}"
    backends = _backends(asked, [*BACKENDS])
    chosen = {backend: _precision(asked, backend) for backend in backends}
    for backend, precision in chosen.items():
        if precision not in BACKENDS[backend].precisions or (codec and backend == "keras"):
            raise UserError(f"{backend} does not run {name} in {precision}")
    parts = _parts(asked, codec)
    for part, precision in itertools.product(parts, chosen.values()):
        subject.find(name, part, precision)  # refuses what does not ship
    cases = [
        want(name, part, precision, backend, 1, parse_size(_SIZES[part]))
        for part in parts
        for backend, precision in chosen.items()
    ]
    return _on_boards(asked, cases)


def _precision(asked: _Asked, backend: str) -> "Precision":
    """What was asked for; else int8, but for runtimes that have none."""
    from benchmarks.measuring.suites import BACKENDS

    if asked.int8 is not None:
        return "int8" if asked.int8 else "float32"
    return BACKENDS[backend].precisions[0]


def _parts(asked: _Asked, codec: bool) -> list[Any]:
    due = ["encoder", "decoder"] if codec else ["upscaler"]
    for part in asked.part:
        if part not in due:
            raise UserError(f"{asked.model} has no {part}; it has {_listed(due)}")
    return asked.part or due


def _on_boards(asked: _Asked, cases: Sequence["Wanted"]) -> list["Wanted"]:
    if not asked.board:
        return list(cases)
    from firmware_harness import board_file, emulate

    if asked.runtime not in ([], ["engine"]):
        raise UserError("a board runs the engine; leave --runtime out")
    for name in asked.board:
        emulate.check_tools(board_file.find(name))
    return [replace(case, board=name) for case in cases for name in asked.board]


def _more(sampling: "Sampling", samples: int | None, seconds: float | None) -> "Sampling":
    """The sampling with what the options say; limits grow with it."""
    samples = samples or sampling.samples
    seconds = seconds or sampling.seconds
    return replace(
        sampling,
        samples=samples,
        seconds=seconds,
        max_samples=max(samples, sampling.max_samples),
        max_seconds=max(4 * seconds, sampling.max_seconds),
    )


def _convert(model: bytes) -> bytes:
    from export.onnx import from_tflite

    return from_tflite(model)


def _emulate(case: Any, model: bytes, pixels: Any) -> Any:
    from firmware_harness.measure import measure

    return measure(case, model, pixels)


# --- what is shown


class _Display:
    """A progress bar on a terminal, and the record on the disk after each case."""

    def __init__(self, out: Path | None, planned: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._out = out
        self._kept = 0
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("measuring", total=planned)

    def __enter__(self) -> "_Display":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()
        if kind in (KeyboardInterrupt, SystemExit) and self._out is not None:
            say(f"{self._out} keeps the {self._kept} cases measured until now; --resume goes on")

    def keep(self, record: "Record") -> None:
        """Write the record so far."""
        from benchmarks.reports.sources import plain
        from edge_sr import records

        if self._out is not None:
            records.write(self._out, record)
        self._kept = len(record.results)
        newest = max(record.results, key=lambda result: result.started, default=None)
        what = plain(newest.case.key) if newest else "measuring"
        self._bar.update(self._task, completed=self._kept, description=what)


def _refuse_nothing(record: "Record", out: Path | None) -> None:
    """Leave no new record where no case could be measured at all.

    Args:
        record: all cases.
        out: its file, if there was no record before.

    Raises:
        UserError: so.
    """
    if any(result.status == "measured" for result in record.results):
        return
    if out is not None:
        out.unlink(missing_ok=True)
    from benchmarks.reports.sources import plain

    first = record.results[0]
    raise UserError(f"nothing was measured; {plain(first.case.key)}: {first.reason}")
