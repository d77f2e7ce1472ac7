"""`leadloop audit`: is every lead accounted for, and did both departments do what they promised each other."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from services.console.audit import audit_of, faults, is_clean, sentence
from services.console.options import AsJson, Data, doors_of
from services.console.terminal import EXIT_REFUSED, out, say_json

app = typer.Typer()


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    data: Data = None,
    as_json: AsJson = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Fold the whole log anew and compare the ledger with it, however long it is.")
    ] = False,
) -> None:
    """Say whether every lead is accounted for and none has two owners. Exits 1 when not."""
    if context.invoked_subcommand is not None:
        return
    found = audit_of(doors_of(data), deep=deep)
    if as_json:
        say_json(found)
    else:
        out().print(sentence(found), style="green" if is_clean(found) else "red")
        for status, number in sorted(found["by_status"].items(), key=lambda pair: -pair[1]):
            out().print(f"{number:>7}  {status}", markup=False)
        if found.get("compared_records"):
            out().print(
                f"{found['compared_records']} records of the log were folded anew and compared with the ledger",
                style="dim",
            )
        for fault in faults(found):
            out().print(fault, style="red", markup=False)
    if not is_clean(found):
        raise typer.Exit(EXIT_REFUSED)


@app.command("efforts")
def efforts(
    data: Data = None,
    as_json: AsJson = False,
    since: Annotated[str | None, typer.Option("--since", help="From this instant on, such as 2026-03-02T00:00:00+01:00.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this instant.")] = None,
    zone: Annotated[str, typer.Option("--zone", help="Whose weeks: they begin on Monday there.")] = "UTC",
) -> None:
    """Say week by week what each department did of what it promised: leads and their quality, responses and attempts."""
    asked = {name: value for name, value in (("from", since), ("to", until), ("zone", zone)) if value is not None}
    found = doors_of(data).get("feedback", "/v1/reports/efforts", **asked)
    if as_json:
        say_json(found)
        return
    if found["goals"] is None:
        out().print("The agreement has no goals: what was done is shown, and compared with nothing.", style="yellow")
    table = Table(show_edge=False, pad_edge=False)
    for column in ("week", "received", "qualified", "accepted", "in time", "tried as agreed", "with reason"):
        table.add_column(column, justify="left" if column == "week" else "right")
    for week in found["weeks"]:
        marketing, sales = week["marketing"], week["sales"]
        table.add_row(
            week["week"] + ("" if week["over"] else " (not over)"), f"{marketing['received']:,}", _number(marketing["qualified"]),
            _share(marketing["acceptance_rate"]), _share(sales["response_in_time"]), _tried(sales["tried_as_agreed"]),
            _share(sales["with_reason"]),
        )  # fmt: skip
    out().print(table)


def _number(against: dict[str, Any]) -> str:
    goal = "" if against["goal"] is None else f" of {against['goal']:g}"
    return _marked(f"{against['value']:,}{goal}", against["ok"])


def _share(against: dict[str, Any]) -> str:
    if against["value"] is None:
        return "–"
    goal = "" if against["goal"] is None else f" of {against['goal']:.0%}"
    return _marked(f"{against['value']:.0%}{goal}", against["ok"])


def _tried(found: dict[str, Any]) -> str:
    return f"{found['leads']} of {found['of']}" if found["of"] else "–"


def _marked(text: str, ok: bool | None) -> str:
    return text if ok is None else f"[green]{text}[/]" if ok else f"[red]{text} ![/]"
