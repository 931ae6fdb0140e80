"""`edge-sr firmware`: plan, build, run, export and flash a network for a board."""

import typer

from edge_sr.cli.firmware import boards, build, export, flash, plan, run
from edge_sr.cli.json_csv import ReportCommand

app = typer.Typer(help="Plan, build and run a network as firmware.")
app.command("plan")(plan.plan)
app.command("build")(build.build)
app.command("run")(run.run)
app.command("boards", cls=ReportCommand)(boards.boards)
app.command("flash")(flash.flash)
app.command("export")(export.export)
