"""`edge-sr`: registers the commands and turns errors into one sentence and an exit code."""

import sys
from io import TextIOWrapper

import typer

import edge_sr
from edge_sr.cli import compare, models, quantize, train, upscale
from edge_sr.cli import eval as evaluation
from edge_sr.cli import export as exporting
from edge_sr.errors import UserError, VerificationError

app = typer.Typer(
    name="edge-sr",
    help="Tiny image networks from training to silicon.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"edge-sr {edge_sr.__version__}")
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


def write_utf8() -> None:
    """A pipe gets UTF-8 whatever the locale says: names of files may be anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failed verification."""
    write_utf8()
    try:
        app()
    except UserError as error:
        print(f"edge-sr: {error}", file=sys.stderr)
        sys.exit(2)
    except VerificationError as error:
        print(f"edge-sr: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("edge-sr: interrupted", file=sys.stderr)
        sys.exit(130)
