"""The engine without Python: strict warnings on every compiler, sanitizers on dumped frames.

`EDGE_SR_DRIVER_MODELS=500 pytest tests/engine/test_engine_driver.py` runs that many random networks
with each set of kernels.
"""

import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sanitized
from clang_for_arm import compile_with_clang
from hypothesis import HealthCheck, Phase, given, settings
from plan_words import OPERATOR, PlanWords, stacked
from random_frames import RandomFrame, frames
from random_models import RandomNetwork, networks
from tflm_oracle import noise, run_tflm

from edge_sr.engine.build import SOURCES, STRICT, c_files
from edge_sr.engine.c_source import c_header, c_source
from edge_sr.engine.frame_plan import FramePlan, make_frame_plan
from edge_sr.engine.nodes import Kind
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.graph import read_graph, resize
from edge_sr.zoo import catalog

DRIVER = Path(__file__).with_name("driver.c")
MODELS = int(os.environ.get("EDGE_SR_DRIVER_MODELS", "25"))
COMPILERS = ("gcc", "clang", "arm-none-eabi-gcc")
PORTABLE = ("-U__SSE2__", "-U__ARM_NEON")
"""Flags with which a host compiles the code for a processor without vectors."""

BOARDS = (("-mcpu=cortex-m4",), ("-mcpu=cortex-m55", "-mfloat-abi=hard"), ("-mcpu=cortex-m0plus",))
HERE = Path(__file__).parent
KERNELS = {
    "vectors": (Layout.SIMD, ("-O0",)),  # -O1 takes a quarter of a minute
    "portable": (Layout.SIMD, PORTABLE),
    "dsp": (Layout.DSP16, ("-DESR_LAYOUT=1", "-include", str(HERE / "emulated_dsp.h"))),
    "helium": (Layout.MVE8, ("-DESR_LAYOUT=2", "-include", str(HERE / "emulated_mve.h"))),
}
"""The layout of each set of kernels, and the flags with which a host compiles it.

Instructions that the host lacks are emulated.
"""


def compiled(compiler: str, arguments: list[str]) -> None:
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        *((compiler, ("-O3",)) for compiler in COMPILERS),
        *((compiler, ("-O2", *PORTABLE)) for compiler in COMPILERS),
        *(("arm-none-eabi-gcc", ("-O2", "-mthumb", *board)) for board in BOARDS),
        ("arm-none-eabi-gcc", ("-O2", "-mthumb", *BOARDS[0], "-DESR_PORTABLE")),
        ("arm-none-eabi-gcc", ("-Os", "-mthumb", *BOARDS[1], "-ffixed-r9")),
    ],
)
def test_sources_compile_without_a_warning(
    compiler: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for source in c_files():
        target = tmp_path / f"{source.stem}.o"
        compiled(compiler, [*STRICT, *flags, "-c", str(source), "-o", str(target)])


@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
@pytest.mark.parametrize("frame_pointer", ["-fomit-frame-pointer", "-fno-omit-frame-pointer"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board[0])
def test_sources_compile_with_clang_for_boards(
    board: tuple[str, ...], frame_pointer: str, level: str, tmp_path: Path
) -> None:
    plain = (frame_pointer, level) == ("-fomit-frame-pointer", "-O2")
    for source in c_files():
        # Assembly alone depends on the registers that these flags leave free.
        if plain or source.stem.startswith(("esr_dsp", "esr_mve")):
            compile_with_clang(source, tmp_path, [*board, frame_pointer, level])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("arm-none-eabi-gcc -mbig-endian -mcpu=cortex-m3", "needs a little-endian processor"),
        ("clang --target=mips-none-elf", "needs a little-endian processor"),
        ("clang --target=powerpc-none-elf", "needs a little-endian processor"),
        ("clang --target=msp430-none-elf", "needs a compiler whose int has 32 bits"),
        ("clang --target=avr-none-elf -mmcu=atmega328p", "needs a compiler whose int has 32 bits"),
    ],
)
@pytest.mark.parametrize("source", ["esr.c", "esr_kernels.c", "esr_coder.c"])
def test_targets_with_other_arithmetic_are_refused(command: str, message: str, source: str) -> None:
    compiler, *flags = command.split()
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    arguments = [*flags, "-std=c99", "-ffreestanding", "-fsyntax-only", str(SOURCES / source)]
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    assert done.returncode != 0
    assert f"edge-sr's engine {message}" in done.stderr


def test_the_sources_need_only_memory_functions_of_the_c_library(tmp_path: Path) -> None:
    if shutil.which("cc") is None or shutil.which("nm") is None:
        pytest.skip("no C compiler is installed")
    undefined, defined = set(), set()
    for source in c_files():
        target = tmp_path / f"{source.stem}.o"
        flags = ["-std=c99", "-O2", "-fno-pie", "-fno-stack-protector", "-D_FORTIFY_SOURCE=0"]
        compiled("cc", [*flags, "-c", str(source), "-o", str(target)])
        lines = subprocess.run(
            ["nm", str(target)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for *_, kind, name in (line.split() for line in lines):
            assert kind not in "BbDdC", f"{name} in {source.name} is a variable"
            (undefined if kind == "U" else defined).add(name)
    # The compiler's own library stores the features of an x86-64 processor in these.
    processor = {"__cpu_model", "__cpu_features2"}
    assert undefined - defined <= {"memcpy", "memset", "memmove", "memcmp"} | processor


@dataclass(frozen=True)
class Driver:
    """The compiled driver, and the layout of the plans that it runs."""

    program: Path
    layout: Layout

    def dump(
        self,
        plan: Plan | FramePlan,
        image: np.ndarray,
        expected: np.ndarray,
        blob: bytes | None = None,
    ) -> bytes:
        """A file for the driver; `blob` takes the place of the plan."""
        blob, (_, height, width, _) = blob or plan.blobs[self.layout], image.shape
        head = struct.pack("<5I", len(blob), width, height, expected.size, image.size)
        return head + blob + image.tobytes() + expected.tobytes()


@pytest.fixture(scope="module", params=KERNELS)
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    layout, kernels = KERNELS[request.param]
    name = f"driver-{request.param}"
    program = sanitized.build_once(tmp_path_factory, name, [DRIVER, *c_files()], *kernels)
    return Driver(program, layout)


def log_of(driver: Driver, dumps: list[bytes], folder: Path) -> str:
    """What the driver prints about wrong outputs and refused plans."""
    paths = []
    for number, data in enumerate(dumps):
        paths.append(folder / f"{number}.dump")
        paths[-1].write_bytes(data)
    done = subprocess.run([driver.program, *paths], capture_output=True, text=True)
    assert not re.search("Sanitizer|runtime error", done.stderr), done.stderr
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def run(driver: Driver, dumps: list[bytes], folder: Path) -> None:
    log = log_of(driver, dumps, folder)
    assert log == "", log[-3000:]


@pytest.mark.parametrize("name", ["tinypssr", "tinypssr-anchor"])
@pytest.mark.parametrize("scale", [2, 4])
def test_shipped_networks_under_sanitizers(
    driver: Driver, name: str, scale: int, tmp_path: Path
) -> None:
    model = catalog.find(f"{name}-x{scale}").file("int8", ".tflite").read_bytes()
    plan = make_plan(read_graph(model))
    images = [noise(height, width, 3) for height, width in ((1, 1), (3, 2), (9, 22))]
    dumps = [
        driver.dump(plan, image, run_tflm(resize(model, *image.shape[1:3]), image))
        for image in images
    ]
    run(driver, dumps, tmp_path)


def test_random_networks_under_sanitizers(driver: Driver, tmp_path: Path) -> None:
    dumps: list[bytes] = []

    @settings(
        max_examples=MODELS,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(network=networks)
    def collect(network: RandomNetwork) -> None:
        model, image = network.write(), network.image()
        dumps.append(driver.dump(make_plan(read_graph(model)), image, run_tflm(model, image)))

    collect()
    run(driver, dumps, tmp_path)


def test_random_frame_plans_under_sanitizers(driver: Driver, tmp_path: Path) -> None:
    dumps: list[bytes] = []

    @settings(
        max_examples=2 * MODELS,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(network=frames)
    def collect(network: RandomFrame) -> None:
        model, image = network.write(), network.image()
        plan = make_frame_plan(read_graph(model))
        dumps.append(driver.dump(plan, image, run_tflm(model, image)))

    collect()
    run(driver, dumps, tmp_path)


def test_operators_with_overlapping_buffers_are_refused(driver: Driver, tmp_path: Path) -> None:
    """Buffers that touch run; buffers that share four bytes do not."""
    touching: list[bytes] = []
    sharing: list[bytes] = []

    @settings(
        max_examples=MODELS,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(network=networks)
    def collect(network: RandomNetwork) -> None:
        model, image = network.write(), network.image()
        plan, expected = make_plan(read_graph(model)), run_tflm(model, image)
        blob = plan.blobs[driver.layout]
        for pair in {*PlanWords(blob).sources()}:
            for dumps, gap in ((touching, 0), (sharing, -4)):
                moved = stacked(blob, *pair, gap=(0, gap))
                dumps.append(driver.dump(plan, image, expected, moved))

    collect()
    run(driver, touching, tmp_path)
    log = log_of(driver, sharing, tmp_path)
    assert log.count("refuses the plan") == len(sharing) > MODELS


def test_copies_of_a_buffer_onto_itself_are_refused(driver: Driver, tmp_path: Path) -> None:
    model = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
    plan, image = make_plan(read_graph(model)), noise(3, 4, 3)
    words = PlanWords(plan.blobs[driver.layout])
    (start,) = (start for start in words.operators() if words.word(start) == Kind.DEPTH_TO_SPACE)
    words.write(start + OPERATOR["out"], words.word(start + OPERATOR["in"]))
    words.write(start + OPERATOR["extra"], 1)
    dump = driver.dump(plan, image, run_tflm(resize(model, 3, 4), image), bytes(words.blob))
    assert "refuses the plan" in log_of(driver, [dump], tmp_path)


def test_the_driver_reports_a_wrong_byte(driver: Driver, tmp_path: Path) -> None:
    model = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
    image = noise(4, 5, 3)
    expected = run_tflm(resize(model, 4, 5), image).copy()
    expected[0, 7, 3] ^= 1
    dump = driver.dump(make_plan(read_graph(model)), image, expected)
    assert "does not give the expected bytes" in log_of(driver, [dump], tmp_path)


def test_c_source_holds_the_plan(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler is installed")
    plan = make_plan(read_graph(catalog.find("tinypssr-x2").file("int8", ".tflite")))
    (tmp_path / "net.c").write_text(c_source(plan, "net"))
    (tmp_path / "net.h").write_text(c_header(plan, "net"))
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "net.h"\n'
        "int main(void)\n{\n    unsigned long ram = NET_ARENA_BYTES(163);\n\n"
        "    fwrite(&ram, sizeof ram, 1, stdout);\n"
        "    return fwrite(net, 1, NET_BYTES, stdout) == NET_BYTES ? 0 : 1;\n}\n"
    )
    program = tmp_path / "main"
    sources = [str(tmp_path / "main.c"), str(tmp_path / "net.c")]
    compiled("cc", [*STRICT, f"-I{tmp_path}", f"-I{SOURCES}", *sources, "-o", str(program)])
    printed = subprocess.run([program], capture_output=True, check=True).stdout
    assert printed[8:] == plan.blob
    assert int.from_bytes(printed[:8], "little") == plan.arena_bytes(163)
