"""Networks on a set of images, and beside each the formats at its bits per pixel."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from benchmarks.rate_distortion.codecs import BEST, PhotoFormat, TinyCompress
from benchmarks.rate_distortion.records import Log, Record
from benchmarks.rate_distortion.study import (
    Mean,
    Picture,
    mean,
    means,
    measure,
)
from edge_sr.codec.planes import BITS

T = TypeVar("T")

PLANES = range(1, BITS + 1)

MATCHED_WITHIN = 0.1
"""The share of the wanted bpp by which a match may differ from it."""


class Progress(Protocol):
    """Iterates over items, and shows it."""

    def __call__(self, items: Iterable[T], what: str, count: int) -> Iterable[T]:
        """Say what is done with the items and how many there are."""
        ...


@dataclass(frozen=True)
class Survey:
    """What a set of images told.

    Attributes:
        collection: the set's name.
        curves: of each network, means by planes.
        matches: by format, and there for each of `curves`: what matches each of its means.
        formats: by format, the means of all qualities that were tried.
        small: names of images that are too small for MS-SSIM, which its means leave out.
    """

    collection: str
    curves: list[list[Mean]]
    matches: dict[str, list[list[Mean | None]]]
    formats: dict[str, list[Mean]]
    small: list[str]

    def all_curves(self) -> list[list[Mean]]:
        """Of the networks and the formats."""
        return [*self.curves, *self.formats.values()]

    def pairs(self) -> Iterator[tuple[str, Mean, Mean]]:
        """The set's name, means of a network, and those of a format that match."""
        for rows in self.matches.values():
            for curve, row in zip(self.curves, rows, strict=True):
                for ours, theirs in zip(curve, row, strict=True):
                    if theirs is not None:
                        yield self.collection, ours, theirs


def survey(
    log: Log,
    pictures: Sequence[Picture],
    networks: Sequence[TinyCompress],
    formats: Sequence[PhotoFormat],
    progress: Progress,
) -> Survey:
    """Measure networks with all numbers of planes, and formats at about the same bpp.

    Args:
        log: takes the records.
        pictures: of one set, at least one.
        networks: to measure.
        formats: to compare with.
        progress: shows it.

    Raises:
        UserError: as `study.measure`.
    """
    records = [network_records(log, pictures, each, progress) for each in networks]
    curves = [means(found) for found in records]
    small = {record.image for found in records for record in found if record.ms_ssim is None}
    matches, tried = {}, {}
    for form in formats:
        matcher = Matcher(log, pictures, form)
        wanted = [(row, ours.bpp) for row, curve in enumerate(curves) for ours in curve]
        rows: list[list[Mean | None]] = [[] for _ in curves]
        for row, bpp in progress(wanted, f"{pictures[0].collection}: {form.name}", len(wanted)):
            rows[row].append(matcher.match(bpp))
        matches[form.name], tried[form.name] = rows, matcher.curve
    return Survey(pictures[0].collection, curves, matches, tried, sorted(small))


def network_records(
    log: Log,
    pictures: Sequence[Picture],
    network: TinyCompress,
    progress: Progress,
    planes: Sequence[int] = PLANES,
) -> list[Record]:
    """Records of a network on each image of a set, with each number of planes.

    Raises:
        UserError: as `study.measure`.
    """
    what = f"{pictures[0].collection}: {network.name}"
    work = progress(pictures, what, len(pictures))
    return [record for file in work for record in measure(log, file, network, planes)]


def nearest_quality(bpp: Callable[[int], float], wanted: float, least: int) -> int:
    """The quality whose bpp is nearest, the lower of two as near; found by bisection.

    Args:
        bpp: of a quality, `least` to 100; it must not fall where the quality rises.
        wanted: bits per pixel.
        least: the lowest quality there is.
    """
    above = bisect_left(range(BEST), wanted, lo=least, key=bpp)
    near = [quality for quality in (above - 1, above) if quality >= least]
    return min(near, key=lambda quality: abs(bpp(quality) - wanted))


class Matcher:
    """Finds a format's files of about some bpp, all images of a set with one quality."""

    def __init__(self, log: Log, pictures: Sequence[Picture], form: PhotoFormat) -> None:
        self._log, self._pictures, self._form = log, pictures, form
        self._means: dict[int, Mean] = {}

    @property
    def curve(self) -> list[Mean]:
        """Of all qualities that were tried, in order."""
        return [self._means[quality] for quality in sorted(self._means)]

    def match(self, wanted: float) -> Mean | None:
        """The quality whose mean bpp is nearest to what is wanted.

        Returns:
            None where even that is more than a tenth away: the format has no such files.
        """
        found = self._at(
            nearest_quality(lambda quality: self._at(quality).bpp, wanted, self._form.least)
        )
        return found if abs(found.bpp - wanted) <= MATCHED_WITHIN * wanted else None

    def _at(self, quality: int) -> Mean:
        if quality not in self._means:
            each = (measure(self._log, file, self._form, [quality]) for file in self._pictures)
            self._means[quality] = mean([records[0] for records in each])
        return self._means[quality]
