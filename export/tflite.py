"""A checkpoint to a .tflite, through TensorFlow's converter."""

import tempfile
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError, require
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import registry, tinycompress
from edge_sr.quiet import quiet_native
from edge_sr.runtime.keras import import_keras


def convert(checkpoint: Path, height: int, width: int, int8: bool) -> bytes:
    """Convert a checkpoint at one input size; equal checkpoints give equal bytes.

    Args:
        checkpoint: a tuned checkpoint for int8, a float one for float32.
        height: rows of the input, pixels.
        width: columns of the input, pixels.
        int8: whether to make the fully integer network or the float32 one.

    Returns:
        the .tflite: (1,height,width,C) to (1,s*height,s*width,C), C the model's channels, int8 with
        scale 1/255 and zero point -128 at both ends, or float32 in [0, 1].

    Raises:
        UserError: the checkpoint is missing, damaged or of the other kind.
    """
    source = checkpoints.read(checkpoint)
    (checkpoints.require_tuned if int8 else checkpoints.require_float)(source, str(checkpoint))
    import_keras()  # TensorFlow imports it too, and fails in longer words
    with quiet_native():
        require("tensorflow", "train")
    if int8:
        return _convert_int8(source, str(checkpoint), height, width)
    return _convert_float32(source, str(checkpoint), height, width)


def convert_part(checkpoint: Path, part: str, height: int, width: int, int8: bool) -> bytes:
    """Convert the encoder or the decoder of a codec's checkpoint at one input size.

    Args:
        checkpoint: a tuned checkpoint for int8, a float one for float32.
        part: "encoder" or "decoder".
        height: rows of the input, pixels; for an encoder a multiple of 2^passes.
        width: columns of the input, likewise.
        int8: whether to make the fully integer network or the float32 one.

    Returns:
        the .tflite: (1,height,width,3) to (1,H,W,3); values as `convert` has them.

    Raises:
        UserError: the checkpoint is missing, damaged or of the other kind, or the size is odd.
    """
    source = checkpoints.read(checkpoint)
    (checkpoints.require_tuned if int8 else checkpoints.require_float)(source, str(checkpoint))
    config = source.config
    if not isinstance(config, tinycompress.CodecConfig):
        raise UserError(f"{checkpoint} is of {source.spec.name}, which has no {part}")
    step = 2**config.passes
    if part == "encoder" and (height % step or width % step):
        raise UserError(
            f"the encoder at rate {config.rate} takes multiples of {step}, not {height}x{width}"
        )
    import_keras()
    with quiet_native():
        require("tensorflow", "train")
    if int8:
        from edge_sr.quantize import codec

        with quiet_native():
            return _integer(*codec.concrete_function(source, part, height, width))
    weights = tinycompress.part_of(source.weights, part)
    spec = registry.get(f"tinycompress-{part}")
    alone = checkpoints.Checkpoint(spec, config, weights, source.notes)
    return _convert_float32(alone, str(checkpoint), height, width)


def _convert_int8(source: checkpoints.Checkpoint, where: str, height: int, width: int) -> bytes:
    with quiet_native():
        require("tf_keras", "train")
        require("tensorflow_model_optimization", "train")
        from edge_sr.quantize import network
    with quiet_native():
        return _integer(*network.concrete_function(source, height, width, where))


def _integer(function: Any, owner: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _run(converter)


def _convert_float32(source: checkpoints.Checkpoint, where: str, height: int, width: int) -> bytes:
    import tensorflow as tf

    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise UserError("export needs TensorFlow as Keras' backend; set KERAS_BACKEND=tensorflow")
    with quiet_native(), tempfile.TemporaryDirectory() as folder:
        model = checkpoints.build_model(source, keras, where)
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = tf.TensorSpec(
            (1, height, width, source.spec.channels), tf.float32, name="image"
        )
        archive.add_endpoint("serve", model.call, input_signature=[signature])
        archive.write_out(folder, verbose=False)
        return _run(tf.lite.TFLiteConverter.from_saved_model(folder))


def _run(converter: Any) -> bytes:
    model: bytes = converter.convert()
    return model
