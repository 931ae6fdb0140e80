"""What several commands share: choosing a model, a runtime and an artifact, and opening it."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edge_sr.errors import UserError, require

if TYPE_CHECKING:
    from rich.console import Console

    from edge_sr.runtime.session import Session

T = TypeVar("T")


def parse_path(text: str | Path) -> Path:
    """The `parser` of every path on the command line: pathlib takes an empty text for ".".

    Raises:
        typer.BadParameter: the text is empty, as from a shell variable that is not set.
    """
    if text == "":
        raise typer.BadParameter("it is empty; name a file or folder")
    return Path(text)


DEFAULT_MODEL = "tinypssr-anchor"
"""The best of the shipped networks: as many parameters as tinypssr, and more dB, also in int8."""

DEFAULT_SCALE = 2

ModelOption = Annotated[
    str, typer.Option(help="Name of a shipped model, or a .tflite, .onnx or .safetensors file.")
]
ScaleOption = Annotated[int | None, typer.Option(help="Scale.", show_default="2, or the file's")]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        help="litert, onnx, tflm, engine or keras.",
        show_default="litert, or what opens the file",
    ),
]
Int8Option = Annotated[
    bool | None,
    typer.Option(
        "--int8/--float32",
        help="Arithmetic.",
        show_default="int8, or the file's; keras: float32",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads of litert, onnx or engine.", show_default="one per core")
]
PerChannelOption = Annotated[
    bool,
    typer.Option("--per-channel", help="Run the network on R, G and B instead of luma alone."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what exists.")]


@dataclass(frozen=True)
class Artifact:
    """A model file, and what is to run it.

    Attributes:
        name: for people: the model's name or the file's.
        path: the file.
        runtime: that opens it.
    """

    name: str
    path: Path
    runtime: str


def choose(model: str, scale: int | None, runtime: str | None, int8: bool | None) -> Artifact:
    """The artifact that a command's options mean.

    Raises:
        UserError: there is none, or the options contradict each other.
    """
    from edge_sr.runtime.runtimes import RUNTIMES

    if runtime is not None and runtime not in RUNTIMES:
        raise UserError(f"there is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
    suffixes = {known.suffix: name for name, known in reversed(RUNTIMES.items())}
    runnable = [known for name, known in RUNTIMES.items() if runtime in (None, name)]
    taken = ", ".join(dict.fromkeys(known.suffix for known in runnable))
    suffix = Path(model).suffix.lower()
    if suffix in suffixes or os.sep in model:
        if suffix not in suffixes:
            raise UserError(f"{model} is not a model; it takes a file of {taken}")
        return Artifact(Path(model).name, Path(model), runtime or suffixes[suffix])
    return _shipped(model, known_scale(scale), runtime or "litert", int8, taken)


def known_scale(scale: int | None) -> int:
    """The scale of a shipped model where none is asked for; 0 is asked for, and refused later."""
    return DEFAULT_SCALE if scale is None else scale


def _shipped(model: str, scale: int, runtime: str, int8: bool | None, taken: str) -> Artifact:
    """One of the shipped artifacts; `taken` names the suffixes of files that would do instead."""
    from edge_sr import zoo
    from edge_sr.models import registry
    from edge_sr.runtime.runtimes import RUNTIMES

    known = sorted({*registry.names(), *(name for name, _ in zoo.names())})
    if model not in known:
        raise UserError(
            f"there is no model {model!r}; there are {', '.join(known)}, and a file of "
            f"{taken} may be named"
        )
    entry = zoo.find(model, scale)
    if runtime == "keras":
        if int8:
            raise UserError("the runtime keras computes in float32; leave --int8 out")
        return Artifact(f"{model} float32", entry.float_checkpoint, runtime)
    kind = "float32" if int8 is False else "int8"
    path = entry.artifact(kind, RUNTIMES[runtime].suffix)
    return Artifact(f"{model} {kind}", path, runtime)


def open_model(
    model: str,
    scale: int | None = None,
    runtime: str | None = None,
    int8: bool | None = None,
    threads: int | None = None,
) -> tuple[Artifact, "Session"]:
    """Choose an artifact and open it.

    Raises:
        UserError: as `choose`, or the file is damaged or is not what the options say.
    """
    from edge_sr.runtime.opening import open_session
    from edge_sr.runtime.runtimes import RUNTIMES

    artifact = choose(model, scale, runtime, int8)
    if threads is None:
        threads = cores() if RUNTIMES[artifact.runtime].threaded else 1
    session = open_session(artifact.path, artifact.runtime, threads)
    if scale is not None and session.scale != scale:
        raise UserError(f"{artifact.path} upscales x{session.scale}, not x{scale}")
    wanted = {None: session.input.dtype, True: "int8", False: "float32"}[int8]
    if session.input.dtype != wanted:
        raise UserError(f"{artifact.path} computes in {session.input.dtype}, not in {wanted}")
    return artifact, session


def cores() -> int:
    """How many threads can run at once here."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def _console() -> "Console":
    """Standard error; progress bars know of what is printed by the same console alone."""
    from rich.console import Console

    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def say(text: str | None) -> None:
    """Print a note on standard error, if there is one, above a progress bar."""
    if text:
        _console().print(f"edge-sr: {text}", soft_wrap=True)


def progress(items: Iterable[T], what: str, count: int) -> Iterable[T]:
    """Iterate, with a progress bar on the terminal; none where the output is not a terminal."""
    from rich.progress import track

    console = _console()
    quiet = not console.is_terminal
    return track(items, what, total=count, console=console, transient=True, disable=quiet)


def print_markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as Markdown; long lines stay whole, so that it can be pasted."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*row)
    Console(width=1000, markup=False, highlight=False).print(table)


def quality_text(score: Mapping[str, float]) -> str:
    """PSNR in dB and SSIM; some papers print PSNR alone."""
    ssim = f"{score['ssim']:.4f}" if "ssim" in score else "-"
    return f"{score['psnr']:.2f} / {ssim}"


def check_picture(path: Path, force: bool) -> None:
    """Refuse a picture that cannot be drawn, before any work is done.

    Raises:
        UserError: its suffix is of no picture, matplotlib is missing, or as `check_new`.
    """
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UserError(f"cannot draw {path}; the picture is a .png, .pdf or .svg file")
    require("matplotlib", "plot")
    check_new(path, force)


def check_new(path: Path, force: bool) -> None:
    """Refuse to replace a file unless asked to, before any work is done.

    Raises:
        UserError: `path` exists, or its folder does not or cannot be written to.
    """
    check_file_name(path)
    if path.exists() and not force:
        raise UserError(f"{path} exists; --force replaces it")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: the folder {path.parent} is not writable")


def check_file_name(path: Path) -> None:
    """Refuse a folder where a file is to be written.

    Raises:
        UserError: `path` is a folder.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
