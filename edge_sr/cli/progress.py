"""How training shows its progress: a rich progress bar, and TensorBoard logs if requested."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge_sr.errors import require
from edge_sr.training.fit import Epoch
from edge_sr.training.recipe import StopOptions


@contextmanager
def show_training(stop: StopOptions, log_folder: Path | None) -> Iterator["TrainingDisplay"]:
    """Show a run's progress; Ctrl-C ends the command with a hint on resuming, and exit code 130.

    Args:
        stop: tells how many steps the run has.
        log_folder: of TensorBoard logs, or None.
    """
    try:
        with TrainingDisplay(stop, log_folder) as display:
            yield display
    except KeyboardInterrupt:
        typer.echo(
            "edge-sr: interrupted; --resume continues after the last complete epoch", err=True
        )
        raise typer.Exit(130) from None


class TrainingDisplay:
    """A `training.fit.Observer` for people: steps, loss, validation PSNR."""

    def __init__(self, stop: StopOptions, log_folder: Path | None) -> None:
        self._steps = stop.steps_per_epoch
        self._psnr = "-"
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]} | PSNR {task.fields[psnr]} dB"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(
            "training", total=stop.epochs * stop.steps_per_epoch, loss="-", psnr="-"
        )
        self._writer: Any = None
        if log_folder is not None:
            require("tensorboard", "tensorboard")
            self._writer = require("tensorflow", "train").summary.create_file_writer(
                str(log_folder)
            )

    def __enter__(self) -> "TrainingDisplay":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if self._writer is not None:
            self._writer.close()

    def chunk(self, epoch: int, steps_done: int, loss: float) -> None:
        """Show the steps done in an epoch (from 1), and their loss."""
        self._progress.update(
            self._task,
            completed=(epoch - 1) * self._steps + steps_done,
            description=f"epoch {epoch}",
            loss=f"{loss:.5f}",
        )

    def epoch(self, result: Epoch) -> None:
        """Show an epoch's validation, and log it for TensorBoard."""
        self._progress.update(self._task, psnr=f"{result.score.psnr:.3f}")
        if not self._progress.console.is_terminal:
            self._progress.console.print(
                f"epoch {result.number}: loss {result.loss:.5f}, PSNR {result.score.psnr:.3f} dB, "
                f"SSIM {result.score.ssim:.4f}{', best' if result.best else ''}",
                soft_wrap=True,
            )
            rates = [f"{point.bpp:.3f} bpp {point.psnr:.2f} dB" for point in result.score.rates]
            if rates:
                self._progress.console.print(f"  {', '.join(rates)}", soft_wrap=True)
        if self._writer is not None:
            self._record(result)

    def _record(self, result: Epoch) -> None:
        import tensorflow as tf

        with self._writer.as_default(step=result.number):
            tf.summary.scalar("loss", result.loss)
            tf.summary.scalar("validation/psnr", result.score.psnr)
            tf.summary.scalar("validation/ssim", result.score.ssim)
            tf.summary.scalar("learning_rate", result.rate)
