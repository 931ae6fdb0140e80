"""Quantization-aware training of a checkpoint in a run's folder."""

from pathlib import Path

from edge_sr.errors import UserError, require
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models.cae import CaeConfig
from edge_sr.models.namespaces import import_keras
from edge_sr.quiet import quiet_native, quiet_tensorflow
from edge_sr.training.codec_images import CodecImages
from edge_sr.training.recipe import Recipe
from edge_sr.training.run import Display, Run, owned, silent, train
from edge_sr.training.samples import Samples
from edge_sr.training.start import seed_everything


def check_recipe(recipe: Recipe) -> None:
    """Check that the recipe and this machine allow quantization-aware training.

    Raises:
        UserError: the recipe is one of float training, Keras has another backend than TensorFlow,
            or a package is missing.
    """
    if recipe.ever_rounded:
        raise UserError(
            f"recipe {recipe.name} has `rounded`, which is for float training; quantization-aware "
            "training always rounds: int8-x2 and int8-x4 are recipes for it"
        )
    if import_keras().backend.backend() != "tensorflow":
        raise UserError(
            "quantization-aware training needs TensorFlow; set KERAS_BACKEND=tensorflow"
        )
    with quiet_native():
        require("tf_keras", "train")
        require("tensorflow_model_optimization", "train")


def quantize(
    checkpoint: Path,
    recipe: Recipe,
    images: Samples | CodecImages,
    seed: int,
    run: Run,
    display: Display = silent,
) -> Path:
    """Train a float checkpoint on with fake quantization, in the run's folder.

    Args:
        checkpoint: a float one, of an upscaler or of a codec.
        recipe: how; see `check_recipe`.
        images: `Samples` for an upscaler, `CodecImages` for a codec.
        seed: of patches.
        run: where; see `training.run.check`.
        display: shows progress.

    Returns:
        the int8 checkpoint of the best epoch.

    Raises:
        UserError: the checkpoint is an int8 one, or as `fit.Trainer.run`.
    """
    seed_everything(import_keras(), seed)
    with quiet_native():
        from edge_sr.quantize import cae, codec, upscaler
    quiet_tensorflow()
    source = checkpoints.read(checkpoint)
    with owned(run):
        if isinstance(images, CodecImages):
            kind = cae if isinstance(source.config, CaeConfig) else codec
            trainer, keep = kind.prepare(source, recipe, images, seed, run.folder, run.resume)
        else:
            trainer, keep = upscaler.prepare(source, recipe, images, seed, run.folder, run.resume)
        train(trainer, keep, display, run.log_folder)
        return run.result()
