"""Compiles the engine's shared library into the package; pyproject.toml says everything else."""

import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))

from edge_sr.engine import build
from edge_sr.errors import UserError


class BuildWithEngine(build_py):
    """Without a C compiler the package is complete but for the engine's library."""

    def run(self) -> None:
        """Copy the Python files, then compile."""
        super().run()
        in_place = bool(self.editable_mode)
        folder = build.FOLDER if in_place else Path(self.build_lib) / "edge_sr" / "engine" / "lib"
        for old in folder.glob("libesr-*"):
            old.unlink()
        try:
            build.build(folder)
        except UserError as error:
            self.warn(f"{error}")


class PlatformWheel(bdist_wheel):
    """One wheel per platform serves every Python: the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Tag the wheel as py3-none-<platform>."""
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    """Holds machine code, so that the wheel is bound to a platform."""

    def has_ext_modules(self) -> bool:
        """Say so to setuptools."""
        return True


setup(
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildWithEngine, "bdist_wheel": PlatformWheel},
)
