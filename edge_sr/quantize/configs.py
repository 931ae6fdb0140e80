"""Which tensors of a layer are rounded: a tfmot QuantizeConfig for the layers of our networks."""

from typing import Any

from tensorflow_model_optimization.quantization.keras import QuantizeConfig

from edge_sr.quantize.quantizers import (
    SYMBOL_RANGE,
    TANH_RANGE,
    UNIT_RANGE,
    ChannelWeights,
    LearnedRange,
    LogisticUnit,
    PReLUAlpha,
)


class LayerConfig(QuantizeConfig):
    """Rounds a layer's output with a learned range, a fixed one, or not at all.

    Kernels of convolutions are rounded as well, and PReLU's alpha if `alpha` is set. It must not be
    set for the converter, which would fall back to float; the converter rounds alpha in the same
    way.
    """

    def __init__(self, output: str = "learned", alpha: bool = True, learn: bool = True) -> None:
        """Set what is rounded.

        Args:
            output: "learned", "unit" ([0, 1]), "logistic" (int8's range of a logistic, then
                [0, 1]), "tanh" (int8's range of tanh), "symbols" (whole numbers) or "none".
            alpha: whether PReLU's alpha is rounded.
            learn: whether learned ranges are trained; else they stay as calibrated.
        """
        self.output, self.alpha, self.learn = output, alpha, learn

    def _rounded(self, layer: Any) -> dict[str, Any]:
        rounded = {"kernel": ChannelWeights()}
        if self.alpha:
            rounded["alpha"] = PReLUAlpha()
        return {name: how for name, how in rounded.items() if hasattr(layer, name)}

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The kernel or alpha, if the layer has one, with its quantizer."""
        return [(getattr(layer, name), how) for name, how in self._rounded(layer).items()]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Called by tfmot with the rounded weights."""
        for name, value in zip(self._rounded(layer), quantize_weights, strict=True):
            setattr(layer, name, value)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """No activations inside layers."""
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """No activations inside layers."""
        return  # AutoGraph cannot read a function that is a docstring alone

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        """The quantizer that `output` names."""
        learned = LearnedRange(self.learn)
        fixed: dict[str, list[Any]] = {
            "unit": [UNIT_RANGE],
            "logistic": [LogisticUnit()],
            "tanh": [TANH_RANGE],
            "symbols": [SYMBOL_RANGE],
            "none": [],
        }
        return [learned] if self.output == "learned" else fixed[self.output]

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {"output": self.output, "alpha": self.alpha, "learn": self.learn}


def output_rounding(layer: Any, consumers: list[Any], is_last: bool) -> str:
    """How a layer's output must be rounded for the converter to make it one integer tensor.

    Args:
        layer: a tf_keras layer.
        consumers: the layers that read its output.
        is_last: whether only layers that rearrange values follow it.

    Returns:
        the `output` of a `LayerConfig`.
    """
    kind = type(layer).__name__
    if kind in ("DepthToSpace", "SpaceToDepth", "Concatenate"):
        return "none"  # they only rearrange values: the range is their input's
    if len(consumers) == 1 and type(consumers[0]).__name__ == "ReLU":
        return "none"  # the converter fuses the two
    if kind == "Activation" and layer.activation.__name__ == "tanh":
        return "tanh"  # int8 fixes its range: another one would cost a rescaling
    if is_last and kind == "Activation" and layer.activation.__name__ == "sigmoid":
        return "logistic"
    return "unit" if is_last else "learned"
