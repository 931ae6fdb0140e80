"""Run the trials of experiments/cae.toml, and keep their results as data.

    python scripts/codec_trials.py --data DIR
    python scripts/codec_trials.py --data DIR --only cae-low --done runs/cae-low
    python scripts/codec_trials.py --table

Trials are written as in `scripts/experiments.py`. A line of the .csv is one quality of one trial:
bits per pixel as the context model estimates them, and PSNR, on images held out of the training
images. The table compares the bits per pixel of a trial with those of the first one that has a
result, at the PSNR of luma and RGB, mean of both, that both reach (Bjontegaard's measure, with
straight lines).
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from edge_sr.models import checkpoint
from edge_sr.models.namespaces import import_keras
from edge_sr.training.cae_run import CaePlan, build, read_result, train_cae
from edge_sr.training.codec_images import QualityImages, load_codec_images
from edge_sr.training.fit import LOG
from edge_sr.training.quality import RatePoint
from edge_sr.training.run import Run
from edge_sr.training.start import BEST
from experiments import Trial, read_trials

TRIALS = Path(__file__).parent.parent / "experiments" / "cae.toml"
COLUMNS = ("name", "steps", "seconds", *RatePoint._fields)

Rows = list[dict[str, str]]


def run(trial: Trial, data: Path, folder: Path) -> Rows:
    """Train a codec; returns the lines of the log."""
    images = load_codec_images(data, trial.recipe)
    place = Run(folder / trial.name, resume=(folder / trial.name).exists())
    started = time.monotonic()
    train_cae(CaePlan(trial.recipe, trial.seed), images, place)
    return logged(trial, place.folder, str(round(time.monotonic() - started)))


def logged(trial: Trial, folder: Path, seconds: str = "") -> Rows:
    """The lines of the log of a trial, from the last epoch in its run's log."""
    with (folder / LOG).open(newline="", encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    qualities = range(1, 1 + sum(name.startswith("bpp_") for name in last))
    return [
        _row(trial, seconds, [last[f"{name}_{quality}"] for name in RatePoint._fields])
        for quality in qualities
    ]


def _row(trial: Trial, seconds: str, values: list[str]) -> dict[str, str]:
    stop = trial.recipe.stop
    steps = str(stop.epochs * stop.steps_per_epoch)
    return dict(zip(COLUMNS, (trial.name, steps, seconds, *values), strict=True))


def score(trial: Trial, data: Path, folder: Path) -> Rows:
    """The lines of the log of a training that is done, without its log."""
    keras = import_keras()
    images = load_codec_images(data, trial.recipe)
    model = build(trial.recipe, keras)
    checkpoint.assign(model, read_result(folder / BEST).weights, str(folder))
    options = trial.recipe.cae
    rates = QualityImages(images, options.qualities, options.flat).validate(model).rates
    return [_row(trial, "", [f"{value:.6g}" for value in point]) for point in rates]


def points(rows: Rows) -> np.ndarray:
    """The curve of a trial, (2,Q): mean PSNR of luma and RGB, and log of bits per pixel."""
    curve = [
        ((float(row["psnr"]) + float(row["psnr_y"])) / 2, np.log(float(row["bpp"]))) for row in rows
    ]
    return np.array(sorted(curve)).T


def difference(rows: Rows, reference: Rows) -> float | None:
    """By which share the bits per pixel differ from the reference's at equal PSNR, mean."""
    (x, y), (x_reference, y_reference) = points(rows), points(reference)
    low, high = max(x[0], x_reference[0]), min(x[-1], x_reference[-1])
    if low > high:
        return None
    at = np.linspace(low, high, 100)
    change = np.interp(at, x, y) - np.interp(at, x_reference, y_reference)
    return float(np.expm1(change.mean()))


def table(trials: list[Trial], rows: Rows) -> str:
    """The log as a Markdown table."""
    lines = [
        "| trial | what | steps | bpp: PSNR-Y / PSNR-RGB, dB | bits |",
        "|---|---|---|---|---|",
    ]
    of = {trial.name: [row for row in rows if row["name"] == trial.name] for trial in trials}
    reference = next(own for own in of.values() if own)
    for trial in trials:
        own = of[trial.name]
        if not own:
            continue
        shown = own if len(own) < 3 else [own[0], own[-1]]
        curve = ", ".join(
            f"{float(r['bpp']):.3f}: {float(r['psnr_y']):.2f} / {float(r['psnr']):.2f}"
            for r in shown
        )
        change = difference(own, reference)
        bits = "-" if change is None else f"{change:+.1%}"
        cells = (trial.name, trial.about, own[0]["steps"], curve, bits)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def read_rows(log: Path) -> Rows:
    """The lines of a log."""
    if not log.exists():
        return []
    with log.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Run the trials that have no result yet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, help="folder of training images")
    parser.add_argument("--only", nargs="*", help="names of trials")
    parser.add_argument("--done", type=Path, help="run's folder of the only trial, trained already")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments/cae"), help="folder")
    parser.add_argument("--table", action="store_true", help="print the results")
    arguments = parser.parse_args()
    log, trials = TRIALS.with_suffix(".csv"), read_trials(TRIALS)
    if arguments.table:
        print(table(trials, read_rows(log)))
        return
    if arguments.data is None:
        parser.error("--data is needed to run trials")
    for trial in trials:
        done = {row["name"] for row in read_rows(log)}
        if trial.name in done or (arguments.only and trial.name not in arguments.only):
            continue
        print(f"{trial.name}: {trial.about}", flush=True)
        if arguments.done and (arguments.done / LOG).exists():
            rows = logged(trial, arguments.done)
        elif arguments.done:
            rows = score(trial, arguments.data, arguments.done)
        else:
            rows = run(trial, arguments.data, arguments.runs)
        with log.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
