"""The exported C files, compiled."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tflite_factory import tinypssr

from edge_sr.graph import read_graph
from export.c import identifier, write_c

NAME = "2nd-model_x2"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wshadow"]

MAIN = """\
#include <stdio.h>
#include "2nd-model_x2.h"
#include "2nd-model_x2.h"

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        const size_t size = sizeof ARRAY;
        return fwrite(ARRAY, 1, size, stdout) == size ? 0 : 1;
    }
    printf("%lu %u\\n", (unsigned long)((size_t)(const void *)ARRAY % 16), PREFIX_SIZE);
    printf("%.9g %d\\n", (double)PREFIX_INPUT_SCALE, PREFIX_INPUT_ZERO_POINT);
    printf("%.9g %d\\n", (double)PREFIX_OUTPUT_SCALE, PREFIX_OUTPUT_ZERO_POINT);
    printf("%d %d %d %d\\n", PREFIX_INPUT_BATCH, PREFIX_INPUT_HEIGHT, PREFIX_INPUT_WIDTH,
           PREFIX_INPUT_CHANNELS);
    printf("%d %d %d %d\\n", PREFIX_OUTPUT_BATCH, PREFIX_OUTPUT_HEIGHT,
           PREFIX_OUTPUT_WIDTH, PREFIX_OUTPUT_CHANNELS);
    return 0;
}
"""


@pytest.fixture(scope="module")
def model() -> bytes:
    return tinypssr(12, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model: bytes) -> Path:
    folder = tmp_path_factory.mktemp("c")
    header, source = write_c(model, NAME)
    (folder / f"{NAME}.h").write_text(header, encoding="ascii")
    (folder / f"{NAME}.c").write_text(source, encoding="ascii")
    array = identifier(NAME)
    main = MAIN.replace("ARRAY", array).replace("PREFIX", array.upper())
    (folder / "main.c").write_text(main, encoding="ascii")
    return folder


def build(folder: Path, compiler: list[str], source: str) -> Path:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    program = folder / f"program-{compiler[-1].removeprefix('-std=')}"
    command = [*compiler, *STRICT, f"-I{folder}", f"-I{folder.parent}", source, "main.c"]
    done = subprocess.run(
        [*command, "-o", str(program)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize(
    "compiler",
    [
        ["cc", "-std=c99"],
        ["cc", "-std=c11"],
        ["c++", "-x", "c++", "-std=c++98"],
        ["c++", "-x", "c++", "-std=c++17"],
    ],
    ids=lambda compiler: compiler[-1],
)
def test_it_compiles_without_a_warning_and_holds_the_model(
    folder: Path, model: bytes, compiler: list[str]
) -> None:
    program = build(folder, compiler, f"{NAME}.c")
    run = subprocess.run([program, "bytes"], capture_output=True, check=True)
    assert run.stdout == model
    text = subprocess.run([program], capture_output=True, check=True, text=True).stdout
    aligned, *figures = text.splitlines()
    assert aligned == f"0 {len(model)}"
    graph = read_graph(model)
    for line, tensor in zip(figures[:2], (graph.input, graph.output), strict=True):
        scale, zero_point = line.split()
        assert tensor.quantization is not None
        assert np.float32(scale) == np.float32(tensor.quantization.scale[0])
        assert int(zero_point) == tensor.quantization.zero_point[0]
    shapes = [tuple(map(int, line.split())) for line in figures[2:]]
    assert shapes == [graph.input.shape, graph.output.shape]


def test_the_array_is_constant_data(folder: Path) -> None:
    compiled = folder / "array.o"
    build_command = ["cc", "-c", f"{NAME}.c", "-o", str(compiled)]
    subprocess.run(build_command, cwd=folder, check=True)
    symbols = subprocess.run(["nm", compiled], capture_output=True, check=True, text=True).stdout
    assert f" R {identifier(NAME)}" in symbols


def test_names_become_identifiers() -> None:
    assert identifier("tinypssr-x2-int8") == "tinypssr_x2_int8_tflite"
    assert identifier("2nd-model") == "model_2nd_model_tflite"
