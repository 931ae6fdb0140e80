"""Exports for TensorFlow Lite Micro: array, resolver and arena, checked with TFLM itself."""

import re
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from libraries import shipped, write_library
from tflite_factory import TfliteWriter, tinypssr, unpack
from tflite_micro import runtime
from tflm_oracle import run_tflm

from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph, resize
from firmware_harness import oracle
from firmware_harness.targets import compose
from firmware_harness.targets.tflm import method

STUBS = Path(__file__).parent / "stubs"
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items()}

DUMP = """
#include <stdio.h>
#include "{header}"
int main(void) {{ return fwrite({array}, 1, sizeof {array}, stdout) == 0; }}
"""


def export(
    folder: Path, name: str, model: bytes, target: str = "cmake", size: tuple[int, int] = (48, 64)
) -> Path:
    """Write a library for TFLM; the size is height and width."""
    height, width = size
    request = compose.Request(name, model, width, height, None)
    return write_library(folder, request, target, "tflm")


def array_bytes(source: Path, array: str) -> bytes:
    """Return the bytes of a C array, as compiled."""
    with tempfile.TemporaryDirectory() as work:
        program = Path(work) / "program.c"
        program.write_text(DUMP.format(header=source.with_suffix(".h").name, array=array))
        command = ["cc", f"-I{source.parent}", program, source, "-o", program.with_suffix("")]
        subprocess.run(command, check=True)
        done = subprocess.run([program.with_suffix("")], check=True, capture_output=True)
    return done.stdout


def arena_bytes(folder: Path, ident: str) -> int:
    """Return the arena size in the header, as a C++ compiler reads it."""
    command = ["c++", "-E", "-dM", "-x", "c++", f"-I{STUBS / 'tflm'}"]
    header = folder / "src" / f"{ident}_tflm.h"
    done = subprocess.run([*command, header], check=True, capture_output=True, text=True)
    found = re.search(rf"define {ident.upper()}_ARENA_BYTES \((\d+)u \+ (\d+)u\)", done.stdout)
    assert found is not None
    return int(found[1]) + int(found[2])


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr-anchor"])
def test_the_exported_array_is_bit_exact_in_tflm(tmp_path: Path, name: str) -> None:
    shipped_model = shipped(name)
    folder = export(tmp_path / "library", f"{name}-x2", shipped_model, size=(20, 24))
    ident = f"{name.replace('-', '_')}_x2"
    model = array_bytes(folder / "src" / f"{ident}.c", f"{ident}_tflite")
    assert model == resize(shipped_model, 20, 24)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes(folder, ident))
    frame = np.random.default_rng(0).integers(-128, 128, (20, 24, 1), np.int8)
    interpreter.set_input(frame[np.newaxis], 0)
    interpreter.invoke()
    ours = oracle.engine_output(make_plan(read_graph(shipped_model)), frame)
    np.testing.assert_array_equal(interpreter.get_output(0)[0], ours)


def test_the_checksum_is_computed_by_tflm(tmp_path: Path) -> None:
    folder = export(tmp_path / "library", "tinypssr-x2", shipped("tinypssr"), size=(20, 24))
    frame = array_bytes(folder / "example" / "test_frame.c", "test_frame")
    model = array_bytes(folder / "src" / "tinypssr_x2.c", "tinypssr_x2_tflite")
    output = run_tflm(model, np.frombuffer(frame, np.int8).reshape(1, 20, 24, 1))
    text = (folder / "example" / "test_frame.h").read_text()
    assert f"#define TEST_FRAME_CHECKSUM 0x{zlib.crc32(output.tobytes()):08x}u\n" in text


def test_the_arena_is_at_most_5_percent_too_large(tmp_path: Path) -> None:
    folder = export(tmp_path / "library", "tinypssr-x2", shipped("tinypssr"))
    model = resize(shipped("tinypssr"), 48, 64)
    size = arena_bytes(folder, "tinypssr_x2")
    runtime.Interpreter.from_bytes(model, arena_size=size)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(model, arena_size=size * 95 // 100)


def test_the_resolver_has_exactly_the_operators_of_the_model(tmp_path: Path) -> None:
    model = tinypssr(16, 12, stages=2)
    folder = export(tmp_path / "library", "my model", model, "arduino")
    text = (folder / "src" / "my_model_tflm.h").read_text()
    added = re.findall(r"resolver\.(Add\w+)\(\)", text)
    names = {NAMES[code.builtinCode] for code in unpack(model).operatorCodes}
    assert sorted(map(str.lower, added)) == sorted(
        f"add{name.replace('_', '').lower()}" for name in names
    )
    assert f"MicroMutableOpResolver<{len(names)}>" in text


def test_resolver_methods_are_named_as_in_tflm() -> None:
    """The names are those of tensorflow/lite/micro/micro_mutable_op_resolver.h, August 2026."""
    for operator, name in {
        "ADD": "AddAdd",
        "CONV_2D": "AddConv2D",
        "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
        "LEAKY_RELU": "AddLeakyRelu",
        "L2_POOL_2D": "AddL2Pool2D",
        "PADV2": "AddPadV2",
        "RELU6": "AddRelu6",
        "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    }.items():
        assert method(operator) == name


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr-anchor"])
def test_the_example_compiles_against_tflm_declarations(tmp_path: Path, name: str) -> None:
    folder = export(tmp_path / "library", f"{name}-x4", shipped(name, 4), "zephyr")
    sources = folder / "samples" / "upscale" / "src"
    flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    includes = [f"-I{path}" for path in (STUBS / "tflm", folder / "src")]
    subprocess.run(["c++", *flags, *includes, sources / "upscale.cpp"], check=True)


def test_a_network_the_engine_rejects_is_exported_for_tflm(tmp_path: Path) -> None:
    writer = TfliteWriter(16, 16)
    wide = writer.conv(writer.input, 16, 3)
    model = writer.finish(writer.depth_to_space(writer.conv(wide, 4, 3, dilation=2), 2))
    with pytest.raises(UserError, match="CONV_2D"):
        compose.streaming_library(compose.Request("dilated", model, 64, None, None))
    export(tmp_path / "library", "dilated", model)
