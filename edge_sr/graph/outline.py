"""Reads what describes a .tflite of any kind: what runtimes open is more than this package runs."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_sr.errors import UserError
from edge_sr.graph.checks import DamageError
from edge_sr.graph.flatbuffer import checked, ints, tables, vector
from edge_sr.graph.model import Graph, Operator, Quantization, Tensor

_DTYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}


@dataclass(frozen=True)
class Outline:
    """A .tflite for descriptions.

    Attributes:
        graph: the first subgraph. Nothing is checked against anything else, dtypes may be any of
            the schema's, operators have no options, and constants have no values.
        subgraphs: how many there are.
    """

    graph: Graph
    subgraphs: int


def read_outline(data: bytes) -> Outline:
    """Read a .tflite for describing it.

    Raises:
        UserError: the file is not a .tflite, or it is damaged.
    """
    try:
        return _read(data)
    except DamageError as error:
        raise UserError(f"the model is not a usable .tflite: {error}") from None
    except (struct.error, ValueError, IndexError, TypeError, OverflowError):
        raise UserError("the model is not a usable .tflite: it is truncated or damaged") from None


def _read(data: bytes) -> Outline:
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise DamageError("it lacks the TFL3 signature of TensorFlow Lite")
    model = checked(schema.Model.GetRootAs(data, 0))
    subgraphs = tables(model, "Subgraphs")
    if not subgraphs:
        raise DamageError("it has no subgraph")
    filled = [_is_filled(buffer) for buffer in tables(model, "Buffers")]
    codes = [_operator_name(code) for code in tables(model, "OperatorCodes")]
    tensors = tuple(
        _tensor(index, tensor, filled)
        for index, tensor in enumerate(tables(subgraphs[0], "Tensors"))
    )
    operators = tuple(
        _operator(index, operator, codes)
        for index, operator in enumerate(tables(subgraphs[0], "Operators"))
    )
    inputs, outputs = ints(subgraphs[0], "Inputs"), ints(subgraphs[0], "Outputs")
    named = [*inputs, *outputs]
    for operator in operators:
        named += [index for index in (*operator.inputs, *operator.outputs) if index != -1]
    if any(not 0 <= index < len(tensors) for index in named):
        raise DamageError("it names a tensor that it does not have")
    return Outline(Graph(tensors, operators, inputs, outputs), len(subgraphs))


def _is_filled(buffer: Any) -> bool:
    return bool(buffer.DataLength() or buffer.Offset() > 1)


def _operator_name(code: Any) -> str:
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _OPERATORS.get(builtin, f"number {builtin}")
    if name != "CUSTOM":
        return name
    return f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', errors='replace')}".rstrip()


def _tensor(index: int, tensor: Any, filled: list[bool]) -> Tensor:
    shape, signature = ints(tensor, "Shape"), ints(tensor, "ShapeSignature")
    name = (tensor.Name() or b"").decode("utf-8", errors="replace")
    is_constant = tensor.Buffer() < len(filled) and filled[tensor.Buffer()]
    open_axes = () if len(signature) != len(shape) else signature
    return Tensor(
        index,
        name,
        shape,
        _DTYPES.get(tensor.Type(), f"type {tensor.Type()}"),
        _quantization(tensor),
        np.empty(0, np.uint8) if is_constant else None,
        tuple(axis for axis, size in enumerate(open_axes) if size == -1),
    )


def _quantization(tensor: Any) -> Quantization | None:
    table = tensor.Quantization()
    if table is None:
        return None
    scale, zero_point = vector(checked(table), "Scale"), vector(table, "ZeroPoint")
    if not 0 < len(scale) == len(zero_point):
        return None
    return Quantization(
        tuple(float(value) for value in scale),
        tuple(int(value) for value in zero_point),
        table.QuantizedDimension(),
    )


def _operator(index: int, operator: Any, codes: list[str]) -> Operator:
    if operator.OpcodeIndex() >= len(codes):
        raise DamageError(f"operator {index} refers to code {operator.OpcodeIndex()}")
    name = codes[operator.OpcodeIndex()]
    return Operator(index, name, 1, ints(operator, "Inputs"), ints(operator, "Outputs"), {})
