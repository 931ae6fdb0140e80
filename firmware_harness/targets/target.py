"""The build systems that a library can be written for."""

from dataclasses import dataclass

from edge_sr.errors import UserError


@dataclass(frozen=True)
class Target:
    """A build system; its templates are in the folder of its name.

    Attributes:
        name: as on the command line.
        example: the folder of the example's sources, where the build system expects it;
            @RUN@ is the example's name.
        build_folder: the folder of the build file that lists them.
        entry: the template folder with the example's main function; None if the target's own
            templates have it.
    """

    name: str
    example: str
    build_folder: str
    entry: str | None


_TARGETS = (
    Target("cmake", "example", ".", "console"),
    Target("arduino", "examples/@RUN_TITLE@", "examples/@RUN_TITLE@", None),
    Target("esp-idf", "examples/@RUN@/main", "examples/@RUN@/main", "app_main"),
    Target("zephyr", "samples/@RUN@/src", "samples/@RUN@", "console"),
    Target("platformio", "examples/@RUN@/src", "examples/@RUN@", "console"),
)

NAMES = tuple(target.name for target in _TARGETS)


def find(name: str) -> Target:
    """Return the target of that name.

    Raises:
        UserError: the target is unknown.
    """
    target = {target.name: target for target in _TARGETS}.get(name)
    if target is None:
        raise UserError(f"unknown target {name!r}; available: {', '.join(NAMES)}")
    return target
