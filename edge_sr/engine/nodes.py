"""The engine's view of a network: operators with the kernel calls that compute them."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """The engine's kernels, numbered as in `c/esr_plan.h`."""

    CONV = 0
    DEPTHWISE = 1
    PRELU = 2
    LUT = 3
    ADD = 4
    CONCAT = 5
    DEPTH_TO_SPACE = 6
    SPACE_TO_DEPTH = 7
    # Of frame plans only, numbered as in `c/esr_frame_plan.h`.
    ANY_CONV = 8
    ANY_DEPTHWISE = 9
    MAX_POOL = 10
    AVERAGE_POOL = 11
    MEAN = 12
    SOFTMAX = 13
    PAD = 14
    RESHAPE = 15
    GATHER = 16
    BILINEAR = 17
    SUM_ROWS = 18
    MAX_ROWS = 19
    AVERAGE_SUMS = 20
    MEAN_SUMS = 21
    LAST_MAX = 22
    BINARY = 23
    TRANSPOSE = 24


@dataclass(frozen=True, eq=False)
class KernelCall:
    """One call of a kernel; `c/esr_plan.h` explains the fields. Tensors are the graph's indices.

    A convolution has its weights in `window`, (outputs, height, width, inputs per group) int8,
    which is packed for each layout; the other kernels have theirs in `weights`. `stride`,
    `dilation` and `padding` (rows above, columns left) are those of a frame plan's window. In a
    frame plan, a convolution has the kind ANY_CONV or ANY_DEPTHWISE; `packing.takes` says where
    the plan's bytes hold CONV or DEPTHWISE instead, which `expanded` allows even where that takes
    more than one byte per weight.
    """

    kind: Kind
    source: int
    target: int
    other: int | None = None
    kernel: tuple[int, int] = (1, 1)
    groups: int = 1
    extra: int = 0
    weights: bytes = b""
    window: np.ndarray | None = None
    expanded: bool = True
    bias: bytes = b""
    scales: bytes = b""
    low: int = -128
    high: int = 127
    zero_points: tuple[int, int, int] = (0, 0, 0)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    up: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Node:
    """One operator of the graph, as the scheduler sees it.

    Attributes:
        label: the operator's name in messages and listings.
        inputs: image tensors that it reads; one may appear more than once.
        output: the tensor that it writes.
        calls: the kernel calls that compute a row.
        kernel: rows and columns of the window that an output pixel reads; with `down` rows of input
            per row of output, of that window without all but one of those.
        up: rows of output per row of input (depth-to-space), else 1.
        down: rows of input per row of output (space-to-depth, stride), else 1.
        in_place: inputs that the output may overwrite.
    """

    label: str
    inputs: tuple[int, ...]
    output: int
    calls: tuple[KernelCall, ...]
    kernel: tuple[int, int] = (1, 1)
    up: int = 1
    down: int = 1
    in_place: tuple[int, ...] = ()

    def rows(self, row: int) -> tuple[int, int]:
        """The first and last input row that an output row reads; they may be outside the frame."""
        first = row // self.up * self.down
        height = self.kernel[0]
        return first - (height - 1) // 2, first + self.down - 1 + height // 2
