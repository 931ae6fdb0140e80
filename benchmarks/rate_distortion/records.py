"""Keeps measurements of single images as lines of a CSV file, so that they can be reused."""

import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edge_sr.errors import UserError

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Record:
    """The measurement of an image with one codec and setting.

    Attributes:
        collection: name of the image's set, which is that of its folder.
        image: its path in that folder, without suffix.
        image_hash: of its file.
        width: in pixels.
        height: in pixels.
        codec: a network's id, or the name of a format.
        codec_hash: identity of the codec.
        setting: number of planes, or quality.
        size: of the file, bytes.
        psnr_y: dB; this and the next four are those of `quality.Quality`.
        psnr_rgb: dB.
        ms_ssim: None where the image is too small.
        slides_psnr: dB.
        slides_ms_ssim: None where the image is too small.
        raw_bits: of the uncoded planes; None for formats, as the next three.
        static_bits: entropy of order 0 of each channel, without tables.
        adaptive_bits: of an adaptive code of order 0 of each channel.
        coded_bits: of the planes in the file, in whole bytes, without its header.
    """

    collection: str
    image: str
    image_hash: str
    width: int
    height: int
    codec: str
    codec_hash: str
    setting: int
    size: int
    psnr_y: float
    psnr_rgb: float
    ms_ssim: float | None
    slides_psnr: float
    slides_ms_ssim: float | None
    raw_bits: float | None = None
    static_bits: float | None = None
    adaptive_bits: float | None = None
    coded_bits: float | None = None

    @property
    def key(self) -> Key:
        """The identity of the measurement."""
        return self.collection, self.image, self.codec, self.setting

    def per_pixel(self, bits: float) -> float:
        """Return bits per pixel of the image."""
        return bits / (self.width * self.height)

    @property
    def bpp(self) -> float:
        """Bits per pixel of the whole file."""
        return self.per_pixel(8 * self.size)


COLUMNS = tuple(field.name for field in fields(Record))
_TEXTS = ("collection", "image", "image_hash", "codec", "codec_hash")
_COUNTS = ("width", "height", "setting", "size")
_NEEDED = ("psnr_y", "psnr_rgb", "slides_psnr")


class Log:
    """The records of a file; new ones are appended as whole lines."""

    def __init__(self, path: Path) -> None:
        """Read a file, which may be missing.

        Raises:
            UserError: the file does not hold records.
        """
        self._path = path
        self._records = {record.key: record for record in _read(path)}

    def find(self, key: Key, image_hash: str, codec_hash: str) -> Record | None:
        """Return the record of an image, or None.

        Raises:
            UserError: the record is of another image or another codec of that name.
        """
        record = self._records.get(key)
        if record is None:
            return None
        for actual, expected, what in (
            (record.image_hash, image_hash, f"image {record.image} of {record.collection}"),
            (record.codec_hash, codec_hash, f"{record.codec}"),
        ):
            if actual != expected:
                raise UserError(
                    f"{self._path} holds figures of another {what} ({actual}, not {expected}); "
                    "name another --out, or remove that file"
                )
        return record

    def add(self, records: Iterable[Record]) -> None:
        """Append records; after an interruption a partial line is not read as a record."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        if not self._path.exists() or not self._path.stat().st_size:
            writer.writeheader()
        for record in records:
            writer.writerow(asdict(record))
            self._records[record.key] = record
        with self._path.open("ab", buffering=0) as file:
            file.write(text.getvalue().encode())


def _read(path: Path) -> list[Record]:
    """Return the records of a file; removes a partial last line."""
    if not path.exists():
        return []
    data = path.read_bytes()
    if not data:
        return []
    whole = data[: data.rfind(b"\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(whole.decode(), newline="")))
    except (ValueError, csv.Error):
        raise UserError(f"{path} is not a CSV file; name another --out") from None
    if not lines or tuple(lines[0]) != COLUMNS:
        raise UserError(f"{path} does not have the header of records; name another --out")
    records = [_parse(path, number, line) for number, line in enumerate(lines[1:], start=2)]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    return records


def _parse(path: Path, number: int, line: list[str]) -> Record:
    try:
        cells = zip(COLUMNS, line, strict=True)
        record = Record(**{name: _value(name, text) for name, text in cells})
        if min(record.width, record.height, record.size) < 1:
            raise ValueError
    except ValueError:
        raise UserError(f"line {number} of {path} is not a record; remove it") from None
    return record


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    if name in _COUNTS:
        return int(text)
    if text == "" and name not in _NEEDED:
        return None
    value = float(text)
    if math.isnan(value):
        raise ValueError
    return value
