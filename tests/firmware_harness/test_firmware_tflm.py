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
from tflite_factory import TfliteWriter, pack, tinypssr, unpack
from tflite_micro import runtime
from tflm_oracle import run_tflm

from edge_sr.engine.plan import make_plan
from edge_sr.errors import UserError
from edge_sr.graph import read_graph, resize
from export.c import write_c
from firmware_harness import oracle
from firmware_harness.targets import compose, target
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
    writer = TfliteWriter(9, 7)
    sums = writer.activation("sums", (1, 9, 7, 1), 1, 0)
    axis = writer.tensor("axis", [1], "int32", [], [], np.array([1], np.int32))
    writer.operator("CUMSUM", [writer.input.index, axis], [sums.index])
    model = writer.finish(sums)
    with pytest.raises(UserError, match=r"CUMSUM.* --engine tflm writes what TFLM runs"):
        compose.streaming_library(compose.Request("sums", model, None, None, None))
    export_any(tmp_path / "library", model)


# --- networks that are not upscalers


def classifier(outputs: int = 1) -> bytes:
    """Return a network with a stride and a softmax, and with two outputs if they are requested."""
    writer = TfliteWriter(9, 7)
    features = writer.conv(writer.input, 4, 3, stride=2)
    scores = writer.activation("scores", features.shape, 1 / 256, -128)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    writer.operator("SOFTMAX", [features.index], [scores.index], options)
    model = unpack(writer.finish(scores))
    model.subgraphs[0].outputs = [scores.index, features.index][:outputs]
    return pack(model)


def export_any(folder: Path, model: bytes, name: str = "cmake") -> Path:
    return write_library(
        folder, compose.Request("classifier", model, None, None, None), name, "tflm"
    )


@pytest.mark.parametrize("outputs", [1, 2])
def test_any_network_is_exported_at_its_own_size(tmp_path: Path, outputs: int) -> None:
    model = classifier(outputs)
    folder = export_any(tmp_path / "library", model)
    assert array_bytes(folder / "src" / "model_classifier.c", "model_classifier_tflite") == model
    noise = array_bytes(folder / "example" / "test_input.c", "test_input")
    assert len(np.unique(np.frombuffer(noise, np.int8))) > 30
    interpreter = runtime.Interpreter.from_bytes(
        model, arena_size=arena_bytes(folder, "model_classifier")
    )
    interpreter.set_input(np.frombuffer(noise, np.int8).reshape(1, 9, 7, 1), 0)
    interpreter.invoke()
    expected = b"".join(np.array(interpreter.get_output(i)).tobytes() for i in range(outputs))
    text = (folder / "example" / "test_input.h").read_text()
    assert f"#define TEST_INPUT_CHECKSUM 0x{zlib.crc32(expected):08x}u\n" in text


@pytest.mark.parametrize("name", target.NAMES)
def test_the_example_of_any_network_compiles_for_every_target(tmp_path: Path, name: str) -> None:
    folder = export_any(tmp_path / "library", classifier(2), name)
    (infer,) = folder.rglob("infer.cpp")
    flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    includes = [f"-I{path}" for path in (STUBS / "tflm", folder / "src")]
    subprocess.run(["c++", *flags, *includes, infer], check=True)
    flags = ["-std=c99", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    for source in folder.rglob("*.c"):
        subprocess.run(["cc", *flags, *includes, source], check=True)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text(encoding="ascii")
        assert not re.search(r"@[A-Z_]+@", text), path
        assert "upscale" not in path.relative_to(folder).as_posix().lower()
        assert "upscale" not in text.lower(), path


def test_the_host_runs_the_example_of_a_network_of_two_outputs(tmp_path: Path) -> None:
    """The example's main function accepts the checksum that TFLM computed, and no other."""
    folder = export_any(tmp_path / "library", classifier(2))
    (tmp_path / "infer.c").write_text(
        '#include "test_input.h"\nint infer_test_input(uint32_t *checksum);\n'
        "int infer_test_input(uint32_t *checksum)"
        "{ *checksum = TEST_INPUT_CHECKSUM ^ FLIP; return 0; }\n"
    )
    for flip, code in ((0, 0), (1, 1)):
        program = tmp_path / f"example{flip}"
        sources = [folder / "example" / name for name in ("main.c", "test_input.c")]
        command = ["cc", f"-DFLIP={flip}", f"-I{folder / 'example'}", *sources]
        subprocess.run([*command, tmp_path / "infer.c", "-o", program], check=True)
        done = subprocess.run([program], capture_output=True, text=True)
        assert done.returncode == code
        assert done.stdout.startswith("63 bytes of input, status 0, checksum ")


def test_a_size_that_a_network_cannot_have_is_refused() -> None:
    request = compose.Request("classifier", classifier(), 20, None, None)
    with pytest.raises(UserError, match="SOFTMAX is not known to work at another image size"):
        compose.tflm_library(request, write_c)


def test_open_sizes_get_the_default_frame(tmp_path: Path) -> None:
    writer = TfliteWriter(1, 1)
    output = writer.conv(writer.input, 4, 3, stride=2)
    model = unpack(writer.finish(output))
    for index in (writer.input.index, output.index):
        tensor = model.subgraphs[0].tensors[index]
        tensor.shapeSignature = [-1, -1, -1, tensor.shape[3]]
    made = compose.tflm_library(compose.Request("open", pack(model), None, None, None), write_c)
    assert made.example.size == "int8 1x48x64x1"


def test_a_network_of_floats_is_refused_with_advice() -> None:
    writer = TfliteWriter(6, 6)
    model = unpack(writer.finish(writer.float_island(writer.conv(writer.input, 3, 3, stride=2))))
    request = compose.Request("floats", pack(model), None, None, None)
    with pytest.raises(UserError, match=r"float32; .*converter\.inference_input_type = tf\.int8"):
        compose.tflm_library(request, write_c)
    writer = TfliteWriter(6, 6)
    indices = writer.activation("indices", writer.input.shape, 1.0, 0)
    writer.operator("RELU", [writer.input.index], [indices.index])
    model = unpack(writer.finish(indices))
    for tensor in model.subgraphs[0].tensors:
        tensor.type, tensor.quantization = schema.TensorType.INT32, None
    request = compose.Request("indices", pack(model), None, None, None)
    with pytest.raises(UserError, match="is int32; an example takes int8, uint8, int16"):
        compose.tflm_library(request, write_c)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["vww_96_int8", "kws_ref_model", "ad01_int8", "person_detect", "pretrainedResnet_quant"],
)
def test_networks_of_others_are_exported(shared_models: Path, tmp_path: Path, name: str) -> None:
    model = (shared_models / f"{name}.tflite").read_bytes()
    folder = export_any(tmp_path / "library", model)
    shape = read_graph(model).input.shape
    noise = array_bytes(folder / "example" / "test_input.c", "test_input")
    output = run_tflm(model, np.frombuffer(noise, np.int8).reshape(shape))
    text = (folder / "example" / "test_input.h").read_text()
    assert f"0x{zlib.crc32(output.tobytes()):08x}u" in text
    interpreter = runtime.Interpreter.from_bytes(
        model, arena_size=arena_bytes(folder, "model_classifier")
    )
    interpreter.set_input(np.frombuffer(noise, np.int8).reshape(shape), 0)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_output(0), output)
