"""edge-sr: tiny image networks from training to silicon.

    import edge_sr

    edge_sr.list_models()
    model = edge_sr.load("tinypssr-anchor-x2", precision="int8", runtime="engine")
    large = model.upscale("photo.png")
    data = edge_sr.compress("photo.png", rate=16)
    pixels = edge_sr.decompress(data)

Importing this package imports nothing heavy; each function imports what it needs when it is
called. Every error of bad input is an `EdgeSRError` whose text is one sentence.
"""

from typing import TYPE_CHECKING, Any

from edge_sr.errors import EdgeSRError
from edge_sr.version import __version__

if TYPE_CHECKING:
    from edge_sr.api import (
        ClassScore,
        MemoryPlan,
        Upscaler,
        classify,
        compress,
        decompress,
        export,
        list_models,
        load,
        plan,
        upscale,
    )

__all__ = [
    "ClassScore",
    "EdgeSRError",
    "MemoryPlan",
    "Upscaler",
    "__version__",
    "classify",
    "compress",
    "decompress",
    "export",
    "list_models",
    "load",
    "plan",
    "upscale",
]


def __getattr__(name: str) -> Any:
    """Import the public API when it is first used."""
    if name in __all__:
        from edge_sr import api

        return getattr(api, name)
    raise AttributeError(f"module 'edge_sr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
