"""Training by several processes or devices gives the curve of one process."""

import csv
import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from processes import MAIN, Processes

from edge_sr.errors import UserError
from edge_sr.models import checkpoint
from edge_sr.training import distribute

RECIPE = """
name = "shared"
source = "a test"
[loss]
mae = 1.0
ssim = 0.1
[data]
patch = 16
batch = 4
validation_images = 2
[optimizer]
learning_rate = 2e-3
clip_norm = 0.5
[stop]
epochs = 2
steps_per_epoch = 6
"""

TWO_CPUS = """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])
"""


@dataclass(frozen=True)
class Trainings:
    """Starts `edge-sr train`."""

    processes: Processes
    photographs: Path

    def start(
        self, out: Path, *more: str, first: str = "", config: str = ""
    ) -> "subprocess.Popen[str]":
        options = ["--data", self.photographs, "--out", out, *more]
        options += ["--recipe", out.parent / "shared.toml"]
        environment = {**os.environ, **({"TF_CONFIG": config} if config else {})}
        code = f"{first}\n{MAIN}"
        return self.processes.edge_sr("train", *options, code=code, env=environment)


def _finish(*trainings: "subprocess.Popen[str]") -> None:
    for training in trainings:
        _, message = training.communicate()
        assert training.returncode == 0, message


def _configs() -> list[str]:
    with socket.socket() as one, socket.socket() as other:
        for taken in (one, other):
            taken.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{taken.getsockname()[1]}" for taken in (one, other)]
    return [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]


def _curve(out: Path) -> list[list[float]]:
    with (out / "log.csv").open(newline="") as file:
        return [[float(row[name]) for name in ("loss", "psnr")] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_or_devices_train_like_one(
    processes: Processes, photographs: Path, tmp_path: Path
) -> None:
    """Batches are the same, so only rounding of the gradients differs."""
    (tmp_path / "shared.toml").write_text(RECIPE)
    one, two, devices = (tmp_path / name for name in ("one", "two", "devices"))
    trainings = Trainings(processes, photographs)
    _finish(trainings.start(one))
    multi = ("--strategy", "multiworker")
    _finish(*[trainings.start(two, *multi, config=config) for config in _configs()])
    _finish(trainings.start(devices, "--strategy", "mirrored", first=TWO_CPUS))
    whole = checkpoint.read(one / "best.safetensors").weights
    for out in (two, devices):
        np.testing.assert_allclose(_curve(out), _curve(one), rtol=1e-4)
        shared = checkpoint.read(out / "best.safetensors").weights
        for name, array in whole.items():
            np.testing.assert_allclose(shared[name], array, atol=1e-4)


def test_a_batch_that_cannot_be_split_equally_is_refused() -> None:
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(UserError, match="set batch in the recipe to a multiple of 3"):
        distribute.Share(Three(), 0, 3).check_batch(16)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "needs TF_CONFIG to name the workers"),
        ("{", "TF_CONFIG is wrong; multiworker needs"),
        ("[]", "TF_CONFIG is wrong; multiworker needs"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "TF_CONFIG is wrong",
        ),
        (
            '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
            "TF_CONFIG is wrong",
        ),
    ],
)
def test_a_wrong_tf_config_is_refused(
    monkeypatch: pytest.MonkeyPatch, config: str | None, message: str
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=message):
        distribute.share("multiworker")


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(UserError, match="unknown strategy 'central'; available: mirrored"):
        distribute.share("central")
