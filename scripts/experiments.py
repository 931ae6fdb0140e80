"""Run the trials of experiments/*.toml, and keep their results as data.

    python scripts/experiments.py experiments/float.toml --data DIR
    python scripts/experiments.py experiments/float.toml --table

A trial is a recipe with changes; `after` names the trial whose changes it extends. Results go into
a .csv next to the file, one line each; trials with a result are not run again. They are scored on
images held out of the training images only.
"""

import argparse
import csv
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sr.data.patches import Planes
from edge_sr.models import checkpoint as checkpoints
from edge_sr.models import registry
from edge_sr.models.namespaces import import_keras
from edge_sr.quantize.run import quantize
from edge_sr.training import distil, quality
from edge_sr.training import recipe as recipes
from edge_sr.training.run import Run, train_upscaler
from edge_sr.training.samples import load_samples
from edge_sr.training.start import Plan
from edge_sr.training.teacher import open_teacher
from edge_sr.zoo import catalog

COLUMNS = ("name", "model", "scale", "steps", "seconds", "psnr", "ssim", "float_psnr")


@dataclass(frozen=True)
class Trial:
    """One training run, and one line of the log.

    Attributes:
        name: of the trial.
        about: what is tried, for people.
        model: registered name.
        scale: of the model.
        recipe: how it is trained or quantized.
        quantized: quantize the shipped float network (QAT) instead of training one.
        teacher: shipped model whose output is blended into the targets, or "".
        seed: of weights and patches; the validation images are those of seed 0.
    """

    name: str
    about: str
    model: str
    scale: int
    recipe: recipes.Recipe
    quantized: bool
    teacher: str
    seed: int


def read_trials(path: Path) -> list[Trial]:
    """The trials of a file, each with the changes of the trials before it."""
    complete: dict[str, dict[str, Any]] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["trial"]:
        base = complete[entry["after"]] if "after" in entry else {}
        complete[entry["name"]] = _merged(base, entry)
    return [_trial(entry) for entry in complete.values()]


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        deep = isinstance(old, Mapping) and isinstance(value, Mapping) and key != "loss"
        merged[key] = _merged(old, value) if deep else value
    return merged


def _trial(entry: Mapping[str, Any]) -> Trial:
    plain = recipes.to_dict(recipes.load_for(entry["recipe"], entry["scale"]))
    recipe = recipes.from_dict(_merged(plain, entry["changes"]))
    return Trial(
        entry["name"],
        entry["about"],
        entry["model"],
        entry["scale"],
        recipes.with_epochs(recipe, entry["epochs"]),
        entry.get("tuned", False),
        entry.get("teacher", ""),
        entry.get("seed", 0),
    )


def run(trial: Trial, data: Path, folder: Path) -> dict[str, Any]:
    """Train or quantize a network; returns the line of the log."""
    spec = registry.get(trial.model)
    # All trials are scored on the same images.
    samples = load_samples(data, trial.scale, trial.recipe, spec.channels)
    held_out = samples.validation
    if trial.teacher:
        upscale = open_teacher(trial.teacher, trial.scale, spec.channels)
        samples = distil.distilled(samples, upscale, trial.recipe.teacher)
    place = Run(folder / trial.name, resume=(folder / trial.name).exists())
    started = time.monotonic()
    float_psnr = ""
    if trial.quantized:
        source = catalog.find(f"{trial.model}-x{trial.scale}").checkpoint("float32")
        quantize(source, trial.recipe, samples, trial.seed, place)
        from edge_sr.quantize import network

        model = network.fake_quantized(checkpoints.read(place.best))
        float_psnr = f"{_score(checkpoints.load_model(source), held_out, trial).psnr:.4f}"
    else:
        config = spec.config(trial.scale)
        train_upscaler(Plan(spec, config, trial.recipe, trial.seed), samples, place)
        model = checkpoints.load_model(place.best)
    seconds = round(time.monotonic() - started)
    score = _score(model, held_out, trial)
    stop = trial.recipe.stop
    values = (f"{score.psnr:.4f}", f"{score.ssim:.5f}", float_psnr)
    steps = stop.epochs * stop.steps_per_epoch
    line = (trial.name, trial.model, trial.scale, steps, seconds, *values)
    return dict(zip(COLUMNS, line, strict=True))


def _score(model: Any, held_out: Planes, trial: Trial) -> quality.Score:
    return quality.validate(model, held_out, trial.scale)


def table(trials: list[Trial], results: Mapping[str, Mapping[str, str]]) -> str:
    """The log as a Markdown table."""
    lines = ["| trial | what | steps | seconds | PSNR, dB | SSIM |", "|---|---|---|---|---|---|"]
    for trial in trials:
        if trial.name in results:
            result = results[trial.name]
            psnr = result["psnr"]
            if result["float_psnr"]:
                psnr += f" ({float(psnr) - float(result['float_psnr']):+.3f})"
            cost = result["steps"], result["seconds"]
            cells = (trial.name, trial.about, *cost, psnr, result["ssim"])
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the trials that have no result yet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("trials", type=Path, help="experiments/*.toml")
    parser.add_argument("--data", type=Path, help="folder of training images")
    parser.add_argument("--only", nargs="*", help="names of trials")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/experiments"), help="folder of the runs"
    )
    parser.add_argument("--table", action="store_true", help="print the results")
    arguments = parser.parse_args()
    log = arguments.trials.with_suffix(".csv")
    trials = read_trials(arguments.trials)
    if arguments.table:
        print(table(trials, read_results(log)))
        return
    if arguments.data is None:
        parser.error("--data is needed to run trials")
    import_keras()
    for trial in trials:
        selected = not arguments.only or trial.name in arguments.only
        if selected and trial.name not in read_results(log):
            print(f"{trial.name}: {trial.about}", flush=True)
            line = run(trial, arguments.data, arguments.runs / arguments.trials.stem)
            with log.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(line)


def read_results(log: Path) -> dict[str, dict[str, str]]:
    """The lines of a log by trial."""
    if not log.exists():
        return {}
    with log.open(newline="", encoding="utf-8") as file:
        return {line["name"]: line for line in csv.DictReader(file)}


if __name__ == "__main__":
    main()
