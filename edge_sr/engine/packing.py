"""The orders in which kernels want the weights of convolutions; see `c/esr_kernels.h`."""

from enum import IntEnum

import numpy as np

LANES = (16, 8, 4)
"""Sizes of the blocks of output channels in `Layout.SIMD`."""

_STRIP = 8
"""Pixels whose windows the scratch memory holds at once; more gain little."""

_QUAD = 4  # taps that the kernels for halves load at once, and outputs that those for bytes do
_STEP = 8  # and how many they take without looking whether there are more
_VECTOR = 16  # taps that the kernels for bytes take at once


class Layout(IntEnum):
    """Numbered as in `c/esr_layout.h`, which says what is for which machine."""

    SIMD = 0
    DSP16 = 1
    MVE8 = 2

    @property
    def kernels(self) -> str:
        """For people: which kernels want it."""
        return {0: "portable kernels", 1: "DSP (Cortex-M4, M7, M33)", 2: "Helium (M55)"}[self]


def pack_weights(weights: np.ndarray, groups: int, layout: Layout) -> bytes:
    """Order the weights of a convolution.

    Args:
        weights: (outputs, height, width, inputs per group) int8.
        groups: divides outputs.
        layout: the order.
    """
    per_group = weights.shape[3]
    if per_group == 1 and groups > 1:
        return weights[:, :, :, 0].transpose(1, 2, 0).tobytes()
    pack = {Layout.SIMD: _simd, Layout.DSP16: _dsp16, Layout.MVE8: _mve8}[layout]
    return b"".join(pack(group) for group in np.split(weights, groups))


def scratch_bytes(kernel: tuple[int, int], per_group: int) -> int:
    """Memory in which a convolution lays out the windows of neighbouring pixels.

    It is the same for all layouts, so that a network takes the same RAM on every machine.

    Args:
        kernel: height and width.
        per_group: input channels of a group.
    """
    height, width = kernel
    columns = width - 1 + _STRIP
    halves = 2 * (columns * _even(height * per_group) + _STEP)
    single = columns * height * per_group + _VECTOR
    return max(halves, _up(single, 4))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _even(value: int) -> int:
    return _up(value, 2)


def _simd(group: np.ndarray) -> bytes:
    """Blocks of output channels innermost."""
    packed, first = [], 0
    while first < len(group):
        block = group[first : first + LANES[0]]
        lanes = min(size for size in LANES if size >= len(block))
        padded = np.zeros((lanes, *group.shape[1:]), np.int8)
        padded[: len(block)] = block
        packed.append(padded.transpose(1, 2, 3, 0).tobytes())
        first += len(block)
    return b"".join(packed)


def _columns(group: np.ndarray) -> np.ndarray:
    """(outputs, width, taps of a column), the inputs of a row of the kernel side by side."""
    outputs, height, width, inputs = group.shape
    return group.transpose(0, 2, 1, 3).reshape(outputs, width, height * inputs)


def _dsp16(group: np.ndarray) -> bytes:
    """Two outputs side by side, four taps at a time, in 16 bits."""
    outputs, height, width, inputs = group.shape
    columns = _columns(group).astype("<i2")
    if inputs % _QUAD == 0:
        fours = columns.reshape(outputs, width, -1, _QUAD)
        columns = fours[..., [0, 2, 1, 3]].reshape(columns.shape)
    taps = height * inputs
    columns = np.pad(columns, ((0, outputs % 2), (0, 0), (0, _even(taps) - taps)))
    windows = columns.reshape(len(columns), -1)
    count = windows.shape[1]
    windows = np.pad(windows, ((0, 0), (0, _up(count, _STEP) - count)))
    return windows.reshape(len(windows) // 2, 2, -1, _QUAD).transpose(0, 2, 1, 3).tobytes()


def _mve8(group: np.ndarray) -> bytes:
    """Four outputs side by side, sixteen taps at a time."""
    windows = _columns(group).reshape(len(group), -1)
    outputs, taps = windows.shape
    padding = ((0, _up(outputs, _QUAD) - outputs), (0, _up(taps, _VECTOR) - taps))
    windows = np.pad(windows, padding)
    return (
        windows.reshape(len(windows) // _QUAD, _QUAD, -1, _VECTOR).transpose(0, 2, 1, 3).tobytes()
    )
