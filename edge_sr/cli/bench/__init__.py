"""`edge-sr bench`: measures networks, reports records and compares them."""

from typing import Any

import typer
from typer.core import TyperGroup

from edge_sr.cli.bench import compare, report, run


class _RunByDefault(TyperGroup):
    """`edge-sr bench ...` is `edge-sr bench run ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command's name where the first argument is not a command."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Measure networks: time, memory and outputs, as a record. The default command is run.",
)
app.command("run")(run.run)
app.command("report")(report.report)
app.command("compare")(compare.compare)
