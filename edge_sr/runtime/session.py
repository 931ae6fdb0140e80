"""The types that every runtime shares; a `Session` is an opened network."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edge_sr.errors import UserError
from edge_sr.records import Precision


@dataclass(frozen=True)
class PixelRange:
    """The real values that stand for black (`low`) and white (`high`)."""

    low: int
    high: int

    def __str__(self) -> str:
        """Return the range as `--input-range` names it: "0..1"."""
        return f"{self.low}..{self.high}"


@dataclass(frozen=True)
class TensorSpec:
    """The dtype and the quantization of a tensor that holds an image.

    Attributes:
        dtype: "int8" or "uint8", where a value q stands for (q - zero_point) * scale, or "float32".
        scale: step size, positive; 1 for float32.
        zero_point: the stored value that stands for 0; 0 for float32.
        pixels: the range of pixels that the user has stated; None to read it from scale and
            zero point (`edge_sr.runtime.pixels.pixel_range`).
    """

    dtype: str
    scale: float = 1.0
    zero_point: int = 0
    pixels: PixelRange | None = None


Activation = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True)
class Classes:
    """The output of a classifier, (1,N).

    Attributes:
        count: N, the number of classes.
        activation: how the output ends: "softmax" for probabilities that add up to 1, "sigmoid" for
            a probability of each class, "none" for logits.
    """

    count: int
    activation: Activation


@dataclass(frozen=True)
class Interface:
    """Input, output and geometry of a network.

    Attributes:
        scale: the factor by which height and width grow.
        halo: input pixels on each side that an output pixel may depend on; None if it is unknown,
            so that an image is run as a whole.
        input: of the (1,H,W,C) input.
        output: of the (1,scale*H/shrink,scale*W/shrink,out_channels) output.
        fixed_size: (H, W) if the artifact runs at that size only, else None.
        channels: C of the input.
        shrink: the factor by which height and width shrink; both must be multiples of it.
        step: of which height and width must be multiples for the strides inside; images of other
            sizes are extended by repeating their edge.
        classes: of a classifier, whose output is (1,N); None for an output that is an image.
        layers: what the layers compute in, "int8" or "float32"; None for what the input's dtype
            says. Networks of int8 may have float32 at their ends.
        channels_first: whether the file's images are (1,C,H,W); those of a session are not.
        out_channels: of the output; None for those of the input.
    """

    scale: int
    halo: int | None
    input: TensorSpec
    output: TensorSpec
    fixed_size: tuple[int, int] | None = None
    channels: int = 1
    shrink: int = 1
    step: int = 1
    classes: Classes | None = None
    layers: Precision | None = None
    channels_first: bool = False
    out_channels: int | None = None

    @property
    def precision(self) -> Precision:
        """Whether the network computes in 8-bit integers or in float32."""
        return self.layers or ("float32" if self.input.dtype == "float32" else "int8")


class Session(ABC):
    """An opened network; `Interface` describes its attributes."""

    runtime: ClassVar[str]

    def __init__(self, interface: Interface) -> None:
        self.scale = interface.scale
        self.halo = interface.halo
        self.input = interface.input
        self.output = interface.output
        self.fixed_size = interface.fixed_size
        self.channels = interface.channels
        self.out_channels = interface.out_channels or interface.channels
        self.shrink = interface.shrink
        self.step = interface.step
        self.classes = interface.classes
        self.precision = interface.precision
        # Kept as dtypes: comparing names would cost more than all other checks of a run together.
        self._in_dtype, self._out_dtype = np.dtype(self.input.dtype), np.dtype(self.output.dtype)

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the output shape for an input of shape (1,H,W,C)."""
        if self.classes is not None:
            return 1, self.classes.count
        _, height, width, _ = shape
        up, down = self.scale, self.shrink
        return 1, height * up // down, width * up // down, self.out_channels

    def run(self, image: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            image: (1,H,W,C) of the dtype of `input`; H and W are any positive multiples of
                `shrink`, or `fixed_size`.

        Returns:
            (1,scale*H/shrink,scale*W/shrink,out_channels), or (1,N) of a classifier, of the dtype
            of `output`.

        Raises:
            UserError: the runtime cannot run the network at this size.
            ValueError: the image has another shape or dtype.
        """
        batch, height, width, channels = image.shape
        if (batch, channels, image.dtype) != (1, self.channels, self._in_dtype):
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
        if result.shape != expected or result.dtype != self._out_dtype:
            kind = f"a x{self.scale} network" if self.classes is None else "a classifier"
            raise UserError(
                f"the model gave {result.shape} {result.dtype}, and {expected} "
                f"{self.output.dtype} was expected; it is not {kind}"
            )
        return result

    @abstractmethod
    def _run(self, image: np.ndarray) -> np.ndarray:
        """Run the runtime on a checked (1,H,W,C) array."""


def _size(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
