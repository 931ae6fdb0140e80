"""Which image and quality of JPEG the slides' figures are of.

Every quality of every image is tried: those whose files have about the printed size are decoded and
measured, and the nearest in bits per pixel and PSNR are the hits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rate_distortion.codecs import BEST, PhotoFormat
from benchmarks.rate_distortion.published import Point
from benchmarks.rate_distortion.records import Log, Record
from benchmarks.rate_distortion.study import Picture, measure
from edge_sr.data.images import read_image

PSNRS = {"psnr_y": "Y", "slides_psnr": "Y, cut", "psnr_rgb": "RGB"}
"""The PSNRs of a record that a printed one may be, and what they are of."""

NEAR = 0.02
"""The share of a printed bpp by which a file may differ from it to be measured."""

FITS_BPP, FITS_PSNR = 0.0001, 0.005
"""What two versions of a JPEG encoder and two ways of rounding may make."""

_UNIT_BPP, _UNIT_PSNR = 0.01, 0.1


@dataclass(frozen=True)
class Hit:
    """A record beside a printed point.

    Attributes:
        psnr: which of the record's PSNRs is compared: a key of `PSNRS`.
        bpp_off: of the record's bpp from the printed.
        psnr_off: of the record's PSNR from the printed, dB.
        distance: 1 for 1 % of the bpp, and 1 for 0.1 dB; added as squares.
    """

    record: Record
    psnr: str
    bpp_off: float
    psnr_off: float
    distance: float

    @property
    def fits(self) -> bool:
        """Whether it may be the file that the printed figures are of."""
        return abs(self.bpp_off) <= FITS_BPP and abs(self.psnr_off) <= FITS_PSNR


def candidates(
    log: Log, pictures: Iterable[Picture], forms: Sequence[PhotoFormat], points: Iterable[Point]
) -> Iterator[list[Record]]:
    """For each image, while the caller iterates: the records of its files of about a printed size.

    Args:
        log: takes the records.
        pictures: to search.
        forms: of JPEG.
        points: as printed.
    """
    wanted = [point.bpp for point in points]
    for picture in pictures:
        pixels = read_image(picture.path).pixels
        found = []
        for form in forms:
            for quality in range(form.least, BEST + 1):
                file = form.encode(pixels, quality)
                bpp = 8 * len(file) / (pixels.shape[0] * pixels.shape[1])
                if any(abs(bpp - printed) <= NEAR * printed for printed in wanted):
                    found += measure(log, picture, form, [quality])
        yield found


def nearest(records: Iterable[Record], point: Point, psnr: str, count: int) -> list[Hit]:
    """The records that are nearest to a printed point, the nearest first.

    Args:
        records: of any images and settings.
        point: as printed.
        psnr: which of the records' PSNRs to compare: a key of `PSNRS`.
        count: how many there are to be at most.
    """
    hits = [_beside(record, point, psnr) for record in records]
    return sorted(hits, key=lambda hit: hit.distance)[:count]


def _beside(record: Record, point: Point, psnr: str) -> Hit:
    bpp_off, psnr_off = record.bpp - point.bpp, getattr(record, psnr) - point.psnr
    distance = (bpp_off / (point.bpp * _UNIT_BPP)) ** 2 + (psnr_off / _UNIT_PSNR) ** 2
    return Hit(record, psnr, bpp_off, psnr_off, distance)


@dataclass(frozen=True)
class Identified:
    """The one image that has a file for every printed point.

    Attributes:
        image: its name.
        psnr: which of the records' PSNRs is the printed one: a key of `PSNRS`.
        files: its nearest file to each point, by the point's key.
    """

    image: str
    psnr: str
    files: dict[int, Record]


def identify(records: Sequence[Record], points: Mapping[int, Point]) -> Identified | None:
    """Find the image that printed points are of; None where none, or more than one, has all.

    Args:
        records: as `candidates` gives them, of all images.
        points: as printed, of one image, by any key.
    """
    for psnr in PSNRS:
        fitting = [
            {record.image for record in records if _beside(record, point, psnr).fits}
            for point in points.values()
        ]
        common = set.intersection(*fitting)
        if len(common) == 1:
            (image,) = common
            own = [record for record in records if record.image == image]
            best = {key: nearest(own, point, psnr, 1)[0].record for key, point in points.items()}
            return Identified(image, psnr, best)
    return None
