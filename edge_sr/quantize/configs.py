"""Which tensors of which layer are rounded: tfmot's QuantizeConfig for the layers that we use."""

from typing import Any

from tensorflow_model_optimization.quantization.keras import QuantizeConfig

from edge_sr.quantize.quantizers import (
    TANH_RANGE,
    UNIT_RANGE,
    ChannelWeights,
    LearnedRange,
    LogisticUnit,
    Slopes,
)


class LayerConfig(QuantizeConfig):
    """Rounds a layer's output with a learned range, a fixed one, or not at all.

    Kernels of convolutions are rounded as well, and slopes of PReLU if asked: in what goes to the
    converter they must not be (it would fall back to float), it rounds them itself in the same way.
    """

    def __init__(self, output: str = "learned", slopes: bool = True, learn: bool = True) -> None:
        """`output` is "learned" (if `learn`, else as calibrated), "unit" ([0, 1]), "logistic" (the
        range that int8 gives it, then [0, 1]), "tanh" (the range that int8 gives it) or "none".
        """
        self.output, self.slopes, self.learn = output, slopes, learn

    def _rounded(self, layer: Any) -> dict[str, Any]:
        rounded = {"kernel": ChannelWeights()}
        if self.slopes:
            rounded["alpha"] = Slopes()
        return {name: how for name, how in rounded.items() if hasattr(layer, name)}

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The kernel or the slopes, where there are any."""
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
        """By `output`."""
        learned = LearnedRange(self.learn)
        fixed: dict[str, list[Any]] = {
            "unit": [UNIT_RANGE],
            "logistic": [LogisticUnit()],
            "tanh": [TANH_RANGE],
            "none": [],
        }
        return [learned] if self.output == "learned" else fixed[self.output]

    def get_config(self) -> dict[str, Any]:
        """For Keras."""
        return {"output": self.output, "slopes": self.slopes, "learn": self.learn}


def output_rounding(layer: Any, consumers: list[Any], is_last: bool) -> str:
    """Where a layer's output must be rounded for the converter to make it one integer tensor.

    Args:
        layer: a tf_keras layer.
        consumers: the layers that read its output.
        is_last: whether only layers that move values about stand between it and the output.
    """
    kind = type(layer).__name__
    if kind in ("DepthToSpace", "SpaceToDepth", "Concatenate"):
        return "none"  # they only move values about: the range is their input's
    if len(consumers) == 1 and type(consumers[0]).__name__ == "ReLU":
        return "none"  # the converter fuses the two
    if kind == "Activation" and layer.activation.__name__ == "tanh":
        return "tanh"  # its int8 range is fixed: any other would be rescaled once more
    if is_last and kind == "Activation" and layer.activation.__name__ == "sigmoid":
        return "logistic"
    return "unit" if is_last else "learned"
