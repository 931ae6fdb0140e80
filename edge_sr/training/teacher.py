"""Teachers for knowledge distillation: shipped networks, or model files."""

from functools import partial

from edge_sr.runtime.pixels import run_plane
from edge_sr.training.distil import Upscale, teacher
from edge_sr.zoo import catalog
from edge_sr.zoo.artifact import open_upscaler


def open_teacher(name: str, scale: int, channels: int) -> Upscale:
    """Open a teacher; its output is averaged over eight orientations.

    Args:
        name: a shipped network, in float32, or a model file.
        scale: the factor.
        channels: of the network that learns: 1 or 3.

    Raises:
        UserError: there is no such model, or it upscales luma and the network RGB.
    """
    shipped = catalog.resolve(name, scale).entry is not None
    _, session = open_upscaler(name, scale, precision="float32" if shipped else None)
    return teacher(partial(run_plane, session), session.channels, channels, name)
