"""Measures codecs on sets of images; what a log already holds is not measured again."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.rate_distortion.codecs import HASH_DIGITS, Codec, Coded
from benchmarks.rate_distortion.quality import Quality, compare
from benchmarks.rate_distortion.records import Log, Record
from edge_sr.data.datasets import find_pairs
from edge_sr.data.images import read_image
from edge_sr.errors import UserError


@dataclass(frozen=True)
class Picture:
    """An image file of a set.

    Attributes:
        collection: the set: its folder's name.
        name: path below the folder, without suffix.
        path: the file.
        hash: the start of its SHA-256, hexadecimal.
    """

    collection: str
    name: str
    path: Path
    hash: str


@dataclass(frozen=True)
class Mean:
    """Means over the images of a set, coded with one setting.

    Attributes:
        bpp: of whole files.
        quality: MS-SSIM is over those that are large enough, None where there are none.
        raw: bits per pixel of the planes as they are; this and the next three are a network's.
        static: bpp of their entropy of order 0.
        adaptive: bpp of an adaptive code of order 0.
        coded: bpp of the file's planes without its header.
    """

    codec: str
    setting: int
    bpp: float
    quality: Quality
    raw: float | None = None
    static: float | None = None
    adaptive: float | None = None
    coded: float | None = None


def find_pictures(folder: Path) -> list[Picture]:
    """The images of a set: of its folder hr/, if it has one, or all below it.

    Raises:
        UserError: no such folder, no image in it, or two whose names differ by the suffix alone.
    """
    pictures: dict[str, Picture] = {}
    for pair in find_pairs(folder, 1):
        if pair.name in pictures:
            raise UserError(
                f"{pair.hr} and {pictures[pair.name].path} differ by their suffixes alone; "
                "rename one"
            )
        digest = hashlib.sha256(pair.hr.read_bytes()).hexdigest()[:HASH_DIGITS]
        pictures[pair.name] = Picture(folder.resolve().name, pair.name, pair.hr, digest)
    return list(pictures.values())


def measure(log: Log, picture: Picture, codec: Codec, settings: Sequence[int]) -> list[Record]:
    """The records of an image; those that the log lacks are made, and added to it.

    Raises:
        UserError: the image cannot be read or coded, or the log's records are of other files.
    """
    found = {}
    for setting in settings:
        key = (picture.collection, picture.name, codec.name, setting)
        found[setting] = log.find(key, picture.hash, codec.identity)
    missing = [setting for setting, record in found.items() if record is None]
    if missing:
        original = read_image(picture.path).pixels
        make = partial(_record, picture, codec, original)
        made = [make(coded) for coded in codec.code(original, missing)]
        log.add(made)
        found.update((record.setting, record) for record in made)
    return [record for record in found.values() if record is not None]


def _record(picture: Picture, codec: Codec, original: np.ndarray, coded: Coded) -> Record:
    bits = coded.latents
    return Record(
        *(picture.collection, picture.name, picture.hash, original.shape[1], original.shape[0]),
        *(codec.name, codec.identity, coded.setting, coded.size),
        *astuple(compare(original, coded.pixels)),
        *(astuple(bits) if bits else ()),
    )


def mean(records: Sequence[Record]) -> Mean:
    """Means over records of one codec and setting; there is at least one."""
    quality = Quality(
        psnr_y=float(np.mean([record.psnr_y for record in records])),
        psnr_rgb=float(np.mean([record.psnr_rgb for record in records])),
        ms_ssim=_mean_of_known([record.ms_ssim for record in records]),
        slides_psnr=float(np.mean([record.slides_psnr for record in records])),
        slides_ms_ssim=_mean_of_known([record.slides_ms_ssim for record in records]),
    )
    bpp = float(np.mean([record.bpp for record in records]))
    bits = [_mean_bits(records, name) for name in ("raw", "static", "adaptive", "coded")]
    return Mean(records[0].codec, records[0].setting, bpp, quality, *bits)


def means(records: Iterable[Record]) -> list[Mean]:
    """Means over records of one codec, for each of its settings, in order."""
    by_setting: dict[int, list[Record]] = {}
    for record in records:
        by_setting.setdefault(record.setting, []).append(record)
    return [mean(by_setting[setting]) for setting in sorted(by_setting)]


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean_bits(records: Sequence[Record], name: str) -> float | None:
    each = [(record, getattr(record, f"{name}_bits")) for record in records]
    if any(bits is None for _, bits in each):
        return None
    return float(np.mean([record.per_pixel(bits) for record, bits in each]))
