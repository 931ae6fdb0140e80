"""A run's folder, and training from Python without the command line."""

import dataclasses
from pathlib import Path

import pytest

from edge_sr.errors import UserError
from edge_sr.models import checkpoint, registry
from edge_sr.training.recipe import DataOptions, Recipe, StopOptions
from edge_sr.training.run import Run, check, owned, train_upscaler
from edge_sr.training.samples import load_samples
from edge_sr.training.start import Plan

RECIPE = Recipe(
    name="smoke",
    source="a test",
    data=DataOptions(patch=16, batch=4, validation_images=2),
    stop=StopOptions(epochs=1, steps_per_epoch=2),
)


def write_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("best.safetensors", "state.safetensors", "log.csv", "notes.txt"):
        (folder / name).write_text(name)


def test_a_network_is_trained_from_python(photographs, tmp_path):
    spec = registry.get("tinypssr-anchor")
    samples = load_samples(photographs, 2, RECIPE)
    run = Run(tmp_path / "run")
    plan = Plan(spec, spec.config(2), RECIPE, seed=3)
    best = train_upscaler(plan, samples, run)
    assert best == run.best
    assert checkpoint.read(best).notes["training"]["seed"] == 3
    resumed = dataclasses.replace(run, resume=True)
    assert train_upscaler(plan, samples, resumed) == best  # nothing left to do
    best.unlink()
    with pytest.raises(UserError, match="is gone from a complete run"):
        train_upscaler(plan, samples, resumed)


def test_the_int8_part_resumes_only_what_exists(tmp_path):
    run = Run(tmp_path, resume=True)
    assert run.int8 == Run(tmp_path / "int8", resume=False)
    (tmp_path / "int8").mkdir()
    assert run.int8 == Run(tmp_path / "int8", resume=True)
    assert Run(tmp_path, force=True).int8 == Run(tmp_path / "int8")


def test_a_forced_run_removes_its_files_and_no_others(tmp_path):
    write_files(tmp_path / "run")
    write_files(tmp_path / "run" / "int8")
    run = Run(tmp_path / "run", force=True)
    with owned(run):
        left = {path.name for path in run.folder.iterdir()}
        assert left == {"notes.txt", "int8", ".lock"}
        assert (run.int8.best).is_file()
    with owned(run, "int8"):
        assert [path.name for path in run.int8.folder.iterdir()] == ["notes.txt"]


def test_folders_that_cannot_take_a_run_are_refused(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(UserError, match="nothing to resume"):
        check(Run(folder, resume=True))
    write_files(folder)
    with pytest.raises(UserError, match=r"has best\.safetensors already"):
        check(Run(folder))
    with pytest.raises(UserError, match="give one of them"):
        check(Run(folder, resume=True, force=True))
    with pytest.raises(UserError, match="is a file"):
        check(Run(folder / "log.csv"))
    with pytest.raises(UserError, match="would be overwritten"):
        check(Run(folder, force=True), [folder / "best.safetensors"])
    with owned(Run(folder)), pytest.raises(UserError, match="in use"), owned(Run(folder)):
        pass
