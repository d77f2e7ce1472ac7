"""`leadloop roster`: who is in which team and pool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from services.console.options import AsJson, Data, doors_of, one_line
from services.console.roster import apply_roster
from services.console.terminal import news, out, say_json

app = typer.Typer(
    no_args_is_help=True,
    help="The roster: who is in which team and pool, weights, hours. Operations' own; needs no signatures.",
)


@app.command("show")
def show(data: Data = None, as_json: AsJson = False) -> None:
    """Show who is in which team and pool."""
    answer = doors_of(data).get("desk", "/v1/roster")
    if as_json:
        say_json(answer)
        return
    reps = answer.get("reps", []) if isinstance(answer, dict) else answer
    columns = list(dict.fromkeys(key for rep in reps for key in rep))
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for rep in reps:
        table.add_row(*("" if rep.get(column) is None else one_line(rep[column]) for column in columns))
    out().print(table if reps else "nobody yet: leadloop roster apply FILE")


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="The roster (YAML).")],
    data: Data = None,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Only where nobody is in it yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make this file the roster: who is not in it leaves, and his leads go to others."""
    doors = doors_of(data)
    if if_empty and doors.get("desk", "/v1/roster")["reps"]:
        out().print("there is a roster already; it stays")
        return
    answer = apply_roster(doors, file)
    if as_json:
        say_json(answer)
    else:
        for doubt in answer.get("warnings", ()):
            news(f"{file}: {doubt}")
        out().print(f"the roster of {file} is in force", markup=False)
