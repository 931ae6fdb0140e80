"""The card of a network (card.toml): recipe, data, seed, steps and measured quality."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_sr import schema
from edge_sr.errors import UserError

MAX_BYTES = 256 * 1024
MAX_ITEMS = 1000

Scores = Mapping[str, Mapping[str, float]]
"""By data set, then by measure: psnr and ssim, or bpp, psnr_y, psnr_rgb and ms_ssim."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        images: how many images it trained on, and a digest of them.
        seed: of weights and patches.
        steps: optimizer steps.
        recipe: the entries of its recipe.
    """

    images: str
    seed: int
    steps: int
    recipe: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Card:
    """The origin, the training and the measured quality of a network.

    Attributes:
        model: name of the registered architecture.
        parameters: weights and biases.
        data: the training images.
        remade_by: the commands that make the weights again.
        scale: of an upscaler, else None.
        rate: of TinyCompress, pixels per latent sample of a channel, else None.
        options: of the architecture's config, where they differ from the defaults.
        training: the float run; None for untrained networks.
        rounding: float runs with simulated rounding between `training` and `tuning`.
        tuning: the run of quantization-aware training, where there is one.
        sha256: of each file of the network's folder, hexadecimal.
        quality: by precision ("float32", "int8"), and of an upscaler by "bicubic".
        start_quality: by precision, of the network that `training` started from.
    """

    model: str
    parameters: int
    data: str
    remade_by: tuple[str, ...]
    scale: int | None = None
    rate: int | None = None
    options: dict[str, int] = dataclasses.field(default_factory=dict)
    training: Run | None = None
    rounding: tuple[Run, ...] = ()
    tuning: Run | None = None
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)
    quality: dict[str, dict[str, dict[str, float]]] = dataclasses.field(default_factory=dict)
    start_quality: dict[str, dict[str, dict[str, float]]] = dataclasses.field(default_factory=dict)

    def scores(self, precision: str) -> Scores:
        """The measured quality in one precision; empty where it was not measured."""
        return self.quality.get(precision, {})


def read(path: Path) -> Card:
    """Read a card.

    Raises:
        UserError: the file is missing or is not a card.
    """
    return schema.read(path, MAX_BYTES, _loads)


def _loads(data: bytes) -> Card:
    if len(data) > MAX_BYTES:
        raise UserError(f"a card has at most {MAX_BYTES} bytes")
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"the card is not TOML: {error}") from None
    card: Card = schema.decode(_current(values), Card, "the card", MAX_ITEMS)
    return card


def _current(values: dict[str, Any]) -> dict[str, Any]:
    """A card's entries as the fields of `Card`."""
    current = dict(values)
    if isinstance(current.get("rounding"), dict):  # upscalers have one such run, codecs a list
        current["rounding"] = [current["rounding"]]
    quality = current.get("quality")
    if isinstance(quality, dict) and "start" in quality:
        current["quality"] = {name: item for name, item in quality.items() if name != "start"}
        current["start_quality"] = quality["start"]
    return current
