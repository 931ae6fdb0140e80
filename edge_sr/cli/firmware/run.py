"""`edge-sr firmware run`: an image executed in QEMU, its output checked byte for byte."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_new, parse_path, print_markdown
from edge_sr.cli.firmware.options import complete_board
from edge_sr.cli.firmware.rows import EMULATED, flash_rows, project_rows, static_ram_rows
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from firmware_harness.verify import EncoderRun, NetworkRun, SymbolRun


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
    quality: Annotated[
        float | None,
        typer.Option(
            help="With --board, of a codec with qualities: that of its files, 1 to 10.",
            show_default="that of compress",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Execute firmware in QEMU on an image, and compare every output byte with TFLM's.

    An encoder's firmware writes a .tcz file, whose latents must equal TFLM's; that of a codec with
    qualities writes one that must equal the host's byte for byte. The counts are
    executed instructions, not cycles. RAM excludes the frame buffers; the peak stack includes
    start-up and the test program. Where TFLM has no wheel, the engine on the host is the reference.
    """
    if board is None:
        if quality is not None:
            raise UserError("--quality needs --board; firmware that is built has its quality")
        _run(Path(subject), image, out, force)
        return
    with tempfile.TemporaryDirectory(prefix="edge-sr-") as scratch:
        _build(Path(scratch), subject, board, quality)
        _run(Path(scratch), image, out, force)


def _build(folder: Path, model: str, board: str, quality: float | None) -> None:
    from edge_sr.cli.firmware.build import Frame, make
    from firmware_harness import board_file, build, emulate, project

    target = board_file.find(board)
    emulate.check_tools(target)
    made = make(model, board, Frame(quality=quality))
    build.check_tools(target)
    project.write(folder, made.settings, made.network.model, made.context)
    build.build(folder, target)


def _run(folder: Path, image: Path | None, out: Path | None, force: bool) -> None:
    from firmware_harness import project, verify

    firmware = project.read(folder)
    if firmware.camera is None and firmware.symbols is None:
        if out is not None:
            raise UserError(f"--out is for encoders' .tcz files; {firmware.name} is not an encoder")
        _print_network(verify.run_network(folder, image))
        return
    if out is not None:
        check_new(out, force)
    if firmware.symbols is not None:
        symbols = verify.run_symbols(folder, image)
        _write(out, symbols.result.file)
        _print_symbols(symbols)
        return
    outcome = verify.run_encoder(folder, image)
    _write(out, outcome.result.file)
    _print_encoder(outcome)


def _write(out: Path | None, file: bytes) -> None:
    from edge_sr.files import replacing

    if out is not None:
        with replacing(out) as temporary:
            temporary.write_bytes(file)


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


def _print_symbols(outcome: "SymbolRun") -> None:
    firmware, result = outcome.firmware, outcome.result
    settings = firmware.project.symbols
    assert settings is not None  # else another program ran
    height, width, _ = outcome.pixels.shape
    size, memory = len(result.file), outcome.memory
    print_markdown(
        ["firmware", EMULATED],
        [
            *project_rows(firmware.project, firmware.board),
            ("quality", f"place {settings.place / 256:g} of the codec's gains"),
            ("frame", f"{width}x{height}, {outcome.source}"),
            ("file", f"{size:,} bytes, {8 * size / (height * width):.3f} bits per pixel"),
            ("file, compared with the host's", "all bytes equal"),
            *flash_rows(firmware.flash),
            ("flash: context, part of the model", f"{outcome.context_bytes:,} bytes"),
            *static_ram_rows(firmware.ram),
            ("RAM: coder state, part of the above", f"{result.coder_needed:,} bytes"),
            ("RAM: one part of the file, likewise", f"{memory.part:,} bytes"),
            ("RAM: peak stack", f"{result.stack_used:,} bytes"),
            ("RAM: total without the camera's row", f"{outcome.ram:,} bytes"),
            ("largest part of this file", f"{result.largest_part:,} bytes"),
            ("instructions to open", f"{result.open_instructions:,} ({EMULATED})"),
            (
                "instructions per pixel, network and coder",
                f"{result.frame_instructions / (height * width):,.0f} ({EMULATED})",
            ),
        ],
    )
