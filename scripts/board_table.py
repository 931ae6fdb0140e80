"""Build a model for every emulated core, run it on a photograph, and print its costs.

    python scripts/board_table.py [--model tinypssr-x2] [--width 160] [--boards NAME ...]

Every output byte is compared with TensorFlow Lite Micro's, else there is no table. Instructions are
emulated: executed, not cycles.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from edge_sr.graph import read_graph
from edge_sr.zoo import catalog
from firmware_harness import board_file, build, elf, emulate, oracle, project
from firmware_harness.frames import read_frame

_HEADINGS = (
    "board",
    "flash, engine and model",
    "RAM without frame buffers",
    "instructions per LR pixel",
)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="tinypssr-x2", help="id of a shipped upscaler")
    parser.add_argument("--width", type=int, default=160)
    names = board_file.emulated()
    parser.add_argument("--boards", nargs="*", choices=names, default=names, metavar="NAME")
    arguments = parser.parse_args()
    model = catalog.find(arguments.model).file("int8").read_bytes()
    frame = read_frame(None, arguments.width, read_graph(model))[0]
    expected = oracle.tflm_output(model, frame)
    print(f"| {' | '.join(_HEADINGS)} |")
    print("|---|---:|---:|---:|")
    for name in arguments.boards:
        print(row(name, arguments.model, model, frame, expected), flush=True)


def row(name: str, title: str, model: bytes, frame: np.ndarray, expected: np.ndarray) -> str:
    """Return the table row of one board."""
    height, width, _ = frame.shape
    board = board_file.find(name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project.write(folder, project.Project(title, name, width), model)
        image = build.build(folder, board)
        flash, ram = elf.measure(image)
        done = emulate.run(image, board, frame)
    oracle.check(done.output, expected)
    total = ram.arena + ram.data + ram.bss + done.stack_used
    return (
        f"| {name}, {board.core} | {flash.engine_and_model:,} bytes | {total:,} bytes "
        f"| {done.frame_instructions / (height * width):,.0f} |"
    )


if __name__ == "__main__":
    main()
