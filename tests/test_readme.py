"""The README is short, its figures are what the commands print, its Python lines run."""

import re
import subprocess
import sys
from pathlib import Path

import docs_tables
import numpy as np
import pytest
from PIL import Image

from edge_sr import graph
from edge_sr.engine.plan import make_plan
from edge_sr.zoo import catalog

REPOSITORY = Path(__file__).parent.parent
TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_a_newcomer_sees_both_commands_first() -> None:
    assert len(TEXT.splitlines()) <= 150
    first = TEXT.splitlines()[:10]
    assert any(line.strip().startswith("make export ") for line in first)
    assert any(line.strip().startswith("make test ") for line in first)


def test_eight_rows_of_results_are_shown() -> None:
    ((command, shown),) = docs_tables.tables(REPOSITORY / "README.md").items()
    assert command == "rows of edge-sr models --markdown"
    assert len(shown.splitlines()) == 2 + 8


def test_the_ram_of_the_engine_is_what_the_planner_says() -> None:
    rows = re.findall(
        r"^\| (\d+)x\d+ \| ([\d,]+) bytes \| ([\d,]+) bytes \| (\d+) \|$", TEXT, re.MULTILINE
    )
    plan = make_plan(graph.read_graph(catalog.find("tinypssr-x2").file("int8", ".tflite")))
    assert [row[0] for row in rows] == ["160", "320", "640"]
    for width, *printed in rows:
        ours, theirs, ratio = (int(number.replace(",", "")) for number in printed)
        assert ours == plan.arena_bytes(int(width))
        assert ratio == round(theirs / ours)


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)
    assert len(links) > 20
    assert [link for link in links if not (REPOSITORY / link).is_file()] == []


@pytest.mark.slow
def test_the_python_lines_run(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    shape = (48, 64, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    code += (
        f"assert large.shape == (96, 128, 3) and large.dtype == 'uint8'\n"
        f"assert pixels.shape == {shape} and pixels.dtype == 'uint8' and type(data) is bytes\n"
    )
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    made = {path.suffix for path in (tmp_path / "build" / "tinypssr").iterdir()}
    assert {".tflite", ".onnx", ".c", ".h", ".json"} <= made
