"""Print the reference of the command line, made from the commands themselves.

python scripts/cli_reference.py

MkDocs loads this file as a hook: `make docs` inserts the reference into docs/reference/cli.md.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer.main

from edge_sr.cli.main import app

MARKER = "<!-- reference of the commands -->"


def markdown() -> str:
    """The reference of all commands as Markdown, in the order of `edge-sr --help`."""
    root: Any = typer.main.get_command(app)
    return "\n".join(line for command in root.commands.values() for line in _command(command, ""))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs: insert the reference where a page holds the marker."""
    return markdown.replace(MARKER, globals()["markdown"]()) if MARKER in markdown else markdown


def _command(command: Any, parent: str) -> Iterator[str]:
    path = f"{parent} {command.name}".strip()
    yield from (f"## edge-sr {path}" if not parent else f"### edge-sr {path}", "")
    yield from (_paragraphs(command.help or ""), "")
    if hasattr(command, "commands"):
        for each in command.commands.values():
            yield from _command(each, path)
        return
    usage = " ".join(_name(each) for each in command.params if _is_argument(each))
    yield from ("```sh", " ".join(f"edge-sr {path} {usage} [OPTIONS]".split()), "```", "")
    yield from ("| | value | default | meaning |", "|---|---|---|---|")
    yield from (_row(each) for each in command.params if not each.hidden)
    yield ""


def _paragraphs(text: str) -> str:
    """The help text as Markdown: without typer's control characters, nothing read as HTML."""
    return _escaped(re.sub(r"[\b\f]", "", inspect.cleandoc(text)))


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name.strip('[]')}]"


def _row(parameter: Any) -> str:
    if _is_argument(parameter):
        names = [_name(parameter)]
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
    shown = " / ".join(f"`{name}`" for name in names)
    meaning = _escaped(parameter.help or "").replace("\n", " ")
    return f"| {shown} | {_value(parameter)} | {_default(parameter)} | {meaning} |"


def _value(parameter: Any) -> str:
    """What a user types after an option: its placeholder or its type."""
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar and not _is_argument(parameter):
        return f"`{parameter.metavar}`"
    annotation = parameter.type_descriptor.annotation
    (each,) = get_args(annotation) or (annotation,)
    return {int: "integer", float: "number", Path: "path"}.get(each, "text")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return _escaped(parameter.show_default)
    if parameter.default is True:
        return f"`{parameter.opts[0]}`"
    # None, an empty list and a flag that is off say nothing to a reader.
    known = parameter.default not in (None, False, [], ())
    return f"`{parameter.default}`" if known and parameter.show_default else ""


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    print(markdown())
