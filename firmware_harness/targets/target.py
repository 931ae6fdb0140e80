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
        entry: templates of the function that runs the example; none if it is with the target's.
    """

    name: str
    example: str
    build_folder: str
    entry: str | None


_TARGETS = (
    Target("cmake", "example", ".", "console"),
    Target("arduino", "examples/Upscale", "examples/Upscale", None),
    Target("esp-idf", "examples/upscale/main", "examples/upscale/main", "app_main"),
    Target("zephyr", "samples/upscale/src", "samples/upscale", "console"),
    Target("platformio", "examples/upscale/src", "examples/upscale", "console"),
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
