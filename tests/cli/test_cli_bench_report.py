"""`edge-sr bench report` and `edge-sr bench compare`."""

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest
import report_records as made
from command_line import EdgeSr
from rich.console import Console

from benchmarks.reports.report import sections
from benchmarks.reports.sources import Source
from benchmarks.reports.summary import summary_tables
from edge_sr import records
from edge_sr.cli import tables
from edge_sr.zoo import catalog


@pytest.fixture
def codecs(tmp_path: Path) -> Path:
    """A record of the suite with published times."""
    return write(tmp_path / "codecs.json", made.codecs())


def write(path: Path, record: records.Record) -> Path:
    records.write(path, record)
    return path


def test_report_writes_a_page_a_sheet_and_tables(edge_sr: EdgeSr, codecs: Path) -> None:
    page, sheet = codecs.with_name("page.html"), codecs.with_name("sheet.csv")
    arguments = ("bench", "report", codecs, "--html", page, "--csv", sheet)
    result = edge_sr(*arguments)
    assert result.code == 0, result.err
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sheet.read_text(encoding="utf-8").startswith("record,suite,")
    assert "at most 2 threads: use engine int8, 2 threads: " in result.out
    assert "Execution time, published and measured" in result.out
    assert "not measured" in result.out
    assert f"{sheet} exists; --force replaces it" in edge_sr.refuses(*arguments)


def test_markdown_in_records_is_escaped(edge_sr: EdgeSr, tmp_path: Path) -> None:
    of = made.timed(made.case("a|b <img src=x> [x](y) `c`"), 1.0)
    path = write(tmp_path / "record.json", made.record(of))
    out = edge_sr("bench", "report", path, "--markdown").out
    assert r"a\|b \<img src=x\> \[x\](y) \`c\`" in out
    assert "a|b" not in out


def test_records_cannot_control_a_terminal(edge_sr: EdgeSr, tmp_path: Path) -> None:
    of = made.timed(made.case("\x1b]0;title\x07\x1b[2J[red]x"), 1.0)
    path = write(tmp_path / "record.json", made.record(of))
    out = edge_sr("bench", "report", path).out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]x" in out


def test_report_refuses_files_that_are_not_records(edge_sr: EdgeSr, codecs: Path) -> None:
    values = json.loads(codecs.read_text())
    page = codecs.with_name("page.html")

    def refused(text: str) -> str:
        codecs.write_text(text)
        return edge_sr.refuses("bench", "report", codecs, "--html", page)

    assert "schema version is 2" in refused(json.dumps(values | {"schema_version": 2}))
    values["record"]["results"][0]["timings"][0]["samples_ns"][0] -= 1
    assert "edited or damaged" in refused(json.dumps(values))
    assert "not JSON" in refused(json.dumps(values)[:-9])
    assert "cannot read" in edge_sr.refuses("bench", "report", codecs.with_name("missing"))
    assert not page.exists()


def test_report_refuses_to_write_over_its_input(edge_sr: EdgeSr, codecs: Path) -> None:
    new = codecs.with_name("new")
    for arguments in (["--html", codecs], ["--csv", new, "--html", new]):
        said = edge_sr.refuses("bench", "report", codecs, "--force", *arguments)
        assert "is named twice" in said


def test_a_missing_package_of_the_page_names_its_extra(
    edge_sr: EdgeSr, codecs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    said = edge_sr.refuses("bench", "report", codecs, "--html", codecs.with_name("page.html"))
    assert "pip install 'edge-sr[plot]'" in said


def test_compare(edge_sr: EdgeSr, tmp_path: Path) -> None:
    slow, fast = (made.record(made.timed(made.case(), ms)) for ms in (2.0, 1.0))
    a, b = write(tmp_path / "a.json", slow), write(tmp_path / "b.json", fast)
    result = edge_sr("bench", "compare", a, b, "--markdown")
    assert (result.code, result.err) == (0, "")
    assert "| 2.000" in result.out
    assert "| B faster" in result.out


def test_compare_refuses_different_things(edge_sr: EdgeSr, tmp_path: Path) -> None:
    record = made.record(made.timed(made.case(), 2.0))
    other = dataclasses.replace(record, device=dataclasses.replace(made.DEVICE, cpu="another"))
    a, b = write(tmp_path / "a.json", record), write(tmp_path / "b.json", other)
    said = edge_sr.refuses("bench", "compare", a, b)
    assert "the device's cpu is 'a CPU' in A and 'another' in B" in said
    assert "--different" in said
    result = edge_sr("bench", "compare", a, b, "--different")
    assert result.code == 0
    assert "'another' in B" in result.err
    assert "noise" in result.out


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("record", [made.upscalers(), made.codecs()], ids=["upscalers", "codecs"])
def test_a_terminal_cuts_no_word(
    record: records.Record, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False)
    monkeypatch.setattr(tables, "_console", lambda: console)
    shown = [it for section in sections([Source("a", "a", record)]) for it in section.tables]
    for table in shown:
        tables.show(table, markdown=False)
    for table in summary_tables(record):
        tables.show(table, markdown=False)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    whole = {word.rstrip(",") for line in lines for word in line.split()}
    cells = [cell for table in shown for row in table.rows for cell in row.cells]
    assert {word.rstrip(",") for cell in cells for word in cell.split()} <= whole


def test_file_names_cannot_control_a_terminal(edge_sr: EdgeSr, tmp_path: Path) -> None:
    """Neither in the table nor in an error message."""
    path = tmp_path / "a\x1b[2Jb.tflite"
    path.write_bytes(catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes())
    options = ("--runtime", "engine", "--size", "40x24", "--samples", "2", "--seconds", "0.01")
    result = edge_sr("bench", path, *options)
    assert result.code == 0
    assert "a\ufffd[2Jb.tflite, image of 40x24" in result.out
    assert "\x1b" not in result.out + result.err
