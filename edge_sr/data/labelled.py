"""Images with a class each: a folder of class folders, or an .npz file.

An .npz holds `images`, uint8 (n, H, W), (n, H, W, 1) or (n, H, W, 3), `labels`, integers (n,), and
if wanted `names`, text (n,). Nothing in it is unpickled.
"""

import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_sr.data.image_types import Pixels
from edge_sr.data.images import list_images, read_image
from edge_sr.errors import UserError

MAX_NPZ_BYTES = 2**31
"""The largest array that is read from an .npz file."""


@dataclass(frozen=True)
class LabelledImage:
    """An image of a known class.

    Attributes:
        name: for messages and reports.
        label: index of the class, from 0.
        read: returns the pixels, uint8 (H, W) gray or (H, W, 3) RGB.
    """

    name: str
    label: int
    read: Callable[[], Pixels]


def find_labelled(
    source: Path, classes: int, labels: Sequence[str] | None = None
) -> list[LabelledImage]:
    """Find labelled images.

    Args:
        source: an .npz file, or a folder with a folder for each class. Without labels the sorted
            folders are the classes, in the order of the network's output.
        classes: the number of classes of the network.
        labels: their names; a folder then has the name of its class, and classes may be absent.

    Raises:
        UserError: the source cannot be read or holds something else.
    """
    if not source.exists():
        raise UserError(f"cannot read {source}: no such file or folder")
    if source.is_dir():
        return _of_folders(source, classes, labels)
    return _of_npz(source)


def _of_folders(source: Path, classes: int, labels: Sequence[str] | None) -> list[LabelledImage]:
    folders = sorted(
        path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if labels is None:
        if len(folders) != classes:
            raise UserError(
                f"{source} has {len(folders)} class folders, and the model has {classes} classes; "
                "one folder for each class is needed, or --labels with a name for each of the "
                "model's classes"
            )
        names: Sequence[str] = [folder.name for folder in folders]
    else:
        names = labels
        if len(set(labels)) != len(labels):
            raise UserError("two classes have the same label; folders need different names")
    for folder in folders:
        if folder.name not in names:
            raise UserError(f"the folder {folder} has the name of no class in the labels")
    images = [
        LabelledImage(
            str(path.relative_to(source)), names.index(folder.name), partial(_read_file, path)
        )
        for folder in folders
        for path in list_images(folder)
    ]
    if not images:
        raise UserError(f"{source} has no class folders; a folder of images for each is needed")
    return images


def _read_file(path: Path) -> Pixels:
    return read_image(path).pixels


def _of_npz(source: Path) -> list[LabelledImage]:
    if source.suffix.lower() != ".npz":
        raise UserError(f"{source} is neither a folder of class folders nor an .npz file")
    try:
        images, labels, names = _arrays(source)
    except OSError as error:
        reason = error.strerror or "it is truncated or damaged"
        raise UserError(f"cannot read {source}: {reason}") from None
    except UserError:
        raise
    except (ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise _damaged(source, error) from None
    except (zipfile.BadZipFile, zlib.error, KeyError, SyntaxError, TypeError) as error:
        raise _damaged(source, error) from None
    kind = images.dtype == np.uint8 and images.ndim in (3, 4) and images.shape[3:] in _COLOURS
    if not kind or 0 in images.shape:
        raise UserError(
            f"{source} holds images {images.dtype} {images.shape}; uint8 (n, H, W), (n, H, W, 1) "
            "or (n, H, W, 3) is needed"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise UserError(
            f"{source} holds labels {labels.dtype} {labels.shape}; one integer for each of "
            f"{len(images)} images is needed"
        )
    planes = images[..., 0] if images.shape[3:] == (1,) else images
    if names is None or names.dtype.kind != "U" or names.shape != labels.shape:
        names = np.array([f"image {index}" for index in range(len(images))])
    return [
        LabelledImage(str(name), int(label), partial(np.ascontiguousarray, plane))
        for name, label, plane in zip(names, labels, planes, strict=True)
    ]


_COLOURS = ((), (1,), (3,))


def _arrays(source: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The arrays of an .npz, after checking their sizes; never unpickled."""
    with zipfile.ZipFile(source) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    for name in ("images", "labels"):
        if f"{name}.npy" not in sizes:
            raise UserError(f"{source} holds no array {name!r}; it needs images and labels")
    for name in ("images", "labels", "names"):
        if sizes.get(f"{name}.npy", 0) > MAX_NPZ_BYTES:
            raise UserError(f"the array {name!r} in {source} is larger than 2 GiB, the limit")
    with np.load(source, allow_pickle=False) as content:
        arrays: dict[str, Any] = {name: content[name] for name in ("images", "labels")}
        return arrays["images"], arrays["labels"], content.get("names")


def _damaged(source: Path, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return UserError(f"{source} is not a usable .npz file: {reason}")
