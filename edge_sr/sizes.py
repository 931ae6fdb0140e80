"""Sizes of images as people write them: WIDTHxHEIGHT."""

import re

from edge_sr.errors import UserError


def parse_size(text: str, max_side: int) -> tuple[int, int]:
    """Return (height, width) in pixels of a text like "768x512", which is 768 wide, 512 high.

    Args:
        text: width, "x" and height.
        max_side: the largest width or height.

    Raises:
        UserError: the text is not a size, or a side is 0 or more than `max_side`.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})[xX]([1-9][0-9]{0,5})", text)
    if found is None or max(map(int, found.groups())) > max_side:
        raise UserError(
            f"{text!r} is not a size; write WIDTHxHEIGHT, such as 768x512, sides up to {max_side}"
        )
    return int(found[2]), int(found[1])
