"""Finds what can be measured: shipped networks by name, and files."""

from dataclasses import dataclass, field
from pathlib import Path

from edge_sr import graph
from edge_sr.errors import UserError
from edge_sr.files import check_is_file
from edge_sr.graph import read_bytes, read_graph
from edge_sr.records import Part, Precision, Score
from edge_sr.runtime.interfaces import PART_CHANNELS
from edge_sr.runtime.session import Interface, TensorSpec
from edge_sr.zoo import catalog

PARTS: tuple[Part, ...] = ("upscaler", "encoder", "decoder")


@dataclass(frozen=True)
class Subject:
    """A network in one precision, as files that must give the same output.

    Attributes:
        name: as reports show it.
        part: what it does.
        precision: of its arithmetic.
        files: by suffix: .tflite, .onnx, .safetensors; some may be missing.
        interface: of all files.
        quality: from its card.
    """

    name: str
    part: Part
    precision: Precision
    files: dict[str, Path]
    interface: Interface
    quality: tuple[Score, ...] = field(default=())

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the network's input for an image of that size.

        Raises:
            UserError: the sides are not multiples of the network's step.
        """
        step = self.interface.scale if self.part == "decoder" else 1
        multiple = step * self.interface.shrink
        if height % multiple or width % multiple:
            raise UserError(
                f"{self.name} needs sides that are multiples of {multiple} pixels, not "
                f"{width}x{height}"
            )
        return height // step, width // step


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
    readers = {".tflite": _read_tflite, ".onnx": _read_onnx, ".safetensors": _read_checkpoint}
    if suffix not in readers:
        raise UserError(f"{path} is not a model; it takes a file of {', '.join(readers)}")
    check_is_file(path, f"a {suffix} model")
    try:
        part, interface = readers[suffix](path)
    except UserError as error:
        text = str(error)
        raise UserError(text if str(path) in text else f"{path}: {text}") from None
    return Subject(path.name, part, interface.input.precision, {suffix: path}, interface)


def _read_tflite(path: Path) -> tuple[Part, Interface]:
    network = read_graph(path)
    ratio = graph.ratio(network)
    part: Part = "encoder" if ratio < 1 else "decoder" if _is_decoder(network) else "upscaler"
    return part, _interface(path, part)


def _is_decoder(network: graph.Graph) -> bool:
    """Return whether an RGB network ends in a sigmoid; of our networks only decoders do."""
    return network.input.shape[-1:] == (PART_CHANNELS,) and graph.ends_in_sigmoid(network)


def _interface(path: Path, part: Part) -> Interface:
    from edge_sr.runtime.tflite_interface import read_interface, read_part

    model = read_bytes(path)
    return read_interface(model) if part == "upscaler" else read_part(model)


def _read_onnx(path: Path) -> tuple[Part, Interface]:
    from edge_sr.runtime.onnx_interface import read_interface

    return "upscaler", read_interface(read_bytes(path))


def _read_checkpoint(path: Path) -> tuple[Part, Interface]:
    from edge_sr.models import checkpoint

    opened = checkpoint.read(path)
    checkpoint.require_float(opened)
    float32 = TensorSpec("float32")
    channels = opened.spec.channels
    return "upscaler", Interface(opened.config.scale, 0, float32, float32, channels=channels)
