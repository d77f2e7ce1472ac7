"""`leadloop import FILE`: leads from a file; `leadloop imports`: what was imported, and an end to it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.console.doors import Doors
from services.console.options import AsJson, Data, doors_of
from services.console.terminal import EXIT_REFUSED, Refused, news, out, say_json

app = typer.Typer(no_args_is_help=True, help="Files of leads that were imported.")

_TYPES = {
    ".csv": "text/csv", ".tsv": "text/csv", ".txt": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson",
}  # fmt: skip
_LOOK_EVERY_SECONDS = 0.5
_PATIENCE = 120
"""So often intake may give no answer."""
_SHOWN = 20
_WORDS = ("taken_in", "repeated", "refused", "failed", "erased", "cancelled", "waiting")


def add_to(main: typer.Typer) -> None:
    """Register the commands."""
    main.command("import")(import_)
    main.add_typer(app, name="imports")


def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a line of column names, or JSON Lines (.jsonl).")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="What a column means: 'Work mail=email', 'Size=attributes.employees', 'Notes=-'."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", help="What holds for every row that says nothing of it: source.campaign=fair-2026."),
    ] = None,
    zone: Annotated[str, typer.Option(help="Of times that name no zone, such as Europe/Berlin.")] = "UTC",
    encoding: Annotated[str | None, typer.Option(help="Of a file that is not UTF-8, such as windows-1252.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported, and import nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to stay until all is taken in.")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Import leads from a file, without delaying anybody who fills in a form meanwhile.

    The columns are guessed and shown. Rows that are wrong are told with their line and do not stop the others; then it
    exits 1. The same file or row again is imported once: after an interruption give the same command once more.
    """
    doors = doors_of(data)
    said = _sent(doors, file, columns, fixed, zone, encoding, dry_run)
    if not as_json:
        _tell_columns(file, said)
    if not dry_run and wait:
        said = _watched(doors, said, quiet=as_json)
    if as_json:
        say_json(said)
    else:
        _tell(said)
    if said["refused"] or said.get("failed"):
        raise typer.Exit(EXIT_REFUSED)


def _sent(
    doors: Doors,
    file: Path,
    columns: list[str] | None,
    fixed: list[str] | None,
    zone: str,
    encoding: str | None,
    dry_run: bool,
) -> dict[str, Any]:
    kind = _TYPES.get(file.suffix.lower())
    if kind is None:
        raise Refused(f"{file} ends neither in .csv nor in .jsonl: rename it to say what it is")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    query: dict[str, Any] = {"name": file.name, "zone": zone, "dry_run": dry_run, "map": columns or [], "set": fixed or []}
    said: dict[str, Any] = doors.send(
        "intake", "/v1/imports", raw, f"{kind}; charset={encoding}" if encoding else kind, query
    )
    return said


def _watched(doors: Doors, said: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The import when it has ended. Ctrl-C ends the watching alone."""
    bar = Progress(
        TextColumn("taking in"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=out(), transient=True, disable=quiet or not out().is_terminal,
    )  # fmt: skip
    try:
        silent = 0
        with bar as progress:
            task = progress.add_task("rows", total=said["rows"])
            while said["state"] == "under_way":
                progress.update(task, completed=said["rows"] - said["waiting"] - said["under_way"])
                time.sleep(_LOOK_EVERY_SECONDS)
                said, silent = _looked_at(doors, said, silent)
    except KeyboardInterrupt:
        news(
            f"the import goes on; see it: leadloop imports show {said['import_id']}; end it: leadloop imports cancel "
            f"{said['import_id']}"
        )
        raise typer.Exit(EXIT_REFUSED) from None
    return said


def _looked_at(doors: Doors, said: dict[str, Any], silent: int) -> tuple[dict[str, Any], int]:
    """The import as it is now, and how often intake has not answered in a row: it may be starting anew."""
    try:
        return doors.get("intake", f"/v1/imports/{said['import_id']}"), 0
    except Refused:
        if silent >= _PATIENCE:
            raise
        return said, silent + 1


def _tell_columns(file: Path, said: dict[str, Any]) -> None:
    table = Table("column", "is", show_edge=False, pad_edge=False)
    for column, field in said["columns"].items():
        table.add_row(column, field or "not imported")
    out().print(table)
    for note in said["notes"]:
        news(f"{file}: {note}")


def _tell(said: dict[str, Any]) -> None:
    counts = ", ".join(f"{said[word]} {word.replace('_', ' ')}" for word in _WORDS if said.get(word))
    out().print(f"{said['rows']} rows: {counts or 'nothing to do'}", markup=False)
    for refusal in said["refusals"][:_SHOWN]:
        out().print(f"  line {refusal['line']}: {refusal['message']}", markup=False)
    more = said["refused"] + said.get("failed", 0) - _SHOWN
    if more > 0:
        rest = f"; all: leadloop imports show {said['import_id']} --rows refused" if "import_id" in said else ""
        out().print(f"  and {more} more{rest}", markup=False)
    if "import_id" in said:
        out().print(f"import {said['import_id']} is {said['state'].replace('_', ' ')}", markup=False)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Imports, the newest first."""
    found = doors_of(data).get("intake", "/v1/imports")
    if as_json:
        say_json(found)
        return
    table = Table("import", "file", "state", "rows", "taken in", "refused", "received", show_edge=False, pad_edge=False)
    for one in found["imports"]:
        numbers = [str(one[word]) for word in ("rows", "taken_in", "refused")]
        table.add_row(one["import_id"], one["name"], one["state"].replace("_", " "), *numbers, one["received_at"])
    out().print(table if found["imports"] else "none yet: leadloop import FILE.csv")


@app.command("show")
def show(
    import_id: Annotated[str, typer.Argument(metavar="IMPORT", help="Its id.")],
    rows: Annotated[
        str | None, typer.Option(help="Also each row of which this became: refused, failed, taken_in, repeated, …, all.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """One import: how far it is, and what became of its rows."""
    doors = doors_of(data)
    said = doors.get("intake", f"/v1/imports/{import_id}")
    found = _rows(doors, import_id, rows) if rows is not None else []
    if as_json:
        say_json({**said, "lines": found} if rows is not None else said)
        return
    _tell(said)
    for row in found:
        became = row.get("message") or f"{row['outcome'].replace('_', ' ')} as lead {row.get('lead_id', 'unknown')}"
        out().print(f"line {row['line']}: {became}", markup=False)


def _rows(doors: Doors, import_id: str, outcome: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        query = {"after": str(after), **({} if outcome == "all" else {"outcome": outcome})}
        answer = doors.get("intake", f"/v1/imports/{import_id}/rows", **query)
        found += answer["rows"]
        after = answer["next"]
    return found


@app.command("cancel")
def cancel(
    import_id: Annotated[str, typer.Argument(metavar="IMPORT", help="Its id.")], data: Data = None, as_json: AsJson = False
) -> None:
    """Take nothing more of an import in; what was taken in stays."""
    said = doors_of(data).delete("intake", f"/v1/imports/{import_id}")
    if as_json:
        say_json(said)
    else:
        _tell(said)
