"""The state of a run, written after every epoch so that the run can be resumed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.files import replacing

FORMAT = "edge-sr-training-1"


@dataclass(frozen=True)
class RunState:
    """The progress of a run.

    Attributes:
        run: what identifies the run (model, recipe, seed, data); resuming needs the same.
        progress: epochs done, best value, epochs without improvement, rate factor.
        arrays: "weights/...", "average/..." and "optimizer/..." arrays.
    """

    run: Mapping[str, Any]
    progress: Mapping[str, float]
    arrays: Mapping[str, np.ndarray]


def write(path: Path, state: RunState) -> None:
    """Write the state atomically."""
    save = require("safetensors.numpy", "train").save
    description = json.dumps({"run": state.run, "progress": state.progress}, sort_keys=True)
    arrays = {name: np.asarray(array, order="C") for name, array in state.arrays.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(arrays, metadata={FORMAT: description}))


def read(path: Path, run: Mapping[str, Any]) -> RunState:
    """Read a state and check that it belongs to this run.

    Raises:
        UserError: the file is missing or damaged, or another run's.
    """
    safetensors = require("safetensors", "train")
    if not path.is_file():
        raise UserError(f"there is nothing to resume: {path} does not exist; leave out --resume")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description = json.loads((file.metadata() or {})[FORMAT])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = RunState(description["run"], description["progress"], arrays)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, OSError):
        raise UserError(f"{path} is damaged; start the run anew with --force") from None
    for key, value in json.loads(json.dumps(run)).items():
        if state.run.get(key) != value:
            raise UserError(f"{path} {_other(key)}, or start anew")
    return state


def _other(key: str) -> str:
    if key in ("images", "pixels"):
        return (
            "belongs to a run on other images, or its images have changed: give the images that "
            "the run began with"
        )
    return f"belongs to a run with another {key}: give the same options"
