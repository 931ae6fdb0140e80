"""Rewrite the tables of the pages that commands print.

python scripts/docs_tables.py            (all of them)
python scripts/docs_tables.py docs/results/studies.md

A table stands between `<!-- COMMAND -->` and `<!-- end -->`. `COMMAND: NAME` is one of the tables
that the command prints; `rows of COMMAND` keeps the rows that the page shows already.
"""

import functools
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

_TABLE = re.compile(r"<!-- ((?:rows of )?(?:edge-sr|python) [^\n]*) -->\n(.*?)\n<!-- end -->", re.S)
_PARTS = {"edge-sr models --markdown": ("", "infrared", "codecs")}
"""The names of the tables of a command that prints several, separated by empty lines."""


def tables(page: Path) -> dict[str, str]:
    """The tables of a page by their commands."""
    return dict(_TABLE.findall(page.read_text(encoding="utf-8")))


def table(command: str, shown: str) -> str:
    """What a command prints now; `shown` is what the page shows."""
    name, _, part = command.removeprefix("rows of ").partition(": ")
    text = _printed(name)
    if name in _PARTS:
        text = text.split("\n\n")[_PARTS[name].index(part)]
    if command.startswith("rows of "):
        by_name = {line.split("|")[1]: line for line in text.splitlines()}
        text = "\n".join(by_name[line.split("|")[1]] for line in shown.splitlines())
    return text


def rewrite(page: Path) -> bool:
    """Rewrite the tables of a page; whether one of them changed."""
    old = page.read_text(encoding="utf-8")
    new = old
    for command, shown in tables(page).items():
        begin = f"<!-- {command} -->\n"
        new = new.replace(f"{begin}{shown}\n", f"{begin}{table(command, shown)}\n")
    page.write_text(new, encoding="utf-8")
    return new != old


@functools.cache
def _printed(command: str) -> str:
    program, *arguments = command.split()
    run = ["-c", "from edge_sr.cli.main import main; main()"] if program == "edge-sr" else []
    done = subprocess.run(
        [sys.executable, *run, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


if __name__ == "__main__":
    pages = [Path(name) for name in sys.argv[1:]]
    for each in pages or [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        if rewrite(each):
            print(f"rewrote {each}")
