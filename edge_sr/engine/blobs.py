"""The bytes of a plan, once for each layout of weights, and what they take of a flash."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_sr.engine.packing import Layout


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """What plans of both kinds have.

    Attributes:
        blobs: the bytes that the engine reads, for each layout of weights; multiples of 4.
    """

    blobs: Mapping[Layout, bytes]

    @property
    def blob(self) -> bytes:
        """The plan for portable kernels, which a host runs."""
        return self.blobs[Layout.SIMD]

    @property
    def flash_bytes(self) -> int:
        """Constant memory of the plan, weights included, for the kernels that need most.

        The engine's code is not included.
        """
        return max(map(len, self.blobs.values()))

    @property
    def flash(self) -> str:
        """Constant memory of the plan for each set of kernels, as a text to print."""
        return ", ".join(f"{len(blob):,} {layout.kernels}" for layout, blob in self.blobs.items())
