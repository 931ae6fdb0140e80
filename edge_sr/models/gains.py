"""The gains of a compressive autoencoder, which turn its latents into symbols.

They are trained beside encoder and decoder (`training.rate_model`) and lie in a file of their own.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_sr.errors import UserError, require
from edge_sr.models.cae import CaeConfig
from edge_sr.models.checkpoint import Checkpoint

GAINS = ("rate_model.safetensors", "context.safetensors")
"""Files beside a float checkpoint, of a run or of a shipped codec, with an array `log_gains`."""

_MAX_LOG_GAIN = 24


def read_log_gains(checkpoint: Checkpoint) -> np.ndarray:
    """The gains (Q,C) of a float checkpoint's qualities, logarithms to base 2.

    Raises:
        UserError: none of `GAINS` is beside the checkpoint, or what they hold does not fit it.
    """
    folder = Path(checkpoint.source).parent
    found = [folder / name for name in GAINS if (folder / name).is_file()]
    if not found:
        raise UserError(f"{checkpoint.source} needs its gains: {' or '.join(GAINS)} beside it")
    safetensors = require("safetensors", "train")
    try:
        with safetensors.safe_open(found[0], framework="numpy") as file:
            log_gains = np.asarray(file.get_tensor("log_gains"), np.float64)
    except (safetensors.SafetensorError, OSError):
        raise UserError(f"{found[0]} has no log_gains, or it is damaged") from None
    assert isinstance(checkpoint.config, CaeConfig)
    channels = checkpoint.config.channels
    if log_gains.ndim != 2 or log_gains.shape[1] != channels or not len(log_gains):
        raise UserError(f"{found[0]} has no gains for the {channels} channels of this network")
    if not (np.abs(log_gains) < _MAX_LOG_GAIN).all():
        raise UserError(f"{found[0]} has a gain that is out of range")
    return log_gains


def in_symbols(checkpoint: Checkpoint, log_gains: np.ndarray) -> Checkpoint:
    """The same float network whose latents are symbols of one quality, before they are rounded.

    Args:
        checkpoint: a float one.
        log_gains: (C) of that quality, logarithms to base 2.
    """
    gains = np.exp2(log_gains)
    factors = {
        "encoder_conv3/kernel": gains,
        "encoder_conv3/bias": gains,
        "decoder_conv1/kernel": 1 / gains[:, None],
    }
    weights = {
        name: (array * factors[name]).astype(np.float32) if name in factors else array
        for name, array in checkpoint.weights.items()
    }
    return replace(checkpoint, weights=weights)
