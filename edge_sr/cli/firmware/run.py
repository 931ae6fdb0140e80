"""`edge-sr firmware run`: an image executed in QEMU, its output checked against TFLM's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import ForceOption, check_new, parse_path, print_markdown
from edge_sr.cli.firmware.rows import EMULATED, flash_rows, project_rows, static_ram_rows
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from firmware_harness.verify import EncoderRun, UpscalerRun


def run(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", parser=parse_path, help="Output folder of `edge-sr firmware build`."
        ),
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Image as wide as the firmware was built for.",
            show_default="a photograph",
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
    start-up and the test program.
    """
    from firmware_harness import project, verify

    firmware = project.read(folder)
    if firmware.camera is None:
        if out is not None:
            raise UserError(f"--out is for encoders' .tcz files; {firmware.name} is an upscaler")
        _print_upscaler(verify.run_upscaler(folder, image))
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


def _print_upscaler(outcome: "UpscalerRun") -> None:
    firmware, result = outcome.firmware, outcome.result
    height, width, _ = outcome.frame.shape
    per_pixel = result.frame_instructions / (height * width)
    print_markdown(
        ["firmware", EMULATED],
        [
            *project_rows(firmware.project, firmware.board),
            ("frame", f"{width}x{height}, {outcome.source}"),
            ("output", f"{result.output.size:,} bytes, all equal to TFLM's"),
            *flash_rows(firmware.flash),
            *static_ram_rows(firmware.ram),
            ("RAM: peak stack", f"{result.stack_used:,} bytes"),
            (
                "RAM: total without frame buffers",
                f"{firmware.ram.total + result.stack_used:,} bytes",
            ),
            ("instructions to open", f"{result.open_instructions:,} ({EMULATED})"),
            ("instructions for the frame", f"{result.frame_instructions:,} ({EMULATED})"),
            ("instructions per LR pixel", f"{per_pixel:,.0f} ({EMULATED})"),
        ],
    )


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
