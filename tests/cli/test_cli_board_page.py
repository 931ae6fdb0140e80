"""The pages on boards show what the commands print."""

import re
import shlex
from pathlib import Path

import pytest
from command_line import EdgeSr

pytest.importorskip("tflite_micro", reason="the page's figures are with TensorFlow Lite Micro")

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = [REPOSITORY / "docs" / "tutorials" / name for name in ("board.md", "camera.md")]


def shown() -> list[tuple[str, str]]:
    """Commands of the pages that need no cross compiler, and what they say that is printed."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    pairs = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    return [pair for pair in pairs if re.match(r"edge-sr firmware (plan|boards|export)", pair[0])]


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("command", "printed"), [pair for pair in shown() if pair[1]])
def test_the_page_shows_what_is_printed(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, printed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(REPOSITORY / "tests")
    result = edge_sr(*shlex.split(command)[1:])
    assert result.code == 0, result.err
    assert lines(result.out) == lines(printed)


def test_most_commands_are_checked() -> None:
    assert len([pair for pair in shown() if pair[1]]) == 7
