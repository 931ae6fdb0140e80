"""Write untrained TinyCompress networks, in the layout of the shipped ones, for tests.

python tests/golden/make_codec_parts.py     (needs TensorFlow; writes tests/golden/tinycompress-*)

Untrained, an encoder approximates the mean of 2x2 pixels and a decoder their repetition, so that
decoded images resemble the originals. int8 is post-training quantization; both parts share the
scale and zero point of the latents.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import skimage.data
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from edge_sr.models import tinycompress

FOLDER = Path(__file__).parent
SIDE = 64
CARD = """model = "tinycompress"
rate = {rate}
parameters = 6498
data = "none: the weights are untrained"
remade_by = ["python tests/golden/make_codec_parts.py"]
"""
STEP, ZERO = float(np.float32(1 / 255)), -128


def main() -> None:
    """Write the parts of rates 4 and 16."""
    for rate in (4, 16):
        folder = FOLDER / f"tinycompress-{rate}"
        folder.mkdir(exist_ok=True)
        (folder / "card.toml").write_text(CARD.format(rate=rate), encoding="utf-8")
        scale = round(rate**0.5)
        sides = {"encoder": SIDE, "decoder": SIDE // scale}
        for part, side in sides.items():
            keras.utils.set_random_seed(rate)
            # int8 latents are clipped by the range of their tensor.
            for kind, clip in (("float32", 1), ("int8", 0)):
                config = tinycompress.CodecConfig(rate=rate, clip=clip)
                build = getattr(tinycompress, f"build_{part}")
                data = convert(build(config, keras), side, kind == "int8")
                if (part, kind) == ("encoder", "int8"):
                    data = with_output_range(data)
                (folder / f"{part}-{kind}.tflite").write_bytes(data)


def convert(model: Any, side: int, int8: bool) -> bytes:
    """Return the network as a .tflite for images of `side` x `side` pixels."""
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = tf.TensorSpec((1, side, side, 3), tf.float32, name="image")
        archive.add_endpoint("serve", model.call, input_signature=[signature])
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: crops(side)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        data: bytes = converter.convert()
        return data


def crops(side: int) -> Iterator[list[np.ndarray]]:
    """Yield crops of an image, then one that is half black and half white, for the full range."""
    image = skimage.data.astronaut().astype(np.float32) / 255
    rng = np.random.default_rng(0)
    for _ in range(30):
        top, left = rng.integers(0, 512 - side, 2)
        yield [image[np.newaxis, top : top + side, left : left + side]]
    ends = np.zeros((1, side, side, 3), np.float32)
    ends[:, :, side // 2 :] = 1
    yield [ends]


def with_output_range(data: bytes) -> bytes:
    """Return the same network with an output range of 0 to 1 in 256 steps."""
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(data)
    output = model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]]
    output.quantization.scale, output.quantization.zeroPoint = [STEP], [ZERO]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    main()
