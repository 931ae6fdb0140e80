"""Shipped networks: weights, ready artifacts, and a card that says where they come from.

Each entry is a folder `<model>-x<scale>`: the architecture's name, its size where that is not the
usual (`wdsr-a-3`), and, of weights for other images, a word more (`tinypssr-ir`). It has
float.safetensors, int8.safetensors, the same two as float32/int8 .tflite and .onnx (so that a
machine without TensorFlow can run them), and card.toml.
"""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError
from edge_sr.models import registry

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One shipped network.

    Attributes:
        model: what users type.
        scale: the factor.
    """

    model: str
    scale: int

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return FOLDER / f"{self.model}-x{self.scale}"

    @property
    def architecture(self) -> str:
        """The registered model that it is."""
        name: str = self.card["model"]
        return name

    @property
    def thermal(self) -> bool:
        """Whether it was trained for thermal images, and is judged by them."""
        return "infrared" in self.card["quality"]["int8"]

    @property
    def float_checkpoint(self) -> Path:
        """Its float weights (.safetensors)."""
        return self.folder / "float.safetensors"

    @property
    def int8_checkpoint(self) -> Path:
        """The int8 checkpoint: weights and ranges of quantization-aware training (.safetensors)."""
        return self.folder / "int8.safetensors"

    def artifact(self, kind: str, suffix: str) -> Path:
        """A ready file: kind "int8" or "float32", suffix ".tflite" or ".onnx"."""
        return self.folder / f"{kind}{suffix}"

    @cached_property
    def card(self) -> dict[str, Any]:
        """Its card: recipe, data, seed, steps, measured quality."""
        return tomllib.loads((self.folder / "card.toml").read_text(encoding="utf-8"))


def entries() -> list[Entry]:
    """All shipped networks, sorted by model and scale."""
    folders = [card.parent.name.rpartition("-x") for card in FOLDER.glob("*-x*/card.toml")]
    found = [(model, int(scale)) for model, _, scale in folders if scale.isdecimal()]
    return [Entry(model, scale) for model, scale in sorted(found)]


def names() -> list[tuple[str, int]]:
    """(model, scale) of all shipped networks."""
    return [(entry.model, entry.scale) for entry in entries()]


def published() -> list[dict[str, Any]]:
    """Published results to compare with: name, source, scale, perhaps parameters and macs (per
    low-resolution pixel), and per data set psnr (dB) and, where it is printed, ssim.
    """
    text = (FOLDER / "published.toml").read_text(encoding="utf-8")
    results: list[dict[str, Any]] = tomllib.loads(text)["result"]
    return results


def published_on(dataset: str, scale: int) -> list[dict[str, Any]]:
    """What is published for one data set: name, source, psnr (dB), perhaps ssim."""
    return [
        {"name": result["name"], "source": result["source"], **result[dataset]}
        for result in published()
        if result["scale"] == scale and dataset in result
    ]


def find(model: str, scale: int) -> Entry:
    """The shipped network of that model and scale.

    Raises:
        UserError: the model or scale does not exist, or no weights are shipped.
    """
    shipped = {(entry.model, entry.scale): entry for entry in entries()}
    if (model, scale) not in shipped:
        known = next((entry.architecture for entry in entries() if entry.model == model), model)
        registry.get(known).config(scale)
        listed = ", ".join(f"{name} x{factor}" for name, factor in shipped)
        raise UserError(f"no weights are shipped for {model} x{scale}; there are {listed}")
    return shipped[model, scale]
