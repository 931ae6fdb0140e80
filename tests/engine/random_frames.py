"""Random int8 networks for frames of one size: strides, padding, pooling, dense layers, softmax.

Hypothesis draws and shrinks a network as a list of steps; a step that does not fit is left out.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st
from random_models import COMBINING, EngineWriter, RandomGraph, Window
from random_spatial import NAMES as SPATIAL
from random_spatial import SpatialWriter
from tflite_factory import ACTIVATIONS, Value

MAX_VALUES = 6000
MAX_CHANNELS = 40


class FrameWriter(SpatialWriter):
    """Writes the operators that only frame plans have, with random scales and zero points."""

    def dense(self, image: Value, outputs: int, activation: str) -> Value:
        """A dense layer on a vector or an image, with one scale or one per output."""
        inputs = int(np.prod(image.shape))
        weights = self.rng.integers(-128, 128, (outputs, inputs), dtype=np.int8)
        scales = self.rng.uniform(0.002, 0.02, 1).astype(np.float32)
        spread = 5000 * np.sqrt(inputs) * image.scale * float(scales.mean())
        out = self._spread("dense", (1, outputs), spread)
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = ACTIVATIONS[activation]
        operands = [image.index, self._weights(weights, scales, 0)]
        operands += self._bias(image, scales, outputs) or [-1]
        self.operator("FULLY_CONNECTED", operands, [out.index], options)
        return out

    def pool(self, image: Value, name: str, window: Window, activation: str) -> Value:
        shape = (1, *window.size(*image.shape[1:3]), image.shape[3])
        out = self.activation("pooled", shape, image.scale, image.zero_point)
        options = schema.Pool2DOptionsT()
        options.padding = 0 if window.same else 1
        options.strideH, options.strideW = window.stride
        options.filterHeight, options.filterWidth = window.kernel
        options.fusedActivationFunction = ACTIVATIONS[activation]
        self.operator(name, [image.index], [out.index], options)
        return out

    def mean(self, image: Value, keep: bool) -> Value:
        channels = image.shape[3]
        shape = (1, 1, 1, channels) if keep else (1, channels)
        scale = image.scale * float(self.rng.uniform(0.2, 1.5))
        out = self.activation("mean", shape, scale, self.zero_point())
        axes = self.tensor("axes", [2], "int32", [], [], np.array([1, 2], np.int32))
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        self.operator("MEAN", [image.index, axes], [out.index], options)
        return out

    def reshape(self, image: Value, shape: tuple[int, ...]) -> Value:
        out = self.activation("reshaped", shape, image.scale, image.zero_point)
        data = np.array(shape, np.int32)
        target = self.tensor("shape", [len(shape)], "int32", [], [], data)
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        self.operator("RESHAPE", [image.index, target], [out.index], options)
        return out

    def softmax(self, image: Value) -> Value:
        out = self.activation("softmax", image.shape, 1 / 256, -128)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self.operator("SOFTMAX", [image.index], [out.index], options)
        return out

    def pad(self, image: Value, margins: np.ndarray) -> Value:
        shape = tuple(
            size + int(sum(both)) for size, both in zip(image.shape, margins, strict=True)
        )
        out = self.activation("padded", shape, image.scale, image.zero_point)
        table = self.tensor("margins", [4, 2], "int32", [], [], margins.astype(np.int32))
        self.operator("PAD", [image.index, table], [out.index], schema.PadOptionsT())
        return out

    def partner(self, image: Value, number: int) -> Value:
        """A tensor to combine with an image: smaller than it, or a constant."""
        height, width = image.shape[1:3]
        kernel = ((height, width), (height, 1), (1, width))[number // 3 % 3]
        if number % 3 == 0:
            window = Window(kernel, same=False)
            pooled = self.pool(image, "AVERAGE_POOL_2D", window, "NONE")
            return self.unary(pooled, "LOGISTIC") if number % 2 else pooled
        if number % 3 == 1:
            return self.random_conv(image, (1, 1), 1, 1, "NONE")
        axes = self.rng.integers(0, 2, 4)
        shape = tuple(size if axis else 1 for size, axis in zip(image.shape, axes, strict=True))
        shape = shape[int(self.rng.integers(4)) :]
        values = self.rng.integers(-128, 128, shape, dtype=np.int8)
        scale = float(np.float32(image.scale * self.rng.uniform(0.1, 3)))
        zero_point = self.zero_point()
        index = self.tensor("constant", shape, "int8", [scale], [zero_point], values)
        return Value(index, shape, scale, zero_point)


def has_softmax(image: Value) -> bool:
    """Whether the engine supports a softmax: TFLM's arithmetic has limits."""
    return image.shape[-1] < 512 and image.scale > 2**-26


SMALL = Window()


@dataclass(frozen=True)
class FrameStep:
    """One operator; `number` selects a partner, margins or a shape."""

    name: str
    window: Window = SMALL
    channels: int = 1
    groups: int = 1
    activation: str = "NONE"
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class RandomFrame(RandomGraph):
    """A network for one input size; it ends in a map, or in a vector if `dense` is not 0.

    `more` images before the last one are outputs, too.
    """

    ending: str
    dense: int
    more: int = 0

    writer: ClassVar[type[EngineWriter]] = FrameWriter

    def _others(self, images: list[Value], last: Value) -> list[Value]:
        return [image for image in images[1 : 1 + self.more] if image != last]

    def _end(self, writer: FrameWriter, last: Value) -> Value:
        if self.ending == "mean":
            last = writer.mean(last, keep=bool(self.dense % 2))
        elif self.ending == "reshape":
            last = writer.reshape(last, (1, int(np.prod(last.shape))))
        elif self.ending == "pool":
            last = writer.pool(last, "AVERAGE_POOL_2D", Window(last.shape[1:3], same=False), "NONE")
        if self.dense and int(np.prod(last.shape)) <= MAX_VALUES:
            last = writer.dense(last, self.dense, "NONE")
        return writer.softmax(last) if self.seed % 2 and has_softmax(last) else last

    @staticmethod
    def _apply(writer: FrameWriter, images: list[Value], step: FrameStep) -> Value | None:
        last = images[-1]
        _, height, width, channels = last.shape
        size = step.window.size(height, width)
        if step.name == "CONV":
            groups = step.groups if channels % step.groups == 0 else channels
            outputs = -(-step.channels // groups) * groups
            if outputs > MAX_CHANNELS or min(size) < 1 or size[0] * size[1] * outputs > MAX_VALUES:
                return None
            return writer.window_conv(last, step.window, outputs, groups, step.activation)
        if step.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            fits = min(size) >= 1
            return writer.pool(last, step.name, step.window, step.activation) if fits else None
        if step.name == "PAD":
            margins = np.random.default_rng(step.number).integers(0, 4, (4, 2))
            margins[0] = 0
            margins[3] //= 3
            fits = (height + 6) * (width + 6) * (channels + 2) <= MAX_VALUES
            return writer.pad(last, margins) if fits else None
        if step.name == "RESHAPE":
            shapes = [(1, width, height, channels), (1, height * width, 1, channels)]
            shapes += [(1, 1, height, width * channels), (1, channels, height, width)]
            shape = shapes[step.number % len(shapes)]
            return writer.reshape(last, shape) if shape[3] <= MAX_CHANNELS else None
        if step.name in COMBINING:
            alike = [image for image in images if image.shape == last.shape]
            smaller = step.channels > 1
            other = (
                writer.partner(last, step.number) if smaller else alike[step.number % len(alike)]
            )
            pair = (last, other) if step.groups == 1 else (other, last)
            return writer.combine(step.name, *pair, step.activation)
        if step.name == "SOFTMAX":
            return writer.softmax(last) if has_softmax(last) else None
        if step.name == "PRELU":
            return writer.prelu(last)
        if step.name == "SPACE_TO_DEPTH":
            fits = height % 2 == 0 and width % 2 == 0 and channels * 4 <= MAX_CHANNELS
            return writer.rearrange(last, step.name, 2) if fits else None
        if step.name == "DEPTH_TO_SPACE":
            return writer.rearrange(last, step.name, 2) if channels % 4 == 0 else None
        if step.name == "CONCATENATION":
            alike = [image for image in images if image.shape[1:3] == last.shape[1:3]]
            parts = [last, alike[step.number % len(alike)]]
            fits = sum(part.shape[3] for part in parts) <= MAX_CHANNELS
            return writer.concatenate(parts) if fits else None
        if step.name in SPATIAL:
            fits = 12 * (height + 4) * (width + 4) * (channels + 2) <= 2 * MAX_VALUES
            return writer.spatial(last, step.name, step.number) if fits else None
        return writer.unary(last, step.name)


sides = st.tuples(st.integers(1, 7), st.integers(1, 7))
windows = st.builds(
    Window,
    kernel=st.one_of(st.sampled_from([(1, 1), (3, 3), (3, 3), (5, 5)]), sides),
    stride=st.one_of(
        st.sampled_from([(1, 1), (2, 2), (2, 2), (3, 3)]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
    ),
    dilation=st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 2), (3, 1), (1, 4)]),
    same=st.booleans(),
)
activations = st.sampled_from(["NONE", "NONE", "RELU", "RELU6"])
convolutions = st.builds(
    FrameStep,
    name=st.just("CONV"),
    window=windows,
    channels=st.one_of(st.integers(1, 10), st.sampled_from([4, 8, 16, 20, 36])),
    groups=st.sampled_from([1, 1, 2, 3, 4, 99, 99]),
    activation=activations,
)
pools = st.builds(
    FrameStep,
    name=st.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"]),
    window=st.builds(Window, kernel=sides, stride=sides, same=st.booleans()),
    activation=activations,
)
spatial = st.builds(FrameStep, name=st.sampled_from(SPATIAL), number=st.integers(0, 999))
others = st.builds(
    FrameStep,
    name=st.sampled_from(
        [
            *("PAD", "PAD", "RESHAPE", "ADD", "ADD", "SOFTMAX", "PRELU", "RELU", "RELU6"),
            *("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "CONCATENATION", "QUANTIZE", "LOGISTIC"),
            *("HARD_SWISH", "ELU", "ABS"),
        ]
    ),
    activation=activations,
    number=st.integers(0, 99),
)
combinations = st.builds(
    FrameStep,
    name=st.sampled_from([*COMBINING, "MUL"]),
    channels=st.integers(1, 3),
    groups=st.integers(1, 2),
    activation=activations,
    number=st.integers(0, 99),
)


frames = st.builds(
    RandomFrame,
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([1, 1, 2, 3, 4, 8]),
    steps=st.lists(
        st.one_of(convolutions, convolutions, pools, others, spatial, combinations), max_size=8
    ).map(tuple),
    ending=st.sampled_from(["map", "map", "mean", "reshape", "pool"]),
    dense=st.sampled_from([0, 0, 1, 3, 10, 17]),
    seed=st.integers(0, 2**32 - 1),
    uint8=st.sampled_from([False, False, False, True]),
    more=st.sampled_from([0, 0, 0, 1, 3]),
).filter(RandomFrame.is_readable)
