"""The README says what the commands print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sr import graph, zoo
from edge_sr.cli import models_codec
from edge_sr.cli.models import describe, markdown_lines
from edge_sr.engine.plan import make_plan
from edge_sr.zoo import codecs

REPOSITORY = Path(__file__).parent.parent


def test_the_table_is_what_the_command_prints():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = text.split("<!-- edge-sr models --markdown -->\n")[1].split("<!-- end -->")[0]
    facts = [describe(entry) for entry in zoo.entries()]
    assert table.strip().splitlines() == markdown_lines(facts, zoo.published())


def test_the_table_of_thermal_networks_is_what_the_command_prints():
    text = (REPOSITORY / "docs" / "guides" / "infrared.md").read_text(encoding="utf-8")
    table = text.split("<!-- edge-sr models --markdown: infrared -->\n")[1].split("<!-- end -->")[0]
    lines = markdown_lines([describe(entry) for entry in zoo.entries()], zoo.published())
    assert table.strip().splitlines() == lines[lines.index("") + 1 :]
    for result in zoo.published():
        if "flir" in result:
            name = result["name"].removesuffix(", published")
            published = (result["flir"], result["osu"])
            cells = [f"{each['psnr']:.2f} / {each['ssim']:.4f}" for each in published]
            assert f"| {name} x{result['scale']} | {' | '.join(cells)} |" in text


def test_the_table_of_ram_is_what_the_script_prints():
    text = (REPOSITORY / "docs" / "guides" / "networks.md").read_text(encoding="utf-8")
    marker = "<!-- python scripts/architectures.py --ram -->\n"
    table = text.split(marker)[1].split("<!-- end -->")[0]
    command = [sys.executable, "scripts/architectures.py", "--ram"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert table.strip() == printed.stdout.strip()


def test_the_table_of_codecs_is_what_the_command_prints():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = text.split("<!-- edge-sr models --markdown: codecs -->\n")[1]
    facts = [models_codec.describe(codec) for codec in codecs.entries()]
    due = models_codec.markdown_lines(facts)
    assert table.split("<!-- end of codecs -->")[0].strip().splitlines() == due


def test_every_command_and_recipe_in_the_readme_exists():
    from edge_sr.cli.main import app
    from edge_sr.training import recipe

    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for command in app.registered_commands:
        assert f"edge-sr {command.name}" in text
    for name in recipe.names():
        assert f"`{name}`" in text


@pytest.mark.parametrize("name", ["float", "int8"])
def test_the_tables_of_trials_are_what_the_command_prints(name):
    command = f"python scripts/experiments.py experiments/{name}.toml --table"
    text = (REPOSITORY / "docs" / "guides" / "training.md").read_text(encoding="utf-8")
    table = text.split(f"<!-- {command} -->\n")[1].split("<!-- end -->")[0]
    printed = subprocess.run(
        [sys.executable, *command.split()[1:]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert table.strip().splitlines() == printed.stdout.strip().splitlines()


STUDIES = sorted((REPOSITORY / "benchmarks" / "studies" / "results").glob("*-quick.json"))


@pytest.mark.parametrize("shipped", STUDIES, ids=lambda path: path.stem)
def test_the_tables_of_studies_are_what_the_command_prints(shipped):
    command = f"edge-sr reproduce {shipped.stem.removesuffix('-quick')} --quick --table --markdown"
    text = (REPOSITORY / "docs" / "results" / "studies.md").read_text(encoding="utf-8")
    table = text.split(f"<!-- {command} -->\n")[1].split("<!-- end -->")[0]
    main = [sys.executable, "-c", "from edge_sr.cli.main import main; main()"]
    printed = subprocess.run(
        [*main, *command.split()[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    due = [line.rstrip() for line in printed.stdout.strip().splitlines()]
    assert table.strip().splitlines() == due


def test_the_engines_ram_is_what_the_planner_says():
    rows = re.findall(
        r"^\| (\d+)x\d+ \| ([\d,]+) bytes \| ([\d,]+) bytes \| (\d+) \|$",
        (REPOSITORY / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    plan = make_plan(graph.read_graph(zoo.find("tinypssr", 2).artifact("int8", ".tflite")))
    assert [row[0] for row in rows] == ["160", "320", "640"]
    for width, *printed in rows:
        ours, theirs, ratio = (int(number.replace(",", "")) for number in printed)
        assert ours == plan.arena_bytes(int(width))
        assert ratio == round(theirs / ours)
