"""Packs the weights of convolutions in the layout that each set of kernels reads.

`c/esr_kernels.h` describes the layouts.
"""

from enum import IntEnum

import numpy as np

from edge_sr.engine.nodes import KernelCall

SIMD_LANES = (16, 8, 4)
"""Sizes of a block of output channels in `Layout.SIMD`."""

_PIXELS = 8
"""Pixels whose windows the scratch memory holds at once; more gain little."""

_MAX_KERNEL = 127  # of kernels that read packed weights, in C: ESR_MAX_KERNEL
_MAX_CHANNELS = 4096  # the same: ESR_MAX_CHANNELS

_DSP16_TAPS = 4  # taps that a kernel loads at once
_DSP16_STEP = 8  # taps of one iteration, to which a window is padded
_DSP16_STRIP = 1024  # bytes in which several windows are kept, where one is small
_DSP16_QUADS = 6  # of two taps of four channels, to which a depthwise window is padded
_DSP16_MAX_QUADS = 32  # of a depthwise window
_MVE8_OUTPUTS = 4  # outputs that a kernel computes at once
_MVE8_TAPS = 16  # taps of a vector, to which a window is padded
_MVE8_SIDE = 4  # rows of a depthwise kernel that a vector holds
_MVE8_BLOCK = 64  # bytes of four rows of 16 channels of a column
_MVE8_PIXELS = 3  # that a convolution computes at once
_MVE8_MOST = 12  # pixels of a strip; more are at most 3 % faster
_MVE8_SCRATCH = 1024  # bytes of copied windows, about
_MVE8_MAX_COPIED = 341  # bytes of a window that is copied
_MVE8_MAX_SIDE = 16  # of a depthwise kernel
_MVE8_MAX_COLUMNS = 64  # that a depthwise convolution copies at once


class Layout(IntEnum):
    """Orders of weights, numbered as in `c/esr_layout.h`, which assigns them to processors."""

    SIMD = 0
    DSP16 = 1
    MVE8 = 2

    @property
    def kernels(self) -> str:
        """The kernels that read this layout, as a text to print."""
        return {0: "portable kernels", 1: "DSP (Cortex-M4, M7, M33)", 2: "Helium (M55)"}[self]


def pack_weights(weights: np.ndarray, groups: int, layout: Layout) -> bytes:
    """The bytes of a convolution's weights in one layout.

    Args:
        weights: (outputs, height, width, inputs per group) int8.
        groups: number of groups, a divisor of the outputs.
        layout: the order of the weights.
    """
    if _is_depthwise(weights, groups):
        return _depthwise(weights)
    pack = {Layout.SIMD: _simd, Layout.DSP16: _dsp16, Layout.MVE8: _mve8}[layout]
    return b"".join(pack(group) for group in np.split(weights, groups))


def takes(layout: Layout, call: KernelCall, pixels: int) -> bool:
    """Whether a frame plan packs a convolution's weights for the kernels of a layout.

    The kernels for compact weights run the others.

    Args:
        layout: the kernels' layout of weights.
        call: a convolution or a dense layer of a frame plan.
        pixels: width of its output.
    """
    assert call.window is not None
    outputs, *kernel, inputs = call.window.shape
    is_depthwise = _is_depthwise(call.window, call.groups)
    strides = layout == Layout.SIMD and not is_depthwise
    if layout == Layout.DSP16 and (not call.expanded or is_depthwise or call.kernel == (1, 1)):
        return False
    return (
        layout != Layout.MVE8
        and (strides or (*call.stride, *call.dilation) == (1, 1, 1, 1))
        and pixels > 1
        and max(kernel) <= _MAX_KERNEL
        and max(inputs, outputs // call.groups) <= _MAX_CHANNELS
    )


def compact_weights(weights: np.ndarray, groups: int, layout: Layout) -> bytes:
    """The bytes of a convolution's weights as they are, one byte each, which `pack_weights` takes.

    The order is that of the file; for `Layout.DSP16`, four taps of two outputs follow each other.
    Those of a depthwise convolution are in the order [height][width][output], or in one for four
    outputs at a time.
    """
    if _is_depthwise(weights, groups):
        if layout == Layout.DSP16 and _dsp16_quads(weights, groups):
            return _dsp16_depthwise(weights[..., 0])
        return _depthwise(weights)
    if layout == Layout.DSP16:
        return b"".join(_dsp16_compact(group) for group in np.split(weights, groups))
    return weights.tobytes()


def frame_scratch_bytes(call: KernelCall, pixels: int) -> int:
    """Bytes of scratch memory of a kernel call of a frame plan, the most of all layouts.

    Args:
        call: the call; only convolutions and dense layers need any.
        pixels: width of its output.
    """
    if call.window is None:
        return 0
    return _kernel_scratch_bytes(call, pixels) + _row_bytes(call, pixels)


def _kernel_scratch_bytes(call: KernelCall, pixels: int) -> int:
    assert call.window is not None
    sizes = [_dsp16_scratch(call, call.window, _windows(call, pixels))]
    if _is_depthwise(call.window, call.groups):
        sizes.append(_mve8_depthwise_scratch(call, pixels))
    else:
        sizes.append(_mve8_window_scratch(call, pixels))
        if takes(Layout.DSP16, call, pixels):
            sizes.append(scratch_bytes(call.kernel, call.window.shape[3]))
    return max(sizes)


def _windows(call: KernelCall, pixels: int) -> int:
    """Windows whose results are a row; a transposed convolution has several pixels of each."""
    if call.up == (0, 0):
        return pixels
    left, up = call.padding[1], call.up[1]
    return (pixels - 1 + left) // up - left // up + 1


def _row_bytes(call: KernelCall, pixels: int) -> int:
    """Bytes of the row of a transposed convolution from which pixels are cut off; else 0."""
    assert call.window is not None
    windows, up = _windows(call, pixels), call.up[1]
    if call.up == (0, 0) or windows * up == pixels:
        return 0
    return _round_up(windows * len(call.window), 4)


def _dsp16_scratch(call: KernelCall, weights: np.ndarray, pixels: int) -> int:
    """Bytes in which a kernel for compact weights lays out a few windows, three at a time."""
    if _is_depthwise(weights, call.groups):
        return _dsp16_depthwise_scratch(call, pixels)
    window = _round_up(weights[0].size, _DSP16_TAPS)
    copied = window if weights.shape[3] % _DSP16_TAPS else 0
    if pixels == 1:
        return copied
    return 2 * window * max(min(pixels, 3), min(pixels, _DSP16_STRIP // (2 * window))) + copied


def _dsp16_depthwise_scratch(call: KernelCall, pixels: int) -> int:
    """The same of a depthwise convolution, with the weights of four channels; 0: not needed."""
    assert call.window is not None
    window = _dsp16_quads(call.window, call.groups)
    overlap = call.dilation[1] == 1
    step = -(-call.kernel[0] // 2) * (call.stride[1] if overlap else call.kernel[1])
    most = max(2 * window, min(_DSP16_STRIP // 16, 2 * window + (pixels - 1) * step))
    return 16 * most if window else 0


def _dsp16_quads(weights: np.ndarray, groups: int) -> int:
    """Two taps of four channels in a depthwise window, rounded up; 0 if it is not computed so."""
    outputs, height, width, _ = weights.shape
    quads = _round_up(-(-height // 2) * width, _DSP16_QUADS)
    return quads if outputs == groups >= 4 and quads <= _DSP16_MAX_QUADS else 0


def scratch_bytes(kernel: tuple[int, int], per_group: int) -> int:
    """Bytes of scratch memory in which a convolution lays out the windows of neighbouring pixels.

    The size is the same for all layouts, so that a network needs the same RAM on every machine.

    Args:
        kernel: height and width of the kernel.
        per_group: input channels of a group.
    """
    height, width = kernel
    columns = width - 1 + _PIXELS
    dsp16 = 2 * (columns * _even(height * per_group) + _DSP16_STEP)
    others = columns * height * per_group + _MVE8_TAPS
    return max(dsp16, _round_up(others, 4))


def _mve8_window_scratch(call: KernelCall, pixels: int) -> int:
    """Bytes in which Helium's kernels copy windows of several runs of values, if they are short."""
    assert call.window is not None
    _, height, width, inputs = call.window.shape
    runs = height if call.groups == 1 and call.dilation[1] == 1 else height * width
    window = height * width * inputs
    if runs == 1 or pixels < _MVE8_PIXELS or window > _MVE8_MAX_COPIED:
        return 0
    copies = min(_MVE8_MOST, _MVE8_SCRATCH // window)
    return _round_up(window * (copies - copies % _MVE8_PIXELS), 4)


def _mve8_depthwise_scratch(call: KernelCall, pixels: int) -> int:
    """Bytes in which Helium's kernels hold weights and windows, four rows to a word.

    Kernels that they do not support, and those of large dilations, take the portable ones.
    """
    assert call.window is not None
    outputs, height, width, _ = call.window.shape
    columns = (min(pixels, _MVE8_MOST) - 1) * call.stride[1] + (width - 1) * call.dilation[1] + 1
    if max(height, width) > _MVE8_MAX_SIDE or outputs != call.groups or columns > _MVE8_MAX_COLUMNS:
        return 0
    return -(-height // _MVE8_SIDE) * (width + columns) * _MVE8_BLOCK


def _is_depthwise(weights: np.ndarray, groups: int) -> bool:
    return weights.shape[3] == 1 and groups > 1


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _even(value: int) -> int:
    return _round_up(value, 2)


def _depthwise(weights: np.ndarray) -> bytes:
    """Order [height][width][output]."""
    return weights[..., 0].transpose(1, 2, 0).tobytes()


def _simd(group: np.ndarray) -> bytes:
    """Order [block of outputs][height][width][input][output of the block]."""
    packed, first = [], 0
    while first < len(group):
        block = group[first : first + SIMD_LANES[0]]
        lanes = min(size for size in SIMD_LANES if size >= len(block))
        padded = np.zeros((lanes, *group.shape[1:]), np.int8)
        padded[: len(block)] = block
        packed.append(padded.transpose(1, 2, 3, 0).tobytes())
        first += len(block)
    return b"".join(packed)


def _columns(group: np.ndarray) -> np.ndarray:
    """(outputs, width, height * inputs): the taps of each column of the kernel."""
    outputs, height, width, inputs = group.shape
    return group.transpose(0, 2, 1, 3).reshape(outputs, width, height * inputs)


def _dsp16(group: np.ndarray) -> bytes:
    """Pairs of outputs in 16 bits: order [pair][four taps][output of the pair][tap]."""
    outputs, height, width, inputs = group.shape
    columns = _columns(group).astype("<i2")
    if inputs % _DSP16_TAPS == 0:
        fours = columns.reshape(outputs, width, -1, _DSP16_TAPS)
        columns = fours[..., [0, 2, 1, 3]].reshape(columns.shape)
    taps = height * inputs
    columns = np.pad(columns, ((0, outputs % 2), (0, 0), (0, _even(taps) - taps)))
    windows = columns.reshape(len(columns), -1)
    count = windows.shape[1]
    windows = np.pad(windows, ((0, 0), (0, _round_up(count, _DSP16_STEP) - count)))
    return windows.reshape(len(windows) // 2, 2, -1, _DSP16_TAPS).transpose(0, 2, 1, 3).tobytes()


def _dsp16_compact(group: np.ndarray) -> bytes:
    """Pairs of outputs, one byte a weight: order [pair][four taps][output of the pair][tap]."""
    windows = group.reshape(len(group), -1)
    outputs, taps = windows.shape
    windows = np.pad(windows, ((0, outputs % 2), (0, _round_up(taps, _DSP16_TAPS) - taps)))
    return windows.reshape(-1, 2, windows.shape[1] // 4, 4).transpose(0, 2, 1, 3).tobytes()


def _dsp16_depthwise(weights: np.ndarray) -> bytes:
    """Fours of outputs: order [four][width][two rows][two outputs][row][output].

    A last single row has a row of 0 after it, for the last two outputs of a four before it.
    """
    outputs, height, width = weights.shape
    rows = -(-height // 2)
    padded = np.zeros((outputs, 2 * rows, width), np.int8)
    padded[:, :height] = weights
    starts = [min(first, outputs - 4) for first in range(0, outputs, 4)]
    fours = padded[np.add.outer(starts, range(4))]
    if height % 2:
        fours[:, 2:, -2:] = fours[:, 2:, [-1, -2]]
    pairs = fours.reshape(len(starts), 2, 2, rows, 2, width)
    return pairs.transpose(0, 5, 3, 1, 4, 2).tobytes()


def _mve8(group: np.ndarray) -> bytes:
    """Fours of outputs: order [four outputs][sixteen taps][output of the four][tap]."""
    windows = _columns(group).reshape(len(group), -1)
    outputs, taps = windows.shape
    padding = (
        (0, _round_up(outputs, _MVE8_OUTPUTS) - outputs),
        (0, _round_up(taps, _MVE8_TAPS) - taps),
    )
    windows = np.pad(windows, padding)
    return (
        windows.reshape(len(windows) // _MVE8_OUTPUTS, _MVE8_OUTPUTS, -1, _MVE8_TAPS)
        .transpose(0, 2, 1, 3)
        .tobytes()
    )
