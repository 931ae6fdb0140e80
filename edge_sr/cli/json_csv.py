"""`--json` and `--csv`: what a command prints, for programs, on standard output or in a file.

Both mean the same in every command that has them:

    --json         print JSON on standard output, instead of the table
    --json FILE    write it to FILE, and print the table too; `-` is standard output
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from edge_sr.cli.common import check_new, parse_path
from edge_sr.cli.streams import STANDARD, write
from edge_sr.errors import UserError

JsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json",
        parser=parse_path,
        metavar="[FILE]",
        help="Print JSON instead of the table; with a FILE, write it there.",
        show_default=False,
    ),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        parser=parse_path,
        metavar="[FILE]",
        help="Print CSV instead of the table; with a FILE, write it there.",
        show_default=False,
    ),
]


class ReportCommand(TyperCommand):
    """A command with `--json` or `--csv`, whose value may be left out.

    The word that follows is the value, unless it is an option. In a command with arguments only a
    name that ends in .json or .csv, or `-`, is: `firmware boards --json tinypssr-x2` names a model.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `-` after a `--json` or `--csv` without a value."""
        arguments = any(parameter.param_type_name == "argument" for parameter in self.params)
        names = {name for parameter in self.params for name in parameter.opts}
        completed = []
        for position, word in enumerate(args):
            completed.append(word)
            if word == "--":
                completed += args[position + 1 :]
                break
            follows = args[position + 1 : position + 2]
            bare = word in ("--json", "--csv") and word in names
            if bare and not (follows and _is_value(follows[0], word, arguments)):
                completed.append(str(STANDARD))
        return super().parse_args(ctx, completed)


def _is_value(word: str, option: str, arguments: bool) -> bool:
    if word == str(STANDARD):
        return True
    if arguments and word:
        return word.lower().endswith(option.replace("--", "."))
    return not word.startswith("-")


def check_files(force: bool, json_file: Path | None, csv_file: Path | None = None) -> None:
    """Refuse output files before any work is done.

    Raises:
        UserError: both options name one file, or as `check_new`.
    """
    if json_file is not None and json_file == csv_file:
        both = "print on standard output" if json_file == STANDARD else f"name {json_file}"
        raise UserError(f"--json and --csv both {both}; name two files")
    for path in (json_file, csv_file):
        if path not in (None, STANDARD):
            check_new(path, force)


def write_json(path: Path, facts: Any) -> None:
    """Write facts as JSON to a file, or to standard output.

    Raises:
        UserError: the file cannot be written.
    """
    write_text(path, json.dumps(facts, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 to a file, or to standard output.

    Raises:
        UserError: the file cannot be written.
    """
    write(path, text.encode())
