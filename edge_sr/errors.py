"""The errors of edge-sr, and the exit codes that the command line gives them."""

import importlib
import platform
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from types import ModuleType


class EdgeSRError(Exception):
    """Any error that edge-sr raises; its text is one sentence."""


class UserError(EdgeSRError):
    """Bad input. The text says what was wrong and what would be right. Exit code 2."""


class VerificationError(EdgeSRError):
    """An artifact failed its check; the text names the tensor or file. Exit code 1."""


def reason(error: OSError) -> str:
    """Return why the system refuses to read or write, for messages."""
    if isinstance(error, IsADirectoryError):
        return "it is a folder; name a file"
    return "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of edge-sr installs it, if one does on this machine.

    Raises:
        UserError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        if module == "tflite_micro" and not has_tflm_wheels():
            raise UserError(
                "this needs tflite_micro, which is published for Linux on x86-64 only; run the "
                "command on such a machine"
            ) from None
        raise UserError(
            f"this needs {module}, which is missing; `pip install 'edge-sr[{extra}]'` installs it"
        ) from None


def require_all(packages: Iterable[tuple[str, str]]) -> None:
    """Check that packages are installed, and name all missing ones at once.

    Args:
        packages: (module, extra of edge-sr that installs it).

    Raises:
        UserError: a package is not installed.
    """
    missing = [(module, extra) for module, extra in packages if not _is_installed(module)]
    if len(missing) == 1:
        require(*missing[0])
    if missing:
        modules = ", ".join(module for module, _ in missing)
        extras = ",".join(dict.fromkeys(extra for _, extra in missing))
        raise UserError(
            f"this needs {modules}, which are missing; `pip install 'edge-sr[{extras}]'` installs "
            "them"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # of a module that is loaded without a specification
        return False


def has_tflm_wheels() -> bool:
    """Whether tflite-micro is published for this machine; pyproject.toml has the same condition."""
    return sys.platform == "linux" and platform.machine() == "x86_64"
