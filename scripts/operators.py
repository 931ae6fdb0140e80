"""Print a Markdown table of the operators that the engine runs.

python scripts/operators.py

The columns say what runs on frames of any size, and what at the input size of the file.
"""

from edge_sr.engine import frame_lower, lower

_WINDOW = "stride and dilation up to 1024, padding SAME and VALID"
_RESIZE = "any size, `align_corners` and `half_pixel_centers`"
_SLICE = "constant numbers; rows and columns with any step, channels with steps above 0"
_RESHAPE = "between vectors (1, N), sequences (1, W, C) and images (1, H, W, C)"
_COMBINE = "of two inputs; one may have a side of 1, or be constant"
_SPLIT = "along height, width or channels"

LIMITS = {
    **lower.LIMITS,
    **dict.fromkeys(("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM"), _COMBINE),
    "CONV_2D": f"{_WINDOW}, groups",
    "DEPTHWISE_CONV_2D": f"{_WINDOW}, any multiplier",
    "TRANSPOSE_CONV": "stride up to 1024, padding SAME and VALID",
    "AVERAGE_POOL_2D": "any window",
    "MAX_POOL_2D": "any window",
    "MEAN": "over height, width and channels, or some of them",
    "PAD": "height, width and channels",
    "PADV2": "height, width and channels",
    "MIRROR_PAD": "height and width",
    "REDUCE_MAX": "over height and width",
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "RESIZE_BILINEAR": _RESIZE,
    "SLICE": _SLICE,
    "STRIDED_SLICE": _SLICE,
    "SPLIT": _SPLIT,
    "SPLIT_V": _SPLIT,
    "RESHAPE": _RESHAPE,
    "SQUEEZE": _RESHAPE,
    "EXPAND_DIMS": _RESHAPE,
    "FULLY_CONNECTED": "on all or on each pixel; one scale of the weights, or one per output",
    "TRANSPOSE": "of height, width and channels",
    "SOFTMAX": "up to 511 channels",
}
"""What limits the operators of networks that run at their own size."""

if __name__ == "__main__":
    print("| operator | frames of any size | frames of the file's size |\n|---|---|---|")
    for name in sorted(frame_lower.OPERATORS):
        streaming = lower.LIMITS.get(name, "yes") if name in lower.RULES else "-"
        own = LIMITS.get(name, "yes")
        print(f"| `{name}` | {streaming} | {'the same' if own == streaming != 'yes' else own} |")
