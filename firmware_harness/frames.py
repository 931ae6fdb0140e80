"""Frames: their sizes, and the images that firmware is run on."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from edge_sr import graph
from edge_sr.classification import fit
from edge_sr.data.colour import luminance
from edge_sr.data.image_types import Pixels
from edge_sr.data.images import read_image
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.engine.planning import plan_network
from edge_sr.errors import UserError
from edge_sr.graph import Graph, Tensor
from edge_sr.runtime.pixels import encode
from edge_sr.runtime.session import TensorSpec

DEFAULT_WIDTH = 160
"""Frame width in pixels of a network that takes any, unless the user names another."""

_DEFAULT_PIXELS = 640 * 480  # at most, of the default image; wide ones are flatter than 4:3


def round_up(size: int, multiple: int) -> int:
    """Return the smallest multiple that is at least `size`."""
    return -(-size // multiple) * multiple


def frame_height(width: int, multiple: int = 1) -> int:
    """Return the height of a 4:3 frame, rounded up to a multiple of what the network takes."""
    return round_up(-(-width * 3 // 4), multiple)


def at_size(model: bytes, width: int | None, height: int | None) -> bytes:
    """Return a network that takes one size at the size that its firmware is built for.

    Files that leave the size open, and networks whose output grows with the image, have any size.

    Args:
        model: an int8 .tflite; one that streams is returned as it is.
        width: that the user names, if any.
        height: that the user names, if any.

    Raises:
        UserError: the network takes another size only, or cannot have this one.
    """
    network = graph.read_graph(model)
    if not _takes_one_size(network):
        return model
    own_height, own_width = network.input.shape[1:3] if len(network.input.shape) == 4 else (1, 1)
    is_open = bool({1, 2} & set(network.input.open_axes))
    if not is_open and width in (None, own_width) and height in (None, own_height):
        return model
    if not is_open and not graph.grows(network):
        raise UserError(
            f"the model takes frames of {own_width}x{own_height} only; leave --width and --height "
            "out"
        )
    if width is None:
        width = DEFAULT_WIDTH if is_open else own_width
    return graph.resize(model, frame_height(width) if height is None else height, width)


def _takes_one_size(network: Graph) -> bool:
    try:
        make_plan(network)
    except UserError:
        return True
    return False


def width_of(plan: Plan | FramePlan, width: int | None) -> int:
    """Return the frame width that firmware is built for.

    Args:
        plan: of the network, as `at_size` returns it.
        width: that the user names; None: about `DEFAULT_WIDTH`.
    """
    if isinstance(plan, FramePlan):
        return plan.in_shape[1]
    return round_up(DEFAULT_WIDTH, plan.pixels_per_unit) if width is None else width


def read_frame(image: Path | None, width: int, network: Graph) -> tuple[np.ndarray, str]:
    """Read the frame that firmware is run on.

    Args:
        image: the file, of any size for a network of one size; None: a photograph, 4:3 or flatter,
            or noise for a network that takes no images.
        width: in pixels, that the firmware was built for.
        network: its network.

    Returns:
        The frame (H, W, C) int8, and what it shows.

    Raises:
        UserError: the image cannot be read or has another width, or the width is impossible.
    """
    plan = plan_network(network)
    if isinstance(plan, FramePlan):
        return _own_frame(image, network, plan)
    plan.arena_bytes(width)  # a damaged project may name an impossible width
    channels = network.input.shape[3]
    if image is None and channels not in (1, 3):
        return noise(frame_height(width, plan.pixels_per_unit), width, channels), "noise"
    if image is None:
        most = max(1, _DEFAULT_PIXELS // (width * plan.pixels_per_unit)) * plan.pixels_per_unit
        height = min(frame_height(width, plan.pixels_per_unit), most)
        pixels, source = default_pixels(height, width)
    else:
        pixels, source = read_image(image).pixels, str(image)
    if pixels.shape[1] != width:
        raise UserError(
            f"{image} is {pixels.shape[1]} pixels wide, but the firmware was built for {width}; "
            f"`edge-sr firmware build --width {pixels.shape[1]}` builds for this width"
        )
    return encode_pixels(pixels, network.input), source


def _own_frame(image: Path | None, network: Graph, plan: FramePlan) -> tuple[np.ndarray, str]:
    """Return the frame of a network of one size, as `read_frame` does; images are resized."""
    height, width, channels = plan.in_shape
    if image is not None:
        _check_channels(channels)
        pixels = read_image(image).pixels
        resized = "" if pixels.shape[:2] == (height, width) else f", resized to {width}x{height}"
        fitted = fit(pixels, (height, width), channels)
        return _encode(fitted, network.input), f"{image}{resized}"
    try:
        _check_channels(channels)
        pixels, source = default_pixels(height, width)
        return _encode(fit(pixels, (height, width), channels), network.input), source
    except UserError:
        return noise(height, width, channels), "noise"


def noise(height: int, width: int, channels: int) -> np.ndarray:
    """Return noise of a linear congruential generator, which app/selftest.c makes too.

    Returns:
        (H, W, C) int8.
    """
    values = np.empty(height * width * channels, np.uint8)
    state = 1
    for index in range(values.size):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state >> 24
    return values.view(np.int8).reshape(height, width, channels)


def read_pixels(image: Path | None, width: int, max_height: int) -> tuple[Pixels, str]:
    """Read the image that an encoder's firmware is run on.

    Args:
        image: the file; None: a photograph of the maximum height.
        width: in pixels, that the firmware was built for.
        max_height: that the firmware was built for.

    Returns:
        The pixels (H, W, 3) uint8, and what they show.

    Raises:
        UserError: the image cannot be read or does not fit.
    """
    if image is None:
        return default_pixels(max_height, width)
    pixels = read_image(image).pixels
    if pixels.shape[1] != width or pixels.shape[0] > max_height:
        raise UserError(
            f"{image} is {pixels.shape[1]}x{pixels.shape[0]}, but the firmware was built for a "
            f"width of {width} and at most {max_height} rows; `edge-sr firmware build --width "
            f"{pixels.shape[1]} --height {pixels.shape[0]}` builds for this size"
        )
    return as_rgb(pixels), str(image)


def default_pixels(height: int, width: int) -> tuple[Pixels, str]:
    """Return an image of that size, uint8 (H, W, 3), and what it shows.

    It is a photograph if scikit-image is installed, else a generated image.
    """
    try:
        import skimage.data
    except ModuleNotFoundError:
        return _generated(height, width), "a generated image"
    photograph = PillowImage.fromarray(skimage.data.astronaut())
    resized = photograph.resize((width, height), PillowImage.Resampling.BICUBIC)
    return np.asarray(resized), "scikit-image's astronaut"


def _generated(height: int, width: int) -> Pixels:
    """Draw rings that get finer from one corner to the other, in three colours, with noise."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.sin(60 * (x**2 + y**2)[..., np.newaxis] + np.arange(3))
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(127.5 + 100 * waves + noise, 0, 255).astype(np.uint8)


def as_rgb(pixels: Pixels) -> Pixels:
    """Return gray (H, W) or RGB pixels as (H, W, 3)."""
    size = pixels.shape[:2]
    return np.ascontiguousarray(np.broadcast_to(pixels.reshape(*size, -1), (*size, 3)))


def encode_pixels(pixels: Pixels, tensor: Tensor) -> np.ndarray:
    """Convert an image to a network's input.

    Args:
        pixels: uint8, (H, W) gray or (H, W, 3) RGB.
        tensor: the int8 input; 1 channel takes BT.601 luma, 3 channels take RGB.

    Returns:
        (H, W, C) int8.

    Raises:
        UserError: the network takes another number of channels.
    """
    channels = tensor.shape[3]
    _check_channels(channels)
    if channels == 1:
        pixels = luminance(pixels)
    return _encode(pixels[..., np.newaxis] if channels == 1 else as_rgb(pixels), tensor)


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise UserError(f"the model takes {channels} channels; an image has 1 or 3")


def _encode(planes: Pixels, tensor: Tensor) -> np.ndarray:
    """Convert (H, W, C) uint8 to a network's input, int8; the bytes of a uint8 input as int8."""
    assert tensor.quantization is not None  # the planner has checked it
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
    values = encode(planes, TensorSpec(tensor.dtype, scale, zero_point))
    return np.ascontiguousarray(values).view(np.int8)
