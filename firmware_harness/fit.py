"""What a model needs of a board's memory, as the planner predicts it."""

from collections.abc import Callable
from dataclasses import dataclass

from edge_sr.engine.frame_plan import FramePlan
from edge_sr.engine.plan import HEAD_BYTES, MAX_UNITS, Plan
from edge_sr.errors import UserError
from edge_sr.graph import Graph
from firmware_harness import camera, symbol_camera
from firmware_harness.board import Board
from firmware_harness.frames import frame_height

CODE_BYTES = 32 * 1024
"""Flash for engine, libraries, start-up and self-test: an upper bound for every build."""

_VARIABLES = 128  # bytes; with alignment and the self-test's result

ExtraRam = Callable[[int], int]
"""Bytes of RAM that a program needs on top of everything else, for a frame width."""


def _nothing(width: int) -> int:
    return 0


def extra_ram(network: Graph, plan: Plan | FramePlan) -> ExtraRam:
    """Return the RAM that an encoder needs for a 4:3 frame on top of the rest; 0 for others."""
    if isinstance(plan, FramePlan) or not camera.is_encoder(network):
        return _nothing
    if symbol_camera.is_encoder(network):
        return lambda width: symbol_camera.bound(network, width).total

    def kept(width: int) -> int:
        return camera.most_bytes(network, plan, width, frame_height(width, plan.pixels_per_unit))

    return kept


def extra_flash(network: Graph, plan: Plan | FramePlan) -> int:
    """Return the flash of an encoder's context, at most; 0 for others."""
    if isinstance(plan, FramePlan) or not symbol_camera.is_encoder(network):
        return 0
    return symbol_camera.context_bound(network)


@dataclass(frozen=True)
class Fit:
    """What a model needs on a board at one width; sizes in bytes.

    Attributes:
        ram: stack, arena, one row of the frame, variables and extra RAM.
        ram_lacking: RAM that the board lacks; 0 if it fits.
        flash: the plan with its weights, and `CODE_BYTES`.
        flash_lacking: flash that the board lacks; 0 if it fits.
        widest: the largest width that fits; 0 if none does; None for a network of one size.
        widest_external: the same with the arena in external RAM; None if the board has none.
        fits_external: whether the network fits with the arena in external RAM.
    """

    ram: int
    ram_lacking: int
    flash: int
    flash_lacking: int
    widest: int | None
    widest_external: int | None
    fits_external: bool

    @property
    def fits(self) -> bool:
        """Return whether the model runs on the board at that width."""
        return not self.ram_lacking and not self.flash_lacking


def fit(
    network: Graph,
    plan: Plan | FramePlan,
    width: int,
    board: Board,
    extra: ExtraRam = _nothing,
    extra_flash: int = 0,
) -> Fit:
    """Return what a model needs on a board, with extra RAM and bytes of flash.

    Args:
        network: parsed from its file.
        plan: of the network.
        width: of the frame, in pixels.
        board: that it may fit.
        extra: RAM that the program needs on top, by width.
        extra_flash: bytes of flash besides the plan.

    Raises:
        UserError: the engine does not run the network at this width on any board.
    """
    channels = plan.in_shape[2] if isinstance(plan, FramePlan) else network.input.shape[3]
    around, arena = _around(channels, width, board) + extra(width), arena_bytes(plan, width)
    flash = plan.flash_bytes + extra_flash + CODE_BYTES
    flash_lacking = max(0, flash - board.flash.size)

    def widest(external: bool) -> int | None:
        if isinstance(plan, FramePlan):
            return None
        return 0 if flash_lacking else _widest(plan, channels, board, external, extra)

    return Fit(
        ram=around + arena,
        ram_lacking=max(0, around + arena - board.ram.size),
        flash=flash,
        flash_lacking=flash_lacking,
        widest=widest(False),
        widest_external=widest(True) if board.external_ram else None,
        fits_external=not flash_lacking
        and around <= board.ram.size
        and arena <= board.external_ram,
    )


def arena_bytes(plan: Plan | FramePlan, width: int) -> int:
    """Return the RAM of the engine for frames of that width.

    Raises:
        UserError: the network cannot run at this width.
    """
    if isinstance(plan, Plan):
        return plan.arena_bytes(width)
    own = plan.in_shape[1]
    if width != own:
        raise UserError(f"the model takes frames of width {own} only, not {width}")
    return plan.arena_bytes


def check(
    name: str,
    network: Graph,
    plan: Plan | FramePlan,
    width: int,
    board: Board,
    extra: ExtraRam = _nothing,
    extra_flash: int = 0,
) -> None:
    """Refuse a board that is too small, before anything is written.

    Raises:
        UserError: the width is impossible, or the program exceeds flash or RAM; the text states
            all that is lacking.
    """
    needed = fit(network, plan, width, board, extra, extra_flash)
    lacking, own_size = [], isinstance(plan, FramePlan)
    if needed.flash_lacking:
        anyway = "" if own_size else ", at any width"
        lacking.append(f"{needed.flash_lacking:,} bytes more flash than {board.name} has{anyway}")
    if needed.ram_lacking:
        at = "" if own_size else f"at width {width}, "
        lacking.append(f"{at}{needed.ram_lacking:,} bytes more RAM than {board.name} has")
    if lacking:
        advice = "" if own_size or needed.flash_lacking else f"; it fits {_fits(needed.widest)}"
        raise UserError(f"{name} needs {', and '.join(lacking)}{advice}")


def _fits(widest: int | None) -> str:
    return f"up to a width of {widest}" if widest else "at no width"


def _around(channels: int, width: int, board: Board) -> int:
    """Return the RAM of the program without arena and extra RAM."""
    return board.stack + channels * width + _VARIABLES


def _widest(plan: Plan, channels: int, board: Board, external: bool, extra: ExtraRam) -> int:
    """Return the largest width that fits a board; 0 if none does."""

    def fits(units: int) -> bool:
        width = units * plan.pixels_per_unit
        arena = plan.arena_bytes(width)
        internal = _around(channels, width, board) + extra(width) + (0 if external else arena)
        return internal <= board.ram.size and (not external or arena <= board.external_ram)

    largest = max(board.ram.size, board.external_ram)
    return _most(min(largest // plan.arena.per_unit, MAX_UNITS), fits) * plan.pixels_per_unit


def widest_within(plan: Plan, ram: int) -> int:
    """Return the largest width whose arena takes at most `ram` bytes; 0 if none does."""

    def fits(units: int) -> bool:
        arena = plan.arena.at(plan.padded_units(units * plan.pixels_per_unit))
        return HEAD_BYTES + arena + plan.scratch <= ram

    return _most(MAX_UNITS, fits) * plan.pixels_per_unit


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to `limit` that fits, by bisection; 0 if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
