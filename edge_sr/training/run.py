"""A training run in a folder: what it resumes or replaces, and the training of an upscaler in it.

A run's folder holds `best.safetensors` (the result; of a compressive autoencoder together with
`rate_model.safetensors`), `state.safetensors` (to resume from) and `log.csv` (one line an epoch).
Progress goes to a `Display`; the command line has one for terminals.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sr.errors import UserError
from edge_sr.files import check_folder, locked
from edge_sr.models.namespaces import import_keras
from edge_sr.training import fit
from edge_sr.training.distribute import Share
from edge_sr.training.recipe import StopOptions
from edge_sr.training.start import BEST, RATE_MODEL, Plan, prepare

_FILES = (BEST, RATE_MODEL, fit.STATE, fit.LOG)
_TENSORBOARD = "tensorboard"
INT8 = "int8"
"""Folder, inside a float run's, of the quantization-aware training that follows it."""

Display = Callable[[StopOptions, Path | None], AbstractContextManager[fit.Observer]]
"""Makes what shows a run's progress, from its stop options and the folder of TensorBoard logs (or
None): a context manager around the training that gives an observer."""


@dataclass(frozen=True)
class Run:
    """Where a run writes, and how it treats the files of a previous run.

    Attributes:
        folder: of the run; made when there is something to write.
        resume: continue the run in the folder.
        force: replace the run in the folder.
        tensorboard: write TensorBoard logs as well.
    """

    folder: Path
    resume: bool = False
    force: bool = False
    tensorboard: bool = False

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / BEST

    @property
    def log_folder(self) -> Path | None:
        """The folder of TensorBoard logs, or None."""
        return self.folder / _TENSORBOARD if self.tensorboard else None

    @property
    def int8(self) -> "Run":
        """The quantization-aware training that follows this float run."""
        folder = self.folder / INT8
        return replace(self, folder=folder, force=False, resume=self.resume and folder.exists())

    def result(self) -> Path:
        """The checkpoint of the best epoch, after training.

        Raises:
            UserError: a complete run was resumed whose result was removed.
        """
        if not self.best.is_file():
            raise UserError(f"{self.best} is gone from a complete run; --force trains it anew")
        return self.best


def check(run: Run, inputs: Sequence[Path] = ()) -> None:
    """Refuse a folder that cannot take the run, before any work is done.

    Args:
        run: to be started or resumed.
        inputs: files that the run reads.

    Raises:
        UserError: the folder is a file or not writable, has a run already or none to resume, or an
            input would be overwritten.
    """
    folder = run.folder
    if run.resume and run.force:
        raise UserError("--resume continues a run and --force replaces it; give one of them")
    check_folder(folder)
    present = [name for name in (*_FILES, _TENSORBOARD) if (folder / name).exists()]
    if run.resume and not present:
        raise UserError(f"there is nothing to resume in {folder}; leave out --resume")
    if present and not (run.resume or run.force):
        raise UserError(
            f"{folder} has {present[0]} already; --resume continues its run, --force replaces it, "
            "--out names another folder"
        )
    for path in inputs:
        if path.resolve() in [(folder / name).resolve() for name in _FILES]:
            raise UserError(f"{path} would be overwritten; --out names another folder")


@contextmanager
def owned(run: Run, *parts: str) -> Iterator[None]:
    """Lock the folder for this process; with `force`, remove the previous run in it.

    Args:
        run: whose folder it is.
        parts: folders inside that hold runs which are removed as well.

    Raises:
        UserError: another process has locked the folder.
    """
    with locked(run.folder):
        if run.force:
            for folder in (run.folder, *(run.folder / part for part in parts)):
                _clear(folder)
        yield


def _clear(folder: Path) -> None:
    """Remove the files of a run, and nothing else."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _TENSORBOARD, ignore_errors=True)


def silent(stop: StopOptions, log_folder: Path | None) -> AbstractContextManager[fit.Observer]:
    """The `Display` that shows nothing and writes no TensorBoard logs."""
    return nullcontext(fit.Silence())


def train_upscaler(
    plan: Plan,
    samples: fit.TrainingImages,
    run: Run,
    share: Share | None = None,
    display: Display = silent,
) -> Path | None:
    """Train a float super-resolution network in the run's folder.

    Args:
        plan: what is trained, and how.
        samples: to train on, and to validate by.
        run: where; see `check`.
        share: this process's part, where several processes train one network.
        display: shows progress.

    Returns:
        the checkpoint of the best epoch; None in a process that does not write.

    Raises:
        UserError: as `prepare` and `fit.Trainer.run`.
    """
    keras = import_keras()
    chief = share is None or share.chief
    with owned(run, INT8) if chief else nullcontext():
        trainer, keep = prepare(plan, keras, samples, run.folder, run.resume, share)
        train(trainer, keep, display, run.log_folder if chief else None)
        return run.result() if chief else None


def train(
    trainer: fit.Trainer,
    keep: Callable[[fit.Weights], None],
    display: Display,
    log_folder: Path | None,
) -> None:
    """Train to the end, unless the run is complete, and show progress.

    Args:
        trainer: of the run.
        keep: is given the weights whenever validation improves.
        display: shows progress.
        log_folder: of TensorBoard logs, or None.

    Raises:
        UserError: as `fit.Trainer.run`.
    """
    if not trainer.finished():
        with display(trainer.task.recipe.stop, log_folder) as observer:
            trainer.run(keep, observer)
