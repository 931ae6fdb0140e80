"""`edge-sr`: registers the commands, and turns errors into one sentence and an exit code."""

import os
import re
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
import typer.main

from edge_sr.cli import (
    bench,
    classify,
    compare,
    compress,
    decompress,
    firmware,
    info,
    models,
    quantize,
    rd,
    reproduce,
    train,
    upscale,
)
from edge_sr.cli import eval as evaluation
from edge_sr.cli import export as exporting
from edge_sr.cli.json_csv import ReportCommand
from edge_sr.errors import UserError, VerificationError, reason
from edge_sr.version import __version__

app = typer.Typer(
    name="edge-sr",
    help="Tiny image networks from training to silicon.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMPLETION = "_EDGE_SR_COMPLETE"
"""The environment variable by which a shell asks for completions."""


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"edge-sr {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Tiny image networks from training to silicon."""


_USE, _TRAIN, _DEPLOY, _MEASURE = "Use", "Train", "Deploy", "Measure"
app.command("models", cls=ReportCommand, rich_help_panel=_USE)(models.models)
app.command("upscale", rich_help_panel=_USE)(upscale.upscale)
app.command("compress", rich_help_panel=_USE)(compress.compress)
app.command("decompress", rich_help_panel=_USE)(decompress.decompress)
app.command("compare", rich_help_panel=_USE)(compare.compare)
app.command("classify", cls=ReportCommand, rich_help_panel=_USE)(classify.classify)
app.command("info", rich_help_panel=_USE)(info.info)
app.command("train", rich_help_panel=_TRAIN)(train.train)
app.command("quantize", rich_help_panel=_TRAIN)(quantize.quantize)
app.command("export", rich_help_panel=_DEPLOY)(exporting.export)
app.add_typer(firmware.app, name="firmware", rich_help_panel=_DEPLOY)
app.command("eval", cls=ReportCommand, rich_help_panel=_MEASURE)(evaluation.evaluate)
app.command("rd", rich_help_panel=_MEASURE)(rd.rd)
app.command("reproduce", rich_help_panel=_MEASURE)(reproduce.reproduce)
app.add_typer(bench.app, name="bench", rich_help_panel=_MEASURE)


def write_utf8() -> None:
    """Write UTF-8 to pipes in every locale: file names may hold any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


# The base of typer's usage errors: its place differs between versions of typer.
_UsageError: Any = typer.BadParameter.__base__


def run(arguments: Sequence[str]) -> int:
    """Run a command; an error becomes one sentence on standard error.

    Returns:
        The exit code: 2 for bad input, 1 for a failed verification, 130 for Ctrl-C.
    """
    command = typer.main.get_command(app)
    try:
        # Typer's own main draws boxes around usage errors and is silent on Ctrl-C.
        with command.make_context("edge-sr", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except _UsageError as error:
        return _end(_usage(error), 2)
    except UserError as error:
        return _end(str(error), 2)
    except VerificationError as error:
        return _end(str(error), 1)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except BrokenPipeError:
        # The reader has closed the pipe; Python must not flush to it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        text = reason(error)
        return _end(text if error.filename is None else f"{error.filename}: {text}", 2)
    return 0


_PLAIN = {
    r"Invalid value for '(.*?)'.*: .*valid integer\b.*": r"\1 takes a whole number",
    r"Invalid value for '(.*?)'.*: .*valid (?:number|float)\b.*": r"\1 takes a number",
    r"Invalid value for '(.*?)'.*: .*less than or equal to (.*)": r"\1 takes at most \2",
    r"Invalid value for '(.*?)'.*: .*greater than or equal to (.*)": r"\1 takes at least \2",
}
"""Typer's messages on numbers, and the plainer ones that are printed."""
_SUGGESTION = re.compile(
    r"No such (option|command):? '?([^' ]+)'?.* \(?(?:Possible options:|Did you mean)(.*)"
)


def _usage(error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    for pattern, plain in _PLAIN.items():
        message = re.sub(pattern, plain, message)
    suggestion = _SUGGESTION.fullmatch(message)
    if suggestion:
        what, word, near = suggestion.groups()
        names = re.findall(r"[\w-]+", near)
        return f"no such {what} {word!r}; did you mean {_either(names)}?"
    command = error.ctx.command_path if error.ctx else "edge-sr"
    return f"{message[0].lower()}{message[1:]}; see `{command} --help`"


def _either(names: Sequence[str]) -> str:
    """Return "a", "a or b", or "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _end(sentence: str, code: int) -> int:
    print(f"edge-sr: {sentence}", file=sys.stderr)
    return code


def _terminate(number: int, _: object) -> NoReturn:
    """Exit by an exception, so that temporary files are removed."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line, or complete it for a shell; without arguments, print the help."""
    write_utf8()
    signal.signal(signal.SIGTERM, _terminate)
    if os.environ.get(_COMPLETION):
        app(prog_name="edge-sr")  # prints the completions and exits
    sys.exit(run(sys.argv[1:] or ["--help"]))
