"""`edge-sr`: registers the commands and turns errors into one sentence and an exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
import typer.main

from edge_sr.cli import (
    bench,
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
from edge_sr.errors import UserError, VerificationError
from edge_sr.version import __version__

app = typer.Typer(
    name="edge-sr",
    help="Tiny image networks from training to silicon.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"edge-sr {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Tiny image networks from training to silicon."""


app.command("export")(exporting.export)
app.command("models")(models.models)
app.command("quantize")(quantize.quantize)
app.command("train")(train.train)
app.command("upscale")(upscale.upscale)
app.command("eval")(evaluation.evaluate)
app.command("compare")(compare.compare)
app.command("compress")(compress.compress)
app.command("decompress")(decompress.decompress)
app.command("info")(info.info)
app.command("rd")(rd.rd)
app.command("reproduce")(reproduce.reproduce)
app.add_typer(bench.app, name="bench")
app.add_typer(firmware.app, name="firmware")


def write_utf8() -> None:
    """A pipe gets UTF-8 whatever the locale says: names of files may be anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


# Of typer's usage errors this one has a public name; what they stand on moved with its versions.
_UsageError: Any = typer.BadParameter.__base__


def run(arguments: Sequence[str]) -> int:
    """Run a command; what ends it early becomes one sentence on standard error.

    Returns:
        the exit code: 2 for bad input, 1 for a failed verification, 130 for Ctrl-C.
    """
    command = typer.main.get_command(app)
    try:
        # Typer's own main would draw boxes around usage errors and say nothing of Ctrl-C.
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
        # The reader has gone; what Python flushes at its end must go elsewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        reason = error.strerror or str(error)
        return _end(reason if error.filename is None else f"{error.filename}: {reason}", 2)
    return 0


def _usage(error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "edge-sr"
    return f"{message[0].lower()}{message[1:]}; see `{command} --help`"


def _end(sentence: str, code: int) -> int:
    print(f"edge-sr: {sentence}", file=sys.stderr)
    return code


def _terminate(number: int, _: object) -> NoReturn:
    """End by an exception, so that temporary files are removed on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; without arguments it shows its help."""
    write_utf8()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:] or ["--help"]))
