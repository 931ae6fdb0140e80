"""`edge-sr firmware` for encoders: a camera's program that writes .tcz files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_sr.cli.common import check_new, print_markdown
from edge_sr.errors import UserError, VerificationError

if TYPE_CHECKING:
    import numpy as np

    from edge_sr.codec.network import Network
    from edge_sr.engine.plan import Plan
    from edge_sr.graph import Graph
    from edge_sr.zoo.codecs import Codec
    from firmware_harness.board import Board
    from firmware_harness.camera import Camera
    from firmware_harness.elf import Flash, StaticRam
    from firmware_harness.emulate import Compression
    from firmware_harness.fit import Beside
    from firmware_harness.project import Project

FAMILY = "tinycompress"
ENCODER = f"{FAMILY}-encoder"
"""What the shipped encoders are called; a rate chooses one of them."""

DEFAULT_RATE = 16


@dataclass(frozen=True)
class Frame:
    """What a camera's program is asked for.

    Attributes:
        height: rows at most; None: those of 4:3.
        planes: that files keep.
        decoder: its .tflite; None: the one in the encoder's folder.
    """

    height: int | None
    planes: int
    decoder: Path | None


def shipped(model: str, rate: int | None) -> Path | None:
    """The int8 encoder that a shipped name means; None for a name that means no codec.

    Raises:
        UserError: there is none, or none of that rate.
    """
    codec = _named(model, rate)
    if codec is None:
        return None
    if rate not in (None, codec.card["rate"]):
        raise UserError(f"{codec.name} has rate {codec.card['rate']}, not {rate}")
    encoder = codec.part("encoder", "int8")
    if not encoder.is_file():
        raise UserError(f"{codec.name} has no int8 networks here; firmware is made of int8 alone")
    return encoder


def _named(model: str, rate: int | None) -> "Codec | None":
    """The codec whose name, or whose encoder's, this is; None for a name that means no codec."""
    from edge_sr.zoo import codecs

    names = {FAMILY, *(codec.name for codec in codecs.entries())}
    name = model.removesuffix("-decoder")
    if model == FAMILY or (name != model and name in names):
        raise UserError(
            f"firmware is made of a codec's encoder, and {model} is none; name {name}-encoder"
        )
    name = model.removesuffix("-encoder")
    if name not in names:
        return None
    if name == FAMILY:
        name = f"{codecs.PREFIX}{DEFAULT_RATE if rate is None else rate}"
    return codecs.find(name)


def is_encoder(network: "Graph") -> bool:
    """Whether it makes images smaller."""
    from edge_sr import graph

    return graph.ratio(network) < 1


def camera(path: Path, network: "Graph", plan: "Plan", width: int, frame: Frame) -> "Camera":
    """What the program of an encoder is told, of which files must name the decoder.

    Raises:
        UserError: the decoder's file is missing or is no decoder for it.
    """
    from firmware_harness import camera as cameras

    cameras.check(path.name, network, plan)
    height = -(-width * 3 // 4) if frame.height is None else frame.height
    cameras.check_frame(width, height, frame.planes)
    codec = _open_codec(path, frame.decoder)
    return cameras.Camera(height, frame.planes, codec.id, codec.hash.hex())


def _open_codec(encoder: Path, decoder: Path | None) -> "Network":
    """Both parts, checked to belong together."""
    from edge_sr.codec import network as networks
    from edge_sr.zoo.codecs import Codec

    if decoder is not None:
        return networks.open_parts(encoder, decoder, _own_id(decoder))
    if encoder.name != Codec(encoder.parent).part("encoder", "int8").name:
        raise UserError(
            f"files must name the decoder that reads them; what belongs to {encoder} is told by "
            "--decoder, unless both lie in one folder as encoder-int8.tflite and "
            "decoder-int8.tflite"
        )
    return networks.find(model=str(encoder.absolute().parent))


def _own_id(decoder: Path) -> str:
    """What files call a network that is not in a codec's folder."""
    from edge_sr.codec.container import ID_BYTES

    return "".join(c if c.isascii() and c.isprintable() else "_" for c in decoder.stem)[:ID_BYTES]


# --- plan


def beside(network: "Graph", plan: "Plan") -> "Beside":
    """RAM that a frame of 4:3 takes beside the arena, by its width; none where nothing is kept."""
    from edge_sr.cli.firmware import frame_height
    from firmware_harness import camera as cameras

    def kept(width: int) -> int:
        return cameras.most_bytes(network, plan, width, frame_height(width, plan.rate))

    return kept if is_encoder(network) else lambda _: 0


def plan_rows(network: "Graph", plan: "Plan", frames: list[tuple[int, int]]) -> None:
    """Print what frames take beside the arena."""
    from firmware_harness import camera as cameras

    rows = []
    for width, height in frames:
        kept = cameras.memory(network, plan, width, height)
        arena = plan.arena_bytes(width)
        figures = (arena, kept.latents, kept.row, arena + kept.latents + kept.row)
        rows.append((f"{width}x{height}", *(f"{size:,}" for size in figures)))
    print_markdown(
        ["a camera's frame, bytes", "arena", "latents", "row", "all but coder and stack"], rows
    )


# --- run


def run(folder: Path, image: Path | None, out: Path | None, force: bool) -> None:
    """Execute an encoder's firmware on an image; what its file holds must be TFLM's latents.

    Args:
        folder: of the firmware.
        image: as wide as its frames; None for a photograph.
        out: where to leave the file, if it is as it must be.
        force: whether a file there is replaced.

    Raises:
        UserError: the image does not fit.
        VerificationError: the file is not as it must be.
    """
    from edge_sr.engine.plan import make_plan
    from edge_sr.files import replacing
    from edge_sr.graph import read_bytes, read_graph
    from firmware_harness import build as building
    from firmware_harness import camera as cameras
    from firmware_harness import elf, emulate, project

    made, target = project.read(folder), project.read_board(folder)
    chosen = made.camera
    assert chosen is not None  # else another program was built
    if out is not None:
        check_new(out, force)
    emulate.check_tools(target)
    model = read_bytes(folder / project.MODEL)
    network = read_graph(model)
    plan = make_plan(network)
    cameras.check(made.name, network, plan)
    pixels, source = _pixels(image, made.width, chosen.height)
    expected = _latents(model, plan, pixels)
    flash, ram = elf.measure(folder / building.IMAGE)
    done = emulate.compress(folder / building.IMAGE, target, pixels)
    if done.status != 0:
        raise VerificationError(f"the image was given up with esr_tcz_status {done.status}")
    _check_ram(ram, done, network, plan, made, chosen)
    cameras.check_file(done.file, cameras.file_header(network, plan, pixels, chosen), expected)
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_bytes(done.file)
    _print_run(made, target, flash, ram, done, pixels, source)


def _pixels(image: Path | None, width: int, height: int) -> "tuple[np.ndarray, str]":
    """A picture (H, W, 3) uint8 of the camera's width and at most its height, and what it shows."""
    from edge_sr.data.images import read_image
    from firmware_harness import frames

    if image is None:
        return frames.default_pixels(height, width)
    pixels = read_image(image).pixels
    if pixels.shape[1] != width or pixels.shape[0] > height:
        raise UserError(
            f"{image} is {pixels.shape[1]}x{pixels.shape[0]}, but the firmware was built for a "
            f"width of {width} and at most {height} rows; `edge-sr firmware build --width "
            f"{pixels.shape[1]} --height {pixels.shape[0]}` makes one for it"
        )
    return frames.as_rgb(pixels), str(image)


def _latents(model: bytes, plan: "Plan", pixels: "np.ndarray") -> "np.ndarray":
    """TFLM's, (channels, h, w) uint8."""
    from edge_sr.cli.firmware import check_tflm
    from firmware_harness import camera as cameras
    from firmware_harness import oracle

    frame = cameras.extend(pixels, plan)
    check_tflm(model, *frame.shape[:2])
    return cameras.samples(oracle.tflm_output(model, frame))


def _check_ram(
    ram: "StaticRam",
    done: "Compression",
    network: "Graph",
    plan: "Plan",
    made: "Project",
    chosen: "Camera",
) -> None:
    """What is in the image must be what the planner, and the image itself, say.

    Raises:
        VerificationError: it is not.
    """
    from firmware_harness import camera as cameras

    kept = cameras.memory(network, plan, made.width, chosen.height)
    wide = cameras.extended(made.width, plan)
    for what, there, needed in (
        ("arena", ram.arena, done.arena_needed),
        ("arena", ram.arena, plan.arena_bytes(wide)),
        ("latents", ram.latents, kept.latents),
    ):
        if there != needed:
            raise VerificationError(f"{there} bytes of {what}, but {needed} are needed")
    if not 0 <= ram.codec - kept.row - done.state_bytes < 8:
        raise VerificationError(
            f"{ram.codec} bytes of row and coder, but {kept.row} and {done.state_bytes} are needed"
        )


def _print_run(
    made: "Project",
    target: "Board",
    flash: "Flash",
    ram: "StaticRam",
    done: "Compression",
    pixels: "np.ndarray",
    source: str,
) -> None:
    from edge_sr.cli.firmware import EMULATED, about, flash_rows, static_rows

    height, width, _ = pixels.shape
    size = len(done.file)

    def per_pixel(count: int) -> str:
        return f"{count / (height * width):,.0f} ({EMULATED})"

    print_markdown(
        ["firmware", EMULATED],
        [
            *about(made, target),
            ("frame", f"{width}x{height}, {source}"),
            ("file", f"{size:,} bytes, {8 * size / (height * width):.3f} bits a pixel"),
            ("latents in the file", "each equal to TFLM's"),
            *flash_rows(flash),
            *static_rows(ram),
            ("RAM, of these the coder's state", f"{done.state_bytes:,} bytes"),
            ("RAM, stack at most", f"{done.stack_used:,} bytes"),
            ("RAM, all but the camera's row", f"{ram.total + done.stack_used:,} bytes"),
            ("instructions to open", f"{done.open_instructions:,} ({EMULATED})"),
            ("instructions per pixel, network", per_pixel(done.latent_instructions)),
            ("instructions per pixel, coding twice", per_pixel(done.write_instructions)),
        ],
    )
