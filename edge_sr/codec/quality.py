"""The quality of files of learned codecs: a real number, 1 to 10.

A network has trained gains, from low rates to high ones. A *place* is a position in that list,
which may lie between two gains; files hold it in steps of 1/256. The qualities of a network are
spread evenly over its gains. With the two shipped networks, the quality decides which one codes an
image: cae-low up to 6, cae-high above. They overlap, so that bits per pixel grow without a jump.
"""

from dataclasses import dataclass

from edge_sr.errors import UserError

LOWEST, HIGHEST = 1.0, 10.0
DEFAULT = 5.0
SWITCH = 6.0
"""The highest quality that the shipped network of low rates codes."""

PLACE_STEPS = 256
"""Steps of a place between two gains."""

_SHIPPED = {"cae-low": (LOWEST, 7.0), "cae-high": (5.65, HIGHEST)}
"""Qualities of the first and the last gain, of networks that share the scale.

Chosen by measurement: at `SWITCH` both have about the same bits per pixel and quality.
"""


@dataclass(frozen=True)
class Span:
    """The qualities of one network.

    Attributes:
        gains: number of trained gains, at least 1.
        lowest: quality of the first.
        highest: quality of the last, above `lowest`.
    """

    gains: int
    lowest: float = LOWEST
    highest: float = HIGHEST

    @property
    def last(self) -> int:
        """The highest place, in steps of 1/256."""
        return (self.gains - 1) * PLACE_STEPS

    def place(self, quality: float) -> int:
        """Return the place of a quality, in steps of 1/256.

        Raises:
            UserError: the network does not have this quality.
        """
        if not self.lowest <= quality <= self.highest:
            raise UserError(
                f"this network has qualities {self.lowest:g} to {self.highest:g}, not {quality:g}"
            )
        return round((quality - self.lowest) / (self.highest - self.lowest) * self.last)

    def quality(self, place: int) -> float:
        """Return the quality of a place, in steps of 1/256."""
        return self.lowest + (self.highest - self.lowest) * place / max(self.last, 1)


def span(codec: str, gains: int) -> Span:
    """Return the qualities of a codec; one that is not shipped has 1 to 10."""
    return Span(gains, *_SHIPPED.get(codec, (LOWEST, HIGHEST)))


def check(quality: float) -> None:
    """Check the quality of a file.

    Raises:
        UserError: it is not from 1 to 10.
    """
    if not LOWEST <= quality <= HIGHEST:
        raise UserError(f"a quality is a number from {LOWEST:g} to {HIGHEST:g}, not {quality:g}")
