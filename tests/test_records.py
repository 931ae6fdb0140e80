"""Records of measurements: round trips, and refusal of hostile files."""

import contextlib
import dataclasses
import hashlib
import json
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr import records
from edge_sr.errors import UserError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
digest = st.binary(min_size=32, max_size=32).map(bytes.hex)
count = st.integers(1, 2**40)
number = st.floats(allow_nan=False, allow_infinity=False)
durations = st.lists(st.integers(1, records.MAX_NS), max_size=5).map(tuple)


def build(kind, **given_fields):
    """Any value of a dataclass; fields whose rules go beyond their types are named."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: strategies(hints[name]) for name in hints} | given_fields)


def strategies(hint):
    """Return any value of a field's type."""
    known = {str: text, int: count, float: number, bool: st.booleans(), dict[str, str]: maps}
    return known[hint] if hint in known else st.from_type(hint)


maps = st.dictionaries(text, text, max_size=3)
files = build(records.File, sha256=digest)
networks = build(
    records.Network,
    artifact=st.none() | files,
    quality=st.lists(build(records.Score), max_size=2).map(tuple),
    parameters=st.none() | count,
    macs=st.none() | count,
)
cases = build(
    records.Case,
    network=networks,
    pinned=st.lists(count, max_size=3).map(tuple),
    board=st.none() | text,
)
timings = build(
    records.Timing, warmup_ns=durations, samples_ns=durations.filter(bool), scope=st.just("run")
)
outputs = build(
    records.Output,
    sha256=digest,
    reference=st.none() | text,
    reference_sha256=st.none() | digest,
    max_difference=st.none() | number,
    differing_share=st.none() | number,
    top_agreement=st.none() | number,
    psnr_difference=st.none() | number,
    right=st.none() | st.booleans(),
    decision=st.none() | build(records.Decision),
)
conditions = build(
    records.Conditions,
    frequencies_mhz=st.lists(number, max_size=3).map(tuple),
    temperature_c=st.none() | number,
    throttling=st.lists(text, max_size=2).map(tuple),
    load=st.none() | number,
    busy_ns=st.none() | count,
)
results = build(
    records.Result,
    case=cases,
    status=st.just("measured"),
    reason=st.none(),
    cold=st.none() | build(records.Cold),
    timings=timings.map(lambda timing: (timing,)),
    operators=st.lists(build(records.OperatorTime), max_size=2).map(tuple),
    memory=st.lists(build(records.Memory), max_size=2).map(tuple),
    output=st.none() | outputs,
    instructions=st.none() | build(records.Instructions),
    before=st.none() | conditions,
    after=st.none() | conditions,
    other_load=st.none() | number,
    marks=st.lists(st.sampled_from(["emulated", "noisy", "wrong"]), max_size=2).map(tuple),
)
devices = build(
    records.Device,
    name=st.none() | text,
    governor=st.none() | text,
    ram_bytes=st.none() | count,
    gpu=st.none() | text,
    emulated=st.none() | text,
)
whole_records = build(
    records.Record,
    suite=st.none() | text,
    complete=st.just(True),
    planned=st.just(1),
    device=devices,
    software=build(records.Software, git_revision=st.none() | text),
    sampling=build(records.Sampling),
    results=results.map(lambda result: (result,)),
)


def example() -> records.Record:
    """Return the smallest record."""
    network = records.Network("a-x2", "upscaler", "int8", 1356, 1296, None, ())
    case = records.Case(network, "engine", "none", 1, (), 8, 8, 1, None)
    timing = records.Timing("run", "all", (9,), (5, 7, 6), True)
    result = records.Result(
        *(case, "measured", None, "2026-01-01T00:00:00Z", None, (timing,), (), ()),
        *(None, None, None, None, None, ()),
    )
    return records.Record(
        suite=None,
        started="2026-01-01T00:00:00Z",
        complete=True,
        planned=1,
        device=records.Device(None, "a CPU", "x86_64", 2, None, None, None, None),
        software=records.Software("0.1.0", None, "an OS", "3.11", {}),
        sampling=records.Sampling(1, 2, 3, 4, 5),
        results=(result,),
    )


def seal(values: dict) -> bytes:
    """Return a file with the right checksum of any content, as an attacker would write it."""
    content = json.dumps(values["record"], sort_keys=True, separators=(",", ":"))
    return json.dumps(values | {"sha256": hashlib.sha256(content.encode()).hexdigest()}).encode()


@settings(max_examples=25, deadline=None)
@given(whole_records)
def test_a_record_round_trip(record):
    assert records.loads(records.dumps(record).encode()) == record


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_are_numpys(samples, percent):
    timing = records.Timing("run", "", (), tuple(samples), True)
    expected = np.percentile(samples, percent) / 1e6
    assert timing.percentile(percent) == pytest.approx(expected, rel=1e-12)
    assert timing.p50 == pytest.approx(np.median(samples) / 1e6)
    assert timing.best == min(samples) / 1e6


def test_a_record_is_written_and_read(tmp_path):
    records.write(tmp_path / "a.json", example())
    assert records.read(tmp_path / "a.json") == example()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_record_edited_by_hand_is_refused():
    text = records.dumps(example()).replace("1356", "1357")
    with pytest.raises(UserError, match="it was edited or damaged; measure again"):
        records.loads(text.encode())


@pytest.mark.parametrize("version", [0, 2, "1", True, 1.0, None, [1], "x" * 9999])
def test_another_version_is_refused_by_its_number(version):
    values = json.loads(records.dumps(example())) | {"schema_version": version}
    with pytest.raises(UserError, match=r"schema version is .{1,20}; this edge-sr reads 1$"):
        records.loads(json.dumps(values).encode())


def test_a_file_without_a_version_is_refused():
    with pytest.raises(UserError, match="schema version is None"):
        records.loads(b"{}")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"NaN", b"{", b"null"])
def test_text_that_is_not_json_is_refused(data):
    with pytest.raises(UserError, match=r"not JSON|schema version"):
        records.loads(data)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("planned",), 2, "contradicts its completeness"),
        (("complete",), False, "contradicts its completeness"),
        (("complete",), 1, "complete must be of type bool"),
        (("planned",), True, "planned must be of type int"),
        (("results", 0, "timings", 0, "samples_ns"), [], "timing without samples"),
        (("results", 0, "timings", 0, "samples_ns"), [0], "not a duration"),
        (("results", 0, "timings", 0, "samples_ns"), [2**62], "not a duration"),
        (("results", 0, "timings", 0, "warmup_ns"), [-1], "not a duration"),
        (("results", 0, "timings", 0, "samples_ns"), [1.5], "must be of type int"),
        (("results", 0, "timings"), [], "no samples"),
        (("results", 0, "reason"), "why", "reason"),
        (("results", 0, "status"), "failed", "reason"),
        (("results", 0, "marks"), ["splendid"], "must be one of"),
        (("results", 0, "marks"), [["noisy"]], "must be one of"),
        (("results", 0, "case", "width"), 0, "not positive"),
        (("results", 0, "case", "runtime"), "magic", "must be one of"),
        (("results", 0, "case", "network", "name"), "\ud800", "surrogate"),
        (("sampling", "seconds"), 10**400, "finite"),
        (("device", "gpu"), {}, "must be of type str"),
        (("unknown",), 1, "must have exactly"),
    ],
)
def test_a_hostile_value_is_refused(place, value, message):
    values = json.loads(records.dumps(example()))
    holder = values["record"]
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    with pytest.raises(UserError, match=message) as refusal:
        records.loads(seal(values))
    assert "\n" not in str(refusal.value)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_json_in_any_place_is_read_or_refused(data):
    values = json.loads(records.dumps(example()))
    holder = values["record"]
    while isinstance(holder, dict | list) and holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        step = data.draw(st.sampled_from(keys))
        if not isinstance(holder[step], dict | list) or data.draw(st.booleans()):
            any_json = st.none() | st.booleans() | st.integers() | number | text
            holder[step] = data.draw(any_json | st.lists(any_json, max_size=2))
            break
        holder = holder[step]
    with contextlib.suppress(UserError):
        records.loads(seal(values))


def test_a_key_identifies_a_case():
    case = example().results[0].case
    assert case.key == "a-x2 upscaler int8 8x8 engine 1 thread"
    board = dataclasses.replace(case, board="mps2-an386", pinned=(0, 1))
    assert "mps2-an386 (emulated)" in board.key
    assert "on 0,1" in board.key


def test_older_records_name_networks_by_their_ids_too():
    values = json.loads(records.dumps(example()))
    values["record"]["results"][0]["case"]["network"]["name"] = "tinypssr x2"
    (result,) = records.loads(seal(values)).results
    assert result.case.network.name == "tinypssr-x2"
