"""`--json` and `--csv` mean the same in every command that has them."""

import csv
import io
import json
from pathlib import Path

import pytest
from command_line import EdgeSr

pytestmark = pytest.mark.usefixtures("small_zoo")

COMMANDS = {
    "models": ("models",),
    "models --fit": ("models", "--fit", "--ram", "64K"),
    "boards": ("firmware", "boards"),
    "boards MODEL": ("firmware", "boards", "tinypssr-x2"),
    "eval": ("eval", "--data", "DATA", "--model", "bicubic"),
}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, tmp_path: Path, photographs: Path) -> tuple[str, ...]:
    """A command that prints a table."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").symlink_to(photographs / "astronaut0.png")
    images = str(tmp_path / "images")
    return tuple(images if word == "DATA" else word for word in COMMANDS[request.param])


def test_json_replaces_the_table_or_is_written_to_a_file(
    edge_sr: EdgeSr, command: tuple[str, ...], tmp_path: Path
) -> None:
    table = edge_sr(*command)
    printed = edge_sr(*command, "--json")
    assert (table.code, printed.code, printed.err) == (0, 0, "")
    assert json.loads(printed.out)
    assert edge_sr(*command, "--json", "-").out == printed.out
    words = 2 if command[0] == "firmware" else 1
    assert edge_sr(*command[:words], "--json", *command[words:]).out == printed.out
    file = tmp_path / "report.json"
    for option in (("--json", file), (f"--json={file}", "--force")):
        assert edge_sr(*command, *option) == table
        assert file.read_text() == printed.out
    assert f"{file} exists; --force replaces it" in edge_sr.refuses(*command, "--json", file)
    assert "does not exist" in edge_sr.refuses(*command, "--json", tmp_path / "no" / "a.json")


def test_a_model_may_follow_json(edge_sr: EdgeSr) -> None:
    expected = edge_sr("firmware", "boards", "tinypssr-x2", "--json").out
    assert edge_sr("firmware", "boards", "--json", "tinypssr-x2").out == expected
    assert edge_sr("firmware", "boards", "--json", "--", "tinypssr-x2").out == expected


def test_csv_replaces_the_table(edge_sr: EdgeSr, photographs: Path, tmp_path: Path) -> None:
    command = ("eval", "--data", photographs, "--model", "bicubic")
    printed = edge_sr(*command, "--csv").out
    assert list(csv.DictReader(io.StringIO(printed)))[-1]["image"] == "mean"
    assert edge_sr(*command, "--csv", "-", "--json", tmp_path / "a.txt").out == printed
    assert json.loads((tmp_path / "a.txt").read_text())["scale"] == 2
    both = edge_sr.refuses(*command, "--json", "--csv")
    assert "--json and --csv both print on standard output; name two files" in both
    assert "both name a.txt" in edge_sr.refuses(*command, "--json", "a.txt", "--csv", "a.txt")
