"""`edge-sr firmware`: what a network costs on a board, and the image that runs it there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli import firmware_boards, firmware_compress, firmware_export
from edge_sr.cli.common import (
    DEFAULT_MODEL,
    ForceOption,
    ScaleOption,
    check_folder,
    check_picture,
    choose,
    known_scale,
    parse_path,
    print_markdown,
)
from edge_sr.cli.firmware_boards import BoardOption
from edge_sr.errors import UserError, VerificationError

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.engine.plan import Plan, Ring
    from edge_sr.graph import Graph
    from firmware_harness.board import Board
    from firmware_harness.camera import Camera
    from firmware_harness.elf import Flash, StaticRam
    from firmware_harness.emulate import Run
    from firmware_harness.project import Project

EMULATED = "emulated: instructions, not cycles"

_WIDTHS = (160, 320, 640)
_BUILT_WIDTH = 160
_MAX_TFLM_BYTES = 2**29  # of the arena of a frame that TFLM is asked about
_DEFAULT_PIXELS = 640 * 480  # of the photograph at most; a wide one has fewer rows than 4:3

app = typer.Typer(help="Plan, build and run a network as firmware.")

TfliteOption = Annotated[str, typer.Option(help="Name of a shipped model, or an int8 .tflite.")]
RateOption = Annotated[
    int | None,
    typer.Option(
        help=f"Of {firmware_compress.ENCODER}: 4, 16, 64 or 256.", show_default="16, or the file's"
    ),
]


@dataclass(frozen=True)
class Network:
    """A network to be made firmware of.

    Attributes:
        name: for people and for folders.
        path: its file.
        model: the .tflite.
        graph: what is in it.
    """

    name: str
    path: Path
    model: bytes
    graph: "Graph"


def read_network(model: str, scale: int | None, rate: int | None = None) -> Network:
    """The network that a command's options mean.

    Raises:
        UserError: there is none, or the file is no .tflite or of another scale or rate.
    """
    from edge_sr import graph
    from edge_sr.graph import read_bytes, read_graph

    encoder = firmware_compress.shipped(model, rate)
    if encoder is not None:
        return _read_encoder(encoder)
    artifact = choose(model, scale, "litert", True)
    if artifact.path.suffix.lower() != ".tflite":
        raise UserError(f"firmware is made from an int8 .tflite, not from {artifact.path}")
    network = read_graph(artifact.path)
    shipped = artifact.name != artifact.path.name
    if not shipped and scale is not None and graph.scale(network) != scale:
        raise UserError(f"{model} upscales x{graph.scale(network)}, not x{scale}")
    name = f"{model}-x{known_scale(scale)}" if shipped else artifact.path.stem
    if rate is not None and graph.ratio(network) ** 2 * rate != 1:
        raise UserError(f"{model} is no encoder of rate {rate}; leave --rate out")
    return Network(name, artifact.path, read_bytes(artifact.path), network)


def _read_encoder(path: Path) -> Network:
    from edge_sr.graph import read_bytes, read_graph

    model = read_bytes(path)
    return Network(f"{path.parent.name}-encoder", path, model, read_graph(model))


# --- plan


@app.command("plan")
def plan(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="An int8 .tflite, or a shipped model's name.")
    ],
    scale: ScaleOption = None,
    rate: RateOption = None,
    width: Annotated[
        list[int] | None,
        typer.Option(
            help="Pixels of a row that goes in; may be given several times.",
            show_default=", ".join(map(str, _WIDTHS)),
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Draw the first width's arena: .png, .pdf or .svg.",
            show_default="none",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Say what RAM and flash the streaming engine needs, beside TensorFlow Lite Micro's arena.

    The engine's RAM does not depend on a frame's height, and holds no frame. TFLM's is for frames
    of 4:3, input and output included. Stack comes on top; `edge-sr firmware run` measures it.
    """
    from edge_sr.engine.plan import make_plan

    if picture is not None:
        check_picture(picture, force)
    network = read_network(model, scale, rate)
    made = make_plan(network.graph)
    widths = width or [-(-size // made.rate) * made.rate for size in _WIDTHS]
    rams = [made.arena_bytes(size) for size in widths]
    _print_costs(network, made)
    _print_ram(network, made, dict(zip(widths, rams, strict=True)))
    if firmware_compress.is_encoder(network.graph):
        frames = [(size, frame_height(size, made.rate)) for size in widths]
        firmware_compress.plan_rows(network.graph, made, frames)
    _print_map(made, widths[0])
    if picture is not None:
        _draw(picture, network, made, widths[0])


def _draw(picture: Path, network: Network, made: "Plan", width: int) -> None:
    from edge_sr.cli import arena_picture

    arena_picture.draw(picture, made, width, network.name)
    typer.echo(f"{picture}")


def frame_height(width: int, rate: int) -> int:
    """Rows of a 4:3 frame, rounded up to what the network takes."""
    return -(-width * 3 // 4 // rate) * rate


def _tflm_arena(network: Network, height: int, width: int) -> int | str:
    """Bytes, or why TFLM does not say them."""
    import importlib.util

    from edge_sr import graph
    from edge_sr.runtime.arena import arena_bytes
    from edge_sr.runtime.tflm import arena_bound

    if importlib.util.find_spec("tflite_micro") is None:
        return "not known without tflite-micro"
    try:
        resized = graph.resize(network.model, height, width)
        if arena_bound(graph.read_graph(resized)) > _MAX_TFLM_BYTES:
            return "not known: too large to be tried"
        return arena_bytes(resized)
    except (UserError, VerificationError):
        return "not known: TFLM cannot run it"


def _pixel(network: "Graph") -> str:
    """What costs are given for: a pixel that goes in."""
    return "pixel" if firmware_compress.is_encoder(network) else "LR pixel"


def _print_costs(network: Network, made: "Plan") -> None:
    print_markdown(
        [network.name, "streaming engine"],
        [
            ("latency", f"{made.latency} rows after the one it belongs to, a row is finished"),
            ("halo", f"{made.halo} columns on each side, where frames are cut into strips"),
            (f"MACs per {_pixel(network.graph)}", f"{made.macs:,.10g}"),
            ("flash of the model, bytes", made.flash),
        ],
    )


def _print_ram(network: Network, made: "Plan", arenas: dict[int, int]) -> None:
    from edge_sr.runtime.arena import host_abi

    rows = []
    for width, ram in arenas.items():
        height = frame_height(width, made.rate)
        tflm = _tflm_arena(network, height, width)
        theirs = (tflm, "") if isinstance(tflm, str) else (f"{tflm:,} bytes", f"{tflm / ram:.0f}")
        rows.append((f"{width}x{height}", f"{ram:,} bytes", *theirs))
    print_markdown(
        ["frame", "engine's arena", f"TFLM's arena, frames included, {host_abi()}", "ratio"], rows
    )


def _print_map(made: "Plan", width: int) -> None:
    """Where each ring lies; those that are not needed at the same time share memory."""
    from edge_sr.engine.plan import HEAD_BYTES

    units = made.wide_units(width)
    head = ("the engine itself", "", "", f"{HEAD_BYTES:,}", f"0..{HEAD_BYTES}")
    end = made.arena_bytes(width)
    place = f"{end - made.scratch}..{end}"
    scratch = ("what kernels lay out for themselves", "", "", f"{made.scratch:,}", place)
    rings = sorted(made.rings, key=lambda ring: (ring.place.at(units), ring.tensors))
    print_markdown(
        [f"arena at width {width}", "rows", "pixels x channels", "bytes", "from..to"],
        [head, *(_ring_row(made, ring, units, HEAD_BYTES) for ring in rings), scratch],
    )


def _ring_row(made: "Plan", ring: "Ring", units: int, head: int) -> tuple[str, ...]:
    makers = [node.label for node in made.nodes if node.output in ring.tensors]
    size, place = ring.size.at(units), head + ring.place.at(units)
    return (
        ", ".join(makers) or "the input",
        f"{ring.rows}",
        f"{ring.rate * units + 2 * ring.margin} x {ring.channels}",
        f"{size:,}",
        f"{place}..{place + size}",
    )


# --- build


@app.command("build")
def build(
    board: BoardOption,
    model: TfliteOption = DEFAULT_MODEL,
    scale: ScaleOption = None,
    rate: RateOption = None,
    width: Annotated[int, typer.Option(help="Pixels of a row that goes in.")] = _BUILT_WIDTH,
    height: Annotated[
        int | None,
        typer.Option(help="Encoders: rows of a frame at most.", show_default="that of 4:3"),
    ] = None,
    planes: Annotated[int, typer.Option(help="Encoders: bit planes that files keep, 1 to 8.")] = 8,
    decoder: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Encoders: the .tflite that reads the files.",
            show_default="decoder-int8.tflite beside the encoder",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Folder.",
            show_default="artifacts/<model>-<board>-w<width>",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a self-contained C project for a board, and compile it.

    On an emulated board its program takes a frame from the host, for `edge-sr firmware run`. On
    another one it runs a self-test on a made frame; what it finds stays in RAM, where a debugger
    reads it. An encoder's program compresses a frame of any size into a .tcz file.
    """
    from edge_sr.files import replacing_folder
    from firmware_harness import board_file, elf, project
    from firmware_harness import build as building

    target = board_file.find(board)
    target.bare_image()
    network = read_network(model, scale, rate)
    camera = _camera(network, width, firmware_compress.Frame(height, planes, decoder))
    folder = out or Path("artifacts") / f"{network.name}-{target.name}-w{width}"
    project.check_target(folder, force)
    check_folder(folder)
    building.check_tools(target)
    made = project.Project(network.name, board, width, camera)
    with replacing_folder(folder) as temporary:
        project.write(temporary, made, network.model)
        building.build(temporary, target)
    image = folder / building.IMAGE
    flash, ram = elf.measure(image)
    print_markdown(
        ["firmware", str(folder)],
        [*about(made, target), *flash_rows(flash), *static_rows(ram), *_result(target, image)],
    )


def _camera(network: Network, width: int, frame: firmware_compress.Frame) -> "Camera | None":
    """What an encoder's program is told; None for a network that is none.

    Raises:
        UserError: the options do not fit the network.
    """
    from edge_sr.engine.plan import make_plan

    if firmware_compress.is_encoder(network.graph):
        return firmware_compress.camera(
            network.path, network.graph, make_plan(network.graph), width, frame
        )
    if (frame.height, frame.planes, frame.decoder) != (None, 8, None):
        raise UserError(
            f"--height, --planes and --decoder are for encoders, and {network.name} is none"
        )
    return None


def _result(target: "Board", image: Path) -> list[tuple[str, str]]:
    """Where a board without a host leaves what its self-test finds."""
    from firmware_harness import elf, selftest

    if target.emulator is not None:
        return []
    address = elf.read(image)[".result"].address
    what = f"{selftest.WORDS} words at {address:#010x}; the first becomes {selftest.PASSED:#x}"
    return [("self-test's result in RAM, by debugger", what)]


def about(made: "Project", target: "Board") -> list[tuple[str, str]]:
    """What was built for what."""
    return [
        ("model", f"{made.name}, width {made.width}"),
        ("board", f"{target.name}: {target.title}, {target.core}"),
    ]


def flash_rows(flash: "Flash") -> list[tuple[str, str]]:
    """What an image takes of flash."""
    return [
        ("flash, engine's text", f"{flash.engine_text:,} bytes"),
        ("flash, engine's rodata", f"{flash.engine_rodata:,} bytes"),
        ("flash, model", f"{flash.model:,} bytes"),
        ("flash, compiler's libraries", f"{flash.library:,} bytes"),
        ("flash, data", f"{flash.data:,} bytes"),
        ("flash, engine and model", f"{flash.engine_and_model:,} bytes"),
        ("flash, start-up and test program", f"{flash.harness:,} bytes"),
    ]


def static_rows(ram: "StaticRam") -> list[tuple[str, str]]:
    """RAM that is known before anything runs."""
    codec = [
        ("RAM, latents", f"{ram.latents:,} bytes"),
        ("RAM, coder and row", f"{ram.codec:,} bytes"),
    ]
    return [
        ("RAM, arena", f"{ram.arena:,} bytes"),
        ("RAM, data", f"{ram.data:,} bytes"),
        ("RAM, bss", f"{ram.bss:,} bytes"),
        *(codec if ram.codec else []),
    ]


# --- run


@app.command("run")
def run(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", parser=parse_path, help="What `edge-sr firmware build` wrote."
        ),
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="An image as wide as the firmware was built for.",
            show_default="a photograph, 4:3 or flatter",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Encoders: where to leave the .tcz file.",
            show_default="nowhere",
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Execute firmware in QEMU on an image, and check every output byte against TFLM's.

    What an encoder's firmware writes is a .tcz file, whose latents must be TFLM's.
    What is counted is executed instructions, which are not cycles. RAM is everything but the two
    frame buffers; stack is the most that was used, with start-up and the test program.
    """
    from edge_sr.graph import read_bytes, read_graph
    from firmware_harness import build as building
    from firmware_harness import elf, emulate, oracle, project

    made = project.read(folder)
    if made.camera is not None:
        firmware_compress.run(folder, image, out, force)
        return
    if out is not None:
        raise UserError(f"--out is for encoders' files, and {made.name} is no encoder")
    target = project.read_board(folder)
    emulate.check_tools(target)
    model = read_bytes(folder / project.MODEL)
    network = read_graph(model)
    flash, ram = elf.measure(folder / building.IMAGE)
    frame, source = read_frame(image, made.width, network)
    check_tflm(model, *frame.shape[:2])
    expected = oracle.tflm_output(model, frame)
    done = emulate.run(folder / building.IMAGE, target, frame)
    if done.status != 0:
        raise VerificationError(f"the engine ended the frame with esr_status {done.status}")
    if done.arena_needed != ram.arena:
        raise VerificationError(f"{ram.arena} bytes of arena, but {done.arena_needed} are needed")
    oracle.check(done.output, expected)
    _print_run(made, target, flash, ram, done, frame, source)


def read_frame(image: Path | None, width: int, network: "Graph") -> tuple["np.ndarray", str]:
    """The frame (H, W, C) int8, and what it shows.

    Raises:
        UserError: the image cannot be read or is of another width, or no frame has this width.
    """
    from edge_sr.data.images import read_image
    from edge_sr.engine.plan import make_plan
    from firmware_harness import frames

    plan = make_plan(network)
    plan.arena_bytes(width)  # refuses what only a damaged project names
    if image is None:
        most = max(1, _DEFAULT_PIXELS // (width * plan.rate)) * plan.rate
        height = min(frame_height(width, plan.rate), most)
        pixels, source = frames.default_pixels(height, width)
    else:
        pixels, source = read_image(image).pixels, str(image)
    if pixels.shape[1] != width:
        raise UserError(
            f"{image} is {pixels.shape[1]} pixels wide, but the firmware was built for {width}; "
            f"`edge-sr firmware build --width {pixels.shape[1]}` makes one for it"
        )
    return frames.encode_pixels(pixels, network.input), source


def check_tflm(model: bytes, height: int, width: int) -> None:
    """Refuse a frame for which TFLM, which says what must come out, would take too much memory.

    Raises:
        UserError: so.
    """
    from edge_sr import graph
    from edge_sr.runtime.tflm import arena_bound

    if arena_bound(graph.read_graph(graph.resize(model, height, width))) > _MAX_TFLM_BYTES:
        raise UserError(
            f"a frame of {width}x{height} is too large for TFLM, with which the output is "
            "compared; name one of fewer rows with --image"
        )


def _print_run(
    made: "Project",
    target: "Board",
    flash: "Flash",
    ram: "StaticRam",
    done: "Run",
    frame: "np.ndarray",
    source: str,
) -> None:
    height, width, _ = frame.shape
    total = ram.total + done.stack_used
    per_pixel = done.frame_instructions / (height * width)
    print_markdown(
        ["firmware", EMULATED],
        [
            *about(made, target),
            ("frame", f"{width}x{height}, {source}"),
            ("output", f"{done.output.size:,} bytes, each equal to TFLM's"),
            *flash_rows(flash),
            *static_rows(ram),
            ("RAM, stack at most", f"{done.stack_used:,} bytes"),
            ("RAM, all but frames", f"{total:,} bytes"),
            ("instructions to open", f"{done.open_instructions:,} ({EMULATED})"),
            ("instructions for the frame", f"{done.frame_instructions:,} ({EMULATED})"),
            ("instructions per LR pixel", f"{per_pixel:,.0f} ({EMULATED})"),
        ],
    )


app.command("boards")(firmware_boards.boards)
app.command("flash")(firmware_boards.flash)
app.command("export")(firmware_export.export)
