"""The errors of edge-sr, and the exit codes that the command line gives them."""

import importlib
from types import ModuleType


class EdgeSRError(Exception):
    """Any error that edge-sr raises; its text is one sentence."""


class UserError(EdgeSRError):
    """Bad input. The text says what was wrong and what would be right. Exit code 2."""


class VerificationError(EdgeSRError):
    """An artifact failed its check; the text names the tensor or file. Exit code 1."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of edge-sr brings it.

    Raises:
        UserError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise UserError(
            f"this needs {module}, which is missing; `pip install 'edge-sr[{extra}]'` brings it"
        ) from None
