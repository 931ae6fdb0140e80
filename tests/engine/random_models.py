"""Random int8 networks of all operators that the engine has, written as .tflite files.

Hypothesis draws and shrinks a network as a list of steps. A step that does not fit (a block size
that does not divide the image, a skip connection without a partner) is left out of the file.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st
from tflite_factory import ACTIVATIONS, TfliteWriter, Value

from edge_sr.errors import UserError
from edge_sr.graph import read_graph

MAX_CHANNELS = 40
MAX_PIXELS = 2500


@dataclass(frozen=True)
class Window:
    """The numbers of a convolution or a pooling, vertical then horizontal."""

    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The output's height and width; below 1 if no window fits."""
        sizes = [
            -(-side // step) if self.same else -(-(side - (taps - 1) * apart) // step)
            for side, taps, step, apart in zip(
                (height, width), self.kernel, self.stride, self.dilation, strict=True
            )
        ]
        return sizes[0], sizes[1]


class EngineWriter(TfliteWriter):
    """Writes the operators that the common writer lacks, with random scales and zero points."""

    def zero_point(self) -> int:
        """A zero point, mostly near the middle, where little is clipped, sometimes anywhere."""
        if self.rng.integers(6) == 0:
            return int(self.rng.integers(-128, 128))
        return int(np.clip(self.rng.normal(-10, 35), -128, 127))

    def like(self, image: Value, name: str) -> Value:
        """An activation with the image's shape and a scale near the image's scale."""
        scale = image.scale * float(self.rng.uniform(0.5, 1.8))
        return self.activation(name, image.shape, scale, self.zero_point())

    def window_conv(
        self,
        image: Value,
        window: Window,
        outputs: int,
        groups: int,
        activation: str,
        coarseness: float = 1.0,
    ) -> Value:
        """A convolution with a scale per channel or one for all, with a bias or without.

        If there is one input per group, it is a depthwise one, sometimes.
        """
        depth = image.shape[3] // groups
        depthwise = depth == 1 and bool(self.rng.integers(2))
        weights = self.rng.integers(-128, 128, (outputs, *window.kernel, depth), dtype=np.int8)
        scales = self._weight_scales(outputs)
        spread = 5000 * np.sqrt(weights[0].size) * image.scale * float(scales.mean())
        size = window.size(*image.shape[1:3])
        out = self._spread("conv", (1, *size, outputs), coarseness * spread)
        if depthwise:
            weights = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        if depthwise:
            options.depthMultiplier = outputs // groups
        options.padding = 0 if window.same else 1
        options.strideH, options.strideW = window.stride
        options.dilationHFactor, options.dilationWFactor = window.dilation
        options.fusedActivationFunction = ACTIVATIONS[activation]
        operands = [image.index, self._weights(weights, scales, 3 if depthwise else 0)]
        operands += self._bias(image, scales, outputs)
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        self.operator(name, operands, [out.index], options)
        return out

    def _weight_scales(self, outputs: int) -> np.ndarray:
        count = outputs if self.rng.integers(4) else 1
        return self.rng.uniform(0.002, 0.02, count).astype(np.float32)

    def _bias(self, image: Value, scales: np.ndarray, outputs: int) -> list[int]:
        if not self.rng.integers(4):
            return []
        bias = self.rng.integers(-20000, 20000, outputs, dtype=np.int32)
        zeros = [0] * len(scales)
        return [self.tensor("bias", [outputs], "int32", image.scale * scales, zeros, bias)]

    def _spread(self, name: str, shape: tuple[int, ...], spread: float) -> Value:
        scale = spread / float(self.rng.uniform(30, 120))
        return self.activation(name, shape, scale, self.zero_point())

    def random_conv(
        self,
        image: Value,
        kernel: tuple[int, int],
        outputs: int,
        groups: int,
        activation: str,
        coarseness: float = 1.0,
        stride: int = 1,
    ) -> Value:
        """A convolution with padding SAME; depthwise ones have stride 1."""
        depthwise = 1 < groups == image.shape[3]
        if depthwise or any(side % stride for side in image.shape[1:3]):
            stride = 1
        window = Window(kernel, (stride, stride))
        return self.window_conv(image, window, outputs, groups, activation, coarseness)

    def _weights(self, weights: np.ndarray, scales: np.ndarray, axis: int) -> int:
        index = self.tensor("weights", weights.shape, "int8", scales, [0] * len(scales), weights)
        if len(scales) > 1:
            self.subgraph.tensors[index].quantization.quantizedDimension = axis
        return index

    def prelu(self, image: Value) -> Value:
        """PReLU with a slope per channel."""
        values = self.rng.integers(-128, 128, (1, 1, image.shape[3]), dtype=np.int8)
        scale = float(self.rng.uniform(0.001, 0.02))
        alpha = self.tensor("alpha", values.shape, "int8", [scale], [0], values)
        out = self.like(image, "prelu")
        self.operator("PRELU", [image.index, alpha], [out.index])
        return out

    def unary(self, image: Value, name: str) -> Value:
        options = None
        if name == "LOGISTIC":
            out = self.activation("logistic", image.shape, 1 / 256, -128)
        elif name == "TANH":
            out = self.activation("tanh", image.shape, 1 / 128, 0)
        elif name == "RELU6":  # TFLM assumes equal quantization
            out = self.activation("relu6", image.shape, image.scale, image.zero_point)
        else:
            out = self.like(image, name.lower())
        if name == "LEAKY_RELU":
            options = schema.LeakyReluOptionsT()
            options.alpha = float(self.rng.uniform(-0.2, 1.2))
        elif name == "QUANTIZE":
            options = schema.QuantizeOptionsT()
        self.operator(name, [image.index], [out.index], options)
        return out

    def with_number(self, image: Value, name: str, activation: str, first: bool) -> Value:
        """An operator with one constant number, as the first input or the second."""
        value = self.rng.integers(-128, 128, (1,) * int(self.rng.integers(5)), dtype=np.int8)
        scale = image.scale * float(self.rng.uniform(0.1, 3))
        constant = self.tensor("number", value.shape, "int8", [scale], [self.zero_point()], value)
        operands = [constant, image.index] if first else [image.index, constant]
        out = self.combined(name, image, image.shape, scale)
        self.operator(name, operands, [out.index], combining_options(name, activation))
        return out

    def combine(self, name: str, left: Value, right: Value, activation: str) -> Value:
        """An operator on two tensors, of which one may be smaller."""
        shape = np.broadcast_shapes(left.shape, right.shape)
        out = self.combined(name, left, shape, right.scale)
        options = combining_options(name, activation)
        self.operator(name, [left.index, right.index], [out.index], options)
        return out

    def combined(self, name: str, image: Value, shape: tuple[int, ...], scale: float) -> Value:
        """The output of an operator on an image and a tensor of a scale."""
        if name in ("MINIMUM", "MAXIMUM"):
            return self.activation(name.lower(), shape, image.scale, image.zero_point)
        spread = 30 * image.scale * scale if name == "MUL" else image.scale + scale
        spread *= float(self.rng.uniform(0.3, 1.5))
        return self.activation(name.lower(), shape, spread, self.zero_point())

    def uint8_input(self) -> Value:
        """Make the input uint8; return it as int8."""
        tensor = self.subgraph.tensors[self.input.index]
        tensor.type = schema.TensorType.UINT8
        tensor.quantization.zeroPoint = [self.input.zero_point + 128]
        return self.unary(self.input, "QUANTIZE")

    def uint8_output(self, image: Value) -> Value:
        """Convert an image to uint8, most often without another scale."""
        scale, zero_point = image.scale, image.zero_point + 128
        if not self.rng.integers(3):
            scale, zero_point = scale * float(self.rng.uniform(0.5, 2)), self.zero_point() + 128
        scale = float(np.float32(scale))
        index = self.tensor("uint8", image.shape, "uint8", [scale], [zero_point])
        self.operator("QUANTIZE", [image.index], [index], schema.QuantizeOptionsT())
        return Value(index, image.shape, scale, zero_point)

    def random_add(self, left: Value, right: Value, activation: str) -> Value:
        scale = (left.scale + right.scale) * float(self.rng.uniform(0.3, 1.5))
        out = self.activation("add", left.shape, scale, self.zero_point())
        options = schema.AddOptionsT()
        options.fusedActivationFunction = ACTIVATIONS[activation]
        self.operator("ADD", [left.index, right.index], [out.index], options)
        return out

    def concatenate(self, parts: list[Value]) -> Value:
        """A concatenation of channels; parts are rescaled to the first part's quantization."""
        first = parts[0]
        matched = [first]
        for part in parts[1:]:
            if (part.scale, part.zero_point) != (first.scale, first.zero_point):
                same = self.activation("matched", part.shape, first.scale, first.zero_point)
                options = schema.QuantizeOptionsT()
                self.operator("QUANTIZE", [part.index], [same.index], options)
                part = same
            matched.append(part)
        channels = sum(part.shape[3] for part in matched)
        shape = (*first.shape[:3], channels)
        out = self.activation("concat", shape, first.scale, first.zero_point)
        options = schema.ConcatenationOptionsT()
        options.axis = int(self.rng.choice([3, -1]))
        self.operator("CONCATENATION", [part.index for part in matched], [out.index], options)
        return out

    def rearrange(self, image: Value, name: str, block: int) -> Value:
        _, height, width, channels = image.shape
        if name == "DEPTH_TO_SPACE":
            shape = (1, height * block, width * block, channels // block**2)
            options = schema.DepthToSpaceOptionsT()
        else:
            shape = (1, height // block, width // block, channels * block**2)
            options = schema.SpaceToDepthOptionsT()
        options.blockSize = block
        out = self.activation("rearranged", shape, image.scale, image.zero_point)
        self.operator(name, [image.index], [out.index], options)
        return out


COMBINING = ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM")


def combining_options(name: str, activation: str) -> object:
    """The options of an operator on two tensors."""
    kinds = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}
    if name not in kinds:
        return schema.MaximumMinimumOptionsT()
    options = kinds[name]()
    options.fusedActivationFunction = ACTIVATIONS[activation]
    return options


@dataclass(frozen=True)
class Step:
    """One operator.

    `partner` selects the second input among the images that fit; `coarseness` multiplies the scale
    of a convolution's output.
    """

    name: str
    kernel: tuple[int, int] = (1, 1)
    channels: int = 1
    groups: int = 1
    activation: str = "NONE"
    partner: int = 0
    block: int = 2
    coarseness: float = 1.0
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class RandomGraph:
    """A network as a list of steps, with the size of its input."""

    height: int
    width: int
    channels: int
    steps: tuple[Any, ...]
    seed: int
    uint8: bool = False

    writer: ClassVar[type[EngineWriter]] = EngineWriter

    def write(self) -> bytes:
        writer = self.writer(self.height, self.width, self.channels, self.seed)
        self._vary_input(writer)
        images = [writer.uint8_input() if self.uint8 else writer.input]
        for step in self.steps:
            output = self._apply(writer, images, step)
            if output is not None:
                images.append(output)
        if len(images) == 1:
            images.append(writer.prelu(images[0]))
        last = self._end(writer, images[-1])
        others = self._others(images, last)
        return writer.finish(writer.uint8_output(last) if self.uint8 else last, *others)

    def image(self) -> np.ndarray:
        """Noise of the input's type."""
        rng = np.random.default_rng(self.seed)
        shape = (1, self.height, self.width, self.channels)
        values = rng.integers(-128, 128, shape, dtype=np.int8)
        return values.view(np.uint8) if self.uint8 else values

    def is_readable(self) -> bool:
        """Whether the scales of each operator are close enough for runtimes, which abort else."""
        try:
            read_graph(self.write())
        except UserError as error:
            if "scales that are too far apart" in str(error):
                return False
            raise
        return True

    @staticmethod
    def _vary_input(writer: EngineWriter) -> None:
        """Give the input a random quantization instead of the common writer's."""
        value = writer.input
        scale = float(np.float32(writer.rng.uniform(0.002, 0.05)))
        zero_point = writer.zero_point()
        quantization = writer.subgraph.tensors[value.index].quantization
        quantization.scale, quantization.zeroPoint = [scale], [zero_point]
        writer.input = Value(value.index, value.shape, scale, zero_point)

    @staticmethod
    def _apply(writer: Any, images: list[Value], step: Any) -> Value | None:
        """Write a step; None if it does not fit."""
        raise NotImplementedError

    def _others(self, images: list[Value], last: Value) -> list[Value]:
        """Further outputs of the network."""
        return []

    def _end(self, writer: Any, last: Value) -> Value:
        """Write what follows all steps."""
        return last


@dataclass(frozen=True, kw_only=True)
class RandomNetwork(RandomGraph):
    """A network for images of any size."""

    @staticmethod
    def _apply(writer: EngineWriter, images: list[Value], step: Step) -> Value | None:
        last = images[-1]
        _, height, width, channels = last.shape
        if step.name == "CONV_2D":
            groups = step.groups if channels % step.groups == 0 else channels
            outputs = -(-step.channels // groups) * groups
            fits = outputs <= MAX_CHANNELS
            arguments = (last, step.kernel, outputs, groups, step.activation, step.coarseness)
            return writer.random_conv(*arguments, step.stride) if fits else None
        if step.name == "PRELU":
            return writer.prelu(last)
        if step.name == "DEPTH_TO_SPACE":
            if height * width * step.block**2 > MAX_PIXELS:
                return None
            if channels % step.block**2:
                outputs = step.block**2 * (1 + step.partner % 2)
                last = writer.random_conv(last, (1, 1), outputs, 1, "NONE")
            return writer.rearrange(last, step.name, step.block)
        if step.name == "SPACE_TO_DEPTH":
            fits = height % step.block == 0 and width % step.block == 0
            fits = fits and channels * step.block**2 <= MAX_CHANNELS
            return writer.rearrange(last, step.name, step.block) if fits else None
        if step.name == "ADD":
            alike = [image for image in images if image.shape == last.shape]
            return writer.random_add(alike[step.partner % len(alike)], last, step.activation)
        if step.name == "CONCATENATION":
            alike = [image for image in images if image.shape[1:3] == last.shape[1:3]]
            parts = [last, alike[step.partner % len(alike)]]
            if step.block == 3:
                parts = [parts[1], parts[0], parts[0]]
            fits = sum(part.shape[3] for part in parts) <= MAX_CHANNELS
            return writer.concatenate(parts) if fits else None
        if step.name == "GATED":
            gate = writer.unary(last, ("LOGISTIC", "TANH", "HARD_SWISH")[step.partner % 3])
            pair = (last, gate) if step.block == 3 else (gate, last)
            return writer.combine(COMBINING[step.partner % 5], *pair, step.activation)
        if step.name == "NUMBER":
            name = COMBINING[step.partner % len(COMBINING)]
            return writer.with_number(last, name, step.activation, first=step.block == 3)
        return writer.unary(last, step.name)


activations = st.sampled_from(["NONE", "NONE", "RELU", "RELU6"])
kernels = st.one_of(
    st.sampled_from([(1, 1), (3, 3), (5, 5), (7, 7)]),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
convolutions = st.builds(
    Step,
    name=st.just("CONV_2D"),
    kernel=kernels,
    channels=st.one_of(st.integers(1, 10), st.sampled_from([4, 8, 9, 16, 20, 36])),
    groups=st.sampled_from([1, 1, 1, 2, 3, 4, 99]),
    activation=activations,
    stride=st.sampled_from([1, 1, 1, 2, 2, 3, 4]),
)
other_steps = st.builds(
    Step,
    name=st.sampled_from(
        [
            *("PRELU", "RELU", "RELU6", "LEAKY_RELU", "QUANTIZE", "LOGISTIC", "TANH"),
            *("HARD_SWISH", "ELU", "ABS", "NUMBER", "NUMBER", "GATED"),
            *("ADD", "ADD", "ADD", "CONCATENATION", "CONCATENATION"),
            *("DEPTH_TO_SPACE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SPACE_TO_DEPTH"),
        ]
    ),
    activation=activations,
    partner=st.integers(0, 7),
    block=st.sampled_from([2, 2, 3]),
)

side_lengths = st.one_of(st.integers(1, 9), st.sampled_from([1, 2, 4, 6, 8, 12, 16, 18, 24]))


networks = st.builds(
    RandomNetwork,
    height=side_lengths,
    width=side_lengths,
    channels=st.sampled_from([1, 1, 2, 3, 4, 8]),
    steps=st.lists(st.one_of(convolutions, other_steps), min_size=1, max_size=9).map(tuple),
    seed=st.integers(0, 2**32 - 1),
    uint8=st.sampled_from([False, False, True]),
).filter(RandomNetwork.is_readable)
