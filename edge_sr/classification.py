"""Classifies images, and measures the accuracy of a classifier.

An image becomes gray or RGB, as the network has one channel or three, and is resized to the
network's size by Pillow's bilinear filter, which averages where it reduces. The whole image is
used: its aspect ratio is not kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from edge_sr.data.image_types import Pixels
from edge_sr.data.labelled import LabelledImage
from edge_sr.errors import UserError
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import Classes, Session, TensorSpec

MAX_LABEL_BYTES = 4 * 2**20

TOP = 5
"""How many classes the second accuracy counts."""


@dataclass(frozen=True)
class ClassScore:
    """The score of a class.

    Attributes:
        index: of the class in the network's output, from 0.
        label: its name; "class 3" without labels.
        percent: 0 to 100.
    """

    index: int
    label: str
    percent: float


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a labelled image.

    Attributes:
        name: of the image.
        expected: index of the true class.
        ranked: indices of the most probable classes, the best first, at most `TOP`.
        percent: the score of the best one.
    """

    name: str
    expected: int
    ranked: tuple[int, ...]
    percent: float


def classes_of(session: Session) -> Classes:
    """Return the classes of a classifier's session."""
    assert session.classes is not None  # `open_classifier` has opened it
    return session.classes


def class_percents(session: Session, pixels: Pixels) -> NDArray[np.float64]:
    """Classify one image.

    Args:
        session: of a classifier.
        pixels: uint8 (H, W) gray or (H, W, 3) RGB, of any size.

    Returns:
        The score of each class in percent, (N,): the output itself if it ends in a softmax or a
        sigmoid, else the softmax of it.

    Raises:
        UserError: the range of pixels is unknown, or the output is not finite.
    """
    assert session.fixed_size is not None
    fitted = fit(pixels, session.fixed_size, session.channels)
    values = _dequantized(session.run(encode(fitted, session.input)[np.newaxis])[0], session.output)
    if not np.isfinite(values).all():
        raise UserError("the model gives values that are not finite; its weights are damaged")
    if classes_of(session).activation == "none":
        values = np.exp(values - values.max())
        values /= values.sum()
    return np.clip(100 * values, 0, 100)


def fit(pixels: Pixels, size: tuple[int, int], channels: int) -> Pixels:
    """Return an image as a network takes it.

    Args:
        pixels: uint8 (H, W) gray or (H, W, 3) RGB.
        size: height and width of the result.
        channels: 1 for gray (Rec. 601 luma of full range), 3 for RGB.

    Returns:
        uint8 (height, width, channels); an image of that size keeps its pixels.
    """
    image = PillowImage.fromarray(pixels).convert("L" if channels == 1 else "RGB")
    height, width = size
    if image.size != (width, height):
        image = image.resize((width, height), PillowImage.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, channels)


def _dequantized(values: np.ndarray, spec: TensorSpec) -> NDArray[np.float64]:
    return (values.astype(np.float64) - spec.zero_point) * spec.scale


def best(
    percents: NDArray[np.float64], count: int, labels: Sequence[str] | None = None
) -> list[ClassScore]:
    """Return the most probable classes, the best first; equal scores in the order of the output.

    Args:
        percents: from `class_percents`.
        count: how many at most.
        labels: the names of all classes.
    """
    return [
        ClassScore(index, labels[index] if labels else f"class {index}", float(percents[index]))
        for index in _ranked(percents, count)
    ]


def _ranked(percents: NDArray[np.float64], count: int) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argsort(-percents, kind="stable")[:count])


def read_labels(path: Path, count: int) -> list[str]:
    """Read the names of classes from a text file, one a line, in the order of the output.

    Args:
        path: a UTF-8 file; empty lines at its end do not count.
        count: the number of classes.

    Raises:
        UserError: the file cannot be read, or it has another number of lines.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LABEL_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; one label a line is needed") from None
    if len(data) > MAX_LABEL_BYTES:
        raise UserError(f"{path} is larger than 4 MiB; one label a line is needed")
    labels = [line.strip() for line in text.rstrip().splitlines()]
    if not all(label.isprintable() for label in labels):
        raise UserError(f"{path} has control characters; one label a line is needed")
    check_labels(labels, count, f"{path}")
    return labels


def check_labels(labels: Sequence[str], count: int, name: str) -> None:
    """Check that there is a label for each class.

    Raises:
        UserError: there are more labels or fewer.
    """
    if len(labels) != count:
        raise UserError(
            f"{name} has {len(labels)} labels, and the model has {count} classes; "
            "one label for each class is needed"
        )


def predict(session: Session, images: Iterable[LabelledImage]) -> Iterator[Prediction]:
    """Classify labelled images in order, one per iteration.

    Raises:
        UserError: an image cannot be read, or its class is not one of the network's.
    """
    count = classes_of(session).count
    for image in images:
        if not 0 <= image.label < count:
            raise UserError(
                f"{image.name} is of class {image.label}, and the model has {count} classes"
            )
        percents = class_percents(session, image.read())
        ranked = _ranked(percents, TOP)
        yield Prediction(image.name, image.label, ranked, float(percents[ranked[0]]))


def right(predictions: Iterable[Prediction], top: int) -> int:
    """Count the predictions whose true class is among the `top` best ones."""
    return sum(each.expected in each.ranked[:top] for each in predictions)
