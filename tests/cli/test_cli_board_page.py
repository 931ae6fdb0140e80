"""The pages on boards show what the commands print."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import EdgeSr
from docs_consoles import put_classifier

pytest.importorskip("tflite_micro", reason="the page's figures are with TensorFlow Lite Micro")

REPOSITORY = Path(__file__).parent.parent.parent
NAMES = ("board.md", "camera.md", "classifier.md")
PAGES = [REPOSITORY / "docs" / "tutorials" / name for name in NAMES]


def transcript() -> list[tuple[str, str]]:
    """Commands of the pages, and what they say that is printed."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Commands that need no cross compiler, and what the pages say that is printed."""
    pairs = transcript()
    return [pair for pair in pairs if re.match(r"edge-sr firmware (plan|boards|export)", pair[0])]


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("command", "printed"), [pair for pair in shown() if pair[1]])
def test_the_page_shows_what_is_printed(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, printed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(REPOSITORY / "tests")
    put_classifier(tmp_path)
    result = edge_sr(*shlex.split(command)[1:])
    assert result.code == 0, result.err
    assert lines(result.out) == lines(printed)


def test_most_commands_are_checked() -> None:
    assert len([pair for pair in shown() if pair[1]]) == 7


def labels(table: str) -> list[str]:
    """The first column; the figures next to it depend on the version of the compiler."""
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]


def edge_sr_of(command: str) -> str:
    """What `make firmware` runs, with its defaults."""
    board = re.search(r"BOARD=(\S+)", command)
    name = board[1] if board else "mps2-an386"
    build = f"edge-sr firmware build --model tinypssr --scale 2 --board {name}"
    return build if command.startswith("make firmware") else command


@pytest.mark.slow
@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")
def test_the_page_shows_the_rows_of_builds_and_runs(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put_classifier(tmp_path)
    compared = r"make firmware|edge-sr firmware (build|run)"
    pairs = [pair for pair in transcript() if re.match(compared, pair[0]) and pair[1]]
    assert len(pairs) == 7
    for command, printed in pairs:
        result = edge_sr(*shlex.split(edge_sr_of(command))[1:])
        assert result.code == 0, result.err
        assert labels(result.out) == labels(printed), command


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_the_page_shows_what_the_example_prints(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = transcript()
    run = [command for command, _ in pairs].index("./build/upscale")
    export, change, *build = [command for command, _ in pairs[run - 4 : run]]
    assert edge_sr(*shlex.split(export)[1:]).code == 0
    monkeypatch.chdir(tmp_path / change.removeprefix("cd "))
    for command in build:
        subprocess.run(shlex.split(command), check=True, capture_output=True)
    done = subprocess.run(pairs[run][0], capture_output=True, text=True, check=True)
    assert lines(done.stdout) == lines(pairs[run][1])
