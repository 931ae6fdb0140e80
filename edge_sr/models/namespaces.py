"""The Keras namespaces: Keras 3 trains float networks, tf_keras quantizes them."""

import os
from typing import Any

from edge_sr.errors import UserError, require
from edge_sr.quiet import quiet_native


def import_keras() -> Any:
    """Import Keras 3 on the backend that KERAS_BACKEND names, without the backend's log output.

    Raises:
        UserError: Keras or the backend is missing.
    """
    with quiet_native():
        try:
            return require("keras", "train")
        except (ImportError, ValueError):
            backend = os.environ.get("KERAS_BACKEND", "tensorflow")
            if backend == "tensorflow":
                require("tensorflow", "train")
            raise UserError(
                f"Keras cannot import its backend {backend!r}; KERAS_BACKEND may be tensorflow, "
                "jax or torch, and that package must be installed"
            ) from None


def is_keras_3(keras: Any) -> bool:
    """Whether the namespace is Keras 3 (tf_keras has no `ops`)."""
    return hasattr(keras, "ops")
