"""`edge-sr bench run`: measures networks and writes a record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_sr.cli.bench.host_options import (
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
    parse_path,
    say,
)
from edge_sr.cli.tables import show
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from edge_sr.records import Record


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
            help="Cases to measure: quick, execution-time, super-resolution, or a .toml file.",
            show_default="quick, unless a model is named",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Id of a shipped network, such as tinypssr-x2 or tinycompress-16."),
    ] = None,
    scale: Annotated[int | None, typer.Option(help="Scale of --model.", show_default="2")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="encoder or decoder of a codec; may be repeated.", show_default="both"),
    ] = None,
    int8: Int8Option = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="litert (XNNPACK), litert-plain, onnx, onnx-cuda, engine, tflm or keras; may be "
            "repeated.",
            show_default="all that open the file; of --model, litert; of a suite, all",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Number of threads.", show_default="1, or the suite's"),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Image size: the input of an upscaler or encoder, the output of a decoder.",
            show_default="320x240, 768x512 for codecs, the file's own, or the suite's",
        ),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="CORES", help="Cores to bind to, such as 0 or 0,1.")
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option(
            help="Board to emulate, counting instructions instead of time; may be repeated."
        ),
    ] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Also time 8-bit pixels to 8-bit pixels.")
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Minimum number of timed runs.",
            show_default="20 or the suite's",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=3600,
            help="Minimum measuring time in seconds.",
            show_default="1 or the suite's",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Write the record to this file.",
            show_default="none",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the record that --out names.")
    ] = False,
    host: HostOption = None,
    port: PortOption = None,
    identity: IdentityOption = None,
    wheel: WheelOption = None,
    wheels: WheelsOption = None,
    force: ForceOption = False,
) -> None:
    """Measure each case in a fresh process: cold start, warm-up, samples, memory, output.

    A .tflite or .onnx that is neither an upscaler nor a part of a codec is run on seeded noise.
    Times are in milliseconds. A case whose output is wrong is flagged, and the command then ends
    with exit code 1. After Ctrl-C the record holds the cases measured so far.
    """
    from benchmarks.measuring.device import parse_cores
    from benchmarks.measuring.measure import Task
    from benchmarks.measuring.selection import Options, select
    from benchmarks.reports.outcome import require_measured, require_right
    from benchmarks.reports.summary import summary_tables
    from edge_sr import records
    from edge_sr.engine import binding

    measure = measurer(host, port, identity, wheel, wheels)
    if resume and out is None:
        raise UserError("--resume continues a record; name it with --out")
    if out is not None:
        check_new(out, force or resume)
    pinned = () if pin is None else parse_cores(pin, here=host is None)
    options = Options(
        artifact, suite, model, scale, part or [], int8, runtime or [], threads,
        size, pinned, board or [], end_to_end, samples, seconds,
    )  # fmt: skip
    selection = select(options)
    _check_boards(board or [])
    if host is None:
        binding.kernel_limit()
    previous = records.read(out) if resume and out is not None and out.exists() else None
    task = Task(selection.suite, selection.cases, selection.sampling, _convert, _emulate)
    with _Display(out, len(selection.cases)) as display:
        record = measure(task, display.keep, previous)
    try:
        require_measured(record)
    except UserError:
        if out is not None and previous is None:
            out.unlink(missing_ok=True)
        raise
    for table in summary_tables(record):
        show(table, markdown=False)
    require_right(record)


def _check_boards(names: list[str]) -> None:
    if names:
        from firmware_harness import board_file, emulate

        for name in names:
            emulate.check_tools(board_file.find(name))


def _convert(model: bytes) -> bytes:
    from export.onnx import from_tflite

    return from_tflite(model)


def _emulate(case: Any, model: bytes, values: Any) -> Any:
    from firmware_harness.measure import measure

    return measure(case, model, values)


class _Display:
    """A progress bar on a terminal; it writes the record after each case."""

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
            say(f"{self._out} holds the {self._kept} cases measured so far; --resume continues")

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
