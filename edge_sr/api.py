"""The front door for Python: what `import edge_sr` offers.

Images are file paths, Pillow images or numpy arrays: uint8 (H, W) gray or (H, W, 3) RGB, and for
upscaling also uint16 (H, W) gray. Results are numpy arrays.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from edge_sr.errors import UserError
from edge_sr.runtime.session import Session
from edge_sr.zoo import catalog
from edge_sr.zoo.catalog import Kind, Precision

if TYPE_CHECKING:
    from export.manifest import Manifest

Image = str | os.PathLike[str] | PillowImage.Image | NDArray[np.uint8] | NDArray[np.uint16]
RuntimeName = Literal["litert", "onnx", "tflm", "engine", "keras"]
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
    if kind not in (None, "super-resolution", "codec"):
        raise UserError(f"unknown kind {kind!r}; available: super-resolution, codec")
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
        self.precision = session.input.dtype

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
        from edge_sr import upscale

        pixels = cast(NDArray[np.uint8], _pixels(image, wide=True))  # or uint16, kept as such
        return upscale.upscale(self._session, pixels, per_channel)

    def __repr__(self) -> str:
        return f"Upscaler({self.id!r}, x{self.scale}, {self.precision}, {self.runtime})"


def load(
    name: str | None = None,
    precision: Precision | None = None,
    runtime: RuntimeName | None = None,
    threads: int | None = None,
) -> Upscaler:
    """Open an upscaler.

    Args:
        name: the id of a shipped network (`list_models`), or a .tflite, .onnx or .safetensors file;
            None for "tinypssr-anchor-x2".
        precision: "int8" or "float32"; None for int8 of a shipped network (float32 in Keras), and
            for a file's own.
        runtime: None for LiteRT, or for what opens the file.
        threads: 1 to 64; None for one per core where the runtime takes several.

    Raises:
        EdgeSRError: nothing of that name ships, the file is damaged or not an upscaler, the runtime
            is unknown, or its package is missing.
    """
    from edge_sr.zoo.artifact import open_upscaler

    if precision not in (None, *catalog.PRECISIONS):
        raise UserError(f"unknown precision {precision!r}; available: int8, float32")
    artifact, session = open_upscaler(name, None, runtime, precision, threads)
    return Upscaler(artifact.name.split(" ")[0], artifact.runtime, session)


def compress(
    image: Image,
    rate: int | None = None,
    *,
    model: str | None = None,
    precision: Precision = "int8",
    planes: int = 8,
) -> bytes:
    """Compress an image with TinyCompress.

    Args:
        image: a path, a Pillow image or a uint8 array (H, W) or (H, W, 3).
        rate: pixels per latent sample of a channel: 4, 16, 64 or 256; None for the model's, or 16.
        model: the id of a shipped codec ("tinycompress-rd"), or a codec's folder; None for the one
            of the rate.
        precision: "int8" or "float32".
        planes: bit planes to keep, 1 to 8; fewer make a smaller file of less quality.

    Returns:
        A .tcz file.

    Raises:
        EdgeSRError: the image cannot be read, or there is no such codec.
    """
    from edge_sr.codec import codec, opening

    if precision not in catalog.PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; available: int8, float32")
    opened = opening.find(rate, precision == "int8", model)
    pixels = cast(NDArray[np.uint8], _pixels(image, wide=False))
    return codec.compress(pixels, opened, planes)


def decompress(
    data: bytes | str | os.PathLike[str], *, model: str | None = None, planes: int | None = None
) -> NDArray[np.uint8]:
    """Decompress a .tcz file.

    Args:
        data: the file's bytes, or its path.
        model: the folder of the codec that made it; None for a shipped one.
        planes: bit planes to decode; None for all that are intact.

    Returns:
        uint8 (H, W) gray or (H, W, 3) RGB.

    Raises:
        EdgeSRError: it is not a .tcz file, is damaged, or its codec is not here.
    """
    from edge_sr.codec import codec, container, opening

    if not isinstance(data, bytes | bytearray | memoryview):
        path = Path(data)
        if not path.is_file():
            raise UserError(f"cannot read {path}: no such file")
        data = path.read_bytes()
    content = bytes(data)
    opened = None
    if model is not None:
        opened = opening.find_for(container.unpack(content).header, model)
    return codec.decompress(content, opened, planes).pixels


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


def plan(name: str, width: int = 320) -> MemoryPlan:
    """Plan the memory of an int8 network on a microcontroller.

    Args:
        name: the id of a shipped upscaler or of a codec's part ("tinycompress-16/encoder"), or an
            int8 .tflite file.
        width: of the frame that goes in, pixels.

    Raises:
        EdgeSRError: nothing of that name ships, or the engine lacks an operator of the network or
            cannot run it at this width.
    """
    from edge_sr.engine.plan import make_plan
    from edge_sr.graph import read_graph

    made = make_plan(read_graph(_int8_file(name)))
    return MemoryPlan(
        width, made.arena_bytes(width), made.flash_bytes, made.latency, float(made.macs)
    )


def export(
    name: str,
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
        EdgeSRError: nothing of that name ships, a package is missing (`edge-sr[all]` has all), the
            folder cannot be written, or a file failed its check.
    """
    from export import networks

    if precision not in catalog.PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; available: int8, float32")
    weights = networks.find_weights(name, precision=precision)
    return networks.export_weights(
        weights, Path(folder), precision, (height, width), formats, force
    )


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
    if not (gray16 or (pixels.dtype == np.uint8 and colour)) or pixels.size == 0:
        kinds = "uint8 (H, W) or (H, W, 3)" + (", or uint16 (H, W)" if wide else "")
        raise UserError(f"an image is {kinds}, not {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels)
