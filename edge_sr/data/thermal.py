"""Where sets of thermal images keep what to train on and what to be judged by.

FLIR ADAS: version 1 has `train/thermal_8_bit` and `val/thermal_8_bit` (beside `thermal_16_bit` and
`RGB`), version 2 `images_thermal_train/data` and `images_thermal_val/data`. OSU (OTCBVS data set
01) has ten folders of frames, `00001` to `00010`; the TinyPSSR slides judge by the last two.
"""

from dataclasses import dataclass
from pathlib import Path

from edge_sr.errors import UserError

_FLIR_HALVES = (  # to train on, to be judged by
    ("train/thermal_8_bit", "val/thermal_8_bit"),
    ("images_thermal_train/data", "images_thermal_val/data"),
)
_OSU_SEQUENCES = tuple(f"{number:05}" for number in range(1, 11))
_OSU_TRAINED = 8
UNPACKED = {
    "flir": "val/thermal_8_bit, or images_thermal_val/data",
    "osu": "the folders 00001 to 00010, all of them",
}
"""By the name of a data set: what is in its folder."""


@dataclass(frozen=True)
class Layout:
    """Folders of images.

    Attributes:
        name: of the data set, as published results call it.
        trained: to train on.
        judged: to be judged by.
    """

    name: str
    trained: tuple[Path, ...]
    judged: tuple[Path, ...]

    def part(self, judging: bool) -> tuple[Path, ...]:
        """The folders for one of the two.

        Raises:
            UserError: one is missing.
        """
        folders = self.judged if judging else self.trained
        for folder in folders:
            if not folder.is_dir():
                raise UserError(f"there is no folder {folder}, which {self.name} has; unpack it")
        return folders


def find(folder: Path) -> Layout | None:
    """The set of thermal images in `folder`, or in a folder there; None if there is none.

    One half of FLIR may be named too (`val`, `images_thermal_val`); then both parts are that half.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    for root in (folder, *below):
        layout = _flir(root) or _osu(root)
        if layout is not None:
            return layout
    return _flir_half(folder)


def _flir(root: Path) -> Layout | None:
    for trained, judged in _FLIR_HALVES:
        if (root / trained).is_dir() or (root / judged).is_dir():
            return Layout("flir", (root / trained,), (root / judged,))
    return None


def _flir_half(folder: Path) -> Layout | None:
    named = folder.absolute().name  # "." has no name
    for half in (path for halves in _FLIR_HALVES for path in halves):
        name, _, images = half.partition("/")
        if named == name and (folder / images).is_dir():
            return Layout("flir", (folder / images,), (folder / images,))
    return None


def _osu(root: Path) -> Layout | None:
    folders = tuple(root / name for name in _OSU_SEQUENCES)
    if not all(folder.is_dir() for folder in folders):
        return None
    return Layout("osu", folders[:_OSU_TRAINED], folders[_OSU_TRAINED:])
