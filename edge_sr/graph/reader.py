"""Reads a .tflite flatbuffer as hostile input: every value is checked before it is used.

Python cannot be made to read outside of the file, but the C++ runtimes that load the same bytes
can. In a file that passes, tables, vectors, indices, shapes and buffer sizes agree.
"""

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_sr.errors import UserError, reason
from edge_sr.graph.checks import MAX_ELEMENTS, DamageError, check_graph
from edge_sr.graph.flatbuffer import MAX_ITEMS, checked, ints, tables, vector
from edge_sr.graph.model import Graph, Operator, Quantization, Tensor
from edge_sr.graph.shapes import ShapeError

MAX_FILE_BYTES = 256 * 2**20
MAX_RANK = 6

_DTYPES = {
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.FLOAT16: "float16",
    schema.TensorType.FLOAT64: "float64",
    schema.TensorType.INT8: "int8",
    schema.TensorType.INT16: "int16",
    schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64",
    schema.TensorType.UINT8: "uint8",
    schema.TensorType.BOOL: "bool",
}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_ENUMERATIONS = {
    "Padding": _names(schema.Padding),
    "FusedActivationFunction": _names(schema.ActivationFunctionType),
    "Mode": _names(schema.MirrorPadMode),
}

_CONVOLUTION = ("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor")
_FUSED = ("FusedActivationFunction",)
_POOL = ("Padding", "StrideW", "StrideH", "FilterWidth", "FilterHeight")
_RESIZE = ("AlignCorners", "HalfPixelCenters")
_SLICE = (
    *("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"),
    "Offset",
)
_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", _CONVOLUTION + _FUSED),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_CONVOLUTION, "DepthMultiplier", *_FUSED)),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL + _FUSED),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL + _FUSED),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("WeightsFormat", *_FUSED)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", ("BlockSize",)),
    "ADD": ("AddOptions", _FUSED),
    "SUB": ("SubOptions", _FUSED),
    "MUL": ("MulOptions", _FUSED),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", *_FUSED)),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _RESIZE),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _RESIZE),
    "TRANSPOSE_CONV": ("TransposeConvOptions", ("Padding", "StrideW", "StrideH", *_FUSED)),
    "STRIDED_SLICE": ("StridedSliceOptions", _SLICE),
    "MIRROR_PAD": ("MirrorPadOptions", ("Mode",)),
    "PACK": ("PackOptions", ("Axis",)),
}

# Operators that only the engine's frame plans interpret: it refuses those without options.
_OPTIONAL = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"),
    *("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "TRANSPOSE_CONV"),
    *("STRIDED_SLICE", "MIRROR_PAD", "PACK"),
)


def read_graph(source: bytes | Path) -> Graph:
    """Read a .tflite with one subgraph.

    Args:
        source: the bytes of the file, or its path.

    Raises:
        UserError: the file is not a .tflite, empty, truncated, damaged, larger than 256 MiB, or has
            unsupported features (several subgraphs, sparse or external tensors).
    """
    name = f"{source}" if isinstance(source, Path) else "the model"
    data = read_bytes(source) if isinstance(source, Path) else source
    try:
        return _read_model(data)
    except (DamageError, ShapeError) as error:
        raise UserError(f"{name} is not a usable .tflite: {error}") from None
    except (struct.error, ValueError, IndexError, TypeError, OverflowError):
        raise UserError(f"{name} is not a usable .tflite: it is truncated or damaged") from None


def read_bytes(path: Path) -> bytes:
    """Read a model file of at most 256 MiB.

    Raises:
        UserError: the file cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
    if len(data) > MAX_FILE_BYTES:
        raise UserError(f"{path} is larger than 256 MiB, the limit for models")
    return data


def _read_model(data: bytes) -> Graph:
    if not data:
        raise DamageError("it is empty")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise DamageError("it lacks the TFL3 signature of TensorFlow Lite")
    model = checked(schema.Model.GetRootAs(data, 0))
    if model.Version() != 3:
        raise DamageError(f"its schema version is {model.Version()}, not 3")
    if model.SubgraphsLength() != 1:
        raise DamageError(f"it has {model.SubgraphsLength()} subgraphs, not one")
    subgraph = checked(model.Subgraphs(0))
    buffers = [_buffer(buffer) for buffer in tables(model, "Buffers")]
    codes = [_operator_code(code) for code in tables(model, "OperatorCodes")]
    operators = tuple(
        _read_operator(index, operator, codes)
        for index, operator in enumerate(tables(subgraph, "Operators"))
    )
    inputs, outputs = ints(subgraph, "Inputs"), ints(subgraph, "Outputs")
    used = {*inputs, *outputs}
    for operator in operators:
        used.update(operator.inputs, operator.outputs)
    tensors = tuple(
        _read_tensor(index, tensor, buffers) if index in used else _unused(index, tensor, buffers)
        for index, tensor in enumerate(tables(subgraph, "Tensors"))
    )
    return check_graph(Graph(tensors, operators, inputs, outputs))


def _buffer(buffer: Any) -> np.ndarray:
    if buffer.Offset() > 1 or buffer.Size() > 1:
        raise DamageError("it keeps weights outside the flatbuffer")
    return vector(buffer, "Data")


def _operator_code(code: Any) -> tuple[str, int]:
    # Files from before 2020 have only the 8-bit field; later ones have both, the larger one valid.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin not in _OPERATORS:
        raise DamageError(f"it uses operator number {builtin}, which is unknown")
    if not 1 <= code.Version() <= 1000:
        raise DamageError(f"it uses {_OPERATORS[builtin]} in version {code.Version()}")
    return _OPERATORS[builtin], code.Version()


def _read_tensor(index: int, tensor: Any, buffers: list[np.ndarray]) -> Tensor:
    label = f"tensor {index}"
    dtype = _DTYPES.get(tensor.Type())
    if dtype is None:
        raise DamageError(f"{label} has type number {tensor.Type()}, which is not supported")
    if tensor.Sparsity() is not None or tensor.IsVariable() or tensor.ExternalBuffer():
        raise DamageError(f"{label} is sparse, variable or external, which is not supported")
    shape = ints(tensor, "Shape")
    if len(shape) > MAX_RANK or any(size < 1 for size in shape):
        raise DamageError(f"{label} has the shape {shape}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise DamageError(f"{label} of shape {shape} has too many elements")
    if tensor.Buffer() >= len(buffers):
        raise DamageError(f"{label} refers to buffer {tensor.Buffer()} of {len(buffers)}")
    raw = buffers[tensor.Buffer()]
    data = _constant(label, raw, dtype, shape) if len(raw) else None
    name = (tensor.Name() or b"").decode("utf-8", errors="replace")
    quantization = _quantization(label, tensor, shape, dtype)
    signature = ints(tensor, "ShapeSignature") if data is None else ()
    if len(signature) not in (0, len(shape)):
        raise DamageError(f"{label} of shape {shape} has the signature {signature}")
    open_axes = tuple(axis for axis, size in enumerate(signature) if size == -1)
    return Tensor(index, name, shape, dtype, quantization, data, open_axes)


def _unused(index: int, tensor: Any, buffers: list[np.ndarray]) -> Tensor:
    """A tensor that no operator uses, without its contents, which may be of any kind."""
    if tensor.Buffer() >= len(buffers):
        raise DamageError(f"tensor {index} refers to buffer {tensor.Buffer()} of {len(buffers)}")
    return Tensor(index, "", (0,), "uint8", None, None)


def _constant(label: str, raw: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    if len(raw) != needed:
        raise DamageError(f"{label} of shape {shape} needs {needed} bytes and has {len(raw)}")
    values = raw.view(np.uint8).view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
    values.flags.writeable = False
    return values


def _quantization(
    label: str, tensor: Any, shape: tuple[int, ...], dtype: str
) -> Quantization | None:
    table = tensor.Quantization()
    if table is None:
        return None
    checked(table)
    scale, zero_point = vector(table, "Scale"), vector(table, "ZeroPoint")
    if table.DetailsType() or max(len(scale), len(zero_point)) > MAX_ITEMS:
        raise DamageError(f"{label} has an unsupported quantization")
    if len(scale) == 0:
        return None
    axis = table.QuantizedDimension()
    if len(shape) == 1:
        axis = 0  # old converters write the axis of the weights for a bias
    channels = shape[axis] if 0 <= axis < len(shape) else 1
    if len(scale) not in (1, channels) or len(zero_point) != len(scale):
        raise DamageError(
            f"{label} of shape {shape} has {len(scale)} scales and {len(zero_point)} zero points"
        )
    if not np.all(np.isfinite(scale)) or not np.all(scale > 0):
        raise DamageError(f"{label} has a scale that is not a positive number")
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    if limits and not np.all((limits.min <= zero_point) & (zero_point <= limits.max)):
        raise DamageError(f"{label} has a zero point outside {dtype}")
    return Quantization(
        tuple(float(value) for value in scale), tuple(int(value) for value in zero_point), axis
    )


def _read_operator(index: int, operator: Any, codes: list[tuple[str, int]]) -> Operator:
    if operator.OpcodeIndex() >= len(codes):
        raise DamageError(
            f"operator {index} refers to code {operator.OpcodeIndex()} of {len(codes)}"
        )
    name, version = codes[operator.OpcodeIndex()]
    options = _options(f"operator {index} {name}", operator, name)
    inputs, outputs = ints(operator, "Inputs"), ints(operator, "Outputs")
    return Operator(index, name, version, inputs, outputs, options)


def _options(label: str, operator: Any, name: str) -> dict[str, object]:
    if name not in _OPTIONS:
        return {}
    kind, fields = _OPTIONS[name]
    table = getattr(schema, kind)()
    union = operator.BuiltinOptions()
    if union is None or operator.BuiltinOptionsType() != getattr(schema.BuiltinOptions, kind):
        if name in _OPTIONAL:
            return {}
        raise DamageError(f"{label} lacks its {kind}")
    table.Init(union.Bytes, union.Pos)
    checked(table)
    return {_snake(field): _option(label, table, field) for field in fields}


def _option(label: str, table: Any, field: str) -> object:
    value = getattr(table, field)()
    if not math.isfinite(value):
        raise DamageError(f"{label} has {_snake(field)} {value}")
    if field not in _ENUMERATIONS:
        return value
    if value not in _ENUMERATIONS[field]:
        raise DamageError(f"{label} has the unknown {_snake(field)} {value}")
    return _ENUMERATIONS[field][value]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[WH])(?=Factor)", "_", name).lower()
