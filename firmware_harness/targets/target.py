"""The ecosystems that a library can be written for."""

from dataclasses import dataclass

from edge_sr.errors import UserError


@dataclass(frozen=True)
class Target:
    """What differs between ecosystems besides their templates.

    Attributes:
        name: as on the command line; also the folder of its templates.
        example: the folder of the example's sources, as the ecosystem wants it.
        build_folder: the folder of the build file that lists them.
        console: whether the example is a plain `main` that prints.
    """

    name: str
    example: str
    build_folder: str
    console: bool


_TARGETS = (
    Target("cmake", "example", ".", True),
    Target("arduino", "examples/Upscale", "examples/Upscale", False),
    Target("esp-idf", "examples/upscale/main", "examples/upscale/main", False),
    Target("zephyr", "samples/upscale/src", "samples/upscale", True),
    Target("platformio", "examples/upscale/src", "examples/upscale", True),
)

NAMES = tuple(target.name for target in _TARGETS)


def find(name: str) -> Target:
    """The target of that name.

    Raises:
        UserError: there is none.
    """
    found = {target.name: target for target in _TARGETS}.get(name)
    if found is None:
        raise UserError(f"there is no target {name!r}; there are {', '.join(NAMES)}")
    return found
