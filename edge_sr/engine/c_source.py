"""Writes a plan as C source: an array for each weight layout, and the header that declares it."""

import re
import struct
from collections.abc import Sequence

from edge_sr.engine.build import SOURCES
from edge_sr.engine.frame_format import kinds_of
from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.packing import Layout
from edge_sr.engine.plan import ALIGNED_UNITS, HEAD_BYTES, Plan
from edge_sr.errors import UserError


def c_source(plan: Plan | FramePlan, name: str) -> str:
    """A C99 file with the plan as one constant array, aligned by its type.

    The file holds the array once for each layout of weights; the C compiler chooses by its target.

    Args:
        plan: the plan.
        name: the array's name, a C identifier; the file includes `<name>.h`.

    Raises:
        UserError: the name is not a C identifier.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UserError(f"{name!r} is not a name that C accepts; use letters, digits and _")
    arrays = [
        f"const uint32_t {name}[{name.upper()}_WORDS] = {{\n{_c_words(plan.blobs[layout])}\n}};\n"
        for layout in Layout
    ]
    return (
        "/* A plan for edge-sr's engine, to be passed to esr_open. */\n"
        f'#include "{name}.h"\n\n{_by_layout(arrays)}'
    )


def c_header(plan: Plan | FramePlan, name: str) -> str:
    """The header for `c_source`; it includes the engine's esr_layout.h.

    With the name "net" it declares `net` and defines NET_WORDS, NET_BYTES and
    NET_ARENA_BYTES(width). Of a frame plan NET_ARENA_BYTES is a constant, and NET_IN_HEIGHT,
    NET_IN_WIDTH, NET_IN_CHANNELS and NET_OUT_... are the sizes of input and output.
    """
    upper = name.upper()
    words = [f"#define {upper}_WORDS {len(plan.blobs[layout]) // 4}u\n" for layout in Layout]
    sizes = _frame_sizes(plan, upper) if isinstance(plan, FramePlan) else _arena_size(plan, upper)
    return (
        f'#ifndef {upper}_H\n#define {upper}_H\n\n#include "esr_layout.h"\n\n'
        f"#include <stdint.h>\n\n{_by_layout(words)}"
        f"#define {upper}_BYTES (4u * {upper}_WORDS)\n{sizes}\n"
        f"extern const uint32_t {name}[{upper}_WORDS];\n\n#endif\n"
    )


def _arena_size(plan: Plan, upper: str) -> str:
    head = HEAD_BYTES + plan.arena.fixed + plan.scratch
    units = (
        f"((((width) / {plan.pixels_per_unit}u) + {ALIGNED_UNITS - 1}u)"
        f" / {ALIGNED_UNITS}u * {ALIGNED_UNITS}u)"
    )
    return (
        "/* RAM for frames of that width; esr_arena_bytes says the same while it runs. */\n"
        f"#define {upper}_ARENA_BYTES(width) ({plan.arena.per_unit}u * {units} + {head}u)\n"
    )


def _frame_sizes(plan: FramePlan, upper: str) -> str:
    lines = [
        "/* RAM; esr_arena_bytes says the same while it runs. */",
        f"#define {upper}_ARENA_BYTES {plan.arena_bytes}u",
        "/* Of the only frame that the network takes, and of its output. */",
    ]
    ends = [("IN", plan.in_shape), ("OUT", plan.out_shape)]
    if len(plan.out_shapes) > 1:
        lines[-1] = (
            "/* Of the only frame that the network takes, and of its outputs: OUT is output 0. */"
        )
        lines.append(f"#define {upper}_OUTPUTS {len(plan.out_shapes)}u")
        ends += [(f"OUT{index}", shape) for index, shape in enumerate(plan.out_shapes)][1:]
    for role, shape in ends:
        for axis, size in zip(("HEIGHT", "WIDTH", "CHANNELS"), shape, strict=True):
            lines.append(f"#define {upper}_{role}_{axis} {size}u")
    return "\n".join(lines) + "\n"


CONFIG = "esr_config.h"
"""The engine's header that says which plans a build runs."""


def small_config(plan: Plan | FramePlan) -> str:
    """The text of `CONFIG` for a program that runs this plan alone: the least code."""
    text = (SOURCES / CONFIG).read_text(encoding="utf-8")
    if not isinstance(plan, FramePlan):
        return text.replace("#define ESR_FRAMES 1", "#define ESR_FRAMES 0")
    kinds = frozenset[int]().union(*map(kinds_of, plan.blobs.values()))
    mask = sum(1 << kind for kind in kinds)
    return text.replace("#define ESR_STREAMS 1", "#define ESR_STREAMS 0").replace(
        "#define ESR_FRAME_KINDS 0xffffffff", f"#define ESR_FRAME_KINDS {mask:#x}"
    )


def _c_words(blob: bytes) -> str:
    words = [f"0x{word:08x}" for (word,) in struct.iter_unpack("<I", blob)]
    lines = [", ".join(words[start : start + 8]) + "," for start in range(0, len(words), 8)]
    return "\n".join(f"    {line}" for line in lines)


def _by_layout(texts: Sequence[str]) -> str:
    """The texts, one for each layout, between #if directives that select one."""
    tests = [f"if ESR_LAYOUT == ESR_LAYOUT_{layout.name}" for layout in Layout]
    parts = [f"#{'el' if index else ''}{test}\n{texts[index]}" for index, test in enumerate(tests)]
    return "".join(parts) + "#endif\n"
