"""How training shows itself: a rich progress bar, and TensorBoard when asked for."""

from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge_sr.errors import require
from edge_sr.training.fit import Epoch
from edge_sr.training.recipe import StopOptions


class TrainingDisplay:
    """An observer of `training.fit` for people: steps, loss, validation PSNR."""

    def __init__(self, stop: StopOptions, tensorboard: Path | None) -> None:
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
        if tensorboard is not None:
            require("tensorboard", "tensorboard")
            self._writer = require("tensorflow", "train").summary.create_file_writer(
                str(tensorboard)
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
        """After some steps of an epoch (from 1)."""
        self._progress.update(
            self._task,
            completed=(epoch - 1) * self._steps + steps_done,
            description=f"epoch {epoch}",
            loss=f"{loss:.5f}",
        )

    def epoch(self, result: Epoch) -> None:
        """After an epoch: show its validation, keep it for TensorBoard."""
        self._progress.update(self._task, psnr=f"{result.score.psnr:.3f}")
        if not self._progress.console.is_terminal:
            self._progress.console.print(
                f"epoch {result.number}: loss {result.loss:.5f}, PSNR {result.score.psnr:.3f} dB, "
                f"SSIM {result.score.ssim:.4f}{', best' if result.best else ''}",
                soft_wrap=True,
            )
        if self._writer is not None:
            self._record(result)

    def _record(self, result: Epoch) -> None:
        import tensorflow as tf

        with self._writer.as_default(step=result.number):
            tf.summary.scalar("loss", result.loss)
            tf.summary.scalar("validation/psnr", result.score.psnr)
            tf.summary.scalar("validation/ssim", result.score.ssim)
            tf.summary.scalar("learning_rate", result.rate)
