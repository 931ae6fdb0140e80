"""What a model takes of a board's memory, by the planner's figures."""

from collections.abc import Callable
from dataclasses import dataclass

from edge_sr.engine.plan import MAX_UNITS, Plan
from edge_sr.errors import UserError
from edge_sr.graph import Graph
from firmware_harness.board import Board

CODE_BYTES = 32 * 1024
"""Flash for engine, libraries, start-up and self-test: more than any build of them takes."""

_VARIABLES = 128  # bytes; alignment and the self-test's result included

Beside = Callable[[int], int]
"""Bytes of RAM that a program needs beside all else, by the frame's width."""


def _nothing(width: int) -> int:
    return 0


@dataclass(frozen=True)
class Fit:
    """How a model lies on a board at one width; bytes.

    Attributes:
        ram: stack, arena, one row of the frame, variables.
        ram_lacking: what the board has too little; 0 if it fits.
        flash: the plan with its weights, and what is allowed for code.
        flash_lacking: what the board has too little.
        widest: the largest width that fits; 0 if there is none.
        widest_external: the same if the arena lies in external RAM; None without any.
    """

    ram: int
    ram_lacking: int
    flash: int
    flash_lacking: int
    widest: int
    widest_external: int | None

    @property
    def fits(self) -> bool:
        """Whether the model runs on the board at that width."""
        return not self.ram_lacking and not self.flash_lacking


def fit(network: Graph, plan: Plan, width: int, board: Board, beside: Beside = _nothing) -> Fit:
    """How a model lies on a board.

    Raises:
        UserError: the width is impossible on any board.
    """
    channels = network.input.shape[3]
    ram = _around(channels, width, board) + beside(width) + plan.arena_bytes(width)
    flash = plan.flash_bytes + CODE_BYTES
    flash_lacking = max(0, flash - board.flash.size)

    def widest(external: bool) -> int:
        return 0 if flash_lacking else _widest(plan, channels, board, external, beside)

    return Fit(
        ram=ram,
        ram_lacking=max(0, ram - board.ram.size),
        flash=flash,
        flash_lacking=flash_lacking,
        widest=widest(False),
        widest_external=widest(True) if board.external_ram else None,
    )


def check(
    name: str, network: Graph, plan: Plan, width: int, board: Board, beside: Beside = _nothing
) -> None:
    """Find out before anything is written that a board is too small.

    Raises:
        UserError: the width is impossible, or the program at that width exceeds RAM or flash.
    """
    found = fit(network, plan, width, board, beside)
    if found.flash_lacking:
        raise UserError(
            f"{name} needs {found.flash_lacking:,} bytes more flash than {board.name} has, "
            "at any width"
        )
    if found.ram_lacking:
        fits = f"up to a width of {found.widest}" if found.widest else "at no width"
        raise UserError(
            f"{name} at width {width} needs {found.ram_lacking:,} bytes more RAM than "
            f"{board.name} has; it fits {fits}"
        )


def _around(channels: int, width: int, board: Board) -> int:
    """What the program takes beside the arena."""
    return board.stack + channels * width + _VARIABLES


def _widest(plan: Plan, channels: int, board: Board, external: bool, beside: Beside) -> int:
    def fits(width: int) -> bool:
        arena = plan.arena_bytes(width)
        inside = _around(channels, width, board) + beside(width) + (0 if external else arena)
        return inside <= board.ram.size and (not external or arena <= board.external_ram)

    largest = max(board.ram.size, board.external_ram)
    low, high = 0, min(largest // plan.arena.unit, MAX_UNITS)
    while low < high:
        units = (low + high + 1) // 2
        if fits(units * plan.rate):
            low = units
        else:
            high = units - 1
    return low * plan.rate
