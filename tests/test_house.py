"""Who may import whom, and what an installed wheel can do."""

import fcntl
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import networkx
import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parent.parent

HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "onnx", "onnxruntime")
HEAVY += ("tflite_micro", "tf2onnx", "skimage", "matplotlib", "safetensors", "tomli_w")

TFLM_LIBRARY = ("--target", "cmake", "--engine", "tflm", "--out", "new")


def run(code: str, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else dict(os.environ)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_layers_import_downwards_only():
    lint = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([lint], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys\nfrom edge_sr.cli.main import app\n"
        "import typer.testing\n"
        "assert typer.testing.CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {(*HEAVY, 'numpy', 'PIL', 'ai_edge_litert')!r} "
        "if name in sys.modules])"
    )
    result = run(code, tmp_path)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked: what `pip install` puts in place."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    # Each process of pytest-xdist builds in the same tree: one after the other.
    with (tmp_path_factory.getbasetemp().parent / "wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_an_installed_wheel_upscales_without_the_extras(wheel, tmp_path):
    Image.fromarray(np.full((9, 14, 3), 90, np.uint8)).save(tmp_path / "in.png")
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        "import edge_sr\nprint(edge_sr.__file__)\n"
        "sys.argv = ['edge-sr', 'upscale', 'in.png', 'out.png', '--scale', '4']\n"
        "from edge_sr.cli.main import main\nmain()"
    )
    result = run(code, tmp_path, wheel)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(wheel))
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (56, 36)


@pytest.mark.slow
def test_an_installed_wheel_runs_the_engine_without_a_compiler(wheel, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 33), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    (tmp_path / "cache").write_text("not a folder")
    code = (
        "import os, sys\n"
        "os.environ['PATH'] = os.environ['CC'] = ''\n"
        "os.environ['XDG_CACHE_HOME'] = 'cache'\n"
        "sys.argv = ['edge-sr', 'upscale', 'in.png', 'out.png', '--runtime', 'engine']\n"
        "from edge_sr.cli.main import main\nmain()"
    )
    result = run(code, tmp_path, wheel)
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (66, 40)


@pytest.mark.slow
def test_an_installed_wheel_lists_models_and_recipes(wheel, tmp_path):
    code = (
        "from edge_sr.training import recipe\nfrom edge_sr.zoo import catalog\n"
        "print(catalog.ids(), recipe.names())"
    )
    result = run(code, tmp_path, wheel)
    assert "'tinypssr-x2'" in result.stdout, result.stderr
    assert "slides" in result.stdout


@pytest.mark.slow
def test_an_installed_wheel_knows_the_published_figures(wheel, tmp_path):
    code = (
        "from benchmarks.rate_distortion import published\n"
        "print(published.kodak_bpp(), published.__file__)"
    )
    result = run(code, tmp_path, wheel)
    assert "5.1043" in result.stdout, result.stderr
    assert str(wheel) in result.stdout


@pytest.mark.slow
def test_an_installed_wheel_measures(wheel, tmp_path):
    code = (
        "import sys\n"
        "sys.argv = ['edge-sr', 'bench', '--size', '40x24', '--runtime', 'engine',"
        " '--samples', '2', '--seconds', '0.01', '--out', 'record.json']\n"
        "from edge_sr.cli.main import main\nmain()"
    )
    result = run(code, tmp_path, wheel)
    assert result.returncode == 0, result.stderr
    assert '"complete": true' in (tmp_path / "record.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_installed_wheel_writes_firmware(wheel, tmp_path):
    code = (
        "from pathlib import Path\nfrom edge_sr.zoo import catalog\n"
        "from firmware_harness import board_file, project\n"
        "model = catalog.find('tinypssr-x2').file('int8', '.tflite').read_bytes()\n"
        "for name in board_file.names():\n"
        "    if board_file.find(name).image is None:\n        continue\n"
        "    Path(name).mkdir()\n"
        "    project.write(Path(name), project.Project('it', name, 64), model)\n"
    )
    result = run(code, tmp_path, wheel)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.iterdir())) >= 3
    for folder in tmp_path.iterdir():
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        assert {"Makefile", "engine/esr.c", "port/startup.c", "port/image.ld"} <= files
        assert {"model/model_plan.c", "port/memory.ld", "board.toml"} <= files
        assert {"app/main.c", "app/selftest.c"} & files


@pytest.mark.slow
def test_an_installed_wheel_exports_libraries(wheel, tmp_path):
    code = (
        "from edge_sr.cli.main import run\nfrom firmware_harness.targets import target\n"
        "for name in target.NAMES:\n"
        "    for engine in ('streaming', 'tflm'):\n"
        "        to = ['--target', name, '--engine', engine, '--out', f'{name}-{engine}']\n"
        "        assert run(['firmware', 'export', 'tinypssr', *to]) == 0\n"
    )
    result = run(code, tmp_path, wheel)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.iterdir())) == 10
    for folder in tmp_path.iterdir():
        assert (folder / "LICENSE").is_file()


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["export", "--out", "new"], "train,onnx"),
        (["compare", "in.png"], "plot"),
        (["firmware", "plan", "tinypssr", "--picture", "new.png"], "plot"),
        (["firmware", "export", "tinypssr", *TFLM_LIBRARY], "tflm"),
        (["upscale", "in.png", "out.png", "--runtime", "onnx"], "onnx"),
        (["upscale", "in.png", "out.png", "--runtime", "tflm"], "tflm"),
        (["upscale", "in.png", "out.png", "--runtime", "keras"], "train"),
        (["bench", "--model", "tinypssr", "--runtime", "onnx"], "onnx"),
        (["bench", "--model", "tinypssr", "--runtime", "tflm", "--out", "new"], "tflm"),
        (["quantize", "--checkpoint", "a.safetensors", "--data", "."], "train"),
    ],
)
def test_a_command_that_lacks_its_extra_names_it(tmp_path, arguments, extra):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "in.png")
    (tmp_path / "a.safetensors").write_bytes(b"\0" * 16)
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        f"sys.argv = ['edge-sr', *{arguments!r}]\n"
        "from edge_sr.cli.main import main\nmain()"
    )
    result = run(code, tmp_path)
    assert result.returncode == 2, result.stderr
    assert f"pip install 'edge-sr[{extra}]'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in.png", "a.safetensors"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Lazy imports and those for type checking count as well."""
    found = grimp.build_graph("benchmarks", "edge_sr", "export", "firmware_harness")
    imports = {module: found.find_modules_directly_imported_by(module) for module in found.modules}
    graph = networkx.DiGraph((module, other) for module in imports for other in imports[module])
    circles = [sorted(each) for each in networkx.strongly_connected_components(graph)]
    assert [circle for circle in circles if len(circle) > 1] == []
