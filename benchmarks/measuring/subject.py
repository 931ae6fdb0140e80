"""Finds what can be measured: shipped networks by name, and files."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.files import check_is_file
from edge_sr.graph import read_bytes, read_graph
from edge_sr.records import Part, Precision, Score
from edge_sr.runtime.arrays import ArrayInterface, read_arrays
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.pixels import pixel_range
from edge_sr.runtime.session import Interface, TensorSpec
from edge_sr.zoo import catalog

PARTS: tuple[Part, ...] = ("upscaler", "encoder", "decoder", "network")


@dataclass(frozen=True)
class Subject:
    """A network in one precision, as files that must give the same output.

    Attributes:
        name: as reports show it.
        part: what it does; a "network" is any other, which runs on noise.
        precision: of its arithmetic.
        files: by suffix: .tflite, .onnx, .safetensors; some may be missing.
        interface: of all files.
        quality: from its card.
    """

    name: str
    part: Part
    precision: Precision
    files: dict[str, Path]
    interface: Interface | ArrayInterface
    quality: tuple[Score, ...] = field(default=())

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the network's input for an image of that size.

        Raises:
            UserError: the sides are not multiples of the network's step.
        """
        if isinstance(self.interface, ArrayInterface):
            return height, width
        step = self.interface.scale if self.part == "decoder" else 1
        multiple = step * self.interface.shrink * self.interface.step
        if height % multiple or width % multiple:
            raise UserError(
                f"{self.name} needs sides that are multiples of {multiple} pixels, not "
                f"{width}x{height}"
            )
        return height // step, width // step

    @property
    def is_sized(self) -> bool:
        """Whether it runs at any height and width."""
        if isinstance(self.interface, ArrayInterface):
            return self.interface.sides is not None
        return self.interface.fixed_size is None

    @property
    def own_size(self) -> tuple[int, int] | None:
        """Height and width of the file's image; None of an image of any size."""
        if isinstance(self.interface, Interface):
            return self.interface.fixed_size
        shape = self.interface.inputs[0].shape
        if self.interface.sides is not None:
            down, across = self.interface.sides
            return shape[down], shape[across]
        return (shape[1], shape[2]) if self.takes_image else (1, 1)

    @property
    def takes_image(self) -> bool:
        """Whether its only input is an image (1, H, W, C)."""
        if isinstance(self.interface, Interface):
            return True
        shapes = [spec.shape for spec in self.interface.inputs]
        return (
            not self.interface.channels_first
            and len(shapes) == 1
            and len(shapes[0]) == 4
            and shapes[0][0] == 1
        )

    @property
    def channels(self) -> int:
        """Channels of the image; the number of values of any other input."""
        if isinstance(self.interface, Interface):
            return self.interface.channels
        shape = self.interface.inputs[0].shape
        return shape[3] if self.takes_image else math.prod(shape)

    def interface_at(self, height: int, width: int) -> Interface | ArrayInterface:
        """Return the interface for inputs of that size."""
        if isinstance(self.interface, ArrayInterface) and self.interface.sides is not None:
            return self.interface.sized(height, width)
        return self.interface

    def inputs(self, height: int, width: int) -> str | None:
        """Return shapes and dtypes of inputs that are not one image (1, H, W, C)."""
        interface = self.interface_at(height, width)
        if isinstance(interface, Interface) or self.takes_image:
            return None
        return ", ".join(map(str, interface.inputs))


def find(name: str, part: Part, precision: Precision) -> Subject:
    """Return a shipped network.

    Args:
        name: its id: "tinypssr-x2", "tinycompress-16".
        part: "upscaler", or a codec's.
        precision: which of its files.

    Raises:
        UserError: the id is not that of a shipped network.
    """
    entry = catalog.find(name)
    if entry.kind == "codec":
        path = entry.file(precision, part=part)
        return Subject(name, part, precision, {".tflite": path}, _interface(path, part))
    files = {suffix: entry.file(precision, suffix) for suffix in (".tflite", ".onnx")}
    if precision == "float32":
        files[".safetensors"] = entry.checkpoint("float32")
    interface = _interface(files[".tflite"], part)
    scores = entry.card.scores(precision).items()
    quality = tuple(Score(data, score["psnr"], score["ssim"]) for data, score in scores)
    return Subject(name, part, precision, files, interface, quality)


def open_file(path: Path) -> Subject:
    """Open a user's own file.

    Raises:
        UserError: the file is missing, damaged, or not a model that can be measured.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise UserError(f"{path} is not a model; it takes a file of {', '.join(_READERS)}")
    check_is_file(path, f"a {suffix} model")
    try:
        part, interface = _READERS[suffix](path)
    except UserError as error:
        text = str(error)
        raise UserError(text if str(path) in text else f"{path}: {text}") from None
    return Subject(path.name, part, interface.precision, {suffix: path}, interface)


def _read_tflite(path: Path) -> tuple[Part, Interface | ArrayInterface]:
    network = read_graph(path)
    try:
        ratio = graph.ratio(network)
        part: Part = "encoder" if ratio < 1 else "decoder" if _is_decoder(network) else "upscaler"
        return part, _with_known_pixels(_interface(path, part))
    except UserError:
        return "network", read_arrays(read_bytes(path))


def _with_known_pixels(interface: Interface) -> Interface:
    """Refuse a network whose pixels have an unknown range."""
    pixel_range(interface.input, "input")
    pixel_range(interface.output, "output")
    return interface


def _is_decoder(network: graph.Graph) -> bool:
    """Return whether an RGB network ends in a sigmoid; of our networks only decoders do."""
    return network.input.shape[-1:] == (PART_CHANNELS,) and graph.ends_in_sigmoid(network)


def _interface(path: Path, part: Part) -> Interface:
    from edge_sr.runtime.tflite_interface import read_interface, read_part

    model = read_bytes(path)
    return read_interface(model) if part == "upscaler" else read_part(model)


def _read_onnx(path: Path) -> tuple[Part, Interface | ArrayInterface]:
    from edge_sr.runtime import onnx_interface

    model = read_bytes(path)
    onnx_interface.load(model)
    try:
        return "upscaler", _with_known_pixels(onnx_interface.read_interface(model))
    except UserError:
        return "network", onnx_interface.read_arrays(model)


def _read_checkpoint(path: Path) -> tuple[Part, Interface]:
    from edge_sr.models import checkpoint

    opened = checkpoint.read(path)
    checkpoint.require_float(opened)
    float32 = TensorSpec("float32")
    channels = opened.spec.channels
    return "upscaler", Interface(opened.config.scale, 0, float32, float32, channels=channels)


_READERS: dict[str, Callable[[Path], tuple[Part, Interface | ArrayInterface]]] = {
    ".tflite": _read_tflite,
    ".onnx": _read_onnx,
    ".safetensors": _read_checkpoint,
}
