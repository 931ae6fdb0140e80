"""Run encoders of codecs on emulated boards, and print their costs.

    python scripts/codec_boards.py [--models cae tinycompress-16] [--quality 5] [--widths 160 320]

The file of each board is compared with the host's. Frames are 4:3. Instructions are emulated:
executed, not cycles; they include coding, and reading and writing of files.
"""

import argparse
import tempfile
from pathlib import Path

from edge_sr.cli.firmware.build import Frame, make
from firmware_harness import board_file, build, project, verify

_HEADINGS = (
    *("frame", "codec", "board", "flash, engine and model", "arena", "coder, part and row"),
    *("stack", "RAM, sum", "instructions per pixel", "bpp of this frame"),
)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--models", nargs="*", default=["cae", "tinycompress-16"], metavar="MODEL")
    parser.add_argument("--quality", type=float, help="of codecs with qualities")
    parser.add_argument("--widths", type=int, nargs="*", default=[160, 320])
    boards = ["mps2-an386", "mps3-an547"]
    parser.add_argument("--boards", nargs="*", default=boards, metavar="NAME")
    arguments = parser.parse_args()
    print(f"| {' | '.join(_HEADINGS)} |")
    print(f"|---|---|---|{'---:|' * (len(_HEADINGS) - 3)}")
    for model in arguments.models:
        for board in arguments.boards:
            for width in arguments.widths:
                print(row(model, board, width, arguments.quality), flush=True)


def row(model: str, board: str, width: int, quality: float | None) -> str:
    """Return the table row of one frame on one board."""
    target = board_file.find(board)
    has_qualities = not model.startswith("tinycompress")
    frame = Frame(width=width, quality=quality if has_qualities else None)
    made = make(model, board, frame)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project.write(folder, made.settings, made.network.model, made.context)
        build.build(folder, target)
        outcome = (verify.run_symbols if has_qualities else verify.run_encoder)(folder, None)
    result, ram = outcome.result, outcome.firmware.ram
    if isinstance(outcome, verify.SymbolRun):
        instructions = outcome.result.frame_instructions
    else:
        instructions = outcome.result.latent_instructions + outcome.result.write_instructions
    height, width, _ = outcome.pixels.shape
    cells = (
        *(f"{width}x{height}", made.network.id, f"{board}, {target.core}"),
        *map(_count, (outcome.firmware.flash.engine_and_model, ram.arena)),
        *map(_count, (ram.latents + ram.codec, result.stack_used, ram.total + result.stack_used)),
        _count(round(instructions / (height * width))),
        f"{8 * len(result.file) / (height * width):.3f}",
    )
    return f"| {' | '.join(cells)} |"


def _count(value: int) -> str:
    return f"{value:,}"


if __name__ == "__main__":
    main()
