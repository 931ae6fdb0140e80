"""Converts a checkpoint to a .tflite with TensorFlow's converter."""

import tempfile
from dataclasses import replace
from typing import Any

from edge_sr.errors import UserError, require
from edge_sr.models import cae, gains, registry, tinycompress
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models.checkpoint import Checkpoint
from edge_sr.models.namespaces import import_keras
from edge_sr.quiet import quiet_native


def convert(checkpoint: Checkpoint, height: int, width: int, int8: bool) -> bytes:
    """Convert a checkpoint at one input size; equal checkpoints give equal bytes.

    Args:
        checkpoint: a quantization-aware trained one for int8, a float one for float32.
        height: rows of the input, pixels.
        width: columns of the input, pixels.
        int8: whether to make the fully integer network or the float32 one.

    Returns:
        The .tflite: (1,height,width,C) to (1,s*height,s*width,C), C the model's channels, int8 with
        scale 1/255 and zero point -128 at both ends, or float32 in [0, 1].

    Raises:
        UserError: the checkpoint is of the other precision, or its weights do not fit its model.
    """
    _prepare(checkpoint, int8)
    return (
        _convert_int8(checkpoint, height, width)
        if int8
        else _convert_float32(checkpoint, height, width)
    )


def convert_part(checkpoint: Checkpoint, part: str, height: int, width: int, int8: bool) -> bytes:
    """Convert the encoder or the decoder of a codec's checkpoint at one input size.

    Args:
        checkpoint: a quantization-aware trained one for int8, a float one for float32.
        part: "encoder" or "decoder".
        height: rows of the input, pixels; for an encoder a multiple of its step.
        width: columns of the input, likewise.
        int8: whether to make the fully integer network or the float32 one.

    Returns:
        The .tflite: (1,height,width,C) to (1,H,W,C'); images as in `convert`. Latents of
        TinyCompress are like images; those of a compressive autoencoder are symbols, int8 with
        scale 1 and zero point 0, or in float32 before they are rounded.

    Raises:
        UserError: the checkpoint is not a codec's or of the other precision, its weights do not fit
            its model, or the encoder cannot halve this size.
    """
    config = checkpoint.config
    step = step_of(checkpoint)
    if step is None:
        raise UserError(f"{checkpoint.source} is of {checkpoint.spec.name}, which has no {part}")
    if part == "encoder" and (height % step or width % step):
        raise UserError(f"this encoder takes multiples of {step}, not {height}x{width}")
    _prepare(checkpoint, int8)
    if int8:
        with quiet_native():
            from edge_sr.quantize import cae as autoencoder
            from edge_sr.quantize import codec

            quantizing = autoencoder if isinstance(config, cae.CaeConfig) else codec
            return _integer(*quantizing.concrete_function(checkpoint, part, height, width))
    if isinstance(config, cae.CaeConfig):
        checkpoint = gains.in_symbols(checkpoint, gains.read_log_gains(checkpoint)[-1])
    part_checkpoint = replace(
        checkpoint,
        spec=registry.get(f"{checkpoint.spec.name}-{part}"),
        weights=tinycompress.part_of(checkpoint.weights, part),
    )
    return _convert_float32(part_checkpoint, height, width)


def step_of(checkpoint: Checkpoint) -> int | None:
    """Image pixels per latent sample along each axis; None for an upscaler."""
    config = checkpoint.config
    if isinstance(config, cae.CaeConfig):
        return cae.STEP
    return 2**config.iterations if isinstance(config, tinycompress.CodecConfig) else None


def _prepare(checkpoint: Checkpoint, int8: bool) -> None:
    """Check the precision of a checkpoint, then import what its conversion needs."""
    (checkpoints.require_quantized if int8 else checkpoints.require_float)(checkpoint)
    import_keras()  # before TensorFlow, which imports it too and fails with a longer message
    with quiet_native():
        require("tensorflow", "train")


def _convert_int8(checkpoint: Checkpoint, height: int, width: int) -> bytes:
    with quiet_native():
        require("tf_keras", "train")
        require("tensorflow_model_optimization", "train")
        from edge_sr.quantize import network
    with quiet_native():
        return _integer(*network.concrete_function(checkpoint, height, width))


def _integer(function: Any, owner: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _run(converter)


def _convert_float32(checkpoint: Checkpoint, height: int, width: int) -> bytes:
    import tensorflow as tf

    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise UserError("export needs TensorFlow as Keras' backend; set KERAS_BACKEND=tensorflow")
    with quiet_native(), tempfile.TemporaryDirectory() as folder:
        model = checkpoints.build_model(checkpoint, keras)
        archive = keras.export.ExportArchive()
        archive.track(model)
        shape = (1, height, width, model.input_shape[-1])
        signature = tf.TensorSpec(shape, tf.float32, name="image")
        archive.add_endpoint("serve", model.call, input_signature=[signature])
        archive.write_out(folder, verbose=False)
        return _run(tf.lite.TFLiteConverter.from_saved_model(folder))


def _run(converter: Any) -> bytes:
    model: bytes = converter.convert()
    return model
