"""`edge-sr firmware run`: an image executed in QEMU, its output checked byte for byte."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_new, parse_path, print_markdown
from edge_sr.cli.firmware.network import at_size, read_network
from edge_sr.cli.firmware.options import complete_board
from edge_sr.cli.firmware.rows import EMULATED, flash_rows, project_rows, static_ram_rows
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from firmware_harness.verify import EncoderRun, NetworkRun


def run(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|MODEL",
            help="Output folder of `edge-sr firmware build`; with --board a network, which is "
            "built first, in a temporary folder.",
        ),
    ],
    board: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete_board,
            help="Build MODEL for this emulated board, and run it.",
            show_default="the folder's",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Image as wide as the firmware was built for; of any size for a network of one "
            "size, to which it is resized.",
            show_default="a photograph, or noise for a network that takes no images",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Encoders: where to write the .tcz file.",
            show_default="nowhere",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Execute firmware in QEMU on an image, and compare every output byte with TFLM's.

    An encoder's firmware writes a .tcz file, whose latents must equal TFLM's. The counts are
    executed instructions, not cycles. RAM excludes the frame buffers; the peak stack includes
    start-up and the test program. Where TFLM has no wheel, the engine on the host is the reference.
    """
    if board is None:
        _run(Path(subject), image, out, force)
        return
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as scratch:
        _build(Path(scratch), subject, board)
        _run(Path(scratch), image, out, force)


def _build(folder: Path, model: str, board: str) -> None:
    from edge_sr.cli.firmware.build import Frame, project_of
    from edge_sr.runtime.obstacles import plan_of
    from firmware_harness import board_file, build, emulate, project

    target = board_file.find(board)
    emulate.check_tools(target)
    network = at_size(read_network(model, None), None)
    settings = project_of(network, board, plan_of(network.graph), Frame())
    build.check_tools(target)
    project.write(folder, settings, network.model)
    build.build(folder, target)


def _run(folder: Path, image: Path | None, out: Path | None, force: bool) -> None:
    from firmware_harness import project, verify

    firmware = project.read(folder)
    if firmware.camera is None:
        if out is not None:
            raise UserError(f"--out is for encoders' .tcz files; {firmware.name} is not an encoder")
        _print_network(verify.run_network(folder, image))
        return
    if out is not None:
        check_new(out, force)
    outcome = verify.run_encoder(folder, image)
    if out is not None:
        _write(out, outcome)
    _print_encoder(outcome)


def _write(out: Path, outcome: "EncoderRun") -> None:
    from edge_sr.files import replacing

    with replacing(out) as temporary:
        temporary.write_bytes(outcome.result.file)


def _print_network(outcome: "NetworkRun") -> None:
    from firmware_harness import oracle

    firmware, result = outcome.firmware, outcome.result
    height, width, _ = outcome.frame.shape
    print_markdown(
        ["firmware", EMULATED],
        [
            *project_rows(firmware.project, firmware.board),
            ("frame", f"{width}x{height}, {outcome.source}"),
            (
                "output",
                f"{result.output.size:,} bytes, all equal to {oracle.whose(outcome.reference)}",
            ),
            *_scores(outcome),
            *flash_rows(firmware.flash),
            *static_ram_rows(firmware.ram),
            ("RAM: peak stack", f"{result.stack_used:,} bytes"),
            ("RAM: total without frame buffers", f"{outcome.ram:,} bytes"),
            ("instructions to open", f"{result.open_instructions:,} ({EMULATED})"),
            ("instructions for the frame", f"{result.frame_instructions:,} ({EMULATED})"),
            _per_unit(outcome),
        ],
    )


def _scores(outcome: "NetworkRun") -> list[tuple[str, str]]:
    """Return the row of a classifier's best class."""
    if outcome.best is None:
        return []
    best, score = outcome.best
    last = outcome.result.outputs[0].size - 1
    return [("highest score", f"class {best} (of 0 to {last}): {score:.3g}")]


def _per_unit(outcome: "NetworkRun") -> tuple[str, str]:
    """Return the row of instructions per pixel, or per MAC for a network of one size."""
    from edge_sr.engine.plan import Plan

    count = outcome.result.frame_instructions
    if isinstance(outcome.plan, Plan):
        height, width, _ = outcome.frame.shape
        return "instructions per LR pixel", f"{count / (height * width):,.0f} ({EMULATED})"
    macs = outcome.plan.macs
    each = f"{count / macs:.2f}" if macs else "no MACs"
    return f"instructions per MAC, of {macs:,}", f"{each} ({EMULATED})"


def _print_encoder(outcome: "EncoderRun") -> None:
    firmware, result = outcome.firmware, outcome.result
    height, width, _ = outcome.pixels.shape
    size = len(result.file)

    def per_pixel(count: int) -> str:
        return f"{count / (height * width):,.0f} ({EMULATED})"

    print_markdown(
        ["firmware", EMULATED],
        [
            *project_rows(firmware.project, firmware.board),
            ("frame", f"{width}x{height}, {outcome.source}"),
            ("file", f"{size:,} bytes, {8 * size / (height * width):.3f} bits per pixel"),
            ("latents in the file", "all equal to TFLM's"),
            *flash_rows(firmware.flash),
            *static_ram_rows(firmware.ram),
            ("RAM: coder state, part of the above", f"{result.state_bytes:,} bytes"),
            ("RAM: peak stack", f"{result.stack_used:,} bytes"),
            (
                "RAM: total without the camera's row",
                f"{firmware.ram.total + result.stack_used:,} bytes",
            ),
            ("instructions to open", f"{result.open_instructions:,} ({EMULATED})"),
            ("instructions per pixel, network", per_pixel(result.latent_instructions)),
            ("instructions per pixel, two coding passes", per_pixel(result.write_instructions)),
        ],
    )
