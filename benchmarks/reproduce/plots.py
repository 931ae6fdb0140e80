"""Draws training curves: the validation PSNR by epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reproduce.results import Result, Results
from benchmarks.reproduce.study import Study
from edge_sr.files import replacing

FILE = "curves.png"


def draw(path: Path, study: Study, results: Results) -> bool:
    """Draw the curves of all runs, a thin line for each seed; returns False without curves.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = {run.name for run in study.run}
    trained = [result for result in results.results if result.curve and result.run in names]
    if not trained:
        return False
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for number, run in enumerate(study.run):
        _draw_run(axis, f"C{number}", run.name, [r for r in trained if r.run == run.name])
    title = f"{study.title}{' (quick)' if results.quick else ''}"
    axis.set(xlabel="epoch", ylabel="validation PSNR, dB", title=title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small", ncols=2)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=100)
    return True


def _draw_run(axis: Any, colour: str, name: str, results: Sequence[Result]) -> None:
    for number, result in enumerate(results):
        epochs = [point.epoch for point in result.curve]
        psnr = [point.psnr for point in result.curve]
        label = name if number == 0 else None
        axis.plot(epochs, psnr, color=colour, linewidth=0.8, label=label)
