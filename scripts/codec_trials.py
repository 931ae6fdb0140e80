"""Run the trials of experiments/cae.toml, and keep their results as data.

    python scripts/codec_trials.py --data DIR
    python scripts/codec_trials.py --table

Trials are written as in `scripts/experiments.py`. A line of the .csv is one quality of one trial:
bits per pixel as the context model estimates them, and PSNR, on images held out of the training
images. The table compares the bits per pixel of a trial with those of the first one at the PSNR of
luma and RGB, mean of both, that both reach (Bjontegaard's measure, with straight lines).
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from edge_sr.training.cae_run import CaePlan, train_cae
from edge_sr.training.codec_images import load_codec_images
from edge_sr.training.run import Run
from experiments import Trial, read_trials

TRIALS = Path(__file__).parent.parent / "experiments" / "cae.toml"
COLUMNS = ("name", "steps", "seconds", "bpp", "psnr", "psnr_y")

Rows = list[dict[str, str]]


def run(trial: Trial, data: Path, folder: Path) -> Rows:
    """Train a codec; returns the lines of the log."""
    images = load_codec_images(data, trial.recipe)
    place = Run(folder / trial.name, resume=(folder / trial.name).exists())
    started = time.monotonic()
    train_cae(CaePlan(trial.recipe, trial.seed), images, place)
    stop = trial.recipe.stop
    cost = {"steps": str(stop.epochs * stop.steps_per_epoch)}
    cost["seconds"] = str(round(time.monotonic() - started))
    with (place.folder / "log.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    qualities = sum(name.startswith("bpp_") for name in last)
    return [
        {"name": trial.name, **cost, **{n: last[f"{n}_{quality}"] for n in COLUMNS[3:]}}
        for quality in range(1, qualities + 1)
    ]


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
    for trial in trials:
        own = of[trial.name]
        if not own:
            continue
        shown = own if len(own) < 3 else [own[0], own[-1]]
        curve = ", ".join(
            f"{float(r['bpp']):.3f}: {float(r['psnr_y']):.2f} / {float(r['psnr']):.2f}"
            for r in shown
        )
        change = difference(own, of[trials[0].name])
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
        rows = run(trial, arguments.data, arguments.runs)
        with log.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
