"""Library projects: each is built as its ecosystem builds it, run, and compared with TFLM."""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from libraries import shipped, write_library
from tflm_oracle import run_tflm

from edge_sr.engine.build import STRICT
from edge_sr.graph import resize
from firmware_harness.targets import compose, content, target

HERE = Path(__file__).parent
STUBS = HERE / "stubs"
WIDTH, HEIGHT = 22, 10
OUTPUT = f"{WIDTH}x{HEIGHT} upscaled, status 0, checksum "

# An environment with the ecosystems' own tools: pip install -r ecosystems.txt
ECOSYSTEMS = os.environ.get("EDGE_SR_ECOSYSTEMS", sys.executable)

Export = Callable[..., Path]


def export(folder: Path, name: str, engine: str = "streaming") -> Path:
    request = compose.Request("tinypssr-x2", shipped("tinypssr"), WIDTH, HEIGHT, None)
    return write_library(folder, request, name, engine)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Export once per set of arguments; tests must not change the folder."""
    folders: dict[tuple[str, str], Path] = {}

    def once(name: str, engine: str = "streaming") -> Path:
        if (name, engine) not in folders:
            folder = tmp_path_factory.mktemp("export") / "library"
            folders[name, engine] = export(folder, name, engine)
        return folders[name, engine]

    return once


def shell(command: Sequence[object], folder: Path, **environment: object) -> str:
    """Run a command and return its output."""
    variables = {**os.environ, **{name: f"{value}" for name, value in environment.items()}}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def cmake(source: Path, build: Path, *options: str, **environment: object) -> None:
    flags = f"-DCMAKE_C_FLAGS={' '.join(STRICT)}"
    shell(["cmake", "-S", source, "-B", build, flags, *options], source, **environment)
    shell(["cmake", "--build", build], source, **environment)


def read_manifest(kind: str, path: Path) -> dict[str, object]:
    """Read a manifest with the ecosystem's own code; skip the test if it is not installed."""
    module = {"platformio": "platformio", "esp-idf": "idf_component_tools", "kconfig": "kconfiglib"}
    found = subprocess.run([ECOSYSTEMS, "-c", f"import {module[kind]}"], capture_output=True)
    if found.returncode != 0:
        pytest.skip(f"{module[kind]} is not installed; EDGE_SR_ECOSYSTEMS names a Python with it")
    script = HERE / "ecosystem_manifests.py"
    printed = json.loads(shell([ECOSYSTEMS, script, kind, path], path.parent))
    assert isinstance(printed, dict)
    return printed


def frame(sources: Path) -> np.ndarray:
    """Return the test frame in the C source."""
    text = (sources / "test_frame.c").read_text(encoding="ascii").split("= {")[1]
    values = np.array([int(value) for value in re.findall(r"-?\d+", text)], np.int8)
    return values.reshape(1, HEIGHT, WIDTH, 1)


@pytest.fixture(scope="module")
def expected(library: Export) -> str:
    """Return what the example must print, with the checksum of TFLM's output."""
    image = frame(library("cmake") / "example")
    assert len(np.unique(image)) > 50
    output = run_tflm(resize(shipped("tinypssr"), HEIGHT, WIDTH), image)
    return f"{OUTPUT}{zlib.crc32(output.tobytes()):08x}: matches the host\n"


# --- all targets


@pytest.mark.parametrize("engine", content.ENGINES)
@pytest.mark.parametrize("name", target.NAMES)
def test_the_same_arguments_give_the_same_bytes(
    library: Export, tmp_path: Path, name: str, engine: str
) -> None:
    first, second = library(name, engine), export(tmp_path / "second", name, engine)
    names = [path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()]
    assert sorted(names) == sorted(
        path.relative_to(second).as_posix() for path in second.rglob("*") if path.is_file()
    )
    assert filecmp.cmpfiles(first, second, names, shallow=False)[0] == names


@pytest.mark.parametrize("engine", content.ENGINES)
@pytest.mark.parametrize("name", target.NAMES)
def test_a_library_is_self_contained(library: Export, name: str, engine: str) -> None:
    folder = library(name, engine)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text(encoding="ascii")
        assert not re.search(r"@[A-Z_]+@", text), path
        assert str(HERE.parent.parent) not in text
    assert (folder / "LICENSE").read_bytes() == (HERE.parent.parent / "LICENSE").read_bytes()
    assert "## Build" in (folder / "README.md").read_text()


NAMES = ("assert", "core", "errno", "main", "main_stack_size", "math", "run_tests", "string")
NAMES += ("stdint", "test", "zephyr", "Arduino", "size_t", "int8", "esr", "2d", "all", "log")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_means_something_else_gets_a_prefix(name: str) -> None:
    assert content.identifier(name) == f"model_{name.lower()}"


@pytest.mark.parametrize("name", ["tinypssr_x2", "espcn-tiny-anchor-x4", "my_model", "cam_x2_int8"])
def test_a_name_of_a_network_is_kept(name: str) -> None:
    assert content.identifier(name) == name.replace("-", "_")


@needs("cmake")
@pytest.mark.parametrize("name", ["math", "main", "test", "string", "zephyr", "core", "all"])
def test_a_model_file_may_have_any_name(expected: str, tmp_path: Path, name: str) -> None:
    request = compose.Request(name, shipped("tinypssr"), WIDTH, HEIGHT, None)
    folder = write_library(tmp_path / "library", request, "cmake", "streaming")
    cmake(folder, tmp_path / "build")
    assert shell([tmp_path / "build" / "upscale"], tmp_path) == expected


# --- CMake


@needs("cmake")
@pytest.mark.parametrize(
    "flags",
    ["-flto", "-O0", "-Os -flto", "-fPIC -fPIE", "-O2 -funsigned-char -fshort-enums", "-Oz -g"],
)
def test_ordinary_flags_build_the_same_bits(
    library: Export, expected: str, tmp_path: Path, flags: str
) -> None:
    options = [f"-DCMAKE_C_FLAGS={' '.join(STRICT)} {flags}"]
    cmake(library("cmake"), tmp_path, *options)
    assert shell([tmp_path / "upscale"], tmp_path) == expected


@needs("cmake")
def test_cmake_builds_and_runs_on_the_host(library: Export, expected: str, tmp_path: Path) -> None:
    cmake(library("cmake"), tmp_path)
    assert shell([tmp_path / "upscale"], tmp_path) == expected
    assert "100% tests passed" in shell(["ctest"], tmp_path)


@needs("cmake")
def test_the_example_detects_a_wrong_byte(library: Export, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    shutil.copytree(library("cmake"), folder)
    source = folder / "example" / "test_frame.c"
    text = source.read_text()
    source.write_text(text.replace("= {\n    -128,", "= {\n    -127,", 1))
    assert source.read_text() != text
    cmake(folder, tmp_path / "build")
    done = subprocess.run([tmp_path / "build" / "upscale"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[-8:]) == (1, ": WRONG\n"), done


@needs("cmake")
def test_another_cmake_project_links_the_library(library: Export, tmp_path: Path) -> None:
    folder = library("cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app C CXX)\n"
        f"add_subdirectory({folder} library)\n"
        "add_executable(app app.cpp)\ntarget_link_libraries(app PRIVATE tinypssr_x2)\n"
    )
    (tmp_path / "app.cpp").write_text(
        '#include "tinypssr_x2.h"\n'
        "int main() { return esr_arena_bytes(tinypssr_x2_plan, TINYPSSR_X2_PLAN_BYTES, 64) "
        "!= TINYPSSR_X2_PLAN_ARENA_BYTES(64); }\n"
    )
    cmake(tmp_path, tmp_path / "build")
    shell([tmp_path / "build" / "app"], tmp_path)


@pytest.mark.cross
@needs("cmake")
def test_cmake_builds_for_a_cortex_m4(library: Export, tmp_path: Path) -> None:
    cmake(
        library("cmake"),
        tmp_path,
        "-DCMAKE_TOOLCHAIN_FILE=cmake/cortex-m4.cmake",
        "-DCMAKE_BUILD_TYPE=MinSizeRel",
    )
    attributes = shell(["arm-none-eabi-readelf", "-A", "upscale"], tmp_path)
    assert "Tag_CPU_arch: v7E-M\n" in attributes
    symbols = shell(["arm-none-eabi-nm", "upscale"], tmp_path)
    assert " T esr_push_row" in symbols


# --- Arduino


def sketch_output(folder: Path, tmp_path: Path, *flags: str) -> list[str]:
    """Compile the sketch as Arduino does, and return the lines that it prints."""
    sketch = folder / "examples" / "Upscale"
    folders = [f"-I{path}" for path in (folder / "src", sketch, STUBS / "arduino")]
    sources = [*(folder / "src").glob("*.c"), *sketch.glob("*.c")]
    shell(["gcc", *STRICT, "-c", *folders, *sources], tmp_path)
    sketch_flags = ["-x", "c++", "-include", "Arduino.h", "-Wall", "-Wextra", "-Werror", *flags]
    for source in (sketch / "Upscale.ino", STUBS / "arduino" / "main.cpp"):
        command = ["g++", *sketch_flags, *folders, "-c", source, "-o", f"{source.stem}.cpp.o"]
        shell(command, tmp_path)
    shell(["g++", *tmp_path.glob("*.o"), "-o", "sketch"], tmp_path)
    return shell([tmp_path / "sketch"], tmp_path).splitlines()


def serial_line(expected: str) -> str:
    checksum = expected.split()[5].rstrip(":").upper().lstrip("0")
    return f"status 0, checksum {checksum}: matches the host"


@needs("gcc", "g++")
def test_the_sketch_blinks_slowly(library: Export, expected: str, tmp_path: Path) -> None:
    assert sketch_output(library("arduino"), tmp_path) == [
        serial_line(expected),
        *("pin 13 1", "delay 1000", "pin 13 0", "delay 1000"),
    ]


@needs("gcc", "g++")
def test_the_sketch_runs_on_boards_without_a_led(
    library: Export, expected: str, tmp_path: Path
) -> None:
    assert sketch_output(library("arduino"), tmp_path, "-DNO_LED") == [
        serial_line(expected),
        *("delay 1000", "delay 1000"),
    ]


def test_the_arduino_library_follows_its_specification(library: Export) -> None:
    """https://arduino.github.io/arduino-cli/latest/library-specification/."""
    folder = library("arduino")
    lines = (folder / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category"}
    assert required | {"url", "architectures", "includes"} == set(properties)
    assert all(properties.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", properties["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["category"] == "Data Processing"
    architectures = properties["architectures"].split(",")
    assert {"mbed_nano", "esp32", "rp2040", "samd", "stm32", "renesas_uno"} <= set(architectures)
    assert not {"*", "avr", "megaavr"} & set(architectures)  # int has 16 bits there
    assert (folder / "src" / properties["includes"]).is_file()
    assert (folder / "examples" / "Upscale" / "Upscale.ino").is_file()
    assert not (folder / "utility").exists()


def test_platformio_reads_the_arduino_library(library: Export) -> None:
    path = library("arduino") / "library.properties"
    manifest = read_manifest("platformio", path)
    assert manifest["name"] == "tinypssr_x2"
    assert manifest["headers"] == ["tinypssr_x2.h"]


# --- PlatformIO


def test_platformio_accepts_the_manifest(library: Export) -> None:
    folder = library("platformio")
    manifest = read_manifest("platformio", folder / "library.json")
    assert (manifest["name"], manifest["license"]) == ("tinypssr_x2", "Apache-2.0")
    (example,) = manifest["examples"]  # type: ignore[misc]
    for name in example["files"]:
        assert (folder / example["base"] / name).is_file()


@needs("gcc")
def test_the_platformio_example_runs(library: Export, expected: str, tmp_path: Path) -> None:
    """Compile as PlatformIO does: all of src/ and of the example's src/."""
    folder = library("platformio")
    sources = [*(folder / "src").glob("*.c"), *(folder / "examples/upscale/src").glob("*.c")]
    shell(["gcc", *STRICT, f"-I{folder / 'src'}", *sources, "-o", "example"], tmp_path)
    assert shell([tmp_path / "example"], tmp_path) == expected


# --- ESP-IDF


@pytest.mark.parametrize(
    ("engine", "needed"), [("streaming", ["idf"]), ("tflm", ["espressif/esp-tflite-micro", "idf"])]
)
def test_esp_idf_accepts_the_manifest(library: Export, engine: str, needed: list[str]) -> None:
    folder = library("esp-idf", engine)
    manifest = read_manifest("esp-idf", folder / "idf_component.yml")
    assert manifest["dependencies"] == needed


@needs("cmake")
def test_the_esp_idf_component_builds_and_runs(
    library: Export, expected: str, tmp_path: Path
) -> None:
    project = library("esp-idf") / "examples" / "upscale"
    cmake(project, tmp_path, IDF_PATH=STUBS / "esp-idf")
    assert shell([tmp_path / "app"], tmp_path) == expected


# --- Zephyr


@needs("cmake")
def test_the_zephyr_module_builds_and_runs(library: Export, expected: str, tmp_path: Path) -> None:
    sample = library("zephyr") / "samples" / "upscale"
    cmake(sample, tmp_path, ZEPHYR_BASE=STUBS / "zephyr")
    assert shell([tmp_path / "app"], tmp_path) == expected


@pytest.mark.parametrize("engine", content.ENGINES)
def test_kconfig_knows_the_symbol(library: Export, engine: str) -> None:
    folder = library("zephyr", engine)
    symbols = read_manifest("kconfig", folder / "Kconfig")
    assert list(symbols) == ["TINYPSSR_X2"]
    assert "CONFIG_TINYPSSR_X2=y\n" in (folder / "samples" / "upscale" / "prj.conf").read_text()


def test_zephyr_accepts_the_module(library: Export, tmp_path: Path) -> None:
    base = Path(os.environ.get("ZEPHYR_BASE", "absent"))
    if not (base / "scripts" / "zephyr_module.py").is_file():
        pytest.skip("no Zephyr: its own check of module.yml needs ZEPHYR_BASE")
    folder = library("zephyr")
    script = base / "scripts" / "zephyr_module.py"
    shell(
        [ECOSYSTEMS, script, "--modules", folder, "--kconfig-out", "k", "--cmake-out", "c"],
        tmp_path,
    )
    assert f'"{folder}"' in (tmp_path / "c").read_text()
    assert f"{folder}/Kconfig" in (tmp_path / "k").read_text()
