"""The noise that networks of any kind run on, and how their outputs are compared."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_factory import TfliteWriter, pack, unpack

from benchmarks.measuring import noise, subject
from edge_sr.errors import UserError
from edge_sr.records import Decision
from edge_sr.runtime.agreement import array_agreement
from edge_sr.runtime.arrays import ArrayInterface, ArraySpec


def vectors(*values: list[float], dtype: str = "int8") -> list[np.ndarray]:
    return [np.array([row], dtype) for row in values]


def test_differences_are_counted_over_all_outputs() -> None:
    agreed = array_agreement(
        vectors([1, 5, 3], [9, 0]), vectors([1, 4, 5], [9, 0]), "int8", exact=False
    )
    assert (agreed.max_difference, agreed.differing_share) == (2, 2 / 5)
    assert agreed.top_agreement == 0.5
    assert agreed.decision == Decision("rms difference", (5 / 5) ** 0.5, 16)
    assert agreed.right
    assert not array_agreement(vectors([-99, 99]), vectors([99, -99]), "int8", exact=False).right


def test_runtimes_of_the_same_bits_may_not_differ() -> None:
    same = vectors([1, 2])
    assert array_agreement(same, same, "int8", exact=True).right
    assert not array_agreement(same, vectors([1, 3]), "int8", exact=True).right


def test_floats_are_compared_by_their_range() -> None:
    reference = vectors([0, 5, 10], dtype="float32")
    agreed = array_agreement(
        vectors([0, 5, 10 + 10 / 255], dtype="float32"), reference, "float32", exact=False
    )
    assert agreed.max_difference == pytest.approx(1, rel=1e-4)
    infinite = vectors([np.nan, np.inf], dtype="float32")
    assert array_agreement(infinite, infinite, "float32", exact=False).right
    assert not array_agreement(infinite, vectors([0, 0]), "float32", exact=False).right


def test_noise_has_the_range_of_its_dtype() -> None:
    dtypes = ("int8", "uint8", "int16", "float32", "bool", "int64")
    inputs = tuple(ArraySpec(dtype, (1, 5000)) for dtype in dtypes)
    (values,) = noise.make(ArrayInterface(inputs, "int8", vectors=False))
    assert [value.dtype.name for value in values] == list(dtypes)
    assert [(int(v.min()), int(v.max())) for v in values[:2]] == [(-128, 127), (0, 255)]
    assert 0 <= values[3].min() < values[3].max() < 1
    assert set(values[5].ravel()) == {0, 1}
    again = noise.make(ArrayInterface(inputs, "int8", vectors=False))[0]
    assert all(np.array_equal(*pair) for pair in zip(values, again, strict=True))
    with pytest.raises(UserError, match="noise is made of numbers"):
        noise.make(ArrayInterface((ArraySpec("string", (1,)),), "int8", vectors=False))


def test_floats_around_int8_are_int8(tmp_path: Path) -> None:
    writer = TfliteWriter(4, 4)
    features = writer.conv(writer.input, 3, 3)
    model = unpack(writer.finish(writer.float_island(features)))
    graph = model.subgraphs[0]
    ends = graph.tensors[0], graph.tensors[-1]
    assert ends[0].type == schema.TensorType.INT8
    graph.outputs = [graph.operators[1].outputs[0]]  # the floats after the convolution
    graph.operators.pop()
    path = tmp_path / "floats.tflite"
    path.write_bytes(pack(model))
    assert subject.open_file(path).precision == "int8"
