"""Writes operators that resize images or copy parts of them, with random numbers."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from random_models import EngineWriter
from tflite_factory import ACTIVATIONS, Value

NAMES = (
    *("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V"),
    *("MIRROR_PAD", "PADV2", "MEAN", "SQUEEZE", "TRANSPOSE_CONV", "TRANSPOSE"),
)


class SpatialWriter(EngineWriter):
    """Writes these operators with given numbers."""

    def integers(self, name: str, values: object) -> int:
        data = np.array(values, np.int32)
        return self.tensor(name, data.shape, "int32", [], [], data)

    def copied(self, image: Value, name: str, shape: Sequence[int]) -> Value:
        return self.activation(name, tuple(shape), image.scale, image.zero_point)

    def resize(
        self, image: Value, name: str, size: Sequence[int], align: bool, half: bool
    ) -> Value:
        nearest = name == "RESIZE_NEAREST_NEIGHBOR"
        options = (
            schema.ResizeNearestNeighborOptionsT() if nearest else schema.ResizeBilinearOptionsT()
        )
        options.alignCorners, options.halfPixelCenters = align, half
        out = self.copied(image, "resized", (1, *size, image.shape[3]))
        self.operator(name, [image.index, self.integers("size", size)], [out.index], options)
        return out

    def cut(self, image: Value, begins: Sequence[int], sizes: Sequence[int]) -> Value:
        shape = [
            side - begin if size == -1 else size
            for side, begin, size in zip(image.shape, begins, sizes, strict=True)
        ]
        out = self.copied(image, "cut", shape)
        operands = [image.index, self.integers("begin", begins), self.integers("size", sizes)]
        self.operator("SLICE", operands, [out.index], schema.SliceOptionsT())
        return out

    def strided(self, image: Value, parts: Sequence[slice]) -> Value:
        """A strided slice; None as start or stop becomes a bit of a mask."""
        shape = [len(range(side)[part]) for side, part in zip(image.shape, parts, strict=True)]
        options = schema.StridedSliceOptionsT()
        options.beginMask = sum(1 << axis for axis, part in enumerate(parts) if part.start is None)
        options.endMask = sum(1 << axis for axis, part in enumerate(parts) if part.stop is None)
        numbers = [
            self.integers("begin", [part.start or 0 for part in parts]),
            self.integers("end", [part.stop or 0 for part in parts]),
            self.integers("steps", [1 if part.step is None else part.step for part in parts]),
        ]
        out = self.copied(image, "strided", shape)
        self.operator("STRIDED_SLICE", [image.index, *numbers], [out.index], options)
        return out

    def split(self, image: Value, name: str, axis: int, sizes: Sequence[int]) -> list[Value]:
        outputs = [
            self.copied(image, "part", (*image.shape[:axis], size, *image.shape[axis + 1 :]))
            for size in sizes
        ]
        where = self.integers("axis", axis - 4 * (len(sizes) % 2))
        options = schema.SplitOptionsT() if name == "SPLIT" else schema.SplitVOptionsT()
        options.numSplits = len(sizes)
        operands = [where, image.index]
        if name == "SPLIT_V":
            operands = [image.index, self.integers("sizes", sizes), where]
        self.operator(name, operands, [output.index for output in outputs], options)
        return outputs

    def mirror_pad(self, image: Value, margins: np.ndarray, mode: int) -> Value:
        out = self.copied(image, "mirrored", np.array(image.shape) + margins.sum(axis=1))
        options = schema.MirrorPadOptionsT()
        options.mode = mode
        operands = [image.index, self.integers("margins", margins)]
        self.operator("MIRROR_PAD", operands, [out.index], options)
        return out

    def pad_with(self, image: Value, margins: np.ndarray, value: int) -> Value:
        out = self.copied(image, "padded", np.array(image.shape) + margins.sum(axis=1))
        number = self.tensor(
            "value", [1], "int8", [image.scale], [image.zero_point], np.array([value], np.int8)
        )
        operands = [image.index, self.integers("margins", margins), number]
        self.operator("PADV2", operands, [out.index], schema.PadV2OptionsT())
        return out

    def mean_over(self, image: Value, axes: Sequence[int], keep: bool) -> Value:
        sides = [1 if axis in axes else side for axis, side in enumerate(image.shape)]
        kept = [side for axis, side in enumerate(sides) if keep or axis not in axes]
        scale = image.scale * float(self.rng.uniform(0.2, 1.5))
        out = self.activation("mean", tuple(kept), scale, self.zero_point())
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        operands = [image.index, self.integers("axes", axes)]
        self.operator("MEAN", operands, [out.index], options)
        return out

    def squeeze_and_expand(self, image: Value) -> Value:
        """Take the batch's axis away and put it back."""
        options = schema.SqueezeOptionsT()
        options.squeezeDims = [1]
        thin = self.copied(image, "thin", (1, *image.shape[2:]))
        self.operator("SQUEEZE", [image.index], [thin.index], options)
        out = self.copied(image, "expanded", image.shape)
        operands = [thin.index, self.integers("axis", 1)]
        self.operator("EXPAND_DIMS", operands, [out.index], schema.ExpandDimsOptionsT())
        return out

    def transposed(
        self,
        image: Value,
        kernel: Sequence[int],
        stride: Sequence[int],
        outputs: int,
        same: bool,
        activation: str = "NONE",
    ) -> Value:
        """A transposed convolution with the smallest output of its padding, or a larger one."""
        shape = (outputs, *kernel, image.shape[3])
        weights = self.rng.integers(-128, 128, shape, dtype=np.int8)
        scales = self.rng.uniform(0.002, 0.02, outputs if self.rng.integers(4) else 1)
        spare = [int(self.rng.integers(0, step)) for step in stride]
        size = [
            (side - 1) * step + (1 if same else taps) + more
            for side, step, taps, more in zip(image.shape[1:3], stride, kernel, spare, strict=True)
        ]
        spread = 5000 * np.sqrt(weights[0].size) * image.scale * float(scales.mean())
        scale = spread / float(self.rng.uniform(30, 120))
        out = self.activation("transposed", (1, *size, outputs), scale, self.zero_point())
        operands = [
            self.integers("shape", out.shape),
            self._weights(weights, scales.astype(np.float32), 0),
            image.index,
        ]
        if self.rng.integers(3):
            bias = self.rng.integers(-20000, 20000, outputs, dtype=np.int32)
            operands.append(
                self.tensor(
                    "bias", [outputs], "int32", image.scale * scales, [0] * len(scales), bias
                )
            )
        options = schema.TransposeConvOptionsT()
        options.padding, (options.strideH, options.strideW) = 0 if same else 1, stride
        options.fusedActivationFunction = ACTIVATIONS[activation]
        self.operator("TRANSPOSE_CONV", operands, [out.index], options)
        return out

    def transpose(self, image: Value, order: Sequence[int]) -> Value:
        out = self.copied(image, "transposed", [image.shape[axis] for axis in order])
        operands = [image.index, self.integers("order", order)]
        self.operator("TRANSPOSE", operands, [out.index], schema.TransposeOptionsT())
        return out

    def spatial(self, image: Value, name: str, number: int) -> Value | None:
        """An operator with numbers drawn by a seed; None if it does not fit the image."""
        rng = np.random.default_rng(number)
        sides = np.array(image.shape)
        if name.startswith("RESIZE"):
            factors = rng.integers(1, 4, 2) if rng.integers(3) else rng.uniform(0.3, 3, 2)
            size = np.maximum(1, (sides[1:3] * factors).astype(int))
            align, half = ((False, False), (True, False), (False, True), (True, True))[number % 4]
            both = align and half and name == "RESIZE_BILINEAR"
            return self.resize(image, name, size.tolist(), align and not both, half)
        if name == "SLICE":
            begins = rng.integers(0, sides)
            sizes = rng.integers(1, sides - begins + 1)
            sizes = np.where(rng.integers(0, 4, 4) == 0, -1, sizes)
            return self.cut(image, begins.tolist(), sizes.tolist())
        if name == "STRIDED_SLICE":
            return self.strided(image, [slice(None), *(_part(rng, side) for side in sides[1:])])
        if name in ("SPLIT", "SPLIT_V"):
            axis = int(rng.integers(1, 4))
            equal = name == "SPLIT"
            parts = self.split(image, name, axis, _sizes(rng, int(sides[axis]), equal))
            return parts[int(rng.integers(len(parts)))]
        if name == "MIRROR_PAD":
            mode = int(rng.integers(2))
            most = np.minimum(4, sides[1:3] + (0 if mode else -1))
            margins = np.zeros((4, 2), int)
            margins[1:3] = rng.integers(0, most[:, None] + 1, (2, 2))
            return self.mirror_pad(image, margins, mode)
        if name == "PADV2":
            margins = rng.integers(0, 4, (4, 2))
            margins[0], margins[3] = 0, margins[3] // 3
            return self.pad_with(image, margins, int(rng.integers(-128, 128)))
        if name == "MEAN":
            axes = [axis for axis in (1, 2, 3) if rng.integers(2)] or [1]
            return self.mean_over(image, axes, keep=True)
        if name == "TRANSPOSE":
            fits = max(image.shape[1:3]) <= 40
            return self.transpose(image, [0, *rng.permutation([1, 2, 3])]) if fits else None
        if name == "TRANSPOSE_CONV":
            kernel, stride = rng.integers(1, 6, 2).tolist(), rng.integers(1, 5, 2).tolist()
            outputs, same = int(rng.choice([1, 2, 3, 5, 8, 12])), bool(rng.integers(2))
            activation = str(rng.choice(["NONE", "RELU", "RELU6"]))
            return self.transposed(image, kernel, stride, outputs, same, activation)
        return self.squeeze_and_expand(image) if image.shape[1] == 1 else None


def _part(rng: np.random.Generator, side: int) -> slice:
    """A slice that is not empty, counted from either end, sometimes without an end."""
    begin = int(rng.integers(0, side))
    end = int(rng.integers(begin + 1, side + 1))
    start, stop = begin - side * int(rng.integers(2)), end
    if end < side and rng.integers(2):
        stop = end - side
    chosen = rng.integers(0, 3, 2)
    return slice(start if chosen[0] else None, stop if chosen[1] else None, int(rng.integers(1, 4)))


def _sizes(rng: np.random.Generator, side: int, equal: bool) -> list[int]:
    if equal:
        counts = [count for count in range(1, side + 1) if side % count == 0]
        count = int(rng.choice(counts[:3]))
        return [side // count] * count
    first = int(rng.integers(1, side + 1))
    return [first] + ([side - first] if first < side else [])
