"""Reports of records, and their safety against hostile records."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import report_records as made

from benchmarks.reports import page, report, sheet
from benchmarks.reports.choice import advise
from benchmarks.reports.sources import MAX_TEXT, Source, harmless, load, plain
from benchmarks.reports.table import Table
from edge_sr import records
from edge_sr.errors import UserError
from edge_sr.records import OperatorTime

HOSTILE = "</td><script src=//evil.example/x>alert(1)</script>\"'&{{7*7}}$x_$\x1b[2J\n\u202e|*"


class Page(HTMLParser):
    """A parsed page: elements with their attributes, and texts."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def elements(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def source(record: records.Record, label: str = "a board") -> Source:
    return Source("record.json", plain(label), harmless(record))


def table(record: records.Record, title: str) -> Table:
    (section,) = report.sections([source(record)])
    return next(table for table in section.tables if table.title == title)


@pytest.fixture(scope="module")
def upscalers() -> records.Record:
    return made.upscalers()


@pytest.fixture(scope="module")
def html(upscalers: records.Record) -> str:
    return page.render([source(upscalers), source(made.codecs(), "another")])


def test_the_fastest_right_runtime_is_recommended_with_its_speed_up():
    results = [
        made.timed(made.case(runtime="engine"), 2.0),
        made.timed(made.case(runtime="litert", delegate="xnnpack"), 3.0, seed=1),
        made.timed(made.case(runtime="litert", delegate="xnnpack", threads=2), 1.0, seed=2),
        made.timed(made.case(runtime="onnx", precision="float32"), 4.0, seed=3),
        made.timed(made.case(runtime="tflm"), 0.1, right=False, marks=("wrong",)),
        made.timed(made.case(runtime="litert"), 0.1, right=None),
    ]
    one, two = advise(made.record(*results))
    medians = [np.median(result.timings[0].samples_ns) for result in results]
    assert one.threads == 1
    assert one.best.best is results[0]
    assert one.best.ratio is not None
    assert one.best.ratio.value == pytest.approx(medians[1] / medians[0])
    assert one.best.sentence == (
        f"use engine int8, 1 thread: {medians[0] / 1e6:.3g} ms, "
        f"speed-up {medians[1] / medians[0]:.2f}x over litert int8, 1 thread"
    )
    assert two.by_precision["int8"].best is results[2]
    assert two.by_precision["int8"].next is results[0]
    assert two.duel is not None
    assert two.duel.ratio is not None
    assert two.duel.ratio.value == pytest.approx(medians[3] / medians[2])


def test_a_difference_within_the_noise_is_not_reported():
    results = [
        made.timed(made.case(runtime="engine"), 2.0, seed=1),
        made.timed(made.case(runtime="tflm"), 2.0, seed=2),
    ]
    (advice,) = advise(made.record(*results))
    assert "equally fast within the noise" in advice.best.sentence
    assert not advice.best.clear


def test_unchecked_outputs_are_not_recommended():
    wrong = made.timed(made.case(), 1.0, right=False, marks=("wrong",))
    unchecked = made.timed(made.case(runtime="onnx"), 1.0, right=None)
    record = made.record(wrong, unchecked, made.emulated(made.case(board="mps2-an386"), 5))
    assert advise(record) == []
    rows = table(record, "tinypssr-x2, image of 160x120").rows
    assert [row.flags for row in rows] == [("wrong",), ("unchecked",)]


def test_figures_are_numpys(upscalers):
    result = upscalers.results[0]
    row = table(upscalers, "tinypssr-x2, image of 160x120").rows[0]
    values = np.array(result.timings[0].samples_ns) / 1e6
    expected = [*np.percentile(values, [50, 90, 99]), values.min()]
    assert row.cells[0] == "engine int8, 1 thread"
    assert [float(cell) for cell in row.cells[1:5]] == pytest.approx(expected, rel=1e-3)
    assert row.cells[-1] == f"{24_883_200 / np.median(values) / 1e6:.2f}"


def test_published_and_measured_times_share_a_table():
    record = made.codecs()
    rows = {row.cells[0]: row.cells[1:] for row in table(record, EXECUTION).rows}
    assert next(iter(rows)) == "tinycompress-4 encoder"
    assert len(rows) == 6
    theirs_cpu, int8, float32, theirs_gpu, gpu, device = rows["tinycompress-4 encoder"]
    assert (theirs_cpu, theirs_gpu) == ("29.7", "2.7")  # as the slides print them
    assert int8.endswith("(engine int8, 2 threads)")
    assert float(int8.split()[0]) == pytest.approx(27, rel=0.02)
    assert float32.endswith("(onnx float32, 2 threads)")
    assert (gpu, device) == ("not measured", "not measured")
    assert rows["tinycompress-64 decoder"][1] == "not measured"
    assert "Chiapputo & Bailey" in table(record, EXECUTION).note


EXECUTION = "Execution time, published and measured"


def test_a_gpu_has_two_columns():
    of = made.case(
        "tinycompress-4", "onnx", "float32", delegate="cuda", part="encoder", height=512, width=768
    )
    record = made.record(made.timed(of, 3.0, more=(("device", 2.0),)), suite="execution-time")
    cells = table(record, EXECUTION).rows[0].cells
    assert float(cells[5].split()[0]) == pytest.approx(3, rel=0.02)
    assert float(cells[6].split()[0]) == pytest.approx(2, rel=0.02)
    assert cells[2:4] == ("not measured", "not measured")


def test_other_suites_have_no_published_table(upscalers):
    titles = [table.title for table in report.sections([source(upscalers)])[0].tables]
    assert EXECUTION not in titles


def test_doubtful_results_are_flagged(upscalers):
    emulated = replace(made.DEVICE, emulated="QEMU")
    section = report.sections([source(replace(upscalers, device=emulated))])[0]
    said = " ".join(section.warnings)
    assert "partial: 40 of 44 cases" in said
    assert "emulated by QEMU: these are not the times of a board" in said
    assert "Wrong: 1 of 32" in said
    assert "Noisy: 6 of 32" in said
    boards = table(upscalers, "Emulated boards")
    assert boards.rows[0].cells[2:5] == ("mps2-an386 (emulated)", "92,000,000", "3.70")
    assert "not cycles" in boards.note


def test_missing_results_give_their_reason(upscalers):
    rows = table(upscalers, "tinypssr-x2, image of 160x120").rows
    cuda = next(row for row in rows if row.cells[0].startswith("onnx-cuda"))
    assert cuda.cells[1] == "not measured"
    assert cuda.reason == "no CUDA GPU was found"


def test_the_page_loads_nothing(html):
    seen = Page(html)
    assert seen.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {
        tag for tag, _ in seen.tags
    }
    for tag, attributes in seen.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action"):
                assert value is not None
                assert value.startswith("#")
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", html)
    metas = seen.elements("meta")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in metas)


def test_the_page_shows_the_tables(html, upscalers):
    text = Page(html).text
    for section in report.sections([source(upscalers)]):
        for shown in section.tables:
            for row in shown.rows:
                for said in (*row.cells, *row.flags, row.reason):
                    assert " ".join(said.split()) in text


def test_identifiers_in_the_page_are_unique(html):
    seen = Page(html)
    names = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(names) == len(set(names))
    used = re.findall(r'(?:href="|url\()#([^")]+)', html)
    assert used
    assert set(used) <= set(names)


def test_drawings_show_every_runtime_and_take_the_pages_colours(html):
    titles = [attributes["aria-label"] for attributes in Page(html).elements("svg")]
    assert titles[:2] == ["Latency against quality", "Roofline by MACs"]
    assert "Memory against width: tinypssr-x2" in titles
    assert "currentColor" in html
    assert "#010203" not in html


def test_nothing_in_a_record_becomes_part_of_the_page():
    of = made.case(
        HOSTILE, board=None, quality=(records.Score(HOSTILE, 30.0, 0.9),), height=96, width=128
    )
    wide = replace(of, width=256)
    results = [
        made.timed(of, 1.0),
        made.timed(wide, 2.0),
        made.missing(replace(of, runtime="onnx"), HOSTILE),
        made.emulated(replace(of, board=HOSTILE), 5),
    ]
    device = records.Device(HOSTILE, HOSTILE, HOSTILE, 2, HOSTILE, 1, HOSTILE, HOSTILE)
    software = records.Software(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    record = made.record(*results, device=device, software=software, suite=HOSTILE)
    hostile = Page(page.render([source(record, HOSTILE)]))
    harmless = Page(page.render([source(_named(record, "harmless"), "harmless")]))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
    assert HOSTILE.split("$")[0] in hostile.text


def _named(value, name):
    """Return a copy with another text in place of the hostile one."""
    if value == HOSTILE:
        return name
    if hasattr(value, "__dataclass_fields__"):
        fields = value.__dataclass_fields__
        return replace(value, **{key: _named(getattr(value, key), name) for key in fields})
    if isinstance(value, dict):
        return {_named(key, name): _named(item, name) for key, item in value.items()}
    return tuple(_named(item, name) for item in value) if isinstance(value, tuple) else value


def test_extreme_figures_are_drawn_or_left_out():
    most = 2**63 - 1
    score = records.Score("set5", 1e308, 0.9)
    huge = made.case(macs=most, parameters=most, width=most, height=most, quality=(score,))
    slow = made.timed(huge, 1.0)
    slow = replace(slow, timings=(replace(slow.timings[0], samples_ns=(records.MAX_NS, 1)),))
    none = made.timed(made.case(runtime="onnx", macs=0, quality=()), 1.0)
    assert Page(page.render([source(made.record(slow, none))])).open == []
    assert Page(page.render([source(made.record())])).elements("svg") == []


def test_texts_are_plain():
    assert (
        plain("a\x1b[31mb\r\n\u202ec\u2028\ud800") == "a\ufffd[31mb\ufffd\ufffd\ufffdc\ufffd\ufffd"
    )
    assert plain("Größe 量子化") == "Größe 量子化"
    assert len(plain("x" * 10_000)) == MAX_TEXT


def test_the_sheet_holds_every_timing_unrounded(upscalers):
    lines = list(csv.DictReader(io.StringIO(sheet.write([source(upscalers)]))))
    timed = sum(max(1, len(result.timings)) for result in upscalers.results)
    assert len(lines) == timed
    result = upscalers.results[0]
    expected = np.percentile(result.timings[0].samples_ns, 90) / 1e6
    assert float(lines[0]["p90_ms"]) == pytest.approx(expected, rel=1e-12)
    assert (lines[0]["runtime"], lines[0]["macs"]) == ("engine", "24883200")
    assert lines[0]["runtime_arena_bytes"] == "614400"
    assert {line["status"] for line in lines} == {"measured", "not measured", "failed"}
    assert lines[-1]["instructions"] == "92000000"


def test_the_sheet_holds_no_formulas():
    record = made.record(made.timed(made.case("=cmd|'/c calc'!A0"), 1.0))
    (line,) = csv.DictReader(io.StringIO(sheet.write([source(record)])))
    assert line["network"] == "'=cmd|'/c calc'!A0"


def test_records_of_one_device_have_different_labels(tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"]
    of = made.record(made.timed(made.case(), 1.0), suite="quick")
    for path, record in zip(paths, (of, of, replace(of, suite="other")), strict=True):
        records.write(path, record)
    labels = [found.label for found in load(paths)]
    assert len(set(labels)) == 3
    assert all(label.startswith("A board (") for label in labels)
    with pytest.raises(UserError, match="named twice"):
        load([paths[0], tmp_path / "." / "a.json"])


def test_few_samples_give_no_verdict():
    results = [
        made.timed(made.case(runtime=name), ms, count=5)
        for name, ms in (("engine", 1.0), ("onnx", 9.0))
    ]
    (section,) = report.sections([Source("a", "a", made.record(*results))])
    ((_, sentence),) = section.advice
    assert "too few samples to compare it with onnx int8, 1 thread" in sentence
    assert "noise" not in sentence


def test_the_slowest_operators_are_shown():
    operators = tuple(OperatorTime(f"Op{ms}", "CPU", 2, ms * 10**6) for ms in range(1, 8))
    one = replace(made.timed(made.case(runtime="onnx"), 1.0), operators=operators)
    (section,) = report.sections([Source("a", "a", made.record(one, made.timed(made.case(), 1.0)))])
    (table,) = [it for it in section.facts if "operators" in it.title]
    assert [row.cells[1] for row in table.rows] == [f"Op{ms} (CPU)" for ms in (7, 6, 5, 4, 3)]
    assert table.rows[0].cells[2:] == ("2", "7.000", "25%")
