"""The options of `edge-sr train` that upscalers and codecs share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_sr.training.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """Options of `edge-sr train`; None where the command line leaves one open.

    Attributes:
        data: folder of training images.
        recipe: name or file of the recipe of float training.
        seed: of weights and patches.
        epochs: of float training, instead of the recipe's.
        start: checkpoint with the initial weights.
        int8: whether to quantize afterwards.
        int8_recipe: name or file of the recipe of the quantization-aware training.
    """

    data: Path
    recipe: str | None
    seed: int
    epochs: int | None
    start: Path | None
    int8: bool
    int8_recipe: str | None

    def shortened(self, recipe: "Recipe") -> "Recipe":
        """The recipe with the requested number of epochs."""
        from edge_sr.training import recipe as recipes

        return recipe if self.epochs is None else recipes.with_epochs(recipe, self.epochs)
