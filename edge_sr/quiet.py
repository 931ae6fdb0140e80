"""Keeps the chatter of native libraries away from people."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from edge_sr.errors import UserError, VerificationError


@contextmanager
def quiet_native() -> Iterator[None]:
    """Hide what is written to file descriptor 2; when the block fails for a reason that is not the
    user's, print it after all.

    TensorFlow and the TFLite converter write to it past Python's sys.stderr, whatever their log
    level is set to.
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
    """Let TensorFlow's Python part speak of errors alone from now on.

    It warns of every range that has no gradient, those that are to stay among them.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
