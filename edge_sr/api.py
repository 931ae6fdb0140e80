"""The public Python API: what `import edge_sr` offers.

Images are file paths, Pillow images or numpy arrays: uint8 (H, W) gray or (H, W, 3) RGB, and for
upscaling also uint16 (H, W) gray. Results are numpy arrays.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from edge_sr.classification import ClassScore
from edge_sr.errors import UserError, reason
from edge_sr.runtime.runtimes import RUNTIMES
from edge_sr.runtime.session import Session
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Kind, Precision

if TYPE_CHECKING:
    from export.manifest import Manifest

Image = str | os.PathLike[str] | PillowImage.Image | NDArray[np.uint8] | NDArray[np.uint16]
RuntimeName = Literal["litert", "onnx", "tflm", "engine", "keras"]
ClassifierRuntime = Literal["litert", "onnx", "tflm", "engine"]
RangeName = Literal["0..1", "0..255", "-1..1"]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def list_models(kind: Kind | None = None) -> list[str]:
    """List the ids of the shipped networks.

    Args:
        kind: "super-resolution" for upscalers, "codec" for codecs; None for both.

    Returns:
        Ids such as "tinypssr-x2" and "tinycompress-16", upscalers first.

    Raises:
        EdgeSRError: the kind is neither of the two.
    """
    _check_choice("kind", kind, (None, "super-resolution", "codec"))
    return catalog.ids(kind)


class Upscaler:
    """An opened super-resolution network; `load` makes one.

    Attributes:
        id: "tinypssr-x2", or the file's name.
        scale: the factor by which height and width grow.
        precision: "int8" or "float32".
        runtime: "litert", "onnx", "tflm", "engine" or "keras".
    """

    def __init__(self, name: str, runtime: str, session: Session) -> None:
        self._session = session
        self.id = name
        self.runtime = runtime
        self.scale = session.scale
        self.precision = session.precision

    def upscale(self, image: Image, per_channel: bool = False) -> Pixels:
        """Upscale an image of any size.

        A network of one channel upscales luma, and chroma is upscaled bicubically.

        Args:
            image: a path, a Pillow image or an array: uint8 (H, W) or (H, W, 3), or uint16 (H, W).
                A 16-bit gray PNG or TIFF keeps its 16 bits.
            per_channel: run a network of one channel on R, G and B instead of luma.

        Returns:
            The image's dtype, `(scale*H, scale*W)` or `(scale*H, scale*W, 3)`.

        Raises:
            EdgeSRError: the image cannot be read, is empty or is not of these kinds.
        """
        from edge_sr import upscaling

        pixels = cast(NDArray[np.uint8], _pixels(image, wide=True))  # or uint16, kept as such
        return upscaling.upscale(self._session, pixels, per_channel)

    def __repr__(self) -> str:
        return f"Upscaler({self.id!r}, x{self.scale}, {self.precision}, {self.runtime})"


def load(
    name: str | os.PathLike[str] | None = None,
    precision: Precision | None = None,
    runtime: RuntimeName | None = None,
    threads: int | None = None,
    *,
    scale: int | None = None,
    input_range: RangeName | None = None,
    output_range: RangeName | None = None,
) -> Upscaler:
    """Open an upscaler.

    Args:
        name: the id of a shipped network (`list_models`), or a .tflite, .onnx or .safetensors file;
            None for "tinypssr-anchor-x2".
        precision: "int8" or "float32"; None for int8 of a shipped network (float32 in Keras), and
            for a file's own.
        runtime: None for LiteRT, or for what opens the file.
        threads: 1 to 64; None for one per core where the runtime takes several.
        scale: that the network must have; with a model's name ("tinypssr") it chooses the network.
        input_range: "0..1", "0..255" or "-1..1", the pixels that a file takes; None to read it from
            scale and zero point, where float32 means 0..1.
        output_range: of the pixels that it gives, likewise; None for the input's range where the
            file does not tell.

    Raises:
        EdgeSRError: nothing of that name is included, the file is damaged or not an upscaler, the
            runtime or the range is unknown, or a package is missing.
    """
    from edge_sr.runtime.pixels import RANGES
    from edge_sr.zoo.artifact import open_upscaler

    _check_choice("precision", precision, (None, *catalog.PRECISIONS))
    _check_choice("runtime", runtime, (None, *RUNTIMES))
    _check_choice("input_range", input_range, (None, *RANGES))
    _check_choice("output_range", output_range, (None, *RANGES))
    artifact, session = open_upscaler(
        None if name is None else _name(name),
        _whole("scale", scale),
        runtime,
        precision,
        _whole("threads", threads),
        None if input_range is None else RANGES[input_range],
        None if output_range is None else RANGES[output_range],
    )
    return Upscaler(artifact.name.split(" ")[0], artifact.runtime, session)


def upscale(
    image: Image, model: str | os.PathLike[str] | None = None, *, scale: int | None = None
) -> Pixels:
    """Upscale one image; to upscale several with one network, `load` it once.

    Args:
        image: as in `Upscaler.upscale`.
        model: as `name` in `load`.
        scale: as in `load`.

    Returns:
        The image's dtype, (scale*H, scale*W) or (scale*H, scale*W, 3).

    Raises:
        EdgeSRError: as `load` and `Upscaler.upscale`.
    """
    return load(model, scale=scale).upscale(image)


def classify(
    model: str | os.PathLike[str],
    image: Image,
    *,
    labels: str | os.PathLike[str] | Sequence[str] | None = None,
    top: int = 5,
    runtime: ClassifierRuntime | None = None,
    input_range: RangeName | None = None,
) -> list[ClassScore]:
    """Classify an image.

    The image is converted to gray or RGB and resized to the model's size by Pillow's bilinear
    filter with antialiasing; the aspect ratio is not kept.

    Args:
        model: a classifier's .tflite or .onnx file: int8, uint8 or float32, (1, H, W, 1) or
            (1, H, W, 3) in, (1, classes) out.
        image: a path, a Pillow image or a uint8 array (H, W) or (H, W, 3), of any size.
        labels: the names of all classes, or a text file with one a line; None for "class 3".
        top: how many classes to return at most.
        runtime: "litert", "onnx", "tflm" or "engine"; None for what opens the file.
        input_range: "0..1", "0..255" or "-1..1", the pixels that the model takes; None to read it
            from scale and zero point, where float32 means 0..1.

    Returns:
        The most probable classes, the best first. Scores are percentages: the output itself where
        the model ends in a softmax or a sigmoid, else the softmax of the output.

    Raises:
        EdgeSRError: the model is not a classifier, the image or the labels cannot be read, or the
            labels are not as many as the classes.
    """
    from edge_sr import classification
    from edge_sr.runtime.pixels import RANGES
    from edge_sr.runtime.runtimes import CLASSIFIER_RUNTIMES
    from edge_sr.zoo.classifiers import open_named

    if _required("top", top) < 1:
        raise UserError(f"top is {top}; at least 1 is needed")
    _check_choice("runtime", runtime, (None, *CLASSIFIER_RUNTIMES))
    _check_choice("input_range", input_range, (None, *RANGES))
    stated = None if input_range is None else RANGES[input_range]
    session = open_named(_name(model), runtime, None, stated)
    names = _labels(labels, classification.classes_of(session).count)
    pixels = cast(NDArray[np.uint8], _pixels(image, wide=False))
    return classification.best(classification.class_percents(session, pixels), top, names)


def compress(
    image: Image,
    rate: int | None = None,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    model: str | os.PathLike[str] | None = None,
    precision: Precision = "int8",
    planes: int | None = None,
) -> bytes:
    """Compress an image with a learned codec.

    Args:
        image: a path, a Pillow image or a uint8 array (H, W) or (H, W, 3).
        rate: of TinyCompress: pixels per latent sample of a channel: 4, 16, 64 or 256; None for the
            model's, or 16.
        quality: of the codecs cae-low and cae-high: a number from 1 to 10; None for 5.
        bpp: limit on the size of the file in bits per pixel: the highest quality, or the bit
            planes, that fit; None for none.
        model: the id of a shipped codec ("cae-low", "tinycompress-rd"), "cae" for the pair of
            cae-low and cae-high, or a codec's folder; None for the codec of the options.
        precision: "int8" or "float32".
        planes: of TinyCompress: bit planes to keep, 1 to 8; fewer make a smaller file of less
            quality; None for 8.

    Returns:
        A .tcz file.

    Raises:
        EdgeSRError: the image cannot be read, there is no such codec, or an option is not one of
            this codec.
    """
    from edge_sr.codec.request import Request

    _check_choice("precision", precision, catalog.PRECISIONS)
    request = Request(
        quality=_real("quality", quality),
        bpp=_real("bpp", bpp),
        model=None if model is None else _name(model),
        rate=_whole("rate", rate),
        int8=precision == "int8",
        planes=_whole("planes", planes),
    )
    request.check()
    pixels = cast(NDArray[np.uint8], _pixels(image, wide=False))
    return request.open()(pixels)


def decompress(
    data: bytes | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    planes: int | None = None,
) -> NDArray[np.uint8]:
    """Decompress a .tcz file.

    Args:
        data: the file's bytes, or its path.
        model: the folder of the codec that made it; None for a shipped one.
        planes: of TinyCompress: bit planes to decode; None for all that are intact.

    Returns:
        uint8 (H, W) gray or (H, W, 3) RGB.

    Raises:
        EdgeSRError: it is not a .tcz file, is damaged, or its codec is not here.
    """
    from edge_sr.codec import codec, opening

    name = None if model is None else _name(model)

    def find(header: codec.AnyHeader) -> codec.Decoder:
        return opening.find_for(header, name)

    return codec.decompress(_content(data), find, _whole("planes", planes)).pixels


def _content(data: bytes | str | os.PathLike[str]) -> bytes:
    """The bytes of a .tcz file."""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str | os.PathLike):
        raise UserError(f"a .tcz file is its bytes or its path, not {type(data).__name__}")
    path = Path(data)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None


@dataclass(frozen=True)
class MemoryPlan:
    """What a network needs on a microcontroller that runs the streaming engine.

    Attributes:
        width: of the frame, pixels.
        arena_bytes: RAM of the engine, exactly as `esr_arena_bytes` returns it; it does not depend
            on the frame's height, and holds no frame. Stack is extra.
        flash_bytes: constant memory of the network, with the kernels that need most; the engine's
            code is extra.
        latency_rows: input rows that must follow a row before its output is known.
        macs_per_pixel: multiply-accumulates per input pixel.
    """

    width: int
    arena_bytes: int
    flash_bytes: int
    latency_rows: int
    macs_per_pixel: float


def plan(name: str | os.PathLike[str], width: int = 320) -> MemoryPlan:
    """Plan the memory of an int8 network on a microcontroller.

    Args:
        name: the id of a shipped upscaler or of a codec's part ("tinycompress-16/encoder"), or an
            int8 .tflite file.
        width: of the frame that goes in, pixels.

    Raises:
        EdgeSRError: nothing of that name is included, or the engine lacks an operator of the
            network or cannot run it at this width.
    """
    from edge_sr.engine.plan import make_plan
    from edge_sr.graph import read_graph

    width = _required("width", width)
    made = make_plan(read_graph(_int8_file(_name(name))))
    return MemoryPlan(
        width, made.arena_bytes(width), made.flash_bytes, made.latency, float(made.macs)
    )


def export(
    name: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    precision: Precision = "int8",
    *,
    width: int = 32,
    height: int = 32,
    formats: tuple[str, ...] = ("tflite", "onnx", "c"),
    force: bool = False,
) -> "Manifest":
    """Export a network as .tflite, .onnx and C, and verify every file.

    Args:
        name: the id of a shipped upscaler or of a codec's part, or a checkpoint (.safetensors).
        folder: where to; made if it is missing.
        precision: "int8" or "float32".
        width: of the network's input in .tflite and C, pixels or latent samples.
        height: likewise.
        formats: some of "tflite", "onnx", "c".
        force: whether an earlier export in the folder is replaced.

    Returns:
        What manifest.json holds: files with their SHA-256, costs, quality, verification.

    Raises:
        EdgeSRError: nothing of that name is included, a package is missing (`edge-sr[all]` has
            all), the folder cannot be written, or a file failed its check.
    """
    from export import networks

    _check_choice("precision", precision, catalog.PRECISIONS)
    size = _required("height", height), _required("width", width)
    networks.check_arguments(_name(name), None, None, precision, None, tuple(formats))
    weights = networks.find_weights(_name(name), precision=precision)
    return networks.export_weights(
        weights, Path(_name(folder)), precision, size, tuple(formats), force
    )


def _name(name: str | os.PathLike[str]) -> str:
    """A name or a path as text."""
    if not isinstance(name, str | os.PathLike):
        raise UserError(f"a name is a text or a path, not {type(name).__name__}")
    text = os.fspath(name)
    if not isinstance(text, str):
        raise UserError("a name is a text or a path, not bytes")
    return text


def _check_choice(what: str, value: object, choices: tuple[str | None, ...]) -> None:
    """Refuse a value that is not one of several texts."""
    if not isinstance(value, str | None) or value not in choices:
        available = ", ".join(choice for choice in choices if choice is not None)
        raise UserError(f"unknown {what} {value!r}; available: {available}")


def _real(what: str, value: object) -> float | None:
    """A number as a float; None stays."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise UserError(f"{what} is a number, not {value!r}")
    return float(value)


def _whole(what: str, value: object) -> int | None:
    """A whole number as an int; None stays."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise UserError(f"{what} is a whole number, not {value!r}")
    return int(value)


def _required(what: str, value: object) -> int:
    """A whole number that must be given, as an int."""
    number = _whole(what, value)
    if number is None:
        raise UserError(f"{what} is a whole number, not None")
    return number


def _labels(
    labels: str | os.PathLike[str] | Sequence[str] | None, count: int
) -> Sequence[str] | None:
    """The names of all classes, from a file or as given; None stays."""
    from edge_sr import classification

    if labels is None:
        return None
    if isinstance(labels, str | os.PathLike):
        return classification.read_labels(Path(labels), count)
    if not isinstance(labels, Sequence) or not all(isinstance(each, str) for each in labels):
        raise UserError("labels are a file or a list of texts")
    classification.check_labels(labels, count, "the list of labels")
    return labels


def _int8_file(name: str) -> Path:
    """The .tflite that the engine would run."""
    network = catalog.resolve(name)
    if network.path is not None:
        if network.path.suffix.lower() != ".tflite":
            raise UserError(f"the engine runs an int8 .tflite, not {network.path}")
        return network.path
    assert network.entry is not None
    if network.part is None:
        raise UserError(f"{network.id} has two networks; name {network.id}/encoder or /decoder")
    path = network.entry.file("int8", part=network.part)
    if not path.is_file():
        raise UserError(f"{network.entry.id} has no int8 networks; the engine needs int8")
    return path


def _pixels(image: Image, wide: bool) -> Pixels:
    """An image as an array; 16-bit gray stays so if `wide`, else it becomes 8-bit where a file has
    it, and an array of it is refused.
    """
    from edge_sr.data import images

    if isinstance(image, PillowImage.Image):
        return images.from_pillow(image, wide)
    if isinstance(image, np.ndarray):
        return _checked(image, wide)
    if not isinstance(image, str | os.PathLike):
        raise UserError(
            f"an image is a path, a Pillow image or a numpy array, not {type(image).__name__}"
        )
    path = Path(image)
    read = images.read_wide(path) if wide else None
    return (read or images.read_image(path)).pixels


def _checked(pixels: np.ndarray, wide: bool) -> Pixels:
    """An array that is an image."""
    gray16 = wide and pixels.dtype == np.uint16 and pixels.ndim == 2
    colour = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.size == 0:
        raise UserError(f"an image has sides of at least 1 pixel, not the shape {pixels.shape}")
    if not (gray16 or (pixels.dtype == np.uint8 and colour)):
        kinds = "uint8 (H, W) or (H, W, 3)" + (", or uint16 (H, W)" if wide else "")
        raise UserError(f"an image is {kinds}, not {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels)
