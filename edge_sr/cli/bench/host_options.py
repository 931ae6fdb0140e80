"""The options of `edge-sr bench run` for a measurement on another machine over SSH."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_sr.cli.common import parse_path, say
from edge_sr.errors import UserError

if TYPE_CHECKING:
    from benchmarks.measuring.measure import Task
    from edge_sr.records import Record

    Measure = Callable[[Task, Callable[[Record], None], Record | None], Record]

HostOption = Annotated[
    str | None,
    typer.Option(
        metavar="USER@BOARD",
        help="Measure on this machine over SSH; needs a key and a known host.",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="SSH port.", show_default="of the SSH configuration"),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path,
        metavar="FILE",
        help="SSH private key.",
        show_default="of the SSH configuration",
    ),
]
WheelOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path, metavar="FILE", help="Wheel of edge-sr for --host.", show_default="built"
    ),
]
WheelsOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path,
        metavar="DIR",
        help="Folder with wheels of all dependencies, for a --host without a network.",
        show_default="none",
    ),
]


def measurer(
    host: str | None,
    port: int | None,
    identity: Path | None,
    wheel: Path | None,
    wheels: Path | None,
) -> "Measure":
    """Return the function that measures: on this machine, or on `host`.

    Raises:
        UserError: options of a host are given, but no host.
    """
    if host is None:
        from benchmarks.measuring import measure

        if any(option is not None for option in (port, identity, wheel, wheels)):
            raise UserError("--port, --identity, --wheel and --wheels need --host")
        return measure.measure
    from benchmarks.remote import host as remote
    from benchmarks.remote import ssh

    target = remote.Target(ssh.Address(host, port, identity), wheel, wheels)

    def measure_there(
        task: "Task", keep: Callable[["Record"], None], previous: "Record | None"
    ) -> "Record":
        if any(case.board is not None for case in task.cases):
            raise UserError("boards are emulated on this machine; leave --host out")
        return remote.measure(target, task, keep, previous, lambda text: say(f"{host}: {text}"))

    return measure_there
