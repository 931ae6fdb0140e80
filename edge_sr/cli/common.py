"""Options, notes, progress bars, tables and output checks shared by several commands."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from rich.console import Console

    from edge_sr.runtime.session import PixelRange
    from edge_sr.zoo.catalog import Precision

T = TypeVar("T")


def complete_runtime(incomplete: str) -> list[str]:
    """Complete the name of a runtime."""
    from edge_sr.runtime.runtimes import RUNTIMES

    return [name for name in RUNTIMES if name.startswith(incomplete)]


ScaleOption = Annotated[
    int | None, typer.Option(help="Upscaling factor.", show_default="from the id or file, else 2")
]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        autocompletion=complete_runtime,
        help="Runtime: litert, onnx, tflm, engine or keras.",
        show_default="litert, or the one for the file's suffix",
    ),
]
Int8Option = Annotated[
    bool | None,
    typer.Option(
        "--int8/--float32",
        help="Precision of the network.",
        show_default="from the file, else int8; keras: float32",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads (litert, onnx, engine).", show_default="one per core")
]
PerChannelOption = Annotated[
    bool,
    typer.Option("--per-channel", help="Run the network on R, G and B instead of luma only."),
]
InputRangeOption = Annotated[
    str | None,
    typer.Option(
        "--input-range",
        metavar="RANGE",
        help="Values of black and white in a file's input: 0..1, 0..255 or -1..1.",
        show_default="from scale and zero point; float32: 0..1",
    ),
]
OutputRangeOption = Annotated[
    str | None,
    typer.Option(
        "--output-range",
        metavar="RANGE",
        help="Values of black and white in a file's output, likewise.",
        show_default="from scale and zero point, else the input's",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing files.")]


def parse_path(text: str | Path) -> Path:
    """Parse a path of the command line; an empty text is an error, where pathlib reads ".".

    Raises:
        typer.BadParameter: the text is empty, as from a shell variable that is not set.
    """
    if text == "":
        raise typer.BadParameter("the path is empty; name a file or folder")
    return Path(text)


def precision_of(int8: bool | None) -> "Precision | None":
    """Return the precision of `--int8` or `--float32`; None where neither is given."""
    return None if int8 is None else "int8" if int8 else "float32"


def range_of(text: str | None) -> "PixelRange | None":
    """Return the range of `--input-range`; None where it is not given.

    Raises:
        UserError: the range is unknown.
    """
    if text is None:
        return None
    from edge_sr.runtime.pixels import parse_range

    return parse_range(text)


@functools.cache
def _console() -> "Console":
    """Return the console of standard error; notes on it appear above its progress bars."""
    from rich.console import Console

    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def say(text: str | None) -> None:
    """Print a note on standard error, above a progress bar; print nothing for None."""
    if text:
        _console().print(f"edge-sr: {text}", soft_wrap=True)


def progress(items: Iterable[T], what: str, count: int) -> Iterable[T]:
    """Iterate with a progress bar on standard error, if that is a terminal."""
    from rich.progress import track

    console = _console()
    quiet = not console.is_terminal
    return track(items, what, total=count, console=console, transient=True, disable=quiet)


def print_markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as Markdown, without wrapping lines, so that it can be pasted."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*row)
    Console(width=1000, markup=False, highlight=False).print(table)


def quality_text(score: Mapping[str, float]) -> str:
    """Format PSNR (dB) and SSIM; a missing SSIM is "-", as some papers print PSNR only."""
    ssim = f"{score['ssim']:.4f}" if "ssim" in score else "-"
    return f"{score['psnr']:.2f} / {ssim}"


def check_picture(path: Path, force: bool) -> None:
    """Refuse a figure that cannot be drawn, before any work is done.

    Raises:
        UserError: its suffix is not .png, .pdf or .svg, as `check_new`, or matplotlib is missing.
    """
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UserError(f"cannot draw {path}; name a .png, .pdf or .svg file")
    check_new(path, force)
    require("matplotlib", "plot")


def check_new(path: Path, force: bool) -> None:
    """Refuse to replace a file without `--force`, before any work is done.

    Raises:
        UserError: `path` exists, or its folder is missing or not writable.
    """
    check_file_name(path)
    if path.exists() and not force:
        raise UserError(f"{path} exists; --force replaces it")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: the folder {path.parent} is not writable")


def check_file_name(path: Path) -> None:
    """Refuse a folder where a file is to be written.

    Raises:
        UserError: `path` is a folder.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
