"""The folder layouts of two sets of thermal images: which images train, and which test.

FLIR ADAS: version 1 has `train/thermal_8_bit` and `val/thermal_8_bit` (next to `thermal_16_bit` and
`RGB`), version 2 `images_thermal_train/data` and `images_thermal_val/data`. OSU (OTCBVS data set
01) has ten folders of frames, `00001` to `00010`; the TinyPSSR slides test on the last two.
"""

from dataclasses import dataclass
from pathlib import Path

from edge_sr.errors import UserError

_FLIR_SPLITS = (  # training, test
    ("train/thermal_8_bit", "val/thermal_8_bit"),
    ("images_thermal_train/data", "images_thermal_val/data"),
)
_OSU_SEQUENCES = tuple(f"{number:05}" for number in range(1, 11))
_OSU_TRAINING = 8
UNPACKED = {
    "flir": "val/thermal_8_bit, or images_thermal_val/data",
    "osu": "the folders 00001 to 00010, all of them",
}
"""The folders that a data set has after unpacking, by its name."""


@dataclass(frozen=True)
class Layout:
    """Folders of images.

    Attributes:
        name: of the data set, as in published results.
        training: folders of training images.
        test: folders of test images.
    """

    name: str
    training: tuple[Path, ...]
    test: tuple[Path, ...]

    def part(self, for_test: bool) -> tuple[Path, ...]:
        """Return the test folders or the training folders.

        Raises:
            UserError: one of the folders is missing.
        """
        folders = self.test if for_test else self.training
        for folder in folders:
            if not folder.is_dir():
                raise UserError(f"missing folder {folder} of the data set {self.name}; unpack it")
        return folders


def find(folder: Path) -> Layout | None:
    """Return the layout of the set in `folder` or in one of its sub-folders, or None.

    `folder` may also be one part of FLIR (`val`, `images_thermal_val`), which is then used for
    training and test alike.
    """
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    for root in (folder, *subfolders):
        layout = _flir(root) or _osu(root)
        if layout is not None:
            return layout
    return _flir_part(folder)


def _flir(root: Path) -> Layout | None:
    for training, test in _FLIR_SPLITS:
        if (root / training).is_dir() or (root / test).is_dir():
            return Layout("flir", (root / training,), (root / test,))
    return None


def _flir_part(folder: Path) -> Layout | None:
    name = folder.absolute().name  # "." has no name
    for part in (path for split in _FLIR_SPLITS for path in split):
        part_name, _, images = part.partition("/")
        if name == part_name and (folder / images).is_dir():
            return Layout("flir", (folder / images,), (folder / images,))
    return None


def _osu(root: Path) -> Layout | None:
    folders = tuple(root / name for name in _OSU_SEQUENCES)
    if not all(folder.is_dir() for folder in folders):
        return None
    return Layout("osu", folders[:_OSU_TRAINING], folders[_OSU_TRAINING:])
