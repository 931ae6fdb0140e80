"""Checkpoints: weights as safetensors, with the model's name and config as metadata.

safetensors holds raw arrays and JSON, so a hostile file can at worst be refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.files import make_folder, replacing
from edge_sr.models import registry
from edge_sr.models.layers import (
    BATCH_EPSILON,
    edge_kernels,
    middle_kernel,
    plain_of_strided,
)

FORMAT = "edge-sr-checkpoint-1"

QUANTIZED = "quant_"
"""Prefix of the layers of a network that was tuned for int8."""
_PARTS = ("/wide", "/narrow", "/skip", "/edges")
_NORMALIZED = ("/direction", "/raw", "/gain", "/mean", "/variance", "/grey")
_STRIDED = "strided_"
_MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one model.

    Attributes:
        spec: the architecture.
        config: how it was built.
        weights: float32 arrays by "layer/variable".
        notes: further metadata (JSON values), such as how it was quantized or where a run stands.
        source: the file that it was read from, for messages.
    """

    spec: registry.ModelSpec
    config: registry.ModelConfig
    weights: dict[str, np.ndarray]
    notes: dict[str, Any]
    source: str = "the checkpoint"


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; equal checkpoints give equal bytes."""
    save = require("safetensors.numpy", "train").save
    description = {
        "model": checkpoint.spec.name,
        "config": registry.config_dict(checkpoint.config),
        "notes": checkpoint.notes,
    }
    # One metadata key alone: safetensors does not keep the order of several.
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
        UserError: the file is missing, not a checkpoint, of an unknown model, or has a value that
            is not finite.
    """
    safetensors = require("safetensors", "train")
    if not path.is_file():
        raise UserError(f"{path} is not a file; a checkpoint (.safetensors) is needed")
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
        UserError: as `read`, or it is of another model or scale.
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


def is_tuned(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint holds ranges beside its weights: whether it was tuned for int8."""
    return any(name.startswith(QUANTIZED) for name in checkpoint.weights)


def require_tuned(checkpoint: Checkpoint, source: str) -> None:
    """Refuse a float checkpoint where one for int8 is needed.

    Raises:
        UserError: it was not tuned.
    """
    if not is_tuned(checkpoint):
        raise UserError(
            f"{source} is a float checkpoint; `edge-sr quantize --checkpoint {source}` makes an "
            "int8 one from it"
        )


def require_float(checkpoint: Checkpoint, source: str) -> None:
    """Refuse a checkpoint for int8 where a float one is needed.

    Raises:
        UserError: it was tuned for int8.
    """
    if is_tuned(checkpoint):
        raise UserError(f"{source} was tuned for int8; the float checkpoint is needed here")


def digest(weights: Mapping[str, np.ndarray]) -> str:
    """A short sha256 of names and values."""
    found = hashlib.sha256()
    for name, array in sorted(weights.items()):
        found.update(name.encode())
        found.update(np.asarray(array, order="C").tobytes())
    return found.hexdigest()[:16]


def fold(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn each over-parameterized or normalized convolution into the plain one that computes the
    same.

    Args:
        weights: as in `Checkpoint`; `layer/wide` (k,k,Cin,E), `layer/narrow` (E,Cout) and, if
            there, `layer/skip` (1) and `layer/edges` (3,Cin,Cout) become `layer/kernel`
            (k,k,Cin,Cout). So do `layer/direction` or `layer/raw` (k,k,Cin,Cout) with `gain`,
            `mean` and `variance` (Cout) and `grey` (Cin), which change `layer/bias` as well; see
            `layers.conv2d`; and `layer/strided_s` (K,K,1,Cin), of `layers.strided_conv2d`. Sums
            and products are taken in float64.

    Raises:
        UserError: the parts of a kernel do not fit.
    """
    folded = {
        name: array
        for name, array in weights.items()
        if not name.endswith((*_PARTS, *_NORMALIZED))
        and not name.rpartition("/")[2].startswith(_STRIDED)
    }
    for name in weights:
        layer, _, kind = name.rpartition("/")
        if kind == "wide":
            parts = {p: weights[f"{layer}{p}"] for p in _PARTS if f"{layer}{p}" in weights}
            folded[f"{layer}/kernel"] = _folded_kernel(layer, parts).astype(np.float32)
        elif kind in ("direction", "raw"):
            parts = {
                n.rpartition("/")[2]: a for n, a in weights.items() if n.startswith(f"{layer}/")
            }
            kernel, bias = _folded_norm(layer, parts)
            folded[f"{layer}/kernel"] = kernel.astype(np.float32)
            folded[f"{layer}/bias"] = bias.astype(np.float32)
        elif kind.startswith(_STRIDED):
            kernel, bias = _folded_strided(name, weights[name], weights.get(f"{layer}/bias"))
            folded[f"{layer}/kernel"] = kernel.astype(np.float32)
            folded[f"{layer}/bias"] = bias.astype(np.float32)
    return folded


def _folded_strided(
    name: str, taps: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the plain convolution that a transposed one amounts to."""
    scale = name.rpartition("_")[2]
    fits = taps.ndim == 4 and taps.shape[0] == taps.shape[1] >= 4 and taps.shape[2] == 1
    if scale not in ("2", "4") or not fits or bias is None or bias.shape != (1,):
        raise UserError(f"the checkpoint is damaged: {name} is no transposed convolution")
    return plain_of_strided(np, taps, int(scale)), np.repeat(bias, int(scale) ** 2)


def _folded_norm(layer: str, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias that a normalized convolution amounts to, in float64."""
    wide = {name: array.astype(np.float64) for name, array in parts.items()}
    kernel = wide["direction"] if "direction" in wide else wide["raw"]
    _check_norm(layer, kernel.shape, parts)
    bias = wide["bias"]
    if "direction" in wide:
        squares = np.maximum(np.square(kernel).sum(axis=(0, 1, 2)), 1e-24)
        kernel = kernel * (wide["gain"] / np.sqrt(squares))
    elif "gain" in wide:
        factor = wide["gain"] / np.sqrt(wide["variance"] + BATCH_EPSILON)
        kernel, bias = kernel * factor, bias - wide["mean"] * factor
    if "grey" in wide:
        bias = bias - np.einsum("hwio,i->o", kernel, wide["grey"])
    return kernel, bias


def _check_norm(layer: str, kernel: tuple[int, ...], parts: Mapping[str, np.ndarray]) -> None:
    """Refuse parts that are missing or do not fit a kernel."""
    needed = {"bias", "gain"} if "direction" in parts else {"bias"}
    if "raw" in parts and "gain" in parts:
        needed = {"bias", "gain", "mean", "variance"}
    shapes = dict.fromkeys(needed, kernel[3:])
    if "grey" in parts:
        shapes["grey"] = kernel[2:3]
    found = {name: parts[name].shape if name in parts else None for name in shapes}
    negative = "variance" in parts and parts["variance"].min(initial=0) < 0
    if len(kernel) != 4 or found != shapes or negative:
        raise UserError(f"the checkpoint is damaged: the parts of {layer} do not fit each other")


def _folded_kernel(layer: str, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    wide, narrow = parts["/wide"], parts.get("/narrow")
    if wide.ndim != 4 or narrow is None or narrow.shape[:-1] != wide.shape[-1:]:
        raise UserError(f"the checkpoint is damaged: {layer}/wide has no {layer}/narrow that fits")
    kernel = wide.astype(np.float64) @ narrow.astype(np.float64)
    size, _, channels, filters = kernel.shape
    if "/skip" in parts:
        if parts["/skip"].shape != (1,):
            raise UserError(f"the checkpoint is damaged: {layer}/skip is not one number")
        kernel += parts["/skip"].astype(np.float64) * middle_kernel(size, channels, filters)
    if "/edges" in parts:
        if parts["/edges"].shape != (3, channels, filters) or size < 3 or not size % 2:
            raise UserError(f"the checkpoint is damaged: {layer}/edges does not fit {layer}/wide")
        mix = parts["/edges"].astype(np.float64)
        kernel += np.einsum("ehw,eio->hwio", edge_kernels(size), mix)
    return kernel


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """The weights of a Keras model (either namespace) by "layer/variable"; see `variables_of`."""
    return {
        key: np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        for key, variable in variables_of(model).items()
    }


def variables_of(model: Any) -> dict[str, Any]:
    """The variables of a Keras model (either namespace) by "layer/variable".

    They are the trainable ones, and those that folding a normalized convolution takes. Models
    within it are looked into; their layers' names are their own.
    """
    found: dict[str, Any] = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found |= variables_of(layer)
            continue
        for variable in (*layer.trainable_variables, *getattr(layer, "kept", ())):
            found[f"{layer.name}/{variable.name.split(':')[0].split('/')[-1]}"] = variable
    return found


def assign(model: Any, weights: Mapping[str, np.ndarray], source: str = "the checkpoint") -> None:
    """Set a model's variables, as `variables_of` finds them.

    Raises:
        UserError: names or shapes differ from the model's.
    """
    variables = variables_of(model)
    if set(variables) != set(weights):
        odd = sorted(set(variables) ^ set(weights))[0]
        problem = "lacks" if odd in variables else "has a superfluous"
        raise UserError(f"{source} does not fit its model: it {problem} {odd}")
    for name, variable in variables.items():
        if tuple(variable.shape) != weights[name].shape:
            raise UserError(
                f"{source} does not fit its model: {name} is {weights[name].shape}, "
                f"{tuple(variable.shape)} is needed"
            )
        variable.assign(weights[name])


def load_model(path: Path) -> Any:
    """The Keras 3 model of a float checkpoint, folded, with its weights."""
    checkpoint = read(path)
    require_float(checkpoint, str(path))
    return build_model(checkpoint, require("keras", "train"), str(path))


def build_model(checkpoint: Checkpoint, keras: Any, source: str = "the checkpoint") -> Any:
    """The plain (folded) model of a float checkpoint in a Keras namespace, with its weights.

    Raises:
        UserError: the weights do not fit the model; the text names `source`.
    """
    model = checkpoint.spec.build(checkpoint.config.folded, keras)
    assign(model, fold(checkpoint.weights), source)
    return model
