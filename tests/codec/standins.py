"""Stand-ins for the int8 parts of TinyCompress: its layers, with weights near a 2x2 mean.

`python tests/codec/standins.py RATE FOLDER` writes encoder-int8.tflite and decoder-int8.tflite.
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

sys.path.insert(0, str(Path(__file__).parent.parent))
from tflite_factory import TfliteWriter, Value

UNIT = (1 / 255, -128)
"""Scale and zero point of [0, 1]."""

WIDE = (2 / 255, -64)
"""Scale and zero point of [-0.5, 1.5], used between layers."""


class CodecWriter(TfliteWriter):
    """Writes the layers of TinyCompress."""

    def identity_conv(self, image: Value, channels: int, kernel: int, weights: np.ndarray) -> Value:
        """A convolution whose centre tap is `weights` (inputs, outputs), other taps small."""
        depth = image.shape[3]
        real = self.rng.normal(0, 0.04 / kernel, (channels, kernel, kernel, depth))
        real[: weights.shape[1], kernel // 2, kernel // 2] += weights.T
        scales = (np.abs(real).max((1, 2, 3)) / 127).astype(np.float32)
        stored = np.rint(real / scales[:, None, None, None]).astype(np.int8)
        bias = self.rng.integers(-400, 400, channels, dtype=np.int32)
        zeros = [0] * channels
        operands = [
            image.index,
            self.tensor("weights", stored.shape, "int8", scales, zeros, stored),
            self.tensor("bias", [channels], "int32", image.scale * scales, zeros, bias),
        ]
        out = self.activation("conv", (*image.shape[:3], channels), *WIDE)
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = 0, 1, 1
        options.dilationHFactor = options.dilationWFactor = 1
        self.operator("CONV_2D", operands, [out.index], options)
        return out

    def scaled_prelu(self, image: Value, out: tuple[float, int] = WIDE) -> Value:
        """A PReLU with this scale and zero point at its output."""
        values = self.rng.integers(-40, 40, (1, 1, image.shape[3]), dtype=np.int8)
        alpha = self.tensor("alpha", values.shape, "int8", [0.004], [0], values)
        result = self.activation("prelu", image.shape, *out)
        self.operator("PRELU", [image.index, alpha], [result.index])
        return result

    def space_to_depth(self, image: Value) -> Value:
        _, height, width, channels = image.shape
        shape = (1, height // 2, width // 2, 4 * channels)
        out = self.activation("shuffled", shape, image.scale, image.zero_point)
        options = schema.SpaceToDepthOptionsT()
        options.blockSize = 2
        self.operator("SPACE_TO_DEPTH", [image.index], [out.index], options)
        return out

    def logistic(self, image: Value) -> Value:
        """A sigmoid, rescaled to [0, 1] in steps of 1/255."""
        out = self.activation("logistic", image.shape, 1 / 256, -128)
        self.operator("LOGISTIC", [image.index], [out.index])
        result = self.activation("image", image.shape, *UNIT)
        self.operator("QUANTIZE", [out.index], [result.index], schema.QuantizeOptionsT())
        return result


def encoder(
    rate: int, height: int = 32, width: int = 32, seed: int = 0, channels: int = 3
) -> bytes:
    """Return an int8 encoder (1,H,W,3) to (1,h,w,3); H and W are multiples of sqrt(`rate`)."""
    writer = CodecWriter(height, width, channels)
    image, mean = writer.input, np.tile(np.eye(3) / 4, (4, 1))
    for _ in range(rate.bit_length() // 2):
        writer.rng = np.random.default_rng(seed)  # every iteration has the same weights
        image = writer.scaled_prelu(writer.identity_conv(image, 15, 9, np.eye(image.shape[3], 3)))
        image = writer.scaled_prelu(writer.identity_conv(image, 3, 1, np.eye(15, 3)))
        image = writer.scaled_prelu(writer.identity_conv(writer.space_to_depth(image), 15, 3, mean))
        image = writer.scaled_prelu(writer.identity_conv(image, 3, 1, np.eye(15, 3)), UNIT)
    return writer.finish(image)


def decoder(rate: int, height: int = 8, width: int = 8, seed: int = 0) -> bytes:
    """Return an int8 decoder (1,h,w,3) to (1,H,W,3)."""
    writer = CodecWriter(height, width, 3)
    image = writer.input
    for _ in range(rate.bit_length() // 2):
        writer.rng = np.random.default_rng(seed)
        image = writer.scaled_prelu(writer.identity_conv(image, 12, 3, np.tile(np.eye(3), (1, 4))))
        image = writer.depth_to_space(image, 2)
        image = writer.scaled_prelu(writer.identity_conv(image, 9, 5, np.eye(3)))
        image = writer.logistic(writer.identity_conv(image, 3, 1, np.eye(9, 3)))
    return writer.finish(image)


if __name__ == "__main__":
    chosen, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "encoder-int8.tflite").write_bytes(encoder(chosen))
    (folder / "decoder-int8.tflite").write_bytes(decoder(chosen))
