"""Suites as data: shipped ones, and files that are not suites."""

import json
from pathlib import Path

import pytest

from benchmarks.measuring import subject, suites
from benchmarks.measuring.suites import BACKENDS
from benchmarks.reports.published import published as published_times
from edge_sr.errors import UserError
from edge_sr.records import Case, Network
from edge_sr.sizes import parse_size
from edge_sr.zoo import catalog

GOOD = {
    "title": "A title",
    "sampling": {
        "warmup_s": 1,
        "samples": 2,
        "seconds": 0.5,
        "max_samples": 9,
        "max_seconds": 4.0,
    },
    "case": [
        {
            "networks": ["tinypssr-x2"],
            "parts": ["upscaler"],
            "precisions": ["int8", "float32"],
            "backends": ["litert", "engine"],
            "sizes": ["64x48"],
            "threads": [1, 2],
        }
    ],
}


def toml(value: object) -> str:
    """Return a value as inline TOML, which is JSON except for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def write(path: Path, values: dict) -> str:
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in values.items()))
    return str(path)


@pytest.mark.parametrize("name", suites.names())
def test_a_shipped_suite_is_read(name):
    suite = suites.read(name)
    assert suite.title
    assert len(set(suite.cases)) == len(suite.cases) > 5
    for case in suite.cases:
        assert case.precision in BACKENDS[case.backend].precisions


@pytest.mark.parametrize("name", BACKENDS)
def test_a_case_names_its_runtime_as_options_do(name):
    backend = BACKENDS[name]
    network = Network("a-x2", "upscaler", "int8", None, None, None, ())
    case = Case(network, backend.runtime, backend.delegate, 1, (), 8, 8, 1, None)
    assert case.runtime_name == name
    assert case.key == f"a-x2 upscaler int8 8x8 {name} 1 thread"


def test_the_suites_are_those_that_the_help_names():
    assert suites.names() == ["execution-time", "quick", "super-resolution"]


def test_super_resolution_has_every_shipped_architecture():
    requested = {case.network for case in suites.read("super-resolution").cases}
    assert requested == {
        entry.id for entry in catalog.entries("super-resolution") if not entry.thermal
    }


def test_execution_time_is_the_published_table():
    published = published_times()
    suite = suites.read(published["suite"])
    size = parse_size(published["size"], suites.MAX_SIDE)
    requested = {(case.network, case.part) for case in suite.cases}
    table = published["execution_time_ms"]
    assert requested == {(name, part) for name, parts in table.items() for part in parts}
    assert {(case.height, case.width) for case in suite.cases} == {size} == {(512, 768)}
    assert table["tinycompress-4"]["encoder"] == {"gpu": 2.7, "cpu": 29.7}
    assert {"onnx-cuda", "engine"} <= {case.backend for case in suite.cases}


def test_a_users_own_suite_is_a_product_of_its_lists(tmp_path):
    suite = suites.read(write(tmp_path / "mine.toml", GOOD))
    assert suite.name == "mine"
    kinds = [(case.precision, case.backend, case.threads) for case in suite.cases]
    assert kinds == [
        *(("int8", "litert", 1), ("int8", "litert", 2), ("int8", "engine", 1)),
        *(("int8", "engine", 2), ("float32", "litert", 1), ("float32", "litert", 2)),
    ]
    assert (suite.cases[0].height, suite.cases[0].width) == (48, 64)


def test_the_example_in_the_documentation_is_a_suite(tmp_path):
    (tmp_path / "mine.toml").write_text(suites.__doc__.partition("\n\n")[2])
    assert len(suites.read(str(tmp_path / "mine.toml")).cases) == 2 * (2 + 1) * 2


def test_a_runtime_without_threads_gets_one_case(tmp_path):
    case = GOOD["case"][0] | {"backends": ["tflm"], "precisions": ["int8"]}
    suite = suites.read(write(tmp_path / "mine.toml", GOOD | {"case": [case]}))
    assert [case.threads for case in suite.cases] == [1]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("title",), 5, "a title, which is text"),
        (("case",), {}, "tables"),
        (("case",), [5], "must have exactly"),
        (("more",), 1, "a suite must have exactly the keys case, sampling, title"),
        (("sampling", "samples"), 0, "samples of .* must be a positive number"),
        (("sampling", "samples"), True, "positive number"),
        (("sampling", "seconds"), "long", "positive number"),
        (("case", 0, "backends"), ["magic"], "unknown backends: 'magic'"),
        (("sampling", "samples"), 2.5, "samples of .* must be a whole number"),
        (("sampling", "max_samples"), 1, "max_samples of .* is less than samples"),
        (("sampling", "max_seconds"), 0.1, "max_seconds of .* is less than seconds"),
        (("case", 0, "networks"), [], "networks of .* must be a list of texts and not empty"),
        (("case", 0, "networks"), ["tinypsr x2"], "unknown network 'tinypsr x2'"),
        (("case", 0, "networks"), ["tinypssr"], "unknown network 'tinypssr'"),
        (("case", 0, "networks"), ["tinycompress-7"], "unknown network 'tinycompress-7'"),
        (("case", 0, "networks"), ["tinypssr-x2", "tinycompress-4"], "need separate"),
        (("case", 0, "backends"), "litert", "backends of .* must be a list of texts"),
        (("case", 0, "precisions"), ["int4"], "unknown precisions: 'int4'"),
        (("case", 0, "parts"), ["encoder"], "unknown parts: 'encoder'"),
        (("case", 0, "sizes"), ["64"], "'64' is not a size; write WIDTHxHEIGHT"),
        (("case", 0, "sizes"), ["99999x64"], "is not a size"),
        (("case", 0, "threads"), [0], "threads must be 1 to 64"),
        (("case", 0, "threads"), [True], "list of whole numbers"),
    ],
)
def test_a_wrong_suite_is_refused(tmp_path, place, value, message):
    values = json.loads(json.dumps(GOOD))
    holder = values
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    with pytest.raises(UserError, match=message):
        suites.read(write(tmp_path / "mine.toml", values))


def test_a_missing_suite_is_refused(tmp_path):
    with pytest.raises(UserError, match="unknown suite 'slow'; available: execution-time"):
        suites.read("slow")
    with pytest.raises(UserError, match="no such file"):
        suites.read(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(UserError, match="is not TOML"):
        suites.read(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr x", "tinypssr x9", "x2", " x2", "a x²"])
def test_an_unknown_network_is_refused(name):
    with pytest.raises(UserError):
        subject.find(name, "upscaler", "int8")
