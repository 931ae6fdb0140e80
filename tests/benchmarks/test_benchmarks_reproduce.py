"""Studies: their files, their runs in processes that may die, and their tables."""

import dataclasses
import json
import math
import os
import re
import shutil
import signal
import statistics
import time
import tomllib
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import Processes, wait_until, with_start_up
from skimage.metrics import peak_signal_noise_ratio

from benchmarks.reproduce import published, results, work
from benchmarks.reproduce import study as studies
from benchmarks.reproduce.drive import RESULTS, Request, reproduce
from benchmarks.reproduce.judge import judge, wobble
from benchmarks.reproduce.pool import Outcome, Pool
from benchmarks.reproduce.results import Point, Result, Results, Score
from benchmarks.reproduce.reuse import find_runs, reuse_runs
from benchmarks.reproduce.study import Claim, Study, load, names, repetitions, results_file
from benchmarks.reproduce.tables import tables
from edge_sr.data.colour import luminance
from edge_sr.data.degradation import bicubic_downscale, bicubic_upscale
from edge_sr.errors import UserError
from edge_sr.files import locked
from edge_sr.models import checkpoint
from edge_sr.training.start import BEST

STUDY = """
title = "Smoke"
source = "a test"
about = "Full."
recipe = "slides"
published = "losses"
figures = ["psnr"]
columns = ["set5 x2", "set5 x4", "urban100 x2"]
[quick]
about = "Two batches."
changes.data = { patch = 16, batch = 2, validation_images = 1 }
changes.stop = { epochs = 16, steps_per_epoch = 1 }
[[run]]
name = "mae"
model = "tinypssr"
scale = 2
options = { activation = "gcu+prelu" }
changes.loss = { mae = 1.0 }
[[run]]
name = "bicubic"
model = "bicubic"
scale = 2
[[claim]]
about = "MAE has the best PSNR"
figure = "psnr"
best = ["mae"]
"""

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is missing: `pip install 'edge-sr[ray]'`"
)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "smoke.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def tiny(photographs: Path, tmp_path: Path) -> Path:
    """A test set of one small image."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    with Image.open(photographs / "coffee0.png") as image:
        image.crop((0, 0, 40, 40)).save(folder / "a.png")
    return folder


# --- files


@pytest.mark.parametrize("name", names())
def test_shipped_studies_and_results_are_valid(name: str) -> None:
    study = load(name)
    printed = published.load(study.published)
    for figure, rows in printed.figures.items():
        assert figure in study.figures
        for cells in rows.values():
            assert set(cells) <= set(study.columns)
    known = {run.name for run in study.run}
    assert known & {row for figure in printed.figures.values() for row in figure}
    for path in (results_file(name, quick) for quick in (True, False)):
        if path.exists():
            assert {result.run for result in results.read(path).results} <= known


def test_every_published_table_has_a_study() -> None:
    printed = tomllib.loads(Path(published.__file__).with_name("published.toml").read_text())
    assert {load(name).published for name in names()} == set(printed)


def test_the_published_figures_fulfil_the_claims() -> None:
    """The published figures as results fulfil the claims of the studies."""
    for name in names():
        study = load(name)
        printed = published.load(study.published)
        found = [_printed_result(run.name, study, printed) for run in study.run]
        # Over all sets the published PSNR of MSE is 0.0009 dB above MAE: the claim is about Set5.
        for sentence in judge(study, [f for f in found if f.scores], ("psnr", "ssim")):
            assert sentence.startswith(("Holds", "Not judged")), (name, sentence)


def _printed_result(name: str, study: Study, printed: published.Published) -> Result:
    cells = {
        column: [printed.figures.get(f, {}).get(name, {}).get(column) for f in ("psnr", "ssim")]
        for column in study.columns
    }
    scores = tuple(
        Score(column, 1, "", psnr, ssim or 0.0)
        for column, (psnr, ssim) in cells.items()
        if psnr is not None
    )
    return Result(name, 0, "", 0, 0, "", "", (), scores)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Smoke"', 'title = "Smoke"\ncolour = 3', "'colour' is unknown"),
        ("scale = 2", "scale = 2\nsize = 3", "'size' is unknown"),
        ("scale = 2", "scale = 1", "at least 2 is needed"),
        ("changes.loss = { mae = 1.0 }", "changes.lost = 1", "no entry 'lost'"),
        ("batch = 2", "batches = 2", "no entry 'batches'"),
        ('"set5 x4"', '"set5"', "'set5' is not a column"),
        ('best = ["mae"]', 'best = ["mse"]', "unknown run 'mse'"),
        ('best = ["mae"]', 'best = ["mae", "bicubic"]', "lists all runs as best"),
        ('best = ["mae"]', "", "needs either best or pairs"),
        ('name = "bicubic"', 'name = "mae"', "different names"),
        ('name = "bicubic"', 'name = "../mae"', "different names"),
        ('figures = ["psnr"]', 'figures = ["beauty"]', "must be one of psnr, ssim"),
        ('title = "Smoke"', 'title = "Smoke"\nborder = -1', "border must be 0 to 100, not -1"),
        ('title = "Smoke"', 'title = "Smoke"\nname = "fog"', "the study must have exactly title"),
        ("[quick]", "[quick", "is not TOML"),
        ('title = "Smoke"', "title = " + 3000 * "[", "is not TOML: maximum recursion depth"),
        ('title = "Smoke"', 'title = ""', "title must not be empty"),
        ('figures = ["psnr"]', "figures = []", "figures must not be empty"),
        ('"losses"', '"losess"', "unknown published table 'losess'"),
        ('"gcu+prelu"', '"gcu+prelu", scale = 4', "have a scale; it belongs to the run"),
        ("scale = 2", 'scale = 2\nbaseline = "mae"', "is its own baseline"),
    ],
)
def test_a_wrong_study_file_is_refused(study_file: Path, old: str, new: str, message: str) -> None:
    study_file.write_text(STUDY.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as error:
        load(str(study_file))
    assert str(error.value).startswith(str(study_file))


def test_the_example_in_the_documentation_is_a_study(tmp_path: Path) -> None:
    assert studies.__doc__ is not None
    (tmp_path / "shown.toml").write_text(studies.__doc__.partition("\n")[2])
    shown = load(str(tmp_path / "shown.toml"))
    assert [run.name for run in shown.run] == ["mae", "mse"]
    assert shown.recipe_of(shown.run[1], True).loss == {"mse": 1.0}


def test_a_network_is_applied_repeatedly_to_reach_a_larger_scale() -> None:
    run = load("training-scale").run[0]
    assert [repetitions(run, scale) for scale in (2, 3, 4, 8)] == [1, 0, 2, 3]
    assert repetitions(dataclasses.replace(run, scale=4), 2) == 0


# --- runs


def _request(study: Path, photographs: Path, folder: Path, **sets: Path) -> Request:
    return Request(load(str(study)), True, 1, folder, photographs, sets)


def _run(request: Request) -> Results:
    return reproduce(request, Pool(1), lambda *_: None)


def _command(study: Path, photographs: Path, out: Path, *more: object) -> list[object]:
    arguments = ["reproduce", study, "--quick", "--data", photographs, "--out", out]
    return [*arguments, "--seeds", 1, *more]


@pytest.fixture(scope="module")
def finished(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the study above, run without interruption."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "smoke.toml").write_text(STUDY)
    _run(_request(folder / "smoke.toml", photographs, folder / "out"))
    return folder / "out"


PAUSE = """
import os, pathlib, time
replace, folder, pauses = pathlib.Path.replace, pathlib.Path({folder!r}), {pauses}

def replace_and_pause(self, target):
    done = replace(self, target)
    if pathlib.Path(target).name == "state.safetensors" and len(os.listdir(folder)) < pauses:
        (folder / str(os.getpid())).touch()
        time.sleep(3600)
    return done

pathlib.Path.replace = replace_and_pause
"""
"""Pauses the first processes that write the state after an epoch; a file is named after each."""


class Paused:
    """A study whose first processes pause after an epoch."""

    def __init__(self, processes: Processes, folder: Path, pauses: int, *command: object) -> None:
        self._folder = folder / "paused"
        self._folder.mkdir()
        code = PAUSE.format(folder=str(self._folder), pauses=pauses)
        self.driver = processes.edge_sr(*command, env=with_start_up(folder, code))

    def wait(self, number: int) -> set[int]:
        """Wait until `number` processes have paused; returns their ids."""
        wait_until(lambda: len(list(self._folder.iterdir())) >= number, self.driver)
        return {int(path.name) for path in self._folder.iterdir()}

    def kill_the_first(self) -> None:
        (worker,) = self.wait(1)
        os.kill(worker, signal.SIGKILL)


def _check_resumed(found: Results, out: Path, finished: Path) -> None:
    """Compare weights and results, except the scores, with those of an uninterrupted run."""
    whole = results.read(finished / RESULTS)
    assert [result.run for result in found.results] == ["mae", "bicubic"]
    for result, due in zip(found.results, whole.results, strict=True):
        assert dataclasses.replace(result, scores=()) == due
    assert found == results.read(out / RESULTS)
    weights, due = (
        checkpoint.read(folder / "runs" / "mae 0" / BEST).weights for folder in (out, finished)
    )
    assert weights.keys() == due.keys()
    assert all(np.array_equal(weights[name], due[name]) for name in due)


@pytest.mark.slow
def test_a_study_resumes_after_a_killed_worker_and_after_ctrl_c(
    processes: Processes,
    finished: Path,
    study_file: Path,
    photographs: Path,
    tiny: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    paused = Paused(processes, tmp_path, 2, *_command(study_file, photographs, out, "--jobs", 1))
    paused.kill_the_first()
    paused.wait(2)  # the restarted worker has trained the next epoch
    paused.driver.send_signal(signal.SIGINT)
    _, message = paused.driver.communicate()
    assert paused.driver.returncode == 130, message
    assert "the same command resumes" in message
    assert processes.running() == []
    assert not list(out.rglob("*.part"))
    assert results.read(out / RESULTS).results == ()
    found = _run(_request(study_file, photographs, out, set5=tiny))
    for result in found.results:
        assert [score.column for score in result.scores] == ["set5 x2", "set5 x4"]
    _check_resumed(found, out, finished)


@pytest.mark.slow
def test_a_study_resumes_after_it_is_killed(
    processes: Processes, finished: Path, study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    paused = Paused(processes, tmp_path, 1, *_command(study_file, photographs, out, "--jobs", 1))
    paused.wait(1)
    paused.driver.kill()
    paused.driver.communicate()
    while processes.running():  # its worker ends once it sees that the driver has ended
        time.sleep(0.02)
    _check_resumed(_run(_request(study_file, photographs, out)), out, finished)


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_same_results_and_restarts_a_killed_worker(
    processes: Processes, finished: Path, study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = _command(study_file, photographs, out, "--ray", "local")
    paused = Paused(processes, tmp_path, 1, *command)
    paused.kill_the_first()
    _, message = paused.driver.communicate()
    assert paused.driver.returncode == 0, message
    _check_resumed(results.read(out / RESULTS), out, finished)


@pytest.mark.slow
def test_a_full_disk_says_so_and_loses_no_result(
    study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "runs" / "mae 0").mkdir(parents=True)
    (out / "runs" / "mae 0" / "log.csv").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"1 of 2 runs failed.*No space left on device"):
        _run(_request(study_file, photographs, out))
    assert [result.run for result in results.read(out / RESULTS).results] == ["bicubic"]


# --- runs of another study


def _renamed(request: Request, reuse: Path) -> Request:
    """Return the request with another name of the trained run, and a folder to reuse."""
    study = request.study
    run = dataclasses.replace(study.run[0], name="l1")
    study = dataclasses.replace(study, run=(run, *study.run[1:]), claim=())
    return dataclasses.replace(request, study=study, reuse=[reuse])


@pytest.mark.slow
def test_identical_runs_of_another_study_are_reused(
    finished: Path, study_file: Path, photographs: Path, tiny: Path, tmp_path: Path
) -> None:
    request = _request(study_file, photographs, tmp_path / "out", set5=tiny)
    found = _run(_renamed(request, finished)).results[0]
    assert not (tmp_path / "out" / "runs" / "l1 0" / "log.csv").exists()  # nothing was trained
    assert [score.column for score in found.scores] == ["set5 x2", "set5 x4"]
    there = results.read(finished / RESULTS).results[0]
    assert dataclasses.replace(found, run="mae", scores=()) == there
    other = work.Job(request.study.run[0], {}, 0, str(tmp_path / "other"), "", "", ())
    reuse_runs([other], find_runs([finished]))
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_damaged_runs_are_not_reused(
    finished: Path, study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    request = _request(study_file, photographs, tmp_path / "out")
    with pytest.raises(UserError, match=r"photographs.* holds no finished run"):
        _run(_renamed(request, photographs))
    shutil.copytree(finished, tmp_path / "damaged")
    kept = tmp_path / "damaged" / "runs" / "mae 0" / BEST
    there = checkpoint.read(kept)
    weights = {name: array + 1 for name, array in there.weights.items()}
    checkpoint.write(kept, dataclasses.replace(there, weights=weights))
    with pytest.raises(UserError, match=r"best.safetensors does not match .*result.json"):
        _run(_renamed(request, tmp_path / "damaged"))
    assert not (tmp_path / "out" / "runs" / "l1 0").exists()


# --- folders of other studies


@pytest.fixture
def bicubic_alone(study_file: Path) -> Path:
    """A study that trains nothing."""
    head, _, rest = STUDY.partition("[[run]]")
    run = rest.partition("[[run]]")[2].partition("[[claim]]")[0]
    study_file.write_text(f"{head}[[run]]{run}")
    return study_file


def test_one_folder_takes_one_study_at_a_time(
    bicubic_alone: Path, photographs: Path, tiny: Path, tmp_path: Path
) -> None:
    request = _request(bicubic_alone, photographs, tmp_path / "out", set5=tiny)
    with locked(tmp_path / "out"), pytest.raises(UserError, match="is in use by another process"):
        _run(request)
    with (
        locked(tmp_path / "out" / "runs" / "bicubic 0"),
        pytest.raises(UserError, match=r"runs failed.*is in use by another process"),
    ):
        _run(request)
    assert len(_run(request).results) == 1
    with pytest.raises(UserError, match="holds the --quick study smoke; name another --out"):
        _run(dataclasses.replace(request, quick=False))


def test_images_that_change_are_refused(
    bicubic_alone: Path, photographs: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = _run(_request(bicubic_alone, photographs, out, set5=tiny))
    assert [score.column for score in found.results[0].scores] == ["set5 x2", "set5 x4"]
    with pytest.raises(UserError, match=r"has changed since the study .* started, from 6 images"):
        _run(_request(bicubic_alone, tiny, out))
    Image.new("L", (40, 40), 7).save(tiny / "b.png")
    with pytest.raises(UserError, match=r"is not the set5 that the scores in"):
        _run(_request(bicubic_alone, photographs, out, set5=tiny))
    assert results.read(out / RESULTS) == found


def test_scores_use_the_border_of_the_study(
    bicubic_alone: Path, photographs: Path, tiny: Path, tmp_path: Path
) -> None:
    request = _request(bicubic_alone, photographs, tmp_path / "out", set5=tiny)
    wide = dataclasses.replace(request, study=dataclasses.replace(request.study, border=4))
    found = _run(wide).results[0].scores
    for score, scale in zip(found, (2, 4), strict=True):
        with Image.open(tiny / "a.png") as image:
            high = np.asarray(image)
        large = bicubic_upscale(luminance(bicubic_downscale(high, scale)), scale)
        inner = (slice(4, -4), slice(4, -4))
        due = peak_signal_noise_ratio(luminance(high)[inner], large[inner], data_range=255)
        assert score.psnr == pytest.approx(due, abs=0.01)
    with pytest.raises(UserError, match="or the border differs"):
        _run(request)


def test_thermal_images_are_scored_on_their_validation_half(
    bicubic_alone: Path, photographs: Path, tmp_path: Path
) -> None:
    for half, count in (("train", 1), ("val", 2)):
        folder = tmp_path / "flir" / f"images_thermal_{half}" / "data"
        folder.mkdir(parents=True)
        for number in range(count):
            Image.effect_noise((40, 40), 40).save(folder / f"{number}.png")
    bicubic_alone.write_text(bicubic_alone.read_text().replace("set5", "flir"))
    request = _request(bicubic_alone, photographs, tmp_path / "out", flir=tmp_path / "flir")
    assert [score.images for score in _run(request).results[0].scores] == [2, 2]


def test_osu_must_be_the_unpacked_archive(
    bicubic_alone: Path, photographs: Path, tmp_path: Path
) -> None:
    for name in ("00001", "00009", "00010"):
        (tmp_path / "osu" / name).mkdir(parents=True)
        Image.effect_noise((40, 40), 40).save(tmp_path / "osu" / name / "0.png")
    bicubic_alone.write_text(bicubic_alone.read_text().replace("set5", "osu"))
    request = _request(bicubic_alone, photographs, tmp_path / "out", osu=tmp_path / "osu")
    with pytest.raises(UserError, match=r"is not the unpacked osu, .*00001 to 00010, all"):
        _run(request)


def test_no_reason_of_a_failure_is_lost(
    study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    class Unlucky:
        def run(self, jobs: Sequence[work.Job]) -> Generator[Outcome]:
            yield from (Outcome(job, f"{job.run.name} went wrong") for job in jobs)

    request = _request(study_file, photographs, tmp_path / "out")
    reported: list[str] = []
    with pytest.raises(UserError, match=r"2 of 2 runs failed.*: bicubic went wrong$"):
        reproduce(request, Unlucky(), lambda outcome, *_: reported.append(outcome.error))
    assert reported == ["mae went wrong", "bicubic went wrong"]


def test_damaged_images_are_refused_before_anything_is_trained(
    study_file: Path, photographs: Path, tmp_path: Path
) -> None:
    shutil.copytree(photographs, tmp_path / "images")
    victim = next((tmp_path / "images").iterdir())
    victim.write_bytes(victim.read_bytes()[:-40])
    with pytest.raises(UserError, match=f"{re.escape(str(victim))} is damaged or truncated"):
        _run(_request(study_file, tmp_path / "images", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_runs_folder_of_other_settings_is_refused(
    bicubic_alone: Path, photographs: Path, tiny: Path, tmp_path: Path
) -> None:
    request = _request(bicubic_alone, photographs, tmp_path / "out")
    _run(request)
    text = bicubic_alone.read_text().replace("epochs = 16", "epochs = 17")
    bicubic_alone.write_text(text)
    with pytest.raises(UserError, match="holds the result of other settings"):
        _run(_request(bicubic_alone, photographs, tmp_path / "out"))


# --- judgements and tables


def _result(run: str, seed: int, psnr: float, curve: Sequence[float] = ()) -> Result:
    points = tuple(Point(i, 0.1, value, 0.9) for i, value in enumerate(curve, start=1))
    score = Score("set5 x2", 5, "", psnr, 0.9)
    return Result(run, seed, "", 1356, 100, "abc", "", points, (score,))


def _study(**changes: Any) -> Study:
    return dataclasses.replace(load("losses"), columns=("set5 x2", "urban100 x2"), **changes)


FOUND = [
    *(_result("mae", seed, psnr) for seed, psnr in enumerate((35.0, 35.2, 35.4))),
    *(_result("mse", seed, psnr) for seed, psnr in enumerate((34.0, 34.1, 34.2))),
    *(_result("ssim", seed, psnr) for seed, psnr in enumerate((34.8, 34.9, 35.0))),
]


def test_a_claim_is_judged_by_its_weakest_pair_and_the_deviation() -> None:
    (sentence,) = judge(_study(), FOUND, ("psnr",))
    noise = math.sqrt((statistics.variance((35.0, 35.2, 35.4)) + 0.1**2) / 2)
    assert sentence == (
        "Holds: MAE has the best PSNR on Set5; mae minus ssim: +0.3000 dB (standard deviation "
        f"over 3 seeds: {noise:.4f} dB)."
    )
    for more in (0.2, 0.4):  # a little below and a little above
        near = [_result("ssim", n, psnr + more) for n, psnr in enumerate((34.8, 34.9, 35.0))]
        assert judge(_study(), [*FOUND[:6], *near], ("psnr",))[0].startswith("Undecided: MAE has")
    alone = [result for result in FOUND if result.seed == 0]
    assert judge(_study(), alone, ("psnr",))[0].startswith("Holds with one seed: MAE")
    fixed = load("tinypssr")
    pair = Claim("better", "psnr", pairs=(("tinypssr-2", "bicubic"),))
    runs = [_result("tinypssr-2", n, psnr) for n, psnr in enumerate((35.0, 35.2, 35.4))]
    (sentence,) = judge(
        dataclasses.replace(fixed, claim=(pair,)), [*runs, _result("bicubic", 0, 34.0)], ("psnr",)
    )
    assert sentence.startswith("Holds: better")
    assert sentence.endswith("(standard deviation over 3 seeds: 0.2000 dB).")
    better = [_result("ssim", seed, 36.0) for seed in range(3)]
    assert judge(_study(), [*FOUND[:6], *better], ("psnr",))[0].startswith("Does not hold here")
    assert judge(_study(), FOUND[:6], ("psnr",))[0].startswith("Not judged yet")


def test_wobble_is_the_mean_step_of_the_later_half_of_a_curve() -> None:
    assert wobble(_result("a", 0, 1, [0, 9, 20, 21, 19])) == pytest.approx(1.5)
    assert wobble(_result("a", 0, 1, [30])) is None
    gone = dataclasses.replace(_result("a", 0, 1), diverged="the loss is nan")
    assert wobble(gone) == math.inf


def test_a_table_has_our_and_published_figures_and_names_missing_sets() -> None:
    made = Results(1, "losses", True, "6 images, abc", {}, tuple(FOUND))
    ssim, psnr = tables(_study(), made)
    assert "quick" in ssim.title
    assert psnr.rows[0].cells == ("mae", "1,356", "3", "35.20 ± 0.20 (35.57)", "missing (28.15)")
    for part in ("Quick: ", "6 images", "Chiapputo", "--test-data urban100=DIR", "Holds: MAE"):
        assert part in psnr.note
    assert "Holds: MAE" not in ssim.note
    waiting, _ = tables(_study(), dataclasses.replace(made, results=()))
    assert "Missing: no run has finished yet" in waiting.note
    assert "--test-data" not in waiting.note


def test_percentages_are_those_of_the_slides() -> None:
    """Their parameters and published PSNR give their percentages, within one digit."""
    study = load("wdsr-edsr-blocks")
    printed = published.load(study.published)
    counts = printed.counts["parameters"]
    found = tuple(
        dataclasses.replace(_printed_result(run.name, study, printed), parameters=counts[run.name])
        for run in study.run
    )
    *_, percent = tables(study, Results(1, study.name, False, "800 images, abc", {}, found))
    for row in percent.rows:
        share, theirs = row.cells[2].split(" ")
        assert theirs == f"({share})"
        gain, printed_gain = row.cells[3].split(" ")
        assert float(gain) == pytest.approx(float(printed_gain.strip("()")), abs=0.4)


def test_hostile_results_are_refused(tmp_path: Path) -> None:
    made = Results(1, "losses", True, "6 images, abc", {}, tuple(FOUND))
    path = tmp_path / "results.json"
    results.write(path, made)
    assert results.read(path) == made
    values = json.loads(path.read_text())
    for change, message in (
        ({"schema_version": 2}, "schema version"),
        ({"quick": 1}, "must be of type bool"),
        ({"results": [{}]}, "must have exactly"),
        ({"results": [values["results"][0]] * 2}, "a run twice"),
        ({"extra": 1}, "'extra' is unknown"),
    ):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(UserError, match=message):
            results.read(path)
