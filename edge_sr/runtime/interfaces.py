"""The interfaces that a network may have: those of upscalers and those of codec parts."""

from fractions import Fraction

from edge_sr.errors import UserError
from edge_sr.records import Precision
from edge_sr.runtime.session import Classes, Interface, TensorSpec

SCALES = (2, 3, 4)
"""Upscaling factors that a session may have."""

UPSCALER_CHANNELS = (1, 3)
"""Channels of an upscaler: luma or any other single plane, and RGB."""

CLASSIFIER_CHANNELS = (1, 3)
"""Channels of a classifier's images: gray and RGB."""

PART_CHANNELS = 3
"""Channels of the images of an encoder or a decoder; by default of its latents, too."""

PART_FACTORS = (2, 4, 8, 16)
"""Factors by which a decoder enlarges and an encoder shrinks."""


def check_upscaler(scale: int | Fraction, channels: int, ends_in_sigmoid: bool) -> None:
    """Check that a network is an upscaler.

    Args:
        scale: height of the output divided by height of the input.
        channels: of the input.
        ends_in_sigmoid: whether the last operator that computes is a sigmoid.

    Raises:
        UserError: the scale is not in `SCALES`, or the network is the decoder of a codec.
    """
    if scale not in SCALES:
        raise UserError(f"the model's scale is {scale}; upscaling takes {SCALES}")
    if channels == PART_CHANNELS and ends_in_sigmoid:
        raise UserError(
            "the model takes RGB and ends in a sigmoid, as decoders of codecs do; "
            "`edge-sr decompress` runs those"
        )


def check_classifier(
    inputs: int, outputs: int, source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    """Check that a network is an image classifier.

    Args:
        inputs: the number of inputs.
        outputs: the number of outputs.
        source: shape of the first input; a batch of any size is 0 or 1.
        target: shape of the first output, likewise.

    Raises:
        UserError: it is something else; the text says what.
    """
    if (inputs, outputs) != (1, 1):
        raise UserError(
            f"the model has {inputs} inputs and {outputs} outputs; a classifier has one of each"
        )
    if len(target) == 4 and len(source) == 4:
        raise UserError(
            f"the model gives {list(target)}, an image, and a classifier gives [1, classes]; "
            "`edge-sr upscale` runs upscalers"
        )
    if len(target) != 2 or target[0] not in (0, 1) or target[1] < 2:
        raise UserError(
            f"the model gives {list(target)}, and a classifier gives [1, classes] with at least "
            "two classes"
        )
    sized = len(source) == 4 and source[0] in (0, 1) and min(source[1:]) > 0
    if not sized or source[3] not in CLASSIFIER_CHANNELS:
        raise UserError(
            f"the model takes {list(source)}; a classifier of images takes [1, height, width, 1] "
            "or [1, height, width, 3], with a fixed height and width"
        )


def classifier_interface(
    source: TensorSpec,
    target: TensorSpec,
    shape: tuple[int, ...],
    classes: Classes,
    layers: Precision,
) -> Interface:
    """Return the interface of a classifier.

    Args:
        source: of the input.
        target: of the output.
        shape: of the input, (1,H,W,C).
        classes: of the output.
        layers: what the layers compute in.
    """
    _, height, width, channels = shape
    return Interface(
        1, 0, source, target, (height, width), channels, classes=classes, layers=layers
    )


def part_interface(
    ratio: Fraction,
    halo: int,
    source: TensorSpec,
    target: TensorSpec,
    fixed_size: tuple[int, int] | None = None,
    latents: int = PART_CHANNELS,
) -> Interface:
    """Return the interface of an encoder or a decoder.

    Args:
        ratio: height of the output divided by height of the input.
        halo: input pixels on each side that an output pixel may depend on.
        source: of the input.
        target: of the output.
        fixed_size: (H, W) if the network runs at that size only.
        latents: channels of the latents.

    Raises:
        UserError: the ratio is not in `PART_FACTORS`, or input and output differ in dtype.
    """
    if max(ratio, 1 / ratio) not in PART_FACTORS:
        raise UserError(
            f"the model enlarges by {ratio}; a codec part enlarges or shrinks by {PART_FACTORS}"
        )
    if source.dtype != target.dtype:
        raise UserError(
            f"the model's input is {source.dtype} and its output {target.dtype}; "
            "a codec part needs the same dtype for both"
        )
    up, down = ratio.numerator, ratio.denominator
    channels = (PART_CHANNELS, latents) if down > 1 else (latents, PART_CHANNELS)
    return Interface(
        up, halo, source, target, fixed_size, channels[0], down, out_channels=channels[1]
    )
