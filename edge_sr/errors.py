"""The errors that a user may meet, and what the command line makes of them."""

import importlib
from types import ModuleType


class UserError(Exception):
    """Bad input. The text is one sentence: what was wrong and what would be right. Exit code 2."""


class VerificationError(Exception):
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
