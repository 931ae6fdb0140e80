"""Recipes: the shipped ones, and every kind of mistake in one."""

import pytest

from edge_sr.errors import UserError
from edge_sr.training import recipe as recipes


@pytest.mark.parametrize("name", recipes.names())
def test_shipped_recipes_load_and_survive_a_round_trip(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipes.from_dict(recipes.to_dict(recipe)) == recipe


def test_the_recipe_slides_has_the_settings_of_the_slides():
    recipe = recipes.load("slides")
    optimizer = recipe.optimizer
    assert (optimizer.learning_rate, optimizer.beta_1, optimizer.beta_2) == (2e-4, 0.0, 0.9)
    assert dict(recipe.loss) == {"ssim": 1.0}
    assert (recipe.stop.patience, recipe.data.patch, recipe.data.colour) == (50, 32, "rgb")


def test_a_recipe_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nsource = "me"\n[loss]\nmse = 1\n[stop]\nepochs = 3\n')
    recipe = recipes.load(str(path))
    assert (recipe.name, recipe.stop.epochs, recipe.loss["mse"]) == ("mine", 3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "is not TOML"),
        ("speed = 3", "no entry 'speed'"),
        ("[data]\npatches = 3", r"\[data\] of the recipe has no entry 'patches'"),
        ("expand = 'much'", "expand of the recipe must be a whole number"),
        ("expand = true", "expand of the recipe must be a whole number"),
        ("data = 3", "data of the recipe must be a table"),
        ("[data]\npatch = 0", "patch must be at least 1"),
        ("[stop]\nepochs = -1", "epochs must be at least 1"),
        ("[stop]\npatience = -1", "patience must not be negative"),
        ("[optimizer]\nlearning_rate = 0", "learning_rate must be positive"),
        ("[optimizer]\nlearning_rate = nan", "learning_rate must be positive"),
        ("[optimizer]\nbeta_1 = 1.0", "beta_1 must be in"),
        ("[optimizer]\nschedule = 'step'", "schedule must be one of constant, cosine, plateau"),
        ("[data]\ncolour = 'blue'", "colour must be one of"),
        ("[stop]\nmonitor = 'loss'", "monitor must be one of"),
        ("[loss]\nl3 = 1.0", "loss must weigh"),
        ("[loss]\nmae = -1.0", "must be a positive number"),
        ("[loss]\nmae = 1" + "0" * 400, "too large a number"),
        ("[optimizer]\nlearning_rate = 1" + "0" * 400, "too large a number"),
        ("[optimizer]\nclip_norm = -1.0", "clip_norm must be finite and not negative"),
        ("[optimizer]\nwarmup_epochs = inf", "warmup_epochs must be finite"),
        ("[data]\nbatch = 2000000000", "batch must be at most 4096"),
        ("expand = 200000000", "expand must be at most 1024"),
        ("name = 3", "name of the recipe must be a text"),
        ("branches = true", "set expand as well"),
        ("branches = 1", "branches of the recipe must be true or false"),
        ("teacher = 1.5", r"teacher must be in \[0, 1\]"),
        ("[data]\nrim = 16", r"rim must be from 0 to less than half of patch \(32\), not 16"),
        ("[data]\nrim = -1", r"rim must be from 0 to less than half of patch \(32\)"),
        ("[data]\nrim_weight = -1", "rim_weight must be finite and not negative"),
        ("[data]\ncandidates = 0", "candidates must be at least 1"),
        ("[optimizer]\nkind = 'sgd'", "kind must be one of adam, soap"),
        ("[optimizer]\nweight_decay = -1", "weight_decay must be finite and not negative"),
        ("[optimizer]\nweight_decay = 0.1", 'weight_decay needs kind = "soap"'),
        ("[int8]\nequalize = 3", "equalize of the recipe must be true or false|equalize of"),
        ("phases = 3", "phases of the recipe must be"),
        ("phases = [3]", "phases of the recipe must be a list of tables"),
        ("[[phases]]\nstart = 0.5\nrate = 3", r"\[\[phases\]\] of the recipe has no entry 'rate'"),
        ("[[phases]]\nstart = 1.0", "phases must start in ascending order between 0 and 1"),
        ("[[phases]]\nstart = 0.5\n[[phases]]\nstart = 0.2", "in ascending order"),
        ("[[phases]]\nstart = 0.5\nloss = { l3 = 1 }", "loss must weigh"),
        ("[[phases]]\nstart = 0.5\nrounded = true\nunrounded = true", "start and stop rounding"),
        ("[[phases]]\nstart = 0.5\nunrounded = true", "stops rounding that was not started"),
        ("[data]\nrim = 6\n[[phases]]\nstart = 0.5\npatch = 12", r"less than half of patch \(12\)"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        recipes.load(str(path))


def test_an_unknown_recipe_is_refused():
    with pytest.raises(
        UserError,
        match="available: adam-x2, adam-x4, cae-full, ",
    ):
        recipes.load("best")


def test_patches_must_hold_the_window_of_ssim(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text("[loss]\nssim = 1.0\n[data]\npatch = 5\n")
    with pytest.raises(UserError, match="patch = 5 gives 10 at x2"):
        recipes.load_for(str(path), 2)
    assert recipes.load_for(str(path), 4).data.patch == 5


def _by_epoch(tmp_path, text):
    path = tmp_path / "phases.toml"
    path.write_text('name = "p"\nsource = "me"\n' + text)
    recipe = recipes.load(str(path))
    return recipe, [recipe.at(epoch) for epoch in range(recipe.stop.epochs)]


def test_a_phase_starts_and_another_stops_rounding(tmp_path):
    recipe, seen = _by_epoch(
        tmp_path,
        "smooth = 8.0\n[stop]\nepochs = 5\n"
        "[[phases]]\nstart = 0.4\nrounded = true\n"
        "[[phases]]\nstart = 0.8\nunrounded = true\n",
    )
    assert [now.rounded for now in seen] == [False] * 2 + [True] * 2 + [False]
    assert [now.smooth for now in seen] == [8.0] * 2 + [0.0] * 3  # smoothing does not return
    assert recipe.ever_rounded


def test_phases_change_their_settings_from_their_start(tmp_path):
    recipe, seen = _by_epoch(
        tmp_path,
        "[stop]\nepochs = 10\n"
        "[[phases]]\nstart = 0.4\npatch = 48\nbatch = 8\n"
        "[[phases]]\nstart = 0.8\nloss = { mse = 1 }\n",
    )
    assert [now.data.patch for now in seen] == [32] * 4 + [48] * 6
    assert [now.data.batch for now in seen] == [16] * 4 + [8] * 6
    assert [dict(now.loss) for now in seen] == [{"mae": 1.0}] * 8 + [{"mse": 1}] * 2
    assert recipe.largest_patch == 48
