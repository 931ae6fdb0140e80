"""What every runtime offers: a network that makes a larger or smaller image of one of any size.

`open_session` opens a super-resolution network, which takes one channel or RGB; `run_plane` runs it
on 8-bit pixels. `open_part` opens an encoder or a decoder, which takes three.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.graph import read_bytes
from edge_sr.quiet import quiet_native


@dataclass(frozen=True)
class Runtime:
    """What is known of a runtime before it is imported.

    Attributes:
        suffix: of the files that it opens.
        package: the Python package that it needs.
        extra: the extra of edge-sr that brings the package.
        threaded: whether a session can be told a number of threads.
    """

    suffix: str
    package: str
    extra: str
    threaded: bool


RUNTIMES = {
    "litert": Runtime(".tflite", "ai_edge_litert", "all", True),
    "onnx": Runtime(".onnx", "onnxruntime", "onnx", True),
    "tflm": Runtime(".tflite", "tflite_micro", "tflm", False),
    "engine": Runtime(".tflite", "ai_edge_litert", "all", True),
    "keras": Runtime(".safetensors", "keras", "train", False),
}
"""The runtimes by the names that users type."""

MAX_THREADS = 64
"""More would only wait for each other; some runtimes start as many as they are told."""

SCALES = (2, 3, 4)
"""The upscaling factors that a session may have."""

UPSCALER_CHANNELS = (1, 3)
"""Luma or any other plane, and RGB."""

NO_UPSCALER = (
    "the model takes RGB and ends in a sigmoid, as decoders of codecs do; `edge-sr decompress` "
    "runs those"
)

PART_CHANNELS = 3
PART_FACTORS = (2, 4, 8, 16)
"""By which a decoder enlarges and an encoder shrinks."""


@dataclass(frozen=True)
class TensorSpec:
    """How pixels are written into a tensor.

    Attributes:
        dtype: "int8", where a value q stands for (q - zero_point) * scale, or "float32".
        scale: quantization step, positive; 1 for float32.
        zero_point: int8 value of 0; 0 for float32.
    """

    dtype: str
    scale: float = 1.0
    zero_point: int = 0


@dataclass(frozen=True)
class Interface:
    """What a session needs to know of its network before running it.

    Attributes:
        scale: the factor by which height and width grow.
        halo: input pixels on each side that an output pixel may depend on.
        input: of the (1,H,W,C) input, values in [0,1].
        output: of the (1,scale*H/shrink,scale*W/shrink,C) output, values in [0,1].
        fixed_size: (H, W) if the artifact runs at that size alone, else None.
        channels: C.
        shrink: the divisor of height and width, which are multiples of it.
    """

    scale: int
    halo: int
    input: TensorSpec
    output: TensorSpec
    fixed_size: tuple[int, int] | None = None
    channels: int = 1
    shrink: int = 1


class Session(ABC):
    """An opened network; see `Interface` for the attributes."""

    runtime: ClassVar[str]

    def __init__(self, interface: Interface) -> None:
        self.scale = interface.scale
        self.halo = interface.halo
        self.input = interface.input
        self.output = interface.output
        self.fixed_size = interface.fixed_size
        self.channels = interface.channels
        self.shrink = interface.shrink
        # A dtype makes its name anew each time, which takes longer than all other checks together.
        self._takes, self._gives = np.dtype(self.input.dtype), np.dtype(self.output.dtype)

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """The output's shape for an input's (1,H,W,C)."""
        _, height, width, channels = shape
        up, down = self.scale, self.shrink
        return 1, height * up // down, width * up // down, channels

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            image: (1,H,W,C) of the dtype of `input`; H and W are any multiples of `shrink` from
                that, or `fixed_size`.

        Returns:
            (1,scale*H/shrink,scale*W/shrink,C) of the dtype of `output`.

        Raises:
            UserError: the runtime refuses the network at this size.
        """
        batch, height, width, channels = image.shape
        if (batch, channels, image.dtype) != (1, self.channels, self._takes):
            need = f"(1,H,W,{self.channels}) {self.input.dtype}"
            raise ValueError(f"need {need}, got {image.shape} {image.dtype}")
        if height % self.shrink or width % self.shrink:
            raise ValueError(f"need multiples of {self.shrink} pixels, got {image.shape}")
        if self.fixed_size not in (None, (height, width)):
            raise UserError(
                f"the model runs at {_size(self.fixed_size)} only, not at {_size((height, width))}"
            )
        result = self._run(np.ascontiguousarray(image))
        expected = self.out_shape(image.shape)
        if result.shape != expected or result.dtype != self._gives:
            raise UserError(
                f"the model gave {result.shape} {result.dtype} where {expected} "
                f"{self.output.dtype} is due; it is not a x{self.scale} network"
            )
        return result

    @abstractmethod
    def _run(self, image: np.ndarray) -> np.ndarray:
        """Run the runtime on a checked (1,H,W,C) array."""


def open_session(artifact: Path, runtime: str, threads: int = 1) -> Session:
    """Open an artifact.

    Args:
        artifact: a .tflite (litert, tflm, engine), .onnx (onnx) or .safetensors (keras) file.
        runtime: one of `RUNTIMES`.
        threads: 1 to `MAX_THREADS`; tflm and keras leave no choice and take 1 alone.

    Raises:
        UserError: the file is missing, damaged, of another kind, or not a super-resolution network
            of int8 or float32 for one channel or three.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"there is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
    known = RUNTIMES[runtime]
    if not 1 <= threads <= (MAX_THREADS if known.threaded else 1):
        limit = f"1 to {MAX_THREADS} threads" if known.threaded else "only 1 thread"
        raise UserError(f"the runtime {runtime} takes {limit}, not {threads}")
    _check_file(artifact, runtime, known.suffix)
    if runtime == "keras":
        from edge_sr.runtime.keras import import_keras

        _check_float(artifact)  # before the seconds that importing a backend takes
        import_keras()
    else:
        with quiet_native():
            require(known.package, known.extra)
    try:
        return _open(artifact, runtime, threads)
    except UserError as error:
        text = str(error)
        raise UserError(text if str(artifact) in text else f"{artifact}: {text}") from None


def _check_file(artifact: Path, runtime: str, suffix: str) -> None:
    if artifact.suffix.lower() != suffix:
        raise UserError(f"the runtime {runtime} opens {suffix} files, not {artifact}")
    if not artifact.is_file():
        raise UserError(f"{artifact} is not a file; a {suffix} model is needed")


def _check_float(artifact: Path) -> None:
    from edge_sr.models import checkpoint

    if checkpoint.is_tuned(checkpoint.read(artifact)):
        raise UserError(
            f"{artifact} was tuned for int8; the keras runtime takes a float checkpoint; "
            "`edge-sr export` makes a .tflite of this one"
        )


def _open(artifact: Path, runtime: str, threads: int) -> Session:
    if RUNTIMES[runtime].suffix == ".tflite":
        from edge_sr.runtime.tflite import read_interface

        model = read_bytes(artifact)
        return _open_tflite(model, read_interface(model), runtime, threads)
    if runtime == "onnx":
        from edge_sr.runtime.onnx import ONNXSession
        from edge_sr.runtime.onnx_interface import read_interface as read_onnx

        model = read_bytes(artifact)
        return ONNXSession(model, read_onnx(model), threads)
    from edge_sr.runtime.keras import KerasSession

    return KerasSession(artifact)


def _open_tflite(model: bytes, interface: Interface, runtime: str, threads: int) -> Session:
    if runtime == "litert":
        from edge_sr.runtime.litert import LiteRTSession

        return LiteRTSession(model, interface, threads)
    if runtime == "tflm":
        from edge_sr.runtime.tflm import TFLMSession

        return TFLMSession(model, interface)
    from edge_sr.runtime.engine import EngineSession

    return EngineSession(model, interface, threads)


def open_part(model: bytes, threads: int = 1, runtime: str | None = None) -> Session:
    """Open an encoder or a decoder.

    Args:
        model: a .tflite, for the runtime onnx an .onnx, from RGB images to RGB images 2, 4, 8 or
            16 times as large or as small.
        threads: 1 to `MAX_THREADS`.
        runtime: litert, onnx, tflm or engine; by default int8 runs in the engine, whose bits are
            the same everywhere, and float32 in LiteRT.

    Raises:
        UserError: it is damaged, or it is something else.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise UserError(f"a codec takes 1 to {MAX_THREADS} threads, not {threads}")
    known = RUNTIMES[runtime or "litert"]
    with quiet_native():
        require(known.package, known.extra)
    if runtime == "onnx":
        from edge_sr.runtime import onnx, onnx_interface

        return onnx.ONNXSession(model, onnx_interface.read_part(model), threads)
    from edge_sr.runtime.tflite import read_part

    interface = read_part(model)
    default = "engine" if interface.input.dtype == "int8" else "litert"
    return _open_tflite(model, interface, runtime or default, threads)


def part_interface(
    ratio: Fraction,
    halo: int,
    source: TensorSpec,
    target: TensorSpec,
    fixed_size: tuple[int, int] | None = None,
) -> Interface:
    """The interface of an encoder or a decoder that enlarges by `ratio`.

    Raises:
        UserError: it is neither.
    """
    if max(ratio, 1 / ratio) not in PART_FACTORS:
        raise UserError(
            f"the model enlarges by {ratio}; a codec's enlarges or shrinks by {PART_FACTORS}"
        )
    if source.dtype != target.dtype:
        raise UserError(f"the model takes {source.dtype} and gives {target.dtype}; both are alike")
    up, down = ratio.numerator, ratio.denominator
    return Interface(up, halo, source, target, fixed_size, PART_CHANNELS, down)


def run_plane(session: Session, plane: np.ndarray) -> np.ndarray:
    """Upscale one image of 8-bit pixels in one run.

    Args:
        session: the network.
        plane: (H,W) uint8, or (H,W,3) for an RGB network; 0..255 stands for [0,1].

    Returns:
        uint8 (scale*H, scale*W), or with 3 channels, clipped to 0..255 and rounded to nearest.
    """
    height, width, *colours = plane.shape
    image = encode(plane, session.input).reshape(1, height, width, *(colours or (1,)))
    result = decode(session.run(image), session.output)
    return result.reshape(*result.shape[1:3], *colours)


def encode(pixels: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Write uint8 pixels (any shape) as the values of an input tensor."""
    if spec.dtype == "float32":
        return pixels.astype(np.float32) / np.float32(255)
    values = np.rint(np.arange(256) / 255 / spec.scale) + spec.zero_point
    return np.clip(values, -128, 127).astype(np.int8)[pixels]


def decode(values: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Read the values of an output tensor (any shape) as uint8 pixels.

    Raises:
        UserError: a float value is not finite.
    """
    if spec.dtype == "float32":
        if not np.isfinite(values).all():
            raise UserError("the model gives values that are not finite; its weights are damaged")
        return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    table = (np.arange(-128, 128) - spec.zero_point) * spec.scale
    return np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)[values.astype(np.int16) + 128]


def _size(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
