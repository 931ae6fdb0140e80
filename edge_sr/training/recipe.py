"""Recipes: all settings of a training, as a TOML file."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError
from edge_sr.metrics import SSIM_WINDOW
from edge_sr.training.cae_options import CaeOptions

_LARGEST = {
    "patch": 1024,
    "batch": 4096,
    "candidates": 16,
    "expand": 1024,
    "epochs": 10**6,
    "steps_per_epoch": 10**6,
}
_LOSSES = ("mae", "mse", "ssim", "ms_ssim", "luma")
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class DataOptions:
    """The patches of a batch.

    Attributes:
        colour: "luminance" (BT.601 Y) or "rgb" (each channel as a separate plane, as in the
            slides).
        patch: side of a low-resolution patch, pixels.
        batch: patches in a batch.
        validation_images: images held out of the training folder.
        candidates: patches drawn for each one that is trained on; hard ones are likelier to be
            chosen (see `sample_patches`).
        rim: width of the border of a patch, in low-resolution pixels (see `losses.Border`).
        rim_weight: weight of a border pixel in the loss; the others have 1.
    """

    colour: str = "luminance"
    patch: int = 32
    batch: int = 16
    validation_images: int = 16
    candidates: int = 1
    rim: int = 0
    rim_weight: float = 1.0


@dataclass(frozen=True)
class OptimizerOptions:
    """The optimizer and its learning rate.

    Attributes:
        kind: "adam", or "soap" (see `soap.py`): for tiny networks, several times fewer steps.
        learning_rate: the maximum rate.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        clip_norm: global norm to which gradients are clipped; 0: no clipping.
        weight_decay: decoupled decay of kernels per step, times the rate (kind "soap").
        schedule: "constant", "cosine" (to zero over all epochs), "plateau" or "halving".
        warmup_epochs: epochs over which the rate rises linearly from zero.
        plateau_epochs: with "plateau", the rate halves after this many epochs without improvement;
            with "halving", after this many epochs.
        ema_decay: decay per step of the averaged weights, which are validated and kept; 0: no
            averaging. The average is updated every 100 steps.
    """

    kind: str = "adam"
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    plateau_epochs: int = 10
    ema_decay: float = 0.0


@dataclass(frozen=True)
class StopOptions:
    """When training ends, and which epoch's weights are kept.

    Attributes:
        epochs: maximum number of epochs.
        steps_per_epoch: steps (batches) in an epoch.
        patience: stop after this many epochs without improvement; 0: never.
        monitor: "psnr" or "ssim" on the validation images keeps the best epoch's weights; "last"
            keeps the last epoch's, which suits a rate that falls to zero.
    """

    epochs: int = 60
    steps_per_epoch: int = 1000
    patience: int = 0
    monitor: str = "psnr"


@dataclass(frozen=True)
class Int8Options:
    """Options of quantization-aware training (QAT); float training ignores them.

    Attributes:
        equalize: equalize channel ranges first (see `quantize.equalize`).
        learned_ranges: train the ranges of activations; else they stay as calibrated.
        rounded_slopes: round PReLU's alpha during QAT, as the converter does.
        correct_bias: correct biases of the kept weights, if validation improves (in a codec only
            the last ones; see `quantize.bias`).
        fit_gain: fit gains and biases of the last convolution, if validation improves (see
            `quantize.gain`).
    """

    equalize: bool = False
    learned_ranges: bool = True
    rounded_slopes: bool = True
    correct_bias: bool = False
    fit_gain: bool = False


@dataclass(frozen=True)
class LatentOptions:
    """Options of a codec's latents in training; see `bottleneck`.

    Attributes:
        quantized: simulate the quantizer: noise in training, rounding in validation.
        rate_weight: weight of a bit per pixel in the loss; 0 ignores the rate.
        clip: clip the encoder block's output to [0, 1] (see `models.tinycompress`).
    """

    quantized: bool = False
    rate_weight: float = 0.0
    clip: bool = True


@dataclass(frozen=True)
class Phase:
    """Settings that change during a run.

    Attributes:
        start: share of the epochs after which they change, in (0, 1).
        patch: side of a low-resolution patch; 0: unchanged.
        batch: patches in a batch; 0: unchanged.
        loss: weights of the terms; empty: unchanged.
        rounded: start rounding; false: unchanged.
        unrounded: stop rounding, so that the output's mean, which rounding shifts, recovers.
    """

    start: float = 0.0
    patch: int = 0
    batch: int = 0
    loss: Mapping[str, float] = field(default_factory=dict)
    rounded: bool = False
    unrounded: bool = False


@dataclass(frozen=True)
class Recipe:
    """A training recipe.

    Attributes:
        name: its name.
        source: the publication or project it comes from.
        expand: channels of over-parameterized convolutions; 0 for plain ones.
        branches: whether these have residual and edge branches too.
        norm: how convolutions are normalized while they train: "none", "weight" or "batch" (see
            `reparam.conv2d`).
        rounded: round kernels and inner activations to 8 bits in float training (see
            `rounding.rounded`).
        bfloat16: let TensorFlow multiply in bfloat16, which is faster for wide networks on a
            processor that supports it (Zen 4, Sapphire Rapids). Weights, sums and validation stay
            in float32.
        smooth: sharpness of the smooth PReLU that is used until values are rounded (see
            `smoothing`); 0: PReLU from the first step.
        loss: weight of each term: "mae", "mse", "ssim" (1 - SSIM), "ms_ssim" (1 - MS-SSIM), "luma"
            (squared error of RGB images' luma).
        latents: options of TinyCompress's latents.
        cae: options of a compressive autoencoder.
        teacher: share of a teacher's output in the targets, in [0, 1] (see `distil.distilled`). In
            quantization-aware training the float network is the teacher.
        phases: changes during the run, in order.
    """

    name: str
    source: str
    expand: int = 0
    branches: bool = False
    norm: str = "none"
    rounded: bool = False
    bfloat16: bool = False
    smooth: float = 0.0
    loss: Mapping[str, float] = field(default_factory=lambda: {"mae": 1.0})
    data: DataOptions = field(default_factory=DataOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    stop: StopOptions = field(default_factory=StopOptions)
    int8: Int8Options = field(default_factory=Int8Options)
    latents: LatentOptions = field(default_factory=LatentOptions)
    cae: CaeOptions = field(default_factory=CaeOptions)
    teacher: float = 0.0
    phases: tuple[Phase, ...] = ()

    def at(self, epoch: int) -> "Recipe":
        """The recipe in force after `epoch` epochs, without phases."""
        now = replace(self, phases=())
        for phase in self.phases:
            if epoch >= round(phase.start * self.stop.epochs):
                patch, batch = phase.patch or now.data.patch, phase.batch or now.data.batch
                data = replace(now.data, patch=patch, batch=batch)
                rounded = (now.rounded or phase.rounded) and not phase.unrounded
                smooth = 0.0 if now.rounded or rounded else now.smooth
                loss = phase.loss or now.loss
                now = replace(now, data=data, loss=loss, rounded=rounded, smooth=smooth)
        return now

    @property
    def ever_rounded(self) -> bool:
        """Whether values are rounded in any part of the training."""
        return self.rounded or any(phase.rounded for phase in self.phases)

    @property
    def largest_patch(self) -> int:
        """The side of the largest patch of any phase."""
        return max([self.data.patch, *(phase.patch for phase in self.phases)])


def names() -> tuple[str, ...]:
    """The names of the recipes that come with edge-sr, sorted."""
    folder = resources.files("edge_sr.training") / "recipes"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir()))


def load(name_or_path: str) -> Recipe:
    """The recipe of that name, or in that TOML file.

    Raises:
        UserError: the recipe is unknown, is not TOML, or has an entry that is unknown or out of
            range.
    """
    path = Path(name_or_path)
    if name_or_path in names():
        text = (resources.files("edge_sr.training") / "recipes" / f"{path.name}.toml").read_text()
    elif path.suffix == ".toml" and path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
    else:
        raise UserError(
            f"unknown recipe {name_or_path!r}; available: {', '.join(names())}, or a .toml file"
        )
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"recipe {name_or_path} is not TOML: {error}") from None
    return from_dict(values)


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values (the inverse of `to_dict`), checked.

    Raises:
        UserError: an entry is unknown, of the wrong type or out of range.
    """
    recipe = _fill(Recipe(name="", source=""), values, "the recipe")
    _check(recipe)
    return recipe


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, for TOML or JSON."""
    return asdict(recipe)


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other entries, nested as in a TOML file; a loss is replaced as a whole.

    Raises:
        UserError: an entry is unknown, of the wrong type or out of range.
    """
    found = _fill(recipe, changes, "the recipe")
    _check(found)
    return found


def default(scale: int, family: str) -> str:
    """The name of the default recipe for a family of networks (see `registry.ModelSpec`)."""
    return f"{family}-x{scale}" if family else f"x{scale}"


def default_int8(scale: int, family: str) -> str:
    """The name of the default QAT recipe: the family's own if it has one, else the common one."""
    own = f"int8-{default(scale, family)}"
    return own if own in names() else f"int8-{default(scale, '')}"


def load_for(name_or_path: str, scale: int) -> Recipe:
    """The recipe of that name or file, checked for a scale.

    Raises:
        UserError: as `load`, or its patches are too small for its loss at that scale.
    """
    recipe = load(name_or_path)
    check_for(recipe, scale)
    return recipe


def check_for(recipe: Recipe, scale: int) -> None:
    """Refuse patches that are too small for the loss at a scale.

    Raises:
        UserError: a patch without its border is smaller than SSIM's window.
    """
    for epoch in range(recipe.stop.epochs if recipe.phases else 1):
        now = recipe.at(epoch)
        side = (now.data.patch - 2 * now.data.rim) * scale
        structural = sorted({"ssim", "ms_ssim"} & set(now.loss))
        if structural and side < SSIM_WINDOW:
            raise UserError(
                f"the loss {structural[-1]} needs patches of {SSIM_WINDOW} high-resolution pixels "
                f"inside the border; patch = {now.data.patch} gives {side} at x{scale}"
            )


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs."""
    changed = replace(recipe, stop=replace(recipe.stop, epochs=epochs))
    _check(changed)
    return changed


def with_validation_images(recipe: Recipe, count: int) -> Recipe:
    """The recipe with another number of images held out."""
    return replace(recipe, data=replace(recipe.data, validation_images=count))


def _fill(default: Any, values: Mapping[str, Any], where: str) -> Any:
    known = {f.name: getattr(default, f.name) for f in fields(default)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UserError(f"{where} has no entry {key!r}; it has {', '.join(known)}")
        old = known[key]
        if is_dataclass(old) and isinstance(value, Mapping):
            changes[key] = _fill(old, value, f"[{key}] of {where}")
        elif isinstance(old, float) and type(value) in (int, float):
            changes[key] = _float(key, value)
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            changes[key] = dict(value)
        elif isinstance(old, tuple) and isinstance(value, list | tuple):
            if not all(isinstance(phase, Mapping) for phase in value):
                raise UserError(f"{key} of {where} must be a list of tables")
            changes[key] = tuple(_fill(Phase(), phase, f"[[{key}]] of {where}") for phase in value)
        elif type(value) is type(old):
            changes[key] = value
        else:
            kind = _TYPES.get(type(old), "a table")
            raise UserError(f"{key} of {where} must be {kind}, not {value!r}")
    return replace(default, **changes)


def _float(key: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise UserError(f"{key} is too large a number") from None


def _check(recipe: Recipe) -> None:
    _check_numbers(recipe)
    _check_choices(recipe)
    _check_forms(recipe)
    recipe.cae.check()
    if recipe.smooth and not any(phase.rounded for phase in recipe.phases):
        raise UserError("smooth needs a phase that ends with PReLU: set rounded = true in a phase")
    starts = [phase.start for phase in recipe.phases]
    if not all(0 < start < 1 for start in starts) or starts != sorted(set(starts)):
        raise UserError(f"phases must start in ascending order between 0 and 1, not at {starts}")
    if any(phase.rounded and phase.unrounded for phase in recipe.phases):
        raise UserError("a phase cannot both start and stop rounding: use one phase for each")
    if any(phase.unrounded for phase in recipe.phases) and not recipe.ever_rounded:
        raise UserError("a phase stops rounding that was not started: set rounded = true before it")
    for count in range(1, len(starts) + 1):
        reached = replace(recipe, phases=recipe.phases[:count]).at(recipe.stop.epochs)
        _check_numbers(reached)
        _check_choices(reached)


def _check_forms(recipe: Recipe) -> None:
    """Refuse training forms of convolutions that exclude each other."""
    if recipe.expand and recipe.norm != "none":
        raise UserError('over-parameterized convolutions are not normalized: set norm = "none"')
    if recipe.ever_rounded and recipe.norm == "batch":
        raise UserError("batch normalization cannot be trained rounded: choose another norm")


def _check_numbers(recipe: Recipe) -> None:
    data, optimizer, stop = recipe.data, recipe.optimizer, recipe.stop
    counts = {"patch": data.patch, "batch": data.batch, "candidates": data.candidates}
    counts |= {
        "epochs": stop.epochs,
        "steps_per_epoch": stop.steps_per_epoch,
        "validation_images": data.validation_images,
        "plateau_epochs": optimizer.plateau_epochs,
    }
    for name, number in counts.items():
        if number < 1:
            raise UserError(f"{name} must be at least 1, not {number}")
    for name, number in (("expand", recipe.expand), ("patience", stop.patience)):
        if number < 0:
            raise UserError(f"{name} must not be negative; it is {number}")
    if recipe.branches and not recipe.expand:
        raise UserError("branches are added to over-parameterized convolutions: set expand as well")
    for name, number in (*counts.items(), ("expand", recipe.expand)):
        if number > _LARGEST.get(name, number):
            raise UserError(f"{name} must be at most {_LARGEST[name]}, not {number}")
    for name in ("beta_1", "beta_2", "ema_decay"):
        if not 0 <= getattr(optimizer, name) < 1:
            raise UserError(f"{name} must be in [0, 1), not {getattr(optimizer, name)}")
    if not (0 < optimizer.learning_rate < math.inf):
        raise UserError(f"learning_rate must be positive, not {optimizer.learning_rate}")
    if not 0 <= 2 * data.rim < data.patch:
        raise UserError(
            f"rim must be from 0 to less than half of patch ({data.patch}), not {data.rim}"
        )
    if not 0 <= recipe.teacher <= 1:
        raise UserError(f"teacher must be in [0, 1], not {recipe.teacher}")
    if not 0 <= recipe.latents.rate_weight < math.inf:
        raise UserError(
            f"rate_weight must be finite and not negative; it is {recipe.latents.rate_weight}"
        )
    if recipe.latents.rate_weight and not recipe.latents.quantized:
        raise UserError("rate_weight needs quantized latents: set quantized = true as well")
    if not 0 <= recipe.smooth < math.inf:
        raise UserError(f"smooth must be finite and not negative; it is {recipe.smooth}")
    if not 0 <= data.rim_weight < math.inf:
        raise UserError(f"rim_weight must be finite and not negative; it is {data.rim_weight}")
    if not 0 <= optimizer.weight_decay < math.inf:
        raise UserError(
            f"weight_decay must be finite and not negative; it is {optimizer.weight_decay}"
        )
    if optimizer.weight_decay and optimizer.kind != "soap":
        raise UserError('weight_decay needs kind = "soap"')
    if not 0 <= optimizer.clip_norm < math.inf:
        raise UserError(f"clip_norm must be finite and not negative; it is {optimizer.clip_norm}")
    if not 0 <= optimizer.warmup_epochs < math.inf:
        raise UserError(
            f"warmup_epochs must be finite and not negative; it is {optimizer.warmup_epochs}"
        )


def _check_choices(recipe: Recipe) -> None:
    choices = (
        ("colour", recipe.data.colour, ("luminance", "rgb")),
        ("norm", recipe.norm, ("none", "weight", "batch")),
        ("kind", recipe.optimizer.kind, ("adam", "soap")),
        ("schedule", recipe.optimizer.schedule, ("constant", "cosine", "plateau", "halving")),
        ("monitor", recipe.stop.monitor, ("psnr", "ssim", "last")),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise UserError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    if not recipe.loss or set(recipe.loss) - set(_LOSSES):
        raise UserError(f"loss must weigh {', '.join(_LOSSES)}, not {dict(recipe.loss)}")
    for name, weight in recipe.loss.items():
        if type(weight) not in (int, float) or not 0 < _float(name, weight) < math.inf:
            raise UserError(f"{name} in loss must be a positive number, not {weight!r}")
