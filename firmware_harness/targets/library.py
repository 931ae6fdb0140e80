"""Writes a library project: sources, example, build files, README.

edge-sr.json          marks a folder that edge-sr wrote, and states its network and target
README.md, LICENSE    for people
src/                  the library; each ecosystem has its own place for the example
"""

import json
from pathlib import Path

from edge_sr import files
from edge_sr.errors import UserError
from edge_sr.version import __version__
from firmware_harness.targets import template
from firmware_harness.targets.content import Content
from firmware_harness.targets.example import Example
from firmware_harness.targets.target import Target

FACTS = "edge-sr.json"
_MAKER = "edge-sr firmware export"
_MAX_FACTS_BYTES = 65536
_SOURCE_SUFFIXES = (".c", ".cpp")


def is_library(folder: Path) -> bool:
    """Return whether `write` made a folder."""
    if not (folder / FACTS).is_file():
        return False
    try:
        with (folder / FACTS).open("rb") as file:
            facts = json.loads(file.read(_MAX_FACTS_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(facts, dict) and facts.get("made_by") == _MAKER


def check_target(folder: Path, force: bool) -> None:
    """Refuse a folder that is not a library project, or that exists and `force` is not given.

    Raises:
        UserError: the folder must not be replaced.
    """
    files.check_replaceable(folder, force, is_library, "a library project")


def check_ram(content: Content, name: str, ram: int, advice: str) -> None:
    """Refuse a network that needs more RAM than the budget.

    Raises:
        UserError: the budget is too small; the text says what would fit.
    """
    if content.ram > ram:
        raise UserError(
            f"{name} needs {content.ram:,} bytes of RAM, {content.ram - ram:,} more than --ram "
            f"{ram:,}; {advice}"
        )


def write(folder: Path, target: Target, content: Content, example: Example) -> None:
    """Write all files of a library into an empty folder; the same arguments give the same bytes.

    Args:
        folder: the empty folder.
        target: the ecosystem.
        content: the network and its runtime.
        example: what the example runs.
    """
    fields = {**content.fields, **example.fields, "VERSION": __version__}
    sources = fields["EXAMPLE"] = template.fill(target.example, fields)
    (folder / "src").mkdir()
    for name, text in content.files.items():
        template.write_text(folder / "src" / name, text)
    template.fill_folder(f"library/{content.form}", folder / "src", fields)
    kinds = ["shared", *example.kinds, f"{content.engine}-{example.kinds[-1]}"]
    for kind in [*kinds, *([target.entry] if target.entry else [])]:
        template.fill_folder(f"example/{kind}", folder / sources, fields)
    fields["SOURCES"] = _sources(folder, "src", ".")
    fields["EXAMPLE_SOURCES"] = _sources(
        folder, sources, template.fill(target.build_folder, fields)
    )
    for source in ("all", f"{target.name}/shared", f"{target.name}/{content.engine}"):
        template.fill_folder(source, folder, fields)
    template.write_text(folder / "README.md", _readme(target, content, example, fields))
    template.write_text(folder / FACTS, _facts(target, content, example, fields))


def _sources(folder: Path, sources: str, build_folder: str) -> str:
    """Return the files to compile, one per line, relative to the build file's folder."""
    paths = [path for path in (folder / sources).iterdir() if path.suffix in _SOURCE_SUFFIXES]
    names = [path.relative_to(folder / build_folder).as_posix() for path in sorted(paths)]
    return "\n        ".join(names)


def _readme(target: Target, content: Content, example: Example, fields: dict[str, str]) -> str:
    def part(name: str) -> str:
        text = (template.FOLDER / "readme" / f"{name}.md").read_text(encoding="utf-8")
        return template.fill(text, fields).rstrip()

    fields = fields | {
        "FACTS": _table(content, example, fields),
        "BUILD": part(f"{target.name}-{content.engine}"),
        "USE": part(f"use-{content.form}"),
    }
    return part("README") + "\n"


def _table(content: Content, example: Example, fields: dict[str, str]) -> str:
    rows = [
        ("network", f"{fields['NAME']}, {fields['KIND']}"),
        (f"example {fields['INPUT']}", example.size),
        *content.facts,
        ("CRC-32 of the example's output", fields["CHECKSUM"]),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)])


def _facts(target: Target, content: Content, example: Example, fields: dict[str, str]) -> str:
    facts = {
        "made_by": _MAKER,
        "version": fields["VERSION"],
        "target": target.name,
        "engine": content.engine,
        "network": fields["NAME"],
        **example.facts,
        "checksum": fields["CHECKSUM"],
    }
    return json.dumps(facts, indent=2) + "\n"
