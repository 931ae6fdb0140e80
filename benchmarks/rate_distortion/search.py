"""Finds the image and the JPEG qualities of the slides' figures.

The search tries every quality of every image. It decodes and measures files of about a printed
size; the hits are those nearest in bits per pixel and PSNR.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rate_distortion.codecs import BEST, PhotoFormat
from benchmarks.rate_distortion.published import Point
from benchmarks.rate_distortion.records import Log, Record
from benchmarks.rate_distortion.study import ImageFile, measure
from edge_sr.data.images import read_image

PSNRS = {"psnr_y": "Y", "slides_psnr": "Y, truncated", "psnr_rgb": "RGB"}
"""The PSNRs of a record that may be the printed one, and their names."""

NEAR = 0.02
"""Largest difference from a printed bpp of a file to measure, as a share."""

FITS_BPP, FITS_PSNR = 0.0001, 0.005
"""Largest differences that other JPEG encoders and roundings explain."""

_UNIT_BPP, _UNIT_PSNR = 0.01, 0.1


@dataclass(frozen=True)
class Hit:
    """A record compared with a printed point.

    Attributes:
        psnr: which of the record's PSNRs is compared: a key of `PSNRS`.
        bpp_off: the record's bpp minus the printed one.
        psnr_off: the record's PSNR minus the printed one, dB.
        distance: sum of squares, in units of 1 % of the bpp and 0.1 dB.
    """

    record: Record
    psnr: str
    bpp_off: float
    psnr_off: float
    distance: float

    @property
    def fits(self) -> bool:
        """Whether it may be the file of the printed figures."""
        return abs(self.bpp_off) <= FITS_BPP and abs(self.psnr_off) <= FITS_PSNR


def candidates(
    log: Log, images: Iterable[ImageFile], forms: Sequence[PhotoFormat], points: Iterable[Point]
) -> Iterator[list[Record]]:
    """Yield for each image the records of its files of about a printed size.

    Args:
        log: receives the records.
        images: to search.
        forms: variants of JPEG.
        points: as printed.
    """
    targets = [point.bpp for point in points]
    for image in images:
        pixels = read_image(image.path).pixels
        records: list[Record] = []
        for form in forms:
            for quality in range(form.least, BEST + 1):
                file = form.encode(pixels, quality)
                bpp = 8 * len(file) / (pixels.shape[0] * pixels.shape[1])
                if any(abs(bpp - printed) <= NEAR * printed for printed in targets):
                    records += measure(log, image, form, [quality])
        yield records


def nearest(records: Iterable[Record], point: Point, psnr: str, count: int) -> list[Hit]:
    """Return the records nearest to a printed point, in order.

    Args:
        records: of any images and settings.
        point: as printed.
        psnr: which of the records' PSNRs to compare: a key of `PSNRS`.
        count: maximum number.
    """
    hits = [_compare(record, point, psnr) for record in records]
    return sorted(hits, key=lambda hit: hit.distance)[:count]


def _compare(record: Record, point: Point, psnr: str) -> Hit:
    bpp_off, psnr_off = record.bpp - point.bpp, getattr(record, psnr) - point.psnr
    distance = (bpp_off / (point.bpp * _UNIT_BPP)) ** 2 + (psnr_off / _UNIT_PSNR) ** 2
    return Hit(record, psnr, bpp_off, psnr_off, distance)


@dataclass(frozen=True)
class Identified:
    """The only image that has a file for every printed point.

    Attributes:
        image: its name.
        psnr: which of the records' PSNRs is the printed one: a key of `PSNRS`.
        files: its nearest file to each point, by the point's key.
    """

    image: str
    psnr: str
    files: dict[int, Record]


def identify(records: Sequence[Record], points: Mapping[int, Point]) -> Identified | None:
    """Find the image of the printed points; None unless exactly one image fits them all.

    Args:
        records: from `candidates`, of all images.
        points: as printed, of one image, by any key.
    """
    for psnr in PSNRS:
        fitting = [
            {record.image for record in records if _compare(record, point, psnr).fits}
            for point in points.values()
        ]
        common = set.intersection(*fitting)
        if len(common) == 1:
            (image,) = common
            own = [record for record in records if record.image == image]
            best = {key: nearest(own, point, psnr, 1)[0].record for key, point in points.items()}
            return Identified(image, psnr, best)
    return None
