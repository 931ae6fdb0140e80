"""Stand-ins for a codec with qualities: an int8 compressive autoencoder that keeps block means.

`python tests/codec/learned_standins.py FOLDER` writes the files of such a codec.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from standins import UNIT, CodecWriter, schema

from edge_sr.codec import context

GAIN = 120.0
"""Symbols per unit of a pixel's value at the highest quality."""

SYMBOL = (1.0, 0)
"""Scale and zero point of symbols."""

CHANNELS, QUALITIES, HIDDEN = 4, 3, 16
CARD = """model = "cae"
parameters = 1
data = "none"
remade_by = []

[options]
channels = 4
"""


class LearnedWriter(CodecWriter):
    """Writes the layers of a compressive autoencoder."""

    def scaled_conv(self, image, weights, bias, stride, out):
        """A convolution with weights (kernel, kernel, inputs, outputs) and noise beside them."""
        real = np.moveaxis(weights, 3, 0)
        real = real + self.rng.normal(0, 0.003 * np.abs(real).max(), real.shape)
        channels = len(real)
        scales = (np.abs(real).max((1, 2, 3)) / 127).astype(np.float32)
        stored = np.rint(real / scales[:, None, None, None]).astype(np.int8)
        bias_scales = image.scale * scales
        counts = np.rint(np.broadcast_to(bias, channels) / bias_scales).astype(np.int32)
        zeros = [0] * channels
        operands = [
            image.index,
            self.tensor("weights", stored.shape, "int8", scales, zeros, stored),
            self.tensor("bias", [channels], "int32", bias_scales, zeros, counts),
        ]
        size = (1, -(-image.shape[1] // stride), -(-image.shape[2] // stride), channels)
        result = self.activation("conv", size, *out)
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = 0, stride, stride
        options.dilationHFactor = options.dilationWFactor = 1
        self.operator("CONV_2D", operands, [result.index], options)
        return result


def encoder(height=32, width=32, channels=CHANNELS):
    """An int8 encoder (1,H,W,3) to symbols (1,H/8,W/8,C)."""
    writer = LearnedWriter(height, width, 3)
    image = writer.input
    for depth in (4, 4):
        image = writer.scaled_conv(image, _means(image.shape[3], depth), 0, 2, UNIT)
        image = writer.scaled_prelu(image, UNIT)
    weights = GAIN * _means(image.shape[3], channels)
    return writer.finish(writer.scaled_conv(image, weights, -GAIN / 2, 2, SYMBOL))


def decoder(height=4, width=4, channels=CHANNELS):
    """An int8 decoder of symbols (1,h,w,C) to (1,8h,8w,3)."""
    writer = LearnedWriter(height, width, channels)
    tensor = writer.subgraph.tensors[writer.input.index]
    tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
    image = type(writer.input)(writer.input.index, writer.input.shape, *SYMBOL)
    for number, depth in enumerate((4, 4, 3)):
        weights = np.zeros((3, 3, image.shape[3], 4 * depth))
        weights[1, 1] = np.tile(np.eye(image.shape[3], depth), (1, 4))
        if number == 0:
            weights, bias = weights / GAIN, 0.5
        else:
            bias = 0.0
        image = writer.scaled_conv(image, weights, bias, 1, UNIT)
        image = writer.depth_to_space(image, 2)
        if depth != 3:
            image = writer.scaled_prelu(image, UNIT)
    return writer.finish(image)


def master(channels=CHANNELS, seed=0):
    """The context of the stand-in."""
    rng = np.random.default_rng(seed)
    steps = np.arange(QUALITIES, dtype=np.float32)[:, None] - QUALITIES + 1
    values = {
        "log_gains": np.log2(GAIN) + steps + np.zeros((1, channels)),
        "kernel": rng.normal(0, 0.05, (5, 5, channels, HIDDEN)),
        "bias": rng.normal(0, 0.1, (QUALITIES, HIDDEN)),
        "out_kernel": rng.normal(0, 0.05, (1, 1, HIDDEN, 2 * channels)),
        "out_bias": np.concatenate(
            [np.zeros((QUALITIES, channels)), 4.0 + steps + np.zeros((1, channels))], axis=1
        ),
        "before": rng.normal(0, 0.1, (1, 1, channels, channels)),
        "before_spread": np.zeros((1, 1, channels, channels)),
    }
    return context.of_weights({f"rate_model/{k}": v for k, v in values.items()}, (0.001, 0.1), 4.0)


def write(folder: Path, seed=0) -> Path:
    """Write the files of a codec into a folder, which is made."""
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD, encoding="utf-8")
    (folder / "encoder-int8.tflite").write_bytes(encoder())
    (folder / "decoder-int8.tflite").write_bytes(decoder())
    master(seed=seed).write(folder / "context.safetensors")
    return folder


def _means(inputs, outputs):
    """Weights (5, 5, inputs, outputs) of the mean of 2x2 pixels at a stride of 2."""
    weights = np.zeros((5, 5, inputs, outputs))
    weights[1:3, 1:3] = np.eye(inputs, outputs) / 4
    return weights


if __name__ == "__main__":
    write(Path(sys.argv[1]))
