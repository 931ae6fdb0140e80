"""Quantization of a compressive autoencoder (`models.cae`), encoder and decoder at once.

The integer encoder's output is the symbol itself at the highest quality, and the decoder's input
likewise: the gains of that quality are part of the weights (`models.cae.in_symbols`). Between the
two stands what happens at any quality: symbols are smaller by a ratio per channel, rounded, and
larger again (`codec.places`).

The encoder learns to give what the float one gives. That keeps its rate without a model of it: all
channels cost about the same for an error of the same size in symbols. The decoder learns to
restore the image from the symbols of the integer encoder.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from edge_sr.data.patches import Pixels
from edge_sr.models import cae, gains, registry
from edge_sr.models import checkpoint as checkpoints
from edge_sr.quantize import network
from edge_sr.training import fit
from edge_sr.training.codec_images import CodecImages, QualityImages
from edge_sr.training.quality import Score
from edge_sr.training.rate_model import LARGEST
from edge_sr.training.recipe import DataOptions, Recipe, to_dict
from edge_sr.training.start import BEST

CALIBRATION_PATCHES = 48

_FLAT_SHARE = 0.1
_LATENT_WEIGHT = 0.03  # of squared errors of symbols, beside those of pixels in [0, 1]
_SIMULATED = {
    "encoder": network.Simulation(output="none"),
    "decoder": network.Simulation(input="none"),
}
_CONVERTED = {
    "encoder": dataclasses.replace(network.FOR_CONVERTER, output="symbols"),
    "decoder": dataclasses.replace(network.FOR_CONVERTER, input="symbols"),
}


def fake_quantized(
    checkpoint: checkpoints.Checkpoint,
    part: str,
    simulation: network.Simulation | None = None,
) -> Any:
    """The encoder or the decoder as a tf_keras model that rounds as int8 does.

    What is between them is not rounded, unless the simulation says so.

    Args:
        checkpoint: a float one whose latents are symbols, or an int8 one.
        part: "encoder" or "decoder".
        simulation: what else is rounded.

    Raises:
        UserError: the weights do not fit the model.
    """
    plain = _plain(checkpoint, part)
    quantized = checkpoints.is_quantized(checkpoint)
    prefix = checkpoints.QUANTIZED if quantized else ""
    weights = cae.part_of(checkpoint.weights, prefix + part)
    if not quantized:
        checkpoints.assign(plain, weights, checkpoint.source)
    model = network.annotated(plain, simulation or _SIMULATED[part])
    if quantized:
        checkpoints.assign(model, weights, checkpoint.source)
    return model


def _plain(checkpoint: checkpoints.Checkpoint, part: str) -> Any:
    return registry.get(f"cae-{part}").build(checkpoint.config.folded, tf_keras)


@dataclasses.dataclass(frozen=True)
class _Group:
    """Layers that share channels, which can be scaled together: PReLU commutes with scaling.

    Attributes:
        producers: convolutions whose output channels they are, in order if there are more.
        values: layers whose outputs are these channels.
        consumers: convolutions whose input channels they are.
    """

    producers: tuple[str, ...]
    values: tuple[str, ...]
    consumers: tuple[str, ...]


def _groups(config: cae.CaeConfig) -> Iterator[_Group]:
    for part, count in (("encoder", config.units), ("decoder", config.decoder_units)):
        units = [f"{part}_unit{number}" for number in range(1, count + 1)]
        is_decoder = part == "decoder"
        first, between = (1, 2) if is_decoder else (2, 3)
        sums = (f"{part}_prelu{first}", *(f"{unit}_add" for unit in units))
        yield _Group(
            (f"{part}_conv{first}", *(f"{unit}_conv2" for unit in units)),
            (f"{part}_shuffle{first}" if is_decoder else f"{part}_conv{first}", *sums),
            (*(f"{unit}_conv1" for unit in units), f"{part}_conv{between}"),
        )
        for unit in units:
            values = (f"{unit}_conv1", f"{unit}_prelu")
            yield _Group((f"{unit}_conv1",), values, (f"{unit}_conv2",))
    yield _Group(("encoder_conv1",), ("encoder_conv1", "encoder_prelu1"), ("encoder_conv2",))
    yield _Group(("decoder_conv2",), ("decoder_shuffle2", "decoder_prelu2"), ("decoder_conv3",))


def equalize(
    checkpoint: checkpoints.Checkpoint, outputs: Mapping[str, np.ndarray]
) -> checkpoints.Checkpoint:
    """The same codec with channels of more equal ranges (see `quantize.equalize`).

    Args:
        checkpoint: a float one.
        outputs: by layer, from `observe`.
    """
    assert isinstance(checkpoint.config, cae.CaeConfig)
    weights = dict(checkpoint.weights)
    for group in _groups(checkpoint.config):
        reach = np.max([np.abs(outputs[name]).max(axis=(0, 1, 2)) for name in group.values], axis=0)
        share = np.max([_share(weights[f"{name}/kernel"]) for name in group.consumers], axis=0)
        factors = np.sqrt(np.maximum(reach, 1e-6) / np.maximum(share, 1e-6))
        factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
        for name in group.producers:
            copies = len(weights[f"{name}/bias"]) // len(factors)  # before a depth-to-space
            for variable in ("kernel", "bias"):
                weights[f"{name}/{variable}"] = weights[f"{name}/{variable}"] / np.tile(
                    factors, copies
                )
        for name in group.consumers:
            weights[f"{name}/kernel"] = weights[f"{name}/kernel"] * factors[:, None]
    return dataclasses.replace(checkpoint, weights=weights)


def _share(kernel: np.ndarray) -> np.ndarray:
    """The largest magnitude of each input channel, as a share of the output channel's."""
    magnitude = np.abs(kernel)
    share: np.ndarray = (magnitude / np.maximum(magnitude.max(axis=(0, 1, 2)), 1e-12)).max(
        axis=(0, 1, 3)
    )
    return share


def observe(
    checkpoint: checkpoints.Checkpoint, log_gains: np.ndarray, patches: np.ndarray
) -> dict[str, np.ndarray]:
    """What all layers of the float codec give, at qualities from the lowest to the highest.

    Args:
        checkpoint: a float one whose latents are symbols.
        log_gains: (Q,C).
        patches: uint8 (N,p,p,3).

    Returns:
        float32 (N,h,w,c) by the name of the layer.
    """
    x = patches.astype(np.float32) / 255
    outputs: dict[str, np.ndarray] = {}
    bottleneck = _bottleneck()(log_gains)
    for part in cae.PARTS:
        plain = _plain(checkpoint, part)
        checkpoints.assign(plain, cae.part_of(checkpoint.weights, part), checkpoint.source)
        probe = tf_keras.Model(plain.input, {layer.name: layer.output for layer in plain.layers})
        outputs |= {name: values.numpy() for name, values in probe(x, training=False).items()}
        if part == "encoder":
            places = np.linspace(0, len(log_gains) - 1, len(x), dtype=np.float32)
            x = bottleneck.quantize(outputs["encoder_conv3"], places)
    return outputs


@lru_cache(maxsize=1)
def _bottleneck() -> Any:
    class Bottleneck(tf_keras.layers.Layer):
        """Symbols of the highest quality as the decoder gets them at another one, (N,h,w,C).

        A quality is a place in the list of trained gains. Training draws one for each image;
        otherwise it is that of the variable `place`.
        """

        def __init__(self, log_gains: np.ndarray, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.log_ratios = (log_gains - log_gains[-1]).astype(np.float32)
            self.place = self.add_weight("place", (), trainable=False)

        def call(self, inputs: Any, training: Any = None) -> Any:
            count, highest = tf.shape(inputs)[0], len(self.log_ratios) - 1
            drawn = tf.random.uniform((count,), 0, highest)
            return self.quantize(inputs, drawn if training else tf.repeat(self.place, count))

        def quantize(self, values: Any, places: Any) -> Any:
            """Values (N,h,w,C) at these places (N); no gradient passes."""
            listed = np.arange(len(self.log_ratios), dtype=np.float32)
            share = tf.nn.relu(1 - tf.abs(places[:, None] - listed))
            ratios = tf.pow(2.0, tf.matmul(share, self.log_ratios))[:, None, None, :]
            symbols = tf.clip_by_value(tf.round(values * ratios), -LARGEST, LARGEST)
            return tf.stop_gradient(symbols / ratios)

    return Bottleneck


def joined(parts: Mapping[str, Any], log_gains: np.ndarray, teacher: Any = None) -> Any:
    """Encoder, quantization and decoder in one tf_keras model (N,H,W,3) to (N,H,W,3).

    Args:
        parts: from `fake_quantized`.
        log_gains: (Q,C) of the qualities.
        teacher: the float encoder, from which the encoder learns; None if it will not be trained.
    """
    image = tf_keras.layers.Input((None, None, cae.COLOURS), name="image")
    values = parts["encoder"](image)
    decoded = parts["decoder"](_bottleneck()(log_gains, name="bottleneck")(values))
    model = tf_keras.Model(image, decoded, name="codec")
    if teacher is not None:
        teacher.trainable = False
        model.add_loss(_LATENT_WEIGHT * tf.reduce_mean(tf.square(values - teacher(image))))
    return model


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Images to tune a codec on: some patches are of one colour, which photographs rarely are."""

    source: CodecImages

    @property
    def images(self) -> str:
        """Their number, and a digest of their names."""
        return self.source.images

    @property
    def digest(self) -> str:
        """A digest of their pixels."""
        return self.source.digest

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Random patches (count,p,p,3); input and target are the same array."""
        return QualityImages(self.source, 1, _FLAT_SHARE).cut(data, count, rng)

    def validate(self, model: Any) -> Score:
        """Mean quality of the images held out, at the lowest, a middle and the highest quality."""
        bottleneck = model.get_layer("bottleneck")
        scores = []
        for place in np.linspace(0, len(bottleneck.log_ratios) - 1, 3):
            bottleneck.place.assign(place)
            scores.append(self.source.validate(model))
        psnr, ssim = np.mean([(score.psnr, score.ssim) for score in scores], axis=0)
        return Score(float(psnr), float(ssim))


def prepare(
    source: checkpoints.Checkpoint,
    recipe: Recipe,
    images: CodecImages,
    seed: int,
    folder: Path,
    resume: bool,
) -> tuple[fit.Trainer, Callable[[fit.Weights], None]]:
    """The trainer of a run, and the function that writes its best weights.

    Args:
        source: a float checkpoint with its gains beside it.
        recipe: how to train.
        images: to train on, and to validate by.
        seed: of patches.
        folder: of the run; `best.safetensors` in it is the result.
        resume: continue from the folder's state.

    Raises:
        UserError: the checkpoint is an int8 one, its gains are missing, or the state is another
            run's.
    """
    checkpoints.require_float(source)
    log_gains = gains.read_log_gains(source)
    tf_keras.utils.set_random_seed(seed)
    photographs, rng = Photographs(images), np.random.default_rng(seed)
    patches, _ = images.cut(recipe.data, CALIBRATION_PATCHES, rng)
    model = calibrated(gains.in_symbols(source, log_gains[-1]), log_gains, recipe, patches)
    identity = {"model": source.spec.name, "source": checkpoints.digest(source.weights)}
    task = fit.Task(model, tf_keras, recipe, 1, photographs, seed, identity)
    description = {
        "model": source.spec.name,
        "images": images.images,
        "recipe": to_dict(recipe),
        "seed": seed,
    }
    notes = {**source.notes, "tuning": description}

    def keep(weights: fit.Weights) -> None:
        quantized = checkpoints.Checkpoint(source.spec, source.config, weights, notes)
        checkpoints.write(folder / BEST, quantized)

    return fit.Trainer(task, folder, resume), keep


def calibrated(
    source: checkpoints.Checkpoint, log_gains: np.ndarray, recipe: Recipe, patches: np.ndarray
) -> Any:
    """The model to train, with ranges from the activations of the float codec.

    Args:
        source: a float checkpoint whose latents are symbols of the highest quality.
        log_gains: (Q,C) of its qualities.
        recipe: how to train.
        patches: uint8 (N,p,p,3), from training images.
    """
    options, outputs = recipe.int8, observe(source, log_gains, patches)
    extremes = _extremes(patches.shape[1])
    if options.equalize:
        both = np.concatenate([patches, extremes])
        source = equalize(source, observe(source, log_gains, both))
        outputs = observe(source, log_gains, patches)
    needed = _middles(observe(source, log_gains, extremes))
    parts = {}
    for part in cae.PARTS:
        simulation = dataclasses.replace(
            _SIMULATED[part], alpha=options.rounded_slopes, learn=options.learned_ranges
        )
        parts[part] = fake_quantized(source, part, simulation)
        network.set_ranges(parts[part], outputs, needed)
    plain = _plain(source, "encoder")
    checkpoints.assign(plain, cae.part_of(source.weights, "encoder"), source.source)
    teacher = tf_keras.Model(plain.input, plain.output, name="teacher")
    return joined(parts, log_gains, teacher)


def _extremes(side: int) -> Pixels:
    """Black, white and the pure colours, uint8 (N,side,side,3): clipping them is visible."""
    corners = np.stack(np.meshgrid(*[[0, 255]] * cae.COLOURS), axis=-1).reshape(-1, cae.COLOURS)
    twice = np.concatenate([corners, corners]).astype(np.uint8)  # at low and at high qualities
    return np.broadcast_to(twice[:, None, None], (len(twice), side, side, cae.COLOURS))


def _middles(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values in the middle of images, where padding has no part in them."""
    return {name: each[:, each.shape[1] // 2, each.shape[2] // 2] for name, each in outputs.items()}


def concrete_function(
    checkpoint: checkpoints.Checkpoint, part: str, height: int, width: int
) -> tuple[Any, Any]:
    """One part of an int8 codec at one input size, for the TFLite converter.

    Returns:
        the TensorFlow function and the model that owns its variables.
    """
    assert isinstance(checkpoint.config, cae.CaeConfig)
    model = fake_quantized(checkpoint, part, _CONVERTED[part])
    name, channels = (
        ("image", cae.COLOURS) if part == "encoder" else ("symbols", checkpoint.config.channels)
    )
    signature = tf.TensorSpec((1, height, width, channels), tf.float32, name=name)

    @tf.function(input_signature=[signature])
    def function(values: Any) -> Any:
        return model(values, training=False)

    return function.get_concrete_function(), model
