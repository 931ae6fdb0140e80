"""manifest.json: the contents of an export, its costs, and how it was verified.

The dataclasses are the schema. A manifest is parsed as hostile input.
"""

import dataclasses
import re
from pathlib import Path
from typing import Literal

from edge_sr import schema
from edge_sr.errors import UserError

SCHEMA_VERSION = 2
READABLE = (1, 2)
"""Version 2 only added fields; in version 1 they are empty."""
MAX_BYTES = 8 * 2**20
MAX_ITEMS = 10_000


@dataclasses.dataclass(frozen=True)
class OperatorVersion:
    """An operator that the network needs, with its version in the .tflite schema."""

    name: str
    version: int


@dataclasses.dataclass(frozen=True)
class TensorRecord:
    """A tensor: shape (images NHWC), dtype, and scale and zero point per tensor or per channel."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """A file of the export: name without folder, size in bytes, SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Arena:
    """The arena of TensorFlow Lite Micro in bytes at the exported size.

    `abi` names the machine that it was measured on; pointers are smaller on a microcontroller.
    """

    bytes: int
    abi: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One file in one runtime against the reference.

    `inputs` is "random" (seeded noise) or "real" (images). Differences are in steps of the output:
    one int8 step, or 1/255 of the range for float32. `psnr_difference` is the largest over the
    images, in dB against their originals; None for noise. For a codec part it is the PSNR of all
    RGB samples of the decoded image.
    """

    file: str
    runtime: str
    inputs: Literal["random", "real"]
    values: int
    max_difference: float
    differing_share: float
    psnr_difference: float | None
    mean_difference: float | None = None


@dataclasses.dataclass(frozen=True)
class Verification:
    """The reference runtime, the comparisons with it, and notes on other checks."""

    reference: str
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Score:
    """Quality on a test set: PSNR in dB and SSIM, on luma with the border cropped."""

    precision: Literal["int8", "float32"]
    dataset: str
    psnr: float
    ssim: float


@dataclasses.dataclass(frozen=True)
class CodecScore:
    """Quality of a codec on a test set, both parts in this precision, all bit planes.

    Bits of the file per pixel, PSNR in dB of BT.601 luma and of all RGB samples, MS-SSIM of luma,
    without cropping.
    """

    precision: Literal["int8", "float32"]
    dataset: str
    bpp: float
    psnr_y: float
    psnr_rgb: float
    ms_ssim: float


@dataclasses.dataclass(frozen=True)
class Manifest:
    """An export. MACs are multiply-accumulates of the convolutions; sizes are in pixels.

    `scale` is the height of the output divided by that of the input: 2 for x2, 0.25 for an encoder
    of rate 16. `macs_per_lr_pixel` and `halo` count input pixels. `parameters` counts weights that
    a codec part applies several times once; MACs count every time.

    Heights and widths are those of the .tflite and the C array; the .onnx takes any size.
    """

    schema_version: int
    name: str
    model: str
    scale: float
    precision: Literal["int8", "float32"]
    input_height: int
    input_width: int
    parameters: int
    macs_per_lr_pixel: float
    macs_per_frame: int
    halo: int
    operators: tuple[OperatorVersion, ...]
    input: TensorRecord
    output: TensorRecord
    tensors: tuple[TensorRecord, ...]
    files: tuple[FileRecord, ...]
    tools: dict[str, str]
    quality: tuple[Score, ...]
    tflm_arena: Arena | None
    verification: Verification
    codec_quality: tuple[CodecScore, ...] = ()


def dumps(manifest: Manifest) -> str:
    """Return the manifest as JSON; equal manifests give equal text."""
    return schema.dumps(manifest)


def read(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        UserError: the file cannot be read, is not a manifest of a known schema version, or has an
            invalid field.
    """
    return schema.read(path, MAX_BYTES, loads)


def loads(data: bytes) -> Manifest:
    """Parse and check the bytes of a manifest, as `read` does."""
    values = schema.parse(data, MAX_BYTES, "the manifest of an export")
    schema.check_version(values, *READABLE)
    manifest: Manifest = schema.decode(values, Manifest, "manifest", MAX_ITEMS)
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Check what the types do not express."""
    counts = [manifest.parameters, manifest.macs_per_frame, manifest.halo]
    sizes = [manifest.input_height, manifest.input_width]
    if min(counts) < 0 or min(sizes) < 1 or manifest.scale <= 0:
        raise UserError("a count or size of the manifest is negative")
    if not is_plain_name(manifest.name):
        raise UserError("the manifest's name is not a file name")
    names = [file.name for file in manifest.files]
    if len(set(names)) != len(names) or not all(map(is_plain_name, names)):
        raise UserError("the manifest lists a file twice or outside of its folder")
    if any(
        file.bytes < 0 or not re.fullmatch("[0-9a-f]{64}", file.sha256) for file in manifest.files
    ):
        raise UserError("the manifest has a file without a sha256 and a size")


def is_plain_name(name: str) -> bool:
    """Whether this is a file name without a folder on every system."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name) is not None
