"""The registry: a registered architecture is listed, tested, trained and exported.

To add an architecture:

1. Write `edge_sr/models/NAME.py`: a docstring (paper and link, layers with NHWC shapes, value
   range, deviations) and `build_NAME(config, keras)`, from `layers`, `activations`, `reparam`.
2. Decorate it with `@register("NAME", ModelConfig, paper, published)`; `published` lists the
   parameters of the layers by scale. For options of its own, pass a subclass of `ModelConfig`.
3. Add NAME to `_FILES` below.
4. Run `pytest tests/models tests/quantize/test_quantize_upscaler.py`: they cover all that is
   registered. Then `edge-sr train --model NAME` trains it.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from edge_sr.errors import UserError

_FILES = (
    *("tinypssr", "espcn", "esr", "sesr", "fsrcnn", "srcnn", "wdsr", "edsr"),
    *("tinycompress", "cae"),
)
"""Modules of edge_sr.models that register architectures."""

_REGISTRY: dict[str, "ModelSpec"] = {}

LayerCounts = tuple[tuple[str, int], ...]
"""Layers in the order of the data, each with its number of parameters."""

NORMS = ("none", "weight", "batch")


@dataclass(frozen=True)
class ModelConfig:
    """Configuration shared by all networks.

    All but `scale` choose the form in which convolutions train (see `reparam`); it is folded away
    before quantization and export.

    Attributes:
        scale: the factor by which height and width grow.
        expand: 0, or the channels through which each convolution's kernel is factored.
        branches: 1 to add residual and edge branches to those kernels, else 0.
        norm: how convolutions are normalized, one of `NORMS`.
        original: 1 for the form that the paper trains, where it differs from the folded one: the
            mean colour subtracted, transposed convolutions.
    """

    scale: int = 2
    expand: int = 0
    branches: int = 0
    norm: str = "none"
    original: int = 0

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UserError(f"unknown norm {self.norm!r}; available: {', '.join(NORMS)}")

    @property
    def folded(self) -> "ModelConfig":
        """The same network with plain convolutions."""
        return replace(self, expand=0, branches=0, norm="none", original=0)

    @property
    def is_folded(self) -> bool:
        """Whether its convolutions are plain."""
        return self == self.folded


MAX_BLOCKS = 32
"""The blocks of the deepest published network of these families."""


@dataclass(frozen=True)
class BlocksConfig(ModelConfig):
    """Configuration of a network of residual blocks.

    Attributes:
        blocks: number of blocks, 1 to `MAX_BLOCKS`.
    """

    blocks: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.blocks <= MAX_BLOCKS:
            raise UserError(f"a network has 1 to {MAX_BLOCKS} blocks, not {self.blocks}")


KINDS = ("super-resolution", "codec")

Builder = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class ModelSpec:
    """One registered architecture.

    Attributes:
        name: its name on the command line and in files.
        build: `build(config, keras)` returns an uncompiled model of that Keras namespace.
        config_type: the dataclass that `build` takes.
        paper: where the architecture was published.
        published: for each supported scale, the layers with their published parameter counts, for
            the default config.
        kind: one of `KINDS`.
        channels: of the image: 3 for RGB, 1 for a network that takes luma (or any other plane). A
            decoder takes latents, whose channels are those of its config.
        family: prefix of the names of its default recipes: "" or a word, such as "rgb".
    """

    name: str
    build: Builder
    config_type: type[ModelConfig]
    paper: str
    published: Mapping[int, LayerCounts]
    kind: str
    channels: int
    family: str

    @property
    def scales(self) -> tuple[int, ...]:
        """Supported scales, ascending."""
        return tuple(sorted(self.published))

    def config(self, scale: int, **options: Any) -> ModelConfig:
        """The config for a scale.

        Raises:
            UserError: the scale is not supported or an option is unknown.
        """
        if scale not in self.published:
            raise UserError(
                f"{self.name} has no scale {scale}; it has {', '.join(map(str, self.scales))}"
            )
        known = {field.name for field in fields(self.config_type)}
        unknown = sorted(set(options) - known)
        if unknown:
            own = sorted(known - {field.name for field in fields(ModelConfig)} | {"scale"})
            raise UserError(f"{self.name} has no option {unknown[0]}; it has {', '.join(own)}")
        return self.config_type(scale=scale, **options)

    def config_from_dict(self, values: Mapping[str, Any]) -> ModelConfig:
        """The config from the values that `config_dict` gave, checked.

        Raises:
            UserError: an option is unknown or has the wrong type, or the scale is not supported.
        """
        options = dict(values)
        texts = {field.name for field in fields(self.config_type) if field.type in (str, "str")}
        for name, value in options.items():
            if name in texts and not isinstance(value, str):
                raise UserError(f"{self.name}: {name} must be a text, not {value!r}")
            if name not in texts and (type(value) is not int or value < 0):
                raise UserError(f"{self.name}: {name} must be a whole number, not {value!r}")
        return self.config(options.pop("scale", 0), **options)


def register(
    name: str,
    config: type[ModelConfig],
    paper: str,
    published: Mapping[int, LayerCounts],
    kind: str = KINDS[0],
    channels: int = 1,
    family: str = "",
) -> Callable[[Builder], Builder]:
    """Register the decorated `build(config, keras)` under `name`.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(build: Builder) -> Builder:
        if name in _REGISTRY:
            raise ValueError(f"a model named {name!r} is registered already")
        _REGISTRY[name] = ModelSpec(name, build, config, paper, published, kind, channels, family)
        return build

    return decorate


def names(kind: str | None = None) -> tuple[str, ...]:
    """All registered names, or those of one kind, sorted."""
    for name in _FILES:
        importlib.import_module(f"edge_sr.models.{name}")
    return tuple(sorted(name for name, spec in _REGISTRY.items() if kind in (None, spec.kind)))


def get(name: str) -> ModelSpec:
    """The architecture of that name.

    Raises:
        UserError: the name is not registered.
    """
    known = names()
    if name not in known:
        raise UserError(f"unknown model {name!r}; available: {', '.join(known)}")
    return _REGISTRY[name]


def config_dict(config: ModelConfig) -> dict[str, Any]:
    """The config as plain values, for JSON."""
    return asdict(config)
