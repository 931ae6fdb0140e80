"""Checkpoints: weights as safetensors, with the model's name and config as metadata.

safetensors holds raw arrays and JSON only: reading a hostile file runs no code of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.files import check_is_file, make_folder, replacing
from edge_sr.models import registry
from edge_sr.models.reparam import fold

FORMAT = "edge-sr-checkpoint-1"

QUANTIZED = "quant_"
"""Prefix of the layers of a network after quantization-aware training."""
_MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one model.

    Attributes:
        spec: the architecture.
        config: its options.
        weights: float32 arrays by "layer/variable".
        notes: further metadata (JSON values), such as how the network was trained and quantized.
        source: the file that it was read from, for messages.
    """

    spec: registry.ModelSpec
    config: registry.ModelConfig
    weights: dict[str, np.ndarray]
    notes: dict[str, Any]
    source: str = "the checkpoint"


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; equal checkpoints give equal bytes."""
    save = require("safetensors.numpy", "train").save
    description = {
        "model": checkpoint.spec.name,
        "config": registry.config_dict(checkpoint.config),
        "notes": checkpoint.notes,
    }
    # A single metadata key: safetensors does not keep the order of several.
    data = save(
        {name: np.asarray(array, order="C") for name, array in sorted(checkpoint.weights.items())},
        metadata={FORMAT: json.dumps(description, sort_keys=True)},
    )
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read(path: Path) -> Checkpoint:
    """Read and check a checkpoint.

    Raises:
        UserError: the file is missing, is not a checkpoint, is of an unknown model, or has a value
            that is not finite.
    """
    check_is_file(path, "a checkpoint (.safetensors)")
    safetensors = require("safetensors", "train")
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path} is larger than any checkpoint of edge-sr ({_MAX_BYTES} bytes)")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(metadata[FORMAT])
        name, config, notes = (description[key] for key in ("model", "config", "notes"))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, OSError):
        raise UserError(
            f"{path} is not a checkpoint of edge-sr, or it is damaged; "
            "`edge-sr train` writes them as .safetensors"
        ) from None
    if not (isinstance(name, str) and isinstance(config, dict) and isinstance(notes, dict)):
        raise UserError(f"{path} has a damaged description; `edge-sr train` writes it anew")
    for key, array in weights.items():
        if array.dtype != np.float32:
            raise UserError(f"{path}: {key} is {array.dtype}, weights are float32; train it anew")
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {key} has values that are not finite; train it anew")
    spec = registry.get(name)
    return Checkpoint(spec, spec.config_from_dict(config), weights, notes, str(path))


def read_for(path: Path, model: str, scale: int) -> Checkpoint:
    """Read a checkpoint that must be of this model and scale.

    Raises:
        UserError: as `read`, or the checkpoint is of another model or scale.
    """
    checkpoint = read(path)
    require_model(checkpoint, model, scale)
    return checkpoint


def require_model(checkpoint: Checkpoint, model: str, scale: int) -> None:
    """Refuse a checkpoint of another model or scale.

    Raises:
        UserError: the checkpoint is of another model or scale.
    """
    if (checkpoint.spec.name, checkpoint.config.scale) != (model, scale):
        raise UserError(
            f"{checkpoint.source} is a checkpoint of {checkpoint.spec.name} "
            f"x{checkpoint.config.scale}, not of {model} x{scale}"
        )


def is_quantized(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint comes from quantization-aware training: it holds ranges too."""
    return any(name.startswith(QUANTIZED) for name in checkpoint.weights)


def require_quantized(checkpoint: Checkpoint) -> None:
    """Refuse a float checkpoint where an int8 one is needed.

    Raises:
        UserError: the checkpoint is a float one.
    """
    source = checkpoint.source
    if not is_quantized(checkpoint):
        raise UserError(
            f"{source} is a float checkpoint; `edge-sr quantize --checkpoint {source}` makes an "
            "int8 one from it"
        )


def require_float(checkpoint: Checkpoint) -> None:
    """Refuse an int8 checkpoint where a float one is needed.

    Raises:
        UserError: the checkpoint is an int8 one.
    """
    if is_quantized(checkpoint):
        raise UserError(
            f"{checkpoint.source} is an int8 checkpoint; a float checkpoint is needed here"
        )


def digest(weights: Mapping[str, np.ndarray]) -> str:
    """The first 16 hex digits of the SHA-256 of names and values."""
    sha256 = hashlib.sha256()
    for name, array in sorted(weights.items()):
        sha256.update(name.encode())
        sha256.update(np.asarray(array, order="C").tobytes())
    return sha256.hexdigest()[:16]


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """The weights of a Keras model (either namespace) by "layer/variable"; see `variables_of`."""
    return {
        key: np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        for key, variable in variables_of(model).items()
    }


def variables_of(model: Any) -> dict[str, Any]:
    """The variables of a Keras model (either namespace) by "layer/variable".

    These are the trainable variables, and the statistics that folding a normalized convolution
    needs. Layers of nested models are included under their own names.
    """
    variables: dict[str, Any] = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            variables |= variables_of(layer)
            continue
        for variable in (*layer.trainable_variables, *getattr(layer, "kept", ())):
            variables[f"{layer.name}/{variable.name.split(':')[0].split('/')[-1]}"] = variable
    return variables


def assign(model: Any, weights: Mapping[str, np.ndarray], source: str = "the checkpoint") -> None:
    """Set a model's variables by the names that `variables_of` gives them.

    Raises:
        UserError: names or shapes differ from the model's.
    """
    variables = variables_of(model)
    if set(variables) != set(weights):
        name = sorted(set(variables) ^ set(weights))[0]
        problem = "lacks" if name in variables else "has a superfluous"
        raise UserError(f"{source} does not fit its model: it {problem} {name}")
    for name, variable in variables.items():
        if tuple(variable.shape) != weights[name].shape:
            raise UserError(
                f"{source} does not fit its model: {name} has the shape {weights[name].shape}, "
                f"but needs {tuple(variable.shape)}"
            )
        variable.assign(weights[name])


def load_model(path: Path) -> Any:
    """The folded Keras 3 model of a float checkpoint, with its weights."""
    checkpoint = read(path)
    require_float(checkpoint)
    return build_model(checkpoint, require("keras", "train"))


def build_model(checkpoint: Checkpoint, keras: Any) -> Any:
    """The plain (folded) model of a float checkpoint in a Keras namespace, with its weights.

    Raises:
        UserError: the weights do not fit the model.
    """
    model = checkpoint.spec.build(checkpoint.config.folded, keras)
    assign(model, fold(checkpoint.weights), checkpoint.source)
    return model
