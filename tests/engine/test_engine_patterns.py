"""What converters write around shapes: arithmetic with them, dilation in pieces, sequences."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from random_frames import FrameWriter, Window
from tflite_factory import Value
from tflm_oracle import run_tflm

from edge_sr.engine.frame_overlap import check_frame_overlap
from edge_sr.errors import UserError
from edge_sr.graph import fold, read_graph
from edge_sr.runtime.frame import FrameSession


def integers(writer: FrameWriter, values: object) -> int:
    data = np.array(values, np.int32)
    return writer.tensor("integers", data.shape, "int32", [], [], data)


def computed(writer: FrameWriter, name: str, shape: tuple[int, ...]) -> int:
    return writer.tensor(name, shape, "int32", [], [])


def batch_of(writer: FrameWriter, image: Value, first: int = 0) -> int:
    """The batch as converters compute it: the first element of the shape."""
    shape, batch = computed(writer, "shape", (4,)), computed(writer, "batch", ())
    writer.operator("SHAPE", [image.index], [shape], schema.ShapeOptionsT())
    slices = schema.StridedSliceOptionsT()
    slices.shrinkAxisMask = 1
    ends = [integers(writer, [value]) for value in (first, first + 1, 1)]
    writer.operator("STRIDED_SLICE", [shape, *ends], [batch], slices)
    return batch


def flattened(writer: FrameWriter, image: Value, first: int = 0) -> Value:
    """Keras's Flatten of a model with an open batch."""
    count = int(np.prod(image.shape[1:]))
    target = computed(writer, "target", (2,))
    options = schema.PackOptionsT()
    options.valuesCount = 2
    operands = [batch_of(writer, image, first), integers(writer, count)]
    writer.operator("PACK", operands, [target], options)
    out = writer.activation("flat", (1, count), image.scale, image.zero_point)
    writer.operator("RESHAPE", [image.index, target], [out.index])
    return out


class BiasWriter(FrameWriter):
    """Gives each convolution a bias, without which LiteRT's reference kernels refuse it."""

    def _bias(self, image: Value, scales: np.ndarray, outputs: int) -> list[int]:
        return super()._bias(image, scales, outputs) or self._bias(image, scales, outputs)


def run_reference(model: bytes, values: np.ndarray) -> np.ndarray:
    """LiteRT's reference kernels."""
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def noise(session: FrameSession, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, session.in_shape, dtype=np.int8)


@pytest.mark.parametrize("seed", range(3))
def test_a_flattened_image_has_the_bits_of_tflm(seed: int) -> None:
    writer = FrameWriter(9, 7, 2, seed)
    image = writer.window_conv(writer.input, Window(stride=(2, 2)), 5, 1, "RELU")
    model = writer.finish(writer.dense(flattened(writer, image), 6, "NONE"))
    session = FrameSession(model)
    check_frame_overlap(session.plan)
    values = noise(session, seed)
    assert np.array_equal(session.run(values), run_tflm(model, values))


def test_a_shape_is_computed_where_the_file_leaves_it_open() -> None:
    writer = FrameWriter(8, 6, 3, 0)
    graph = fold(read_graph(writer.finish(flattened(writer, writer.input))))
    assert [operator.name for operator in graph.operators] == ["RESHAPE"]
    target = graph.tensors[graph.operators[0].inputs[1]].data
    assert target is not None
    assert target.tolist() == [1, 8 * 6 * 3]


def test_an_element_that_a_shape_lacks_is_refused() -> None:
    writer = FrameWriter(8, 6, 3, 0)
    model = writer.finish(flattened(writer, writer.input, first=7))
    with pytest.raises(UserError, match="operator 1 STRIDED_SLICE reads element 7 of a shape of 4"):
        FrameSession(model)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_dilation_in_pieces_has_the_bits_of_reference_kernels(
    seed: int, *, depthwise: bool
) -> None:
    """TFLM gives other values than LiteRT for such a chain."""
    rng = np.random.default_rng(seed)
    height, width = map(int, rng.integers(5, 14, 2))
    block, channels = 2 + seed % 2, 4
    writer = BiasWriter(height, width, channels, seed)
    image = writer.input
    margins = [[block, block + -side % block] for side in (height, width)]
    sides = [side + sum(both) for side, both in zip((height, width), margins, strict=True)]
    inner = (block**2, sides[0] // block, sides[1] // block, channels)
    split = writer.activation("split", inner, image.scale, image.zero_point)
    blocks = integers(writer, [block, block])
    writer.operator(
        "SPACE_TO_BATCH_ND", [image.index, blocks, integers(writer, margins)], [split.index]
    )
    groups = channels if depthwise else 1
    conv = writer.window_conv(split, Window(same=False), channels, groups, "RELU")
    conv_shape = (block**2, inner[1] - 2, inner[2] - 2, channels)
    writer.subgraph.tensors[conv.index].shape = list(conv_shape)
    crops = [[0, 1], [0, 0]]
    out_shape = (1, conv_shape[1] * block - 1, conv_shape[2] * block, channels)
    joined = writer.activation("joined", out_shape, conv.scale, conv.zero_point)
    writer.operator(
        "BATCH_TO_SPACE_ND", [conv.index, blocks, integers(writer, crops)], [joined.index]
    )
    model = writer.finish(joined)
    session = FrameSession(model)
    check_frame_overlap(session.plan)
    assert len(session.plan.nodes) == 1
    values = noise(session, seed)
    assert np.array_equal(session.run(values), run_reference(model, values))


def test_the_largest_value_of_each_channel_has_the_bits_of_tflm() -> None:
    writer = FrameWriter(7, 5, 3, 4)
    image = writer.window_conv(writer.input, Window(), 6, 1, "NONE")
    out = writer.activation("most", (1, 6), image.scale, image.zero_point)
    options = schema.ReducerOptionsT()
    options.keepDims = False
    axes = integers(writer, [1, 2])
    writer.operator("REDUCE_MAX", [image.index, axes], [out.index], options)
    model = writer.finish(out)
    session = FrameSession(model)
    values = noise(session, 4)
    assert np.array_equal(session.run(values), run_tflm(model, values))


def test_a_sequence_is_an_image_of_one_row() -> None:
    """Keras's Conv1D and GlobalAveragePooling1D."""
    writer = FrameWriter(1, 11, 3, 5)
    conv = writer.window_conv(writer.input, Window((1, 3), same=False), 5, 1, "RELU")
    sequence = writer.activation("sequence", (1, 9, 5), conv.scale, conv.zero_point)
    writer.operator("RESHAPE", [conv.index, integers(writer, [-1, 9, 5])], [sequence.index])
    out = writer.activation("mean", (1, 5), sequence.scale * 0.7, 3)
    options = schema.ReducerOptionsT()
    options.keepDims = False
    writer.operator("MEAN", [sequence.index, integers(writer, [-2])], [out.index], options)
    model = writer.finish(out)
    session = FrameSession(model)
    values = noise(session, 5)
    assert np.array_equal(session.run(values), run_tflm(model, values))


@pytest.mark.parametrize("axis", [2, 3])
def test_repeated_rows_and_columns_have_the_bits_of_litert(axis: int) -> None:
    """Keras's UpSampling2D by nearest neighbour repeats along one axis after the other."""
    writer = BiasWriter(5, 4, 3, 6)
    image = writer.window_conv(writer.input, Window(), 2, 1, "NONE")
    apart, repeated, size = list(image.shape), list(image.shape), list(image.shape)
    apart.insert(axis, 1)
    repeated.insert(axis, 3)
    size[axis - 1] *= 3
    values = [
        writer.activation("part", tuple(shape), image.scale, image.zero_point)
        for shape in (apart, repeated, size)
    ]
    counts = [3 if index == axis else 1 for index in range(5)]
    writer.operator("EXPAND_DIMS", [image.index, integers(writer, axis)], [values[0].index])
    writer.operator("TILE", [values[0].index, integers(writer, counts)], [values[1].index])
    writer.operator("RESHAPE", [values[1].index, integers(writer, size)], [values[2].index])
    model = writer.finish(values[2])
    session = FrameSession(model)
    assert session.out_shape == tuple(size)
    pixels = noise(session, 6)
    assert np.array_equal(session.run(pixels), run_reference(model, pixels))
