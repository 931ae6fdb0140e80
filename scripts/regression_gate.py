"""Compare the deterministic costs with benchmarks/regression.toml, or write that file.

    python scripts/regression_gate.py [--write]

The costs are MACs, parameters, file sizes and the engine's RAM of every shipped network; and for
one network on emulated boards flash, stack and executed instructions, which are not cycles.
"""

import argparse
import subprocess
import sys

import tomli_w

from benchmarks import regression
from benchmarks.measuring import images
from benchmarks.regression import Costs
from edge_sr.records import Case, Network
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.tflite_interface import read_interface
from edge_sr.zoo import catalog
from firmware_harness import board_file
from firmware_harness import port as ports
from firmware_harness.measure import measure

BOARDS = ("mps2-an386", "mps3-an547", "qemu-rv32imc")
_HEIGHT, _WIDTH = 48, 64


def emulated(board: str) -> dict[str, Costs]:
    """Return the costs of tinypssr x2 on an emulated board, by the name of the case.

    Raises:
        UserError: a compiler or an emulator is missing.
        VerificationError: the board's output is not TFLM's.
    """
    network = Network("tinypssr x2", "upscaler", "int8", None, None, None, ())
    case = Case(network, "engine", "none", 1, (), _HEIGHT, _WIDTH, 1, board)
    model = catalog.find("tinypssr-x2").file("int8", ".tflite").read_bytes()
    pixels, _ = images.make("upscaler", _HEIGHT, _WIDTH, scale=2, channels=1)
    result = measure(case, model, encode(pixels, read_interface(model).input))
    assert result.output is not None
    assert result.output.right, f"the output of {board} differs from that of TFLM"
    assert result.instructions is not None
    memory = {item.kind: item.bytes for item in result.memory}
    costs: Costs = {
        "compiler": _compiler(board),
        "flash_bytes": memory["flash"],
        "engine_ram_bytes": memory["engine ram"],
        "stack_bytes": memory["stack"],
        "open_instructions": result.instructions.open,
        "frame_instructions": result.instructions.frame,
    }
    return {case.key: costs}


def _compiler(board: str) -> str:
    name = f"{ports.of(board_file.find(board)).compiler}gcc"
    printed = subprocess.run([name, "-dumpfullversion"], capture_output=True, text=True, check=True)
    return f"{name} {printed.stdout.strip()}"


def main() -> int:
    """Compare the costs, or write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file")
    options = parser.parse_args()
    costs = regression.static()
    for board in BOARDS:
        costs |= emulated(board)
    if options.write:
        text = "# Written by scripts/regression_gate.py; of boards: emulated, not cycles.\n\n"
        regression.FILE.write_text(text + tomli_w.dumps(costs), encoding="utf-8")
        return 0
    texts = regression.differences(regression.expected(), costs)
    print("\n".join(texts) or "no differences")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
