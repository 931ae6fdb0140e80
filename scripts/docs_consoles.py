"""Rewrite the outputs in the console blocks of the tutorials that run without training.

python scripts/docs_consoles.py            (all of them)
python scripts/docs_consoles.py docs/tutorials/board.md

Commands of edge-sr and cmake, and programs that they built, run in an empty folder. Other commands,
such as pip and arduino-cli, and the blocks that train are left as they are. The tutorials show the
folder as /home/me/edge-sr.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
NAMES = ("board.md", "camera.md", "classifier.md")
PAGES = [REPOSITORY / "docs" / "tutorials" / name for name in NAMES]

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.S | re.M)
_EDGE_SR = (sys.executable, "-c", "from edge_sr.cli.main import main; main()")
_MAKE = "edge-sr firmware build --model tinypssr --scale 2 --board {board} --force"
_SHOWN_FOLDER = "/home/me/edge-sr"


@dataclass(frozen=True)
class Call:
    """A command of a page, what the page shows as its output, and what it prints."""

    command: str
    shown: str
    printed: str


def calls(page: Path) -> Iterator[Call]:
    """Run the commands of a page in order; yield those whose output the page should show."""
    with tempfile.TemporaryDirectory() as name:
        put_classifier(Path(name))
        for block in _blocks(page.read_text(encoding="utf-8")):
            folder = Path(name)
            for command, shown in block:
                if command.startswith("cd "):
                    folder /= command.removeprefix("cd ")
                elif command.startswith("cmake "):
                    _output(command, folder)
                elif command.startswith(("edge-sr ", "make firmware", "./build/")):
                    printed = _output(command, folder).replace(name, _SHOWN_FOLDER)
                    yield Call(command, shown, printed)


def put_classifier(folder: Path) -> None:
    """Put the classifier that the tutorial trains where the tutorial exports it to."""
    target = folder / "artifacts" / "shapes-int8" / "shapes-int8.tflite"
    target.parent.mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "tests" / "golden" / target.name, target)


def rewrite(page: Path) -> bool:
    """Rewrite the outputs of a page; whether one of them changed."""
    old = new = page.read_text(encoding="utf-8")
    for call in calls(page):
        new = new.replace(_text(call.command, call.shown), _text(call.command, call.printed))
    page.write_text(new, encoding="utf-8")
    return new != old


def _blocks(text: str) -> list[list[tuple[str, str]]]:
    """The commands of each block with the output that follows them, but blocks that need Keras."""
    return [
        [
            (command, output)
            for command, _, output in (part.partition("\n") for part in body[2:].split("\n$ "))
        ]
        for body in (match.removesuffix("\n") for match in _BLOCK.findall(text))
        if not any(word in body for word in ("edge-sr train", ".keras"))
    ]


def _text(command: str, output: str) -> str:
    return f"$ {command}\n{output}".rstrip("\n") + "\n"


def _output(command: str, folder: Path) -> str:
    if command.startswith("make firmware"):
        board = command.partition("BOARD=")[2] or "mps2-an386"
        command = _MAKE.format(board=board)
    program, *arguments = command.split()
    words = _EDGE_SR if program == "edge-sr" else (program,)
    done = subprocess.run(
        [*words, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command} failed: {done.stderr}")
    text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", text)


if __name__ == "__main__":
    for each in [Path(name) for name in sys.argv[1:]] or PAGES:
        if rewrite(each):
            print(f"rewrote {each}")
