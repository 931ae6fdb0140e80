"""Makes the tables of TinyCompress's slides, with published and measured figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.rate_distortion import published, search
from benchmarks.rate_distortion.codecs import JPEGS, PhotoFormat, TinyCompress
from benchmarks.rate_distortion.records import Log, Record
from benchmarks.rate_distortion.study import ImageFile, Mean, mean, means
from benchmarks.rate_distortion.survey import Progress, network_records
from benchmarks.rate_distortion.tables import (
    adaptive_coding,
    beside_jpeg,
    bit_planes,
    every_image,
    jpeg_hits,
    one_image,
    quantizers,
)
from benchmarks.reports.table import Table

ALL_PLANES = 8
HITS = 3
"""Files that are shown for each printed JPEG and each kind of PSNR."""

Maker = Callable[[Log, Sequence[ImageFile], Sequence[TinyCompress], Progress], list[Table]]


@dataclass(frozen=True)
class SlideTable:
    """One of the tables.

    Attributes:
        rates: of its networks.
        make: makes the tables of a set: takes the log, the set's images, the networks and what
            shows progress.
    """

    rates: tuple[int, ...]
    make: Maker


def _coding(
    log: Log, images: Sequence[ImageFile], networks: Sequence[TinyCompress], progress: Progress
) -> list[Table]:
    by_rate: dict[int, list[Mean]] = {}
    for network in networks:
        records = _with_all_planes(log, images, network, progress)
        by_rate.setdefault(network.rate, []).append(mean(records))
    return [adaptive_coding(images[0].collection, by_rate)]


def _quantizers(
    log: Log, images: Sequence[ImageFile], networks: Sequence[TinyCompress], progress: Progress
) -> list[Table]:
    pairs = []
    for network in networks:
        if (normalized := network.normalized) is not None:
            clipped_records, normalized_records = (
                _with_all_planes(log, images, each, progress) for each in (network, normalized)
            )
            pairs.append((mean(clipped_records), mean(normalized_records)))
    return [quantizers(images[0].collection, pairs)]


def _bit_planes(
    log: Log, images: Sequence[ImageFile], networks: Sequence[TinyCompress], progress: Progress
) -> list[Table]:
    records = [network_records(log, images, network, progress) for network in networks]
    comparable = any(network.rate == published.BIT_PLANES_RATE for network in networks)
    printed = published.points(published.BIT_PLANES) if comparable else {}
    curves = [means(each) for each in records]
    tables = [bit_planes(images[0].collection, curves, printed)]
    return tables + [table for each in records for table in every_image(each)]


def _every_rate(
    log: Log, images: Sequence[ImageFile], networks: Sequence[TinyCompress], progress: Progress
) -> list[Table]:
    each = [_with_all_planes(log, images, network, progress) for network in networks]
    records = [record for group in each for record in group]
    return [one_image(records, {network.name: network.rate for network in networks})]


def _jpeg(
    log: Log, images: Sequence[ImageFile], networks: Sequence[TinyCompress], progress: Progress
) -> list[Table]:
    points = published.points(published.JPEG)
    forms = [PhotoFormat(name) for name in JPEGS]
    work = search.candidates(log, images, forms, points.values())
    what = f"{images[0].collection}: JPEG"
    records = [record for group in progress(work, what, len(images)) for record in group]
    identified = search.identify(records, points)
    tables = [jpeg_hits(records, HITS, identified)]
    if identified is not None:
        (image,) = (each for each in images if each.name == identified.image)
        ours: dict[int, list[Record]] = {}
        for network in networks:
            measured = _with_all_planes(log, [image], network, progress)
            ours.setdefault(network.rate, []).extend(measured)
        tables.append(beside_jpeg(identified, ours))
    return tables


def _with_all_planes(
    log: Log, images: Sequence[ImageFile], network: TinyCompress, progress: Progress
) -> list[Record]:
    return network_records(log, images, network, progress, [ALL_PLANES])


TABLES = {
    "aac": SlideTable((4, 16, 64), _coding),
    "quantizer": SlideTable((4, 16, 64, 256), _quantizers),
    "planes": SlideTable((4,), _bit_planes),
    "image": SlideTable((4, 16, 64), _every_rate),
    "jpeg": SlideTable((4, 16, 64, 256), _jpeg),
}
