"""Hides the log output of native libraries."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from edge_sr.errors import UserError, VerificationError


@contextmanager
def quiet_native() -> Iterator[None]:
    """Hide what is written to file descriptor 2; print it if the block raises an unexpected error.

    TensorFlow and the TFLite converter write to it, bypassing sys.stderr, at every log level.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except (UserError, VerificationError):
            raise
        except Exception:
            sys.stderr.flush()
            log.seek(0)
            os.write(saved, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def quiet_tensorflow() -> None:
    """Let TensorFlow's Python part log only errors from now on.

    It warns of every quantization range without a gradient, also of those that are fixed.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
