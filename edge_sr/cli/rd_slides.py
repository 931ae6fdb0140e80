"""The tables of TinyCompress's slides that `edge-sr rd --table` makes, ours beside published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from edge_sr.cli.common import progress

if TYPE_CHECKING:
    from benchmarks.rate_distortion.codecs import TinyCompress
    from benchmarks.rate_distortion.records import Log, Record
    from benchmarks.rate_distortion.study import Mean, Picture
    from benchmarks.rate_distortion.tables import Table

ALL_PLANES = 8
HITS = 3
"""Of each JPEG and PSNR that are shown."""


@dataclass(frozen=True)
class SlideTable:
    """One of the tables.

    Attributes:
        rates: of the networks that it is of.
        make: makes it of a set of images.
    """

    rates: tuple[int, ...]
    make: "Callable[[Log, Sequence[Picture], Sequence[TinyCompress]], list[Table]]"


def _coding(
    log: "Log", pictures: "Sequence[Picture]", networks: "Sequence[TinyCompress]"
) -> "list[Table]":
    from benchmarks.rate_distortion.study import mean
    from benchmarks.rate_distortion.tables import adaptive_coding

    by_rate: dict[int, list[Mean]] = {}
    for network in networks:
        found = mean(_with_all_planes(log, pictures, network))
        by_rate.setdefault(network.rate, []).append(found)
    return [adaptive_coding(pictures[0].collection, by_rate)]


def _quantizers(
    log: "Log", pictures: "Sequence[Picture]", networks: "Sequence[TinyCompress]"
) -> "list[Table]":
    from benchmarks.rate_distortion.study import mean
    from benchmarks.rate_distortion.tables import quantizers

    pairs = []
    for network in networks:
        if (normalized := network.normalized) is not None:
            both = [_with_all_planes(log, pictures, each) for each in (network, normalized)]
            pairs.append((mean(both[0]), mean(both[1])))
    return [quantizers(pictures[0].collection, pairs)]


def _bit_planes(
    log: "Log", pictures: "Sequence[Picture]", networks: "Sequence[TinyCompress]"
) -> "list[Table]":
    from benchmarks.rate_distortion import published
    from benchmarks.rate_distortion.study import means
    from benchmarks.rate_distortion.survey import network_records
    from benchmarks.rate_distortion.tables import bit_planes, every_image

    records = [network_records(log, pictures, network, progress) for network in networks]
    comparable = any(network.rate == published.BIT_PLANES_RATE for network in networks)
    printed = published.points(published.BIT_PLANES) if comparable else {}
    curves = [means(found) for found in records]
    tables = [bit_planes(pictures[0].collection, curves, printed)]
    return tables + [table for found in records for table in every_image(found)]


def _every_rate(
    log: "Log", pictures: "Sequence[Picture]", networks: "Sequence[TinyCompress]"
) -> "list[Table]":
    from benchmarks.rate_distortion.tables import one_image

    each = [_with_all_planes(log, pictures, network) for network in networks]
    records = [record for found in each for record in found]
    return [one_image(records, {network.name: network.rate for network in networks})]


def _jpeg(
    log: "Log", pictures: "Sequence[Picture]", networks: "Sequence[TinyCompress]"
) -> "list[Table]":
    from benchmarks.rate_distortion import published, search
    from benchmarks.rate_distortion.codecs import JPEGS, PhotoFormat
    from benchmarks.rate_distortion.tables import beside_jpeg, jpeg_hits, verdict

    points = published.points(published.JPEG)
    forms = [PhotoFormat(name) for name in JPEGS]
    work = search.candidates(log, pictures, forms, points.values())
    what = f"{pictures[0].collection}: JPEG"
    records = [record for some in progress(work, what, len(pictures)) for record in some]
    found = search.identify(records, points)
    typer.echo(verdict(found))
    tables = [jpeg_hits(records, HITS)]
    if found is not None:
        (picture,) = (each for each in pictures if each.name == found.image)
        ours: dict[int, list[Record]] = {}
        for network in networks:
            ours.setdefault(network.rate, []).extend(_with_all_planes(log, [picture], network))
        tables.append(beside_jpeg(found, ours))
    return tables


def _with_all_planes(
    log: "Log", pictures: "Sequence[Picture]", network: "TinyCompress"
) -> "list[Record]":
    from benchmarks.rate_distortion.survey import network_records

    return network_records(log, pictures, network, progress, [ALL_PLANES])


TABLES = {
    "aac": SlideTable((4, 16, 64), _coding),
    "quantizer": SlideTable((4, 16, 64, 256), _quantizers),
    "planes": SlideTable((4,), _bit_planes),
    "image": SlideTable((4, 16, 64), _every_rate),
    "jpeg": SlideTable((4, 16, 64, 256), _jpeg),
}
