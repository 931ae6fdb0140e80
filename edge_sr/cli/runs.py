"""What training and tuning share on the command line: the folder of a run, Keras, Ctrl-C."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from edge_sr.cli.common import check_folder
from edge_sr.errors import UserError
from edge_sr.files import locked

BEST = "best.safetensors"  # training.start.BEST, which --help must not wait for
_FILES = (BEST, "state.safetensors", "log.csv")
_TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class Run:
    """Where a run writes, and how it treats what is there.

    Attributes:
        folder: of the run; made when there is something to write.
        seed: of weights and patches.
        resume: go on with the run in the folder.
        force: replace the run in the folder.
        tensorboard: write TensorBoard logs as well.
    """

    folder: Path
    seed: int
    resume: bool
    force: bool
    tensorboard: bool

    @property
    def best(self) -> Path:
        """The best epoch's weights."""
        return self.folder / BEST

    @property
    def log_folder(self) -> Path | None:
        """Where TensorBoard logs go, if anywhere."""
        return self.folder / _TENSORBOARD if self.tensorboard else None


def check(run: Run, inputs: Sequence[Path] = ()) -> None:
    """Refuse a folder that cannot take the run, before any work is done.

    Raises:
        UserError: it is no folder, not writable, has a run already, or none to resume, or its
            files are the run's own inputs.
    """
    folder = run.folder
    if run.resume and run.force:
        raise UserError("--resume goes on with a run and --force replaces it; give one of them")
    check_folder(folder)
    present = [name for name in (*_FILES, _TENSORBOARD) if (folder / name).exists()]
    if run.resume and not present:
        raise UserError(f"there is nothing to resume in {folder}; leave out --resume")
    if present and not (run.resume or run.force):
        raise UserError(
            f"{folder} has {present[0]} already; --resume goes on with its run, --force replaces "
            "it, --out names another folder"
        )
    for path in inputs:
        if path.resolve() in [(folder / name).resolve() for name in _FILES]:
            raise UserError(f"{path} would be overwritten; --out names another folder")


@contextmanager
def owned(run: Run, *parts: str) -> Iterator[None]:
    """Keep the folder to this process; what --force replaces, there and in `parts`, goes now.

    Raises:
        UserError: another process has it.
    """
    with locked(run.folder):
        for folder in (run.folder, *(run.folder / part for part in parts)) if run.force else ():
            _clear(folder)
        yield


def _clear(folder: Path) -> None:
    """Remove the files of a run, and nothing else."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _TENSORBOARD, ignore_errors=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command with a word on how to go on, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("edge-sr: interrupted; --resume goes on after the last whole epoch", err=True)
        raise typer.Exit(130) from None


def report(run: Run) -> None:
    """Print where the result is.

    Raises:
        UserError: a complete run was resumed whose result is gone.
    """
    if not run.best.is_file():
        raise UserError(f"{run.best} is gone from a complete run; --force trains it anew")
    typer.echo(f"{run.best}")
