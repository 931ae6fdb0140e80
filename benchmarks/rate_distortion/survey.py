"""Measures networks on a set of images, and photo formats at the same bits per pixel."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from benchmarks.rate_distortion.codecs import BEST, Codec, Learned, PhotoFormat, TinyCompress
from benchmarks.rate_distortion.records import Log, Record
from benchmarks.rate_distortion.study import (
    ImageFile,
    Mean,
    mean,
    means,
    measure,
)
from edge_sr.codec.planes import BITS

T = TypeVar("T")

PLANES = range(1, BITS + 1)

MATCHED_WITHIN = 0.1
"""Largest difference of a match from the target bpp, as a share."""


class Progress(Protocol):
    """Iterates over items and shows the progress."""

    def __call__(self, items: Iterable[T], what: str, count: int) -> Iterable[T]:
        """Return the items; `what` describes the work, `count` is their number."""
        ...


@dataclass(frozen=True)
class Survey:
    """The measurements of a set of images.

    Attributes:
        collection: the set's name.
        curves: of each network, means by planes.
        matches: by format, for each of `curves`: the match of each of its means.
        formats: by format, the means of all qualities that were tried.
        small: names of images too small for MS-SSIM, which its means exclude.
    """

    collection: str
    curves: list[list[Mean]]
    matches: dict[str, list[list[Mean | None]]]
    formats: dict[str, list[Mean]]
    small: list[str]

    def all_curves(self) -> list[list[Mean]]:
        """Return the curves of networks and formats."""
        return [*self.curves, *self.formats.values()]

    def pairs(self) -> Iterator[tuple[str, Mean, Mean]]:
        """Yield the set's name, means of a network, and matching means of a format."""
        for rows in self.matches.values():
            for curve, row in zip(self.curves, rows, strict=True):
                for ours, theirs in zip(curve, row, strict=True):
                    if theirs is not None:
                        yield self.collection, ours, theirs


def survey(
    log: Log,
    images: Sequence[ImageFile],
    networks: Sequence[TinyCompress | Learned],
    formats: Sequence[PhotoFormat],
    progress: Progress,
) -> Survey:
    """Measure networks with all numbers of planes or at whole qualities, and formats at their bpp.

    Args:
        log: receives the records.
        images: of one set, at least one.
        networks: to measure.
        formats: to compare with.
        progress: shows the progress.

    Raises:
        UserError: as `study.measure`.
    """
    records = [network_records(log, images, each, progress, _settings(each)) for each in networks]
    curves = [means(each) for each in records]
    small = {record.image for each in records for record in each if record.ms_ssim is None}
    matches, tried = {}, {}
    for form in formats:
        matcher = Matcher(log, images, form)
        targets = [(row, ours.bpp) for row, curve in enumerate(curves) for ours in curve]
        rows: list[list[Mean | None]] = [[] for _ in curves]
        for row, bpp in progress(targets, f"{images[0].collection}: {form.name}", len(targets)):
            rows[row].append(matcher.match(bpp))
        matches[form.name], tried[form.name] = rows, matcher.curve
    return Survey(images[0].collection, curves, matches, tried, sorted(small))


def _settings(network: TinyCompress | Learned) -> Sequence[int]:
    """All numbers of planes, or whole qualities."""
    if isinstance(network, TinyCompress):
        return PLANES
    return [setting for setting in network.settings if setting % 10 == 0]


def network_records(
    log: Log,
    images: Sequence[ImageFile],
    network: Codec,
    progress: Progress,
    settings: Sequence[int] = PLANES,
) -> list[Record]:
    """Return records of a network for each image of a set and each setting.

    Raises:
        UserError: as `study.measure`.
    """
    what = f"{images[0].collection}: {network.name}"
    work = progress(images, what, len(images))
    return [record for file in work for record in measure(log, file, network, settings)]


def nearest_quality(bpp: Callable[[int], float], target: float, least: int) -> int:
    """Return the quality with the nearest bpp, the lower one of a tie, by bisection.

    Args:
        bpp: of a quality, `least` to 100; must not decrease with the quality.
        target: bits per pixel.
        least: the lowest quality.
    """
    above = bisect_left(range(BEST), target, lo=least, key=bpp)
    near = [quality for quality in (above - 1, above) if quality >= least]
    return min(near, key=lambda quality: abs(bpp(quality) - target))


class Matcher:
    """Finds the quality of a format that gives a set of images about a target bpp."""

    def __init__(self, log: Log, images: Sequence[ImageFile], form: PhotoFormat) -> None:
        self._log, self._pictures, self._form = log, images, form
        self._means: dict[int, Mean] = {}

    @property
    def curve(self) -> list[Mean]:
        """The means of all qualities that were tried, in order."""
        return [self._means[quality] for quality in sorted(self._means)]

    def match(self, target: float) -> Mean | None:
        """Return the means of the quality whose mean bpp is nearest to the target.

        Returns:
            None where the nearest one differs by more than a tenth.
        """
        nearest = self._at(
            nearest_quality(lambda quality: self._at(quality).bpp, target, self._form.least)
        )
        return nearest if abs(nearest.bpp - target) <= MATCHED_WITHIN * target else None

    def _at(self, quality: int) -> Mean:
        if quality not in self._means:
            each = (measure(self._log, file, self._form, [quality]) for file in self._pictures)
            self._means[quality] = mean([records[0] for records in each])
        return self._means[quality]
