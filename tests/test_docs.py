"""The pages of docs/ say what the commands print, and name nothing that does not exist."""

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import check_site
import cli_reference
import docs_tables
import pytest
import typer.main

import edge_sr
from edge_sr.cli.main import app
from edge_sr.training import recipe
from edge_sr.zoo import published

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("examples/*.md")])


TABLES = [(path, command) for path in PAGES for command in docs_tables.tables(path)]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "command"), TABLES, ids=lambda each: getattr(each, "stem", each))
def test_a_table_is_what_the_command_prints(path: Path, command: str) -> None:
    shown = docs_tables.tables(path)[command]
    assert docs_tables.table(command, shown) == shown


def test_every_kind_of_table_is_compared() -> None:
    commands = " ".join(command for _, command in TABLES)
    studies = (REPOSITORY / "benchmarks" / "studies" / "results").glob("*-quick.json")
    for study in studies:
        assert f"edge-sr reproduce {study.stem.removesuffix('-quick')} --quick" in commands
    for part in ("models --markdown", "--markdown: infrared", "--markdown: codecs", "rows of"):
        assert part in commands
    for script in ("architectures.py", "architectures.py --ram", "float.toml", "int8.toml"):
        assert script in commands


def test_the_published_figures_of_thermal_networks_are_those_of_the_file() -> None:
    text = page("results/infrared.md")
    for result in published.results():
        if "flir" in result:
            name = result["name"].removesuffix(", published")
            printed = (result["flir"], result["osu"])
            cells = [f"{each['psnr']:.2f} / {each['ssim']:.4f}" for each in printed]
            assert f"| {name} x{result['scale']} | {' | '.join(cells)} |" in text


def test_every_recipe_is_described() -> None:
    text = page("guides/training.md")
    assert [name for name in recipe.names() if f"`{name}`" not in text] == []


def commands(text: str) -> set[str]:
    """The edge-sr command lines of a page: in code blocks and between backticks."""
    text = re.sub(r"\\\n\s*", " ", text)
    fenced = "\n".join(re.findall(r"^```\w+\n(.*?)^```", text, re.S | re.M))
    lines = [*re.findall(r"^ {4,}.*", text, re.M), *fenced.splitlines()]
    found = [re.match(r"[\s$]*(?:sudo )?(edge-sr [^|]*?)(?:\s+#.*)?$", line) for line in lines]
    return {*(match[1] for match in found if match), *re.findall(r"`(edge-sr [^`\n]*)`", text)}


def unknown_options(line: str) -> list[str]:
    """What a command line names that the command does not have."""
    words = shlex.split(line.replace("|", " "))[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and words:
        run = command.commands.get("run")
        if run is None:
            return words if not words[0].startswith("-") else []
        command = run
    shown = [parameter for parameter in command.params if not parameter.hidden]
    known = {option for each in shown for option in (*each.opts, *each.secondary_opts)}
    return [w for w in words if w.startswith("--") and w.split("=")[0] not in {*known, "--help"}]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_a_page_shows_exists(path: Path) -> None:
    shown = commands(path.read_text(encoding="utf-8"))
    assert {line: unknown_options(line) for line in shown if unknown_options(line)} == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_exists(path: Path) -> None:
    roots = "benchmarks|docs|edge_sr|examples|experiments|export|firmware_harness|scripts|tests"
    named = re.findall(rf"`((?:{roots})/[\w./*-]+)", path.read_text(encoding="utf-8"))
    assert [name for name in named if not list(REPOSITORY.glob(name.rstrip("/.")))] == []


def leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    """The commands below a group with their full names."""
    below = getattr(command, "commands", {}).items()
    if not below:
        return [(path, command)]
    return [leaf for name, each in below for leaf in leaves(each, f"{path} {name}")]


def test_the_reference_names_every_command_and_option() -> None:
    text = cli_reference.markdown()
    page_text = page("reference/cli.md")
    assert cli_reference.on_page_markdown(page_text) == page_text.replace(
        cli_reference.MARKER, text
    )
    for name, command in leaves(typer.main.get_command(app), "edge-sr"):
        section = re.split(r"^#+ ", text.split(f"# {name}\n")[1], maxsplit=1, flags=re.M)[0]
        for parameter in command.params:
            if parameter.opts[0].startswith("-") and not parameter.hidden:
                assert f"`{parameter.opts[0]}`" in section, (name, parameter.opts)
        assert f"`{name.removesuffix(' run') if 'bench' in name else name}" in page_text


def test_the_python_page_shows_every_public_name() -> None:
    shown = re.findall(r"^::: edge_sr\.(\w+)$", page("reference/python.md"), re.M)
    assert sorted(shown) == sorted(set(edge_sr.__all__) - {"__version__"})


def test_every_public_member_and_parameter_is_documented() -> None:
    public = {name: getattr(edge_sr, name) for name in edge_sr.__all__ if name != "__version__"}
    for name, value in dict(public).items():
        if inspect.isclass(value):
            own = {f"{name}.{each}": vars(value)[each] for each in vars(value) if each[0] != "_"}
            public |= {each: of for each, of in own.items() if inspect.isroutine(of)}
    for name, value in public.items():
        assert value.__doc__, name
        if inspect.isfunction(value):
            parameters = set(inspect.signature(value).parameters) - {"self"}
            undescribed = [each for each in parameters if f"    {each}: " not in value.__doc__]
            assert undescribed == [], name


@pytest.mark.parametrize("header", ["esr.h", "esr_tcz.h", "esr_tcz2.h"])
def test_the_c_page_names_every_function(header: str) -> None:
    text = page("reference/c.md")
    source = (REPOSITORY / "edge_sr" / "engine" / "c" / header).read_text(encoding="utf-8")
    functions = re.findall(r"^[a-z][\w ]*[ *](esr_\w+)\([^;{]*;", source, re.M)
    assert len(functions) >= 4
    assert [name for name in functions if f"`{name}`" not in text] == []
    assert f'--8<-- "{header}"' in text


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://host/a.js"></script>',
        "<link rel=stylesheet href=//host/a.css>",
        "<style>@import url('https://host/a.css')</style>",
    ],
)
def test_a_page_that_loads_from_another_host_is_noticed(text: str) -> None:
    assert len(check_site.loaded_from_elsewhere(text)) == 1
    assert check_site.loaded_from_elsewhere('<a href="https://host/">link</a>') == []
