"""Writes small .tflite networks with random weights, so that tests need no training.

TensorFlow Lite Micro runs them; the flatbuffer schema's object API writes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}
DTYPES = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "float32": 0,
}
CODES = {name: code for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
VERSIONS = {"CONV_2D": 3, "DEPTH_TO_SPACE": 2, "ADD": 2, "CONCATENATION": 2}


@dataclass(frozen=True)
class Value:
    """A tensor while it is being written: its index, NHWC shape, scale and zero point."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class TfliteWriter:
    """Adds operators one by one; `finish` returns the .tflite. All activations are int8."""

    def __init__(self, height: int, width: int, channels: int = 1, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "made for a test"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.subgraph = schema.SubGraphT()
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.model.subgraphs = [self.subgraph]
        self.input = self.activation("input", (1, height, width, channels), 1 / 255, -128)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        scales: Sequence[float],
        zero_points: Sequence[int],
        data: np.ndarray | None = None,
    ) -> int:
        tensor = schema.TensorT()
        if any(other.name == name for other in self.subgraph.tensors):
            name = f"{name}{len(self.subgraph.tensors)}"
        tensor.name, tensor.shape, tensor.type = name, list(shape), DTYPES[dtype]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(map(float, scales)) or None
        tensor.quantization.zeroPoint = list(map(int, zero_points)) or None
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def activation(self, name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> Value:
        scale = float(np.float32(scale))
        return Value(
            self.tensor(name, shape, "int8", [scale], [zero_point]), shape, scale, zero_point
        )

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: object = None
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = CODES[name], VERSIONS.get(name, 1)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self.model.operatorCodes.append(code)
        self.subgraph.operators.append(operator)

    def conv(
        self,
        image: Value,
        channels: int,
        kernel: int | tuple[int, int],
        activation: str = "NONE",
        padding: str = "SAME",
        stride: int = 1,
        dilation: int = 1,
    ) -> Value:
        """A convolution with random weights, and an output range that fits its values."""
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        depth = image.shape[3]
        weight_scales = self.rng.uniform(0.003, 0.006, channels).astype(np.float32)
        weights = self.rng.integers(-127, 128, (channels, height, width, depth), dtype=np.int8)
        bias = self.rng.integers(-2000, 2000, channels, dtype=np.int32)
        spread = 25 * 73 * np.sqrt(height * width * depth) * image.scale * 0.0045
        out = self.activation(
            f"conv{len(self.subgraph.operators)}",
            self._window(image, channels, (height, width), padding, stride, dilation),
            spread / 40,
            int(self.rng.integers(-40, 40)) if activation == "NONE" else -128,
        )
        options = schema.Conv2DOptionsT()
        options.padding = {"SAME": 0, "VALID": 1}[padding]
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = dilation
        options.fusedActivationFunction = ACTIVATIONS[activation]
        zeros = [0] * channels
        operands = [
            image.index,
            self.tensor("weights", weights.shape, "int8", weight_scales, zeros, weights),
            self.tensor("bias", [channels], "int32", image.scale * weight_scales, zeros, bias),
        ]
        self.operator("CONV_2D", operands, [out.index], options)
        return out

    @staticmethod
    def _window(
        image: Value,
        channels: int,
        kernel: tuple[int, int],
        padding: str,
        stride: int,
        dilation: int,
    ) -> tuple[int, ...]:
        margins = [0, 0] if padding == "SAME" else [(size - 1) * dilation for size in kernel]
        height, width = (
            -(-(size - margin) // stride)
            for size, margin in zip(image.shape[1:3], margins, strict=True)
        )
        return (1, height, width, channels)

    def prelu(self, image: Value) -> Value:
        channels = image.shape[3]
        values = self.rng.integers(-127, 128, (1, 1, channels), dtype=np.int8)
        alpha = self.tensor("alpha", values.shape, "int8", [0.004], [0], values)
        out = self.activation("prelu", image.shape, image.scale, int(self.rng.integers(-128, 0)))
        self.operator("PRELU", [image.index, alpha], [out.index])
        return out

    def depth_to_space(self, image: Value, block: int) -> Value:
        _, height, width, channels = image.shape
        shape = (1, height * block, width * block, channels // block**2)
        out = self.activation("shuffled", shape, image.scale, image.zero_point)
        options = schema.DepthToSpaceOptionsT()
        options.blockSize = block
        self.operator("DEPTH_TO_SPACE", [image.index], [out.index], options)
        return out

    def repeat(self, image: Value, count: int) -> Value:
        shape = (*image.shape[:3], image.shape[3] * count)
        out = self.activation("repeated", shape, image.scale, image.zero_point)
        options = schema.ConcatenationOptionsT()
        options.axis = 3
        self.operator("CONCATENATION", [image.index] * count, [out.index], options)
        return out

    def add(self, left: Value, right: Value) -> Value:
        out = self.activation("sum", left.shape, left.scale + right.scale, 3)
        self.operator("ADD", [left.index, right.index], [out.index], schema.AddOptionsT())
        return out

    def float_island(self, image: Value) -> Value:
        """Convert the image to float32 and back."""
        middle = self.tensor("island", image.shape, "float32", [], [])
        self.operator("DEQUANTIZE", [image.index], [middle], schema.DequantizeOptionsT())
        out = self.activation("quantized", image.shape, image.scale, image.zero_point)
        self.operator("QUANTIZE", [middle], [out.index], schema.QuantizeOptionsT())
        return out

    def finish(self, *outputs: Value) -> bytes:
        self.subgraph.inputs = [self.input.index]
        self.subgraph.outputs = [output.index for output in outputs]
        return pack(self.model)


def pack(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def unpack(model: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(model)


@dataclass(frozen=True)
class Network:
    """A random super-resolution network that can be written at any size."""

    layers: tuple[tuple[int, int], ...]  # channels, kernel
    stages: int
    anchored: bool
    activation: str
    seed: int

    def write(self, height: int, width: int) -> bytes:
        writer = TfliteWriter(height, width, seed=self.seed)
        image = writer.input
        for _ in range(self.stages):
            image = self._stage(writer, image)
        return writer.finish(image)

    def _stage(self, writer: TfliteWriter, image: Value) -> Value:
        features = image
        for channels, kernel in self.layers:
            features = writer.conv(features, channels, kernel, self.activation)
            if self.activation == "NONE":
                features = writer.prelu(features)
        features = writer.conv(features, 4 * image.shape[3], 1)
        if self.anchored:
            features = writer.add(features, writer.repeat(image, 4))
        return writer.depth_to_space(features, 2)

    @property
    def scale(self) -> int:
        return 2**self.stages


networks = st.builds(
    Network,
    layers=st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 5])), min_size=1, max_size=2
    ).map(tuple),
    stages=st.integers(1, 2),
    anchored=st.booleans(),
    activation=st.sampled_from(["NONE", "RELU"]),
    seed=st.integers(0, 2**32 - 1),
)

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


def tinypssr(height: int = 12, width: int = 10, stages: int = 1, seed: int = 0) -> bytes:
    """Return TinyPSSR x2 (x4 with two stages) with random weights."""
    writer = TfliteWriter(height, width, seed=seed)
    image = writer.input
    for stage in range(stages):
        for channels, kernel in ((16, 5), (4, 1), (8, 5)):
            image = writer.prelu(writer.conv(image, channels, kernel))
        last = stage == stages - 1
        image = writer.conv(image, 4, 1, "RELU" if last else "NONE")
        image = writer.depth_to_space(image if last else writer.prelu(image), 2)
    return writer.finish(image)
