"""Manifests survive writing and reading; other files are refused with the reason."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sr.errors import UserError
from export import manifest
from export.manifest import Arena, CodecScore, Comparison, FileRecord, Manifest, Score, TensorRecord

IMAGE = TensorRecord("eingabe-ü", (1, 32, 32, 1), "int8", (1 / 255,), (-128,))
EXAMPLE = Manifest(
    schema_version=2,
    name="tinypssr-x2-int8",
    model="tinypssr",
    scale=2,
    precision="int8",
    input_height=32,
    input_width=32,
    parameters=1356,
    macs_per_lr_pixel=1296.0,
    macs_per_frame=1_327_104,
    halo=4,
    operators=(manifest.OperatorVersion("CONV_2D", 3),),
    input=IMAGE,
    output=IMAGE,
    tensors=(IMAGE, TensorRecord("bias", (16,), "int32", (0.1,) * 16, (0,) * 16)),
    files=(FileRecord("tinypssr-x2-int8.tflite", 6232, "0" * 64),),
    tools={"edge-sr": "0.1.0"},
    quality=(Score("int8", "Set5", 35.7, 0.947),),
    tflm_arena=Arena(35296, "64-bit host (Linux x86_64)"),
    verification=manifest.Verification(
        "tflm",
        (
            Comparison("a.tflite", "litert", "random", 100, 1.0, 0.01, None),
            Comparison("a.tflite", "litert", "real", 100, 2.0, 0.02, 0.001, 0.02),
        ),
        ("a note",),
    ),
    codec_quality=(CodecScore("int8", "kodak", 1.2, 28.8, 26.3, 0.97),),
)


def encoded(values: Any) -> bytes:
    return json.dumps(values).encode()


def plain() -> dict[str, Any]:
    return json.loads(manifest.dumps(EXAMPLE))


@pytest.mark.parametrize("arena", [EXAMPLE.tflm_arena, None])
def test_a_written_manifest_is_read_back(arena: Arena | None, tmp_path: Path) -> None:
    written = dataclasses.replace(EXAMPLE, tflm_arena=arena)
    path = tmp_path / "manifest.json"
    path.write_text(manifest.dumps(written), encoding="utf-8")
    assert manifest.read(path) == written
    assert json.loads(path.read_bytes())["input"]["name"] == "eingabe-ü"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("schema_version",), 3, "schema version is 3; this edge-sr reads 1 and 2"),
        (("schema_version",), [0] * 500, "schema version"),
        (("name",), "../up", "not a file name"),
        (("name",), 5, r"manifest\.name must be of type str"),
        (("scale",), True, r"scale must be of type float"),
        (("scale",), "2", r"scale must be of type float"),
        (("scale",), 0, "negative"),
        (("parameters",), -1, "negative"),
        (("parameters",), 2**63, "64 bits"),
        (("macs_per_lr_pixel",), "1296", r"macs_per_lr_pixel must be of type float"),
        (("macs_per_lr_pixel",), 10**400, "finite"),
        (("precision",), "int4", "one of int8, float32"),
        (("input", "shape"), [1, None], r"input\.shape\[1\] must be of type int"),
        (("input", "shape"), {"0": 1}, "list"),
        (("tensors",), [{}] * 10_001, "at most 10000"),
        (("tensors",), [{}], "must have exactly name, shape"),
        (("model",), "x" * 10_001, "longer than"),
        (("tools",), {"a": 1}, r"tools.a must be of type str"),
        (("tflm_arena",), 35296, "must have exactly bytes, abi"),
        (("files", 0, "name"), "../../etc/passwd", "outside of its folder"),
        (("files", 0, "name"), "", "outside of its folder"),
        (("files", 0, "sha256"), "A" * 64, "without a sha256"),
        (("files", 0, "bytes"), -1, "without a sha256 and a size"),
        (("verification", "comparisons", 0, "inputs"), ["random"], "one of random, real"),
    ],
)
def test_a_wrong_value_is_named(place: tuple, value: object, message: str) -> None:
    values: Any = plain()
    target = values
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(UserError, match=message):
        manifest.loads(encoded(values))


def test_version_1_is_read_which_knew_no_codec() -> None:
    values = {**plain(), "schema_version": 1}
    del values["codec_quality"]
    for each in values["verification"]["comparisons"]:
        del each["mean_difference"]
    read = manifest.loads(encoded(values))
    assert read.codec_quality == ()
    assert [each.mean_difference for each in read.verification.comparisons] == [None, None]
    assert read.verification.comparisons[1].psnr_difference == 0.001


def test_a_field_more_or_less_is_refused() -> None:
    for change in ({"extra": 1}, {}):
        values = {**plain(), **change}
        if not change:
            del values["halo"]
        with pytest.raises(UserError, match="must have exactly"):
            manifest.loads(encoded(values))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"schema_version": NaN}',
        b'{"schema_version": ' + b"9" * 5000 + b"}",
    ],
    ids=range(9),
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(UserError):
        manifest.loads(data)


def test_two_files_of_one_name_are_refused() -> None:
    values = plain()
    values["files"] *= 2
    with pytest.raises(UserError, match="twice"):
        manifest.loads(encoded(values))


def test_an_enormous_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="at most 8388608 bytes"):
        manifest.read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.sampled_from([field.name for field in dataclasses.fields(Manifest)]), JSON)
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: object) -> None:
    values = {**plain(), field: value}
    try:
        read = manifest.loads(encoded(values))
    except UserError:
        return
    assert manifest.loads(manifest.dumps(read).encode()) == read


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", "", ".", "..", "-o", "a b", "ü", "a\n"])
def test_names_that_leave_the_folder_are_no_plain_names(name: str) -> None:
    assert not manifest.is_plain_name(name)
