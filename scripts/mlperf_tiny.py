"""Run MLPerf Tiny's networks on emulated boards, and print their costs beside TFLM's.

    python scripts/mlperf_tiny.py [--models FOLDER] [NAME ...]

Every output byte is compared with TensorFlow Lite Micro's, else there is no table. Instructions are
emulated: executed, not cycles. RAM is all but the model and the frame buffers: arena, variables and
peak stack. `mlperf_tiny.toml` has TFLM's figures. The models are not part of this repository; by
default they are looked for in models beside EDGE_SR_DATA.
"""

import argparse
import os
import tomllib
from pathlib import Path
from typing import Any

from edge_sr.graph import read_bytes
from firmware_harness import verify
from firmware_harness.verify import NetworkRun

HERE = Path(__file__).parent
BOARDS = ("mps2-an386", "mps3-an547")
HEADINGS = (
    *("model", "MACs", "RAM", "TFLM's arena", "flash: model, code"),
    *("M4", "TFLM, CMSIS-NN", "M55, flash: model, code", "M55", "TFLM, CMSIS-NN"),
)


def main() -> None:
    """Read the arguments and print the table."""
    figures = tomllib.loads((HERE / "mlperf_tiny.toml").read_text(encoding="utf-8"))
    data = Path(os.environ.get("EDGE_SR_DATA", HERE.parent.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(figures))
    parser.add_argument("--models", type=Path, default=data.parent / "models", metavar="FOLDER")
    arguments = parser.parse_args()
    names = arguments.names or list(figures)
    unknown = [name for name in names if name not in figures]
    if unknown:
        parser.error(f"unknown model {unknown[0]}; available: {', '.join(figures)}")
    print(f"| {' | '.join(HEADINGS)} |")
    print(f"|---|{'---:|' * (len(HEADINGS) - 1)}")
    for name in names:
        model = read_bytes(arguments.models / f"{name}.tflite")
        runs = [verify.run_model(name, model, board) for board in BOARDS]
        print(row(name, figures[name], *runs), flush=True)


def row(name: str, tflm: dict[str, Any], m4: NetworkRun, m55: NetworkRun) -> str:
    """Return a network's row."""
    cells = (
        f"{tflm['title']} (`{name}`)",
        f"{m4.macs:,}",
        f"{m4.ram:,}",
        f"{tflm['arena']:,}",
        flash(m4),
        millions(m4.result.frame_instructions),
        millions(tflm["m4"]),
        flash(m55),
        millions(m55.result.frame_instructions),
        millions(tflm["m55"]),
    )
    return f"| {' | '.join(cells)} |"


def flash(run: NetworkRun) -> str:
    """Return the flash of the model and of the code that an application needs for it."""
    parts = run.firmware.flash
    return f"{parts.model:,}, {parts.engine_and_model - parts.model:,}"


def millions(count: int) -> str:
    """Return instructions in millions."""
    return f"{count / 1e6:#.3g} M"


if __name__ == "__main__":
    main()
