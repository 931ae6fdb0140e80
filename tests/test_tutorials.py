"""The outputs that the tutorials show are those of their commands."""

import shutil
import subprocess
from pathlib import Path

import docs_consoles
import pytest

from benchmarks import regression

CASE = "tinypssr x2 upscaler int8 64x48 engine mps2-an386 (emulated)"

pytestmark = [pytest.mark.cross, pytest.mark.slow]


@pytest.mark.parametrize("page", docs_consoles.PAGES, ids=lambda page: page.name)
def test_the_outputs_of_a_tutorial_are_those_of_its_commands(page: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "cmake", "make", "openocd", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    compiler = regression.expected()[CASE]["compiler"]
    version = subprocess.run(["arm-none-eabi-gcc", "-dumpfullversion"], capture_output=True)
    if compiler != f"arm-none-eabi-gcc {version.stdout.decode().strip()}":
        pytest.skip(f"the sizes are those of {compiler}")
    found = list(docs_consoles.calls(page))
    assert len(found) >= 2  # training is left out
    for call in found:
        assert call.shown.strip() == call.printed, call.command
