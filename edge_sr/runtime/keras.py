"""Keras 3, on the backend that KERAS_BACKEND names."""

from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError
from edge_sr.models.checkpoint import load_model
from edge_sr.quiet import quiet_native
from edge_sr.runtime.interfaces import SCALES, UPSCALER_CHANNELS
from edge_sr.runtime.session import Interface, Session, TensorSpec


class KerasSession(Session):
    """A .safetensors checkpoint in Keras 3, float32."""

    runtime = "keras"

    def __init__(self, checkpoint: Path) -> None:
        with quiet_native():
            self._model = load_model(checkpoint)
        super().__init__(_interface(self._model))

    def _run(self, image: np.ndarray) -> np.ndarray:
        import keras

        return keras.ops.convert_to_numpy(self._model(image, training=False))


def _interface(model: Any) -> Interface:
    channels = model.input_shape[-1]
    output = tuple(model.compute_output_shape((1, 8, 8, channels)))
    scale = output[1] // 8
    if output != (1, 8 * scale, 8 * scale, channels) or scale not in SCALES:
        raise UserError(f"{model.name} is not a network of scale {SCALES}")
    if channels not in UPSCALER_CHANNELS:
        raise UserError(f"{model.name} takes {channels} channels, not {UPSCALER_CHANNELS}")
    float32 = TensorSpec("float32")
    return Interface(scale, _halo(model), float32, float32, channels=channels)


def _halo(model: Any) -> int:
    """Sum of the radii of all convolutions: exact before an upscaling layer, too large after it."""
    kernels = (getattr(layer, "kernel_size", (1,)) for layer in model.layers)
    return sum(max(kernel) // 2 for kernel in kernels)
