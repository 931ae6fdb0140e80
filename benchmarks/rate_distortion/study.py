"""Measures codecs on sets of images; records in the log are reused."""

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
class ImageFile:
    """An image file of a set.

    Attributes:
        collection: name of the set, which is that of its folder.
        name: path in the folder, without suffix.
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
        quality: MS-SSIM is the mean over images that are large enough, None without any.
        raw: bits per pixel of uncoded planes; None for formats, as the next three.
        static: bpp of the planes' entropy of order 0.
        adaptive: bpp of an adaptive code of order 0.
        coded: bpp of the planes in the file, without its header.
    """

    codec: str
    setting: int
    bpp: float
    quality: Quality
    raw: float | None = None
    static: float | None = None
    adaptive: float | None = None
    coded: float | None = None


def find_images(folder: Path) -> list[ImageFile]:
    """Return the images of a set: those in its folder hr/, or all where it has none.

    Raises:
        UserError: the folder is missing or empty, or two images differ only in their suffix.
    """
    images: dict[str, ImageFile] = {}
    for pair in find_pairs(folder, 1):
        if pair.name in images:
            raise UserError(
                f"{pair.hr} and {images[pair.name].path} differ only in their suffix; rename one"
            )
        digest = hashlib.sha256(pair.hr.read_bytes()).hexdigest()[:HASH_DIGITS]
        images[pair.name] = ImageFile(folder.resolve().name, pair.name, pair.hr, digest)
    return list(images.values())


def find_sets(folders: Sequence[Path], out: Path) -> list[list[ImageFile]]:
    """Return the images of several sets.

    Raises:
        UserError: a set has no images, two have the same name, or `out` lies in one of them.
    """
    sets: dict[str, list[ImageFile]] = {}
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{out} lies in the image folder {folder}; name another --out")
        images = find_images(folder)
        name = images[0].collection
        if name in sets:
            raise UserError(f"two folders have the name {name}; rename one")
        sets[name] = images
    return list(sets.values())


def measure(log: Log, image: ImageFile, codec: Codec, settings: Sequence[int]) -> list[Record]:
    """Return the records of an image; measures those that the log lacks, and logs them.

    Raises:
        UserError: the image cannot be read or coded, or the log holds records of other files.
    """
    records = {}
    for setting in settings:
        key = (image.collection, image.name, codec.name, setting)
        records[setting] = log.find(key, image.hash, codec.identity)
    missing = [setting for setting, record in records.items() if record is None]
    if missing:
        original = read_image(image.path).pixels
        make = partial(_record, image, codec, original)
        measured = [make(coded) for coded in codec.code(original, missing)]
        log.add(measured)
        records.update((record.setting, record) for record in measured)
    return [record for record in records.values() if record is not None]


def _record(image: ImageFile, codec: Codec, original: np.ndarray, coded: Coded) -> Record:
    bits = coded.latents
    return Record(
        *(image.collection, image.name, image.hash, original.shape[1], original.shape[0]),
        *(codec.name, codec.identity, coded.setting, coded.size),
        *astuple(compare(original, coded.pixels)),
        *(astuple(bits) if bits else ()),
    )


def mean(records: Sequence[Record]) -> Mean:
    """Return means over records of one codec and setting, at least one."""
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
    """Return means over records of one codec, for each setting in order."""
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
