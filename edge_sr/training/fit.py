"""The training loop: epochs of random patches, validation, checkpoint, resume.

Models of both Keras namespaces train, on any backend of the namespace.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_sr.data.patches import Pixels
from edge_sr.errors import UserError
from edge_sr.files import make_folder, replacing
from edge_sr.models import checkpoint
from edge_sr.training import losses, rounding, smoothing, soap, state
from edge_sr.training.distribute import Share, Step
from edge_sr.training.quality import RatePoint, Score
from edge_sr.training.recipe import DataOptions, OptimizerOptions, Recipe, to_dict

CHUNK = 100
"""Steps between two updates of the learning rate and of the averaged weights."""

STATE, LOG = "state.safetensors", "log.csv"

Weights = dict[str, np.ndarray]


class DivergedError(UserError):
    """The loss is no longer finite."""


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch.

    Attributes:
        number: from 1.
        loss: mean over its steps.
        score: on the validation images, with the averaged weights.
        rate: learning rate at its end.
        best: whether it is the best so far.
    """

    number: int
    loss: float
    score: Score
    rate: float
    best: bool


class TrainingImages(Protocol):
    """Images to train a network on, and images held out to validate it."""

    @property
    def images(self) -> str:
        """Their number, and a digest of their names."""

    @property
    def digest(self) -> str:
        """A digest of their pixels."""

    def cut(self, data: DataOptions, count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Inputs and targets: uint8 (count,h,w,c) and (count,H,W,C)."""

    def validate(self, model: Any) -> Score:
        """Mean quality of a Keras model over the images held out."""


class Observer(Protocol):
    """Follows a training, to show it."""

    def chunk(self, epoch: int, steps_done: int, loss: float) -> None:
        """Called after some steps: the epoch (from 1), its steps done, their loss."""

    def epoch(self, result: Epoch) -> None:
        """Called after an epoch."""


class Silence:
    """An `Observer` that shows nothing."""

    def chunk(self, epoch: int, steps_done: int, loss: float) -> None:
        """Show nothing."""

    def epoch(self, result: Epoch) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Task:
    """A model, a recipe and images.

    Attributes:
        model: an uncompiled Keras model (N,h,w,c) in [0, 1] to (N,H,W,C).
        keras: the namespace of the model.
        recipe: how it is trained.
        scale: the model's scale.
        samples: to train on, and to validate by.
        seed: of patches; weights were seeded when the model was built.
        identity: what identifies the run besides recipe, scale, seed and images (JSON values); a
            resumed run must have the same.
    """

    model: Any
    keras: Any
    recipe: Recipe
    scale: int
    samples: TrainingImages
    seed: int
    identity: Mapping[str, Any]


class Trainer:
    """One run; every epoch it writes `state.safetensors` and a line of `log.csv` to its folder."""

    def __init__(self, task: Task, folder: Path, resume: bool, share: Share | None = None) -> None:
        """Compile the model, and restore the folder's state.

        Args:
            task: what to train.
            folder: of the run; made at the end of the first epoch.
            resume: continue from the folder's state, if it has one.
            share: this process's part, where several devices or processes train one network.

        Raises:
            UserError: the state is damaged or another run's, or a batch cannot be shared.
        """
        self.task, self.folder, self.share = task, folder, share
        options = task.recipe.optimizer
        self.optimizer = _optimizer(task.keras, options)
        self._variants = _variants(task)
        self._step: Step
        self._enter_phase(task.recipe.at(0))
        self.optimizer.build(task.model.trainable_variables)
        self.average = checkpoint.weights_of(task.model)
        self.epochs_done = 0
        self.best = -math.inf
        self.stale = 0
        self.rate_factor = 1.0
        self.identity = {
            **task.identity,
            "scale": task.scale,
            "recipe": to_dict(task.recipe),
            "seed": task.seed,
            "images": task.samples.images,
            "pixels": task.samples.digest,
        }
        if resume and (folder / STATE).exists():
            saved = state.read(folder / STATE, self.identity)
            try:
                self._restore(saved)
            except (KeyError, TypeError, ValueError):
                raise UserError(
                    f"{folder / STATE} is damaged; start the run anew with --force"
                ) from None

    def run(self, keep_best: Callable[[Weights], None], observer: Observer) -> None:
        """Train to the end.

        Args:
            keep_best: is given the averaged weights by name whenever validation improves.
            observer: follows the progress.

        Raises:
            DivergedError: the loss is no longer finite.
            UserError: the folder cannot be written to.
        """
        if self.share and not self.share.agree(self.epochs_done):
            raise UserError(
                f"the processes are in different epochs: all must read the state in {self.folder}"
            )
        while not self.finished():
            result = self.run_epoch(observer)
            if self.share and not self.share.chief:
                continue
            make_folder(self.folder)
            if result.best:
                keep_best(self.average)
            _log(self.folder / LOG, result)
            saved = state.RunState(self.identity, self._progress(), self._arrays())
            state.write(self.folder / STATE, saved)
            observer.epoch(result)

    def finished(self) -> bool:
        """Whether all epochs are done, or validation has not improved for too many."""
        stop = self.task.recipe.stop
        stalled = bool(stop.patience) and self.stale >= stop.patience
        return stalled or self.epochs_done >= stop.epochs

    def _enter_phase(self, recipe: Recipe) -> None:
        """Use the loss, patches, batches and model variant of this recipe from now on."""
        self.recipe = recipe
        border = losses.Border(recipe.data.rim * self.task.scale, recipe.data.rim_weight)
        loss = losses.weighted_sum(recipe.loss, border)
        variant = "rounded" if recipe.rounded else "smooth" if recipe.smooth else "plain"
        self.trained = self._variants[variant]
        if self.share:
            self.share.check_batch(recipe.data.batch)
            self._step = self.share.step(self.trained, loss, self.optimizer)
        else:
            self.trained.compile(optimizer=self.optimizer, loss=loss)

    def run_epoch(self, observer: Observer) -> Epoch:
        """Train for one epoch and validate."""
        if self.task.recipe.at(self.epochs_done) != self.recipe:
            self._enter_phase(self.task.recipe.at(self.epochs_done))
        total, done = 0.0, 0
        steps, options = self.recipe.stop.steps_per_epoch, self.recipe.optimizer
        for low, high in self._chunks():
            count = len(low) // self.recipe.data.batch
            rate = self._rate(self.epochs_done + done / steps)
            self.optimizer.learning_rate = rate
            with _precision(self.task.keras, self.recipe.bfloat16):
                loss = self._train_on(low, high)
            if not math.isfinite(loss):
                raise DivergedError(
                    f"the loss is {loss} in epoch {self.epochs_done + 1}: training diverged; "
                    "a lower learning_rate or a clip_norm in the recipe helps"
                )
            done, total = done + count, total + loss * count
            if options.kind == "soap" and (done % soap.ROWS == 0 or done == steps):
                soap.refresh(self.optimizer)
            self._update_average(count)
            observer.chunk(self.epochs_done + 1, done, loss)
        score = self._validate_average()
        monitor = self.recipe.stop.monitor
        better = self._is_better(self.epochs_done if monitor == "last" else getattr(score, monitor))
        self.epochs_done += 1
        return Epoch(self.epochs_done, total / done, score, rate, better)

    def _chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Patches for CHUNK steps at a time; the next are cut while the network trains."""
        data = self.recipe.data
        rng = np.random.default_rng([self.task.seed, self.epochs_done])
        left = self.recipe.stop.steps_per_epoch
        sizes = [min(CHUNK, left - i) * data.batch for i in range(0, left, CHUNK)]

        def cut(count: int) -> tuple[np.ndarray, np.ndarray]:
            return self.task.samples.cut(data, count, rng)

        with ThreadPoolExecutor(1) as pool:
            yield from _ahead(pool, cut, sizes)

    def _train_on(self, low: np.ndarray, high: np.ndarray) -> float:
        batch = self.recipe.data.batch
        low, high = low.astype(np.float32) / 255, high.astype(np.float32) / 255
        if self.share:
            starts = range(0, len(low), batch)
            return float(
                np.mean([self._step(low[i : i + batch], high[i : i + batch]) for i in starts])
            )
        history = self.trained.fit(low, high, batch_size=batch, shuffle=False, verbose=0)
        return float(history.history["loss"][-1])

    def _rate(self, epoch: float) -> float:
        options, epochs = self.task.recipe.optimizer, self.task.recipe.stop.epochs
        rate = options.learning_rate * self.rate_factor
        if options.schedule == "cosine":
            rate *= (1 + math.cos(math.pi * epoch / epochs)) / 2
        if options.schedule == "halving":
            rate *= 0.5 ** (epoch // options.plateau_epochs)
        if epoch < options.warmup_epochs:
            chunk = CHUNK / self.task.recipe.stop.steps_per_epoch
            rate *= min(1.0, (epoch + chunk) / options.warmup_epochs)
        return rate

    def _update_average(self, steps: int) -> None:
        """Move the average towards the weights, faster in early steps (bias correction)."""
        steps_done = self.epochs_done * self.task.recipe.stop.steps_per_epoch
        decay = min(self.task.recipe.optimizer.ema_decay, (1 + steps_done) / (10 + steps_done))
        keep = np.float32(decay**steps)
        for name, weights in checkpoint.weights_of(self.task.model).items():
            self.average[name] = keep * self.average[name] + (1 - keep) * weights

    def _validate_average(self) -> Score:
        weights = checkpoint.weights_of(self.task.model)
        checkpoint.assign(self.task.model, self.average)
        score = self.task.samples.validate(self.task.model)
        checkpoint.assign(self.task.model, weights)
        return score

    def _is_better(self, value: float) -> bool:
        """Compare with the best so far; counts epochs without improvement."""
        if value > self.best:
            self.best, self.stale = value, 0
            return True
        self.stale += 1
        options = self.task.recipe.optimizer
        if options.schedule == "plateau" and self.stale % options.plateau_epochs == 0:
            self.rate_factor /= 2
        return False

    def _progress(self) -> dict[str, float]:
        return {
            "epochs_done": self.epochs_done,
            "best": self.best,
            "stale": self.stale,
            "rate_factor": self.rate_factor,
        }

    def _arrays(self) -> Weights:
        arrays = {f"average/{name}": array for name, array in self.average.items()}
        weights = checkpoint.weights_of(self.task.model)
        arrays |= {f"weights/{name}": array for name, array in weights.items()}
        for index, variable in enumerate(self.optimizer.variables):
            arrays[f"optimizer/{index}"] = np.asarray(variable.numpy())
        return arrays

    def _restore(self, saved: state.RunState) -> None:
        parts: dict[str, Weights] = {"average": {}, "weights": {}, "optimizer": {}}
        for name, array in saved.arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = array
        for part in ("average", "weights"):  # the average only to check that it fits
            checkpoint.assign(self.task.model, parts[part], "the state of the run")
        self.average = parts["average"]
        for index, variable in enumerate(self.optimizer.variables):
            variable.assign(parts["optimizer"][str(index)])
        self.epochs_done = int(saved.progress["epochs_done"])
        self.stale = int(saved.progress["stale"])
        self.best = saved.progress["best"]
        self.rate_factor = saved.progress["rate_factor"]
        _cut_log(self.folder / LOG, self.epochs_done)


@contextmanager
def _precision(keras: Any, bfloat16: bool) -> Iterator[None]:
    """With `bfloat16`, TensorFlow multiplies in bfloat16 in functions that are traced inside."""
    if not bfloat16:
        yield
        return
    if keras.backend.backend() != "tensorflow":
        raise UserError("bfloat16 needs TensorFlow: set bfloat16 = false in the recipe")
    import tensorflow as tf

    option = "auto_mixed_precision_onednn_bfloat16"
    tf.config.optimizer.set_experimental_options({option: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({option: False})


def _variants(task: Task) -> dict[str, Any]:
    """The model and its weight-sharing variants (rounded, smooth)."""
    variants = {"plain": task.model}
    if task.recipe.ever_rounded:
        variants["rounded"] = rounding.rounded(task.keras, task.model)
    if task.recipe.smooth:
        variants["smooth"] = smoothing.smooth(task.keras, task.model, task.recipe.smooth)
    return variants


def _optimizer(keras: Any, options: OptimizerOptions) -> Any:
    if options.kind == "soap":
        return soap.create(
            keras, options.beta_1, options.beta_2, options.clip_norm, options.weight_decay
        )
    return keras.optimizers.Adam(
        learning_rate=options.learning_rate,
        beta_1=options.beta_1,
        beta_2=options.beta_2,
        global_clipnorm=options.clip_norm or None,
    )


def _ahead(
    pool: ThreadPoolExecutor,
    cut: Callable[[int], tuple[np.ndarray, np.ndarray]],
    sizes: Sequence[int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The results of `cut` for all sizes, each computed while the one before it is used."""
    pending = pool.submit(cut, sizes[0])
    for size in sizes[1:]:
        ready, pending = pending.result(), pool.submit(cut, size)
        yield ready
    yield pending.result()


def _log(path: Path, result: Epoch) -> None:
    new = not path.exists()
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                header = ["epoch", "loss", "psnr", "ssim", "learning_rate", "best"]
                for number in range(1, len(result.score.rates) + 1):
                    header += [f"{name}_{number}" for name in RatePoint._fields]
                writer.writerow(header)
            values = (result.loss, result.score.psnr, result.score.ssim, result.rate)
            rates = [f"{value:.6g}" for point in result.score.rates for value in point]
            row = [result.number, *(f"{v:.6g}" for v in values), int(result.best), *rates]
            writer.writerow(row)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _cut_log(path: Path, epochs: int) -> None:
    """Drop the line of an epoch whose state was not written."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        with replacing(path) as temporary:
            temporary.write_text("".join(lines[: epochs + 1]), encoding="utf-8")
