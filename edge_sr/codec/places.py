"""One pair of int8 networks at several qualities: their weights are scaled by channel.

The shipped networks have the gains of the highest quality. At a lower one, a channel of the
encoder's output is smaller by a ratio, which only changes scales of its last kernel. The decoder
undoes that in its first kernel, which is rounded anew: rounding the decoder's input to whole steps
of the highest quality instead would lose up to 0.7 dB between qualities.

Every number here follows from float64 multiplications, divisions and roundings alone, so that each
machine makes the same networks.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_sr.errors import UserError
from edge_sr.graph import Operator, Tensor, read_graph

_LARGEST = 127


def encoder_at(encoder: bytes, ratios: np.ndarray) -> bytes:
    """The int8 encoder with smaller symbols.

    Args:
        encoder: a .tflite that ends with a convolution.
        ratios: (C), above 0: gain of each channel, as a share of the encoder's own.

    Raises:
        UserError: the file is not such an encoder, or it has another number of channels.
    """
    graph = read_graph(encoder)
    kernel, bias = _convolution(graph.operators[-1], graph.tensors, "last")
    assert kernel.data is not None
    _check(ratios, kernel.shape[0])
    editor = _Editor(encoder)
    for tensor in (kernel, bias):
        scales = editor.scales(tensor)
        scales[:] = scales.astype(np.float64) * ratios
    return editor.data


def decoder_at(decoder: bytes, steps: np.ndarray) -> bytes:
    """The int8 decoder for symbols of larger steps.

    Args:
        decoder: a .tflite that starts with a convolution.
        steps: (C), above 0: size of a symbol's step, where the decoder's own is 1.

    Raises:
        UserError: the file is not such a decoder, or it has another number of channels.
    """
    graph = read_graph(decoder)
    kernel, bias = _convolution(graph.operators[0], graph.tensors, "first")
    _check(steps, kernel.shape[3])
    editor = _Editor(decoder)
    scales = editor.scales(kernel)
    before = scales.astype(np.float64)
    values = editor.values(kernel, np.int8)
    wide = values * before[:, None, None, None] * steps
    after = np.abs(wide).max(axis=(1, 2, 3)) / _LARGEST
    scales[:] = np.where(after > 0, after, before)
    now = scales.astype(np.float64)
    values[:] = np.clip(np.rint(wide / now[:, None, None, None]), -_LARGEST, _LARGEST)
    biases, bias_scales = editor.values(bias, np.int32), editor.scales(bias)
    changed = np.rint(biases * before / now)
    if np.abs(changed).max() >= 2**31:
        raise UserError("these steps are too small for the decoder's biases")
    biases[:] = changed
    bias_scales[:] = bias_scales.astype(np.float64) * now / before
    return editor.data


def _convolution(
    operator: Operator, tensors: tuple[Tensor, ...], which: str
) -> tuple[Tensor, Tensor]:
    """Kernel and bias of an int8 convolution with a scale for each output channel."""
    indices = operator.inputs
    if operator.name == "CONV_2D" and len(indices) == 3 and min(indices) >= 0:
        kernel, bias = (tensors[index] for index in indices[1:])
        channels = kernel.shape[0]
        if kernel.dtype == "int8" and all(
            each.data is not None
            and each.quantization is not None
            and len(each.quantization.scale) == channels
            for each in (kernel, bias)
        ):
            return kernel, bias
    raise UserError(
        f"the {which} operator of this network is no int8 convolution with a scale per channel; "
        "such a network has one quality"
    )


def _check(factors: np.ndarray, channels: int) -> None:
    if factors.shape != (channels,) or not (np.isfinite(factors) & (factors > 0)).all():
        raise UserError(f"a network of {channels} channels needs as many factors above 0")


class _Editor:
    """Changes numbers of a .tflite in place; `read_graph` has checked it."""

    def __init__(self, tflite: bytes) -> None:
        self._data = bytearray(tflite)
        self._model = schema.Model.GetRootAs(self._data, 0)

    @property
    def data(self) -> bytes:
        """The file as it is now."""
        return bytes(self._data)

    def _tensor(self, tensor: Tensor) -> Any:
        return self._model.Subgraphs(0).Tensors(tensor.index)

    def scales(self, tensor: Tensor) -> np.ndarray:
        """The scales, float32; writing to them changes the file."""
        scales: np.ndarray = self._tensor(tensor).Quantization().ScaleAsNumpy()
        return scales

    def values(self, tensor: Tensor, kind: Any) -> np.ndarray:
        """The constant's values in its shape; writing to them changes the file."""
        raw = self._model.Buffers(self._tensor(tensor).Buffer()).DataAsNumpy()
        values: np.ndarray = raw.view(kind).reshape(tensor.shape)
        return values
