"""`leadloop accounts`: companies, their owners and open opportunities; `leadloop rep`: a rep who leaves."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import Progress
from rich.table import Table

from services.console.options import AsJson, Data, doors_of
from services.console.terminal import Refused, out, say_json

app = typer.Typer(no_args_is_help=True, help="Companies, their owners and open opportunities: a known owner comes first.")
reps = typer.Typer(no_args_is_help=True, help="One rep.")

BATCH = 500
COLUMNS = ("account", "name", "domains", "owners", "customer", "open_opportunities")
_ALSO = {"id": "account", "account_id": "account", "domain": "domains", "website": "domains", "owner": "owners"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "y", "x"}), frozenset({"", "0", "false", "no", "n"})


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV with the columns {', '.join(COLUMNS)}; several values: a; b")],
    remove_others: Annotated[
        bool, typer.Option("--remove-others", help="Companies that are not in the file are nobody's any more.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Set the companies of a CSV file. An open opportunity is written id:owner; nothing is set if a line is wrong."""
    accounts = list(read_accounts(file))
    doors = doors_of(data)
    answered = {"received": 0, "changed": 0, "removed": 0}
    batches = [accounts] if remove_others else [accounts[i : i + BATCH] for i in range(0, len(accounts), BATCH)]
    if remove_others and len(accounts) > 5000:
        raise Refused("--remove-others takes at most 5000 companies at once; remove the others by an empty owners column")
    with Progress(console=out(), transient=True, disable=as_json or not out().is_terminal) as progress:
        task = progress.add_task("companies", total=len(accounts))
        for batch in batches:
            answer = doors.put("desk", "/v1/accounts", {"accounts": batch, "remove_others": remove_others})
            answered = {key: answered[key] + answer[key] for key in answered}
            progress.advance(task, len(batch))
    if as_json:
        say_json(answered)
    else:
        out().print(
            f"{answered['received']} companies read, {answered['changed']} changed, {answered['removed']} removed"
        )


def read_accounts(file: Path) -> Iterator[dict[str, Any]]:
    """The companies of a CSV file. Raises Refused that names the line and the remedy."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            sample = lines.read(4096)
            lines.seek(0)
            delimiter = ";" if sample.split("\n", 1)[0].count(";") > sample.split("\n", 1)[0].count(",") else ","
            reader = csv.DictReader(lines, delimiter=delimiter)
            columns = {name: _ALSO.get(name.strip().lower(), name.strip().lower()) for name in reader.fieldnames or ()}
            unknown = [name for name, column in columns.items() if column not in COLUMNS]
            if "account" not in columns.values() or unknown:
                wrong = f"it has {unknown[0]!r}" if unknown else "the column account is missing"
                raise Refused(f"{file}, line 1: {wrong}; the columns are {', '.join(COLUMNS)}")
            for row in reader:
                yield _account(file, reader.line_num, {columns[k]: (v or "").strip() for k, v in row.items() if k in columns})
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no text in UTF-8: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise Refused(f"{file} is no CSV: {error}") from error


def _account(file: Path, line: int, row: dict[str, str]) -> dict[str, Any]:
    if not row.get("account"):
        raise Refused(f"{file}, line {line}: the column account is empty; give each company its id")
    customer = row.get("customer", "").lower()
    if customer not in _TRUE | _FALSE:
        raise Refused(f"{file}, line {line}: customer is {customer!r}; write yes or no")
    opportunities = []
    for one in _several(row.get("open_opportunities", "")):
        name, colon, owner = one.rpartition(":")
        if not colon or not name or not owner:
            raise Refused(f"{file}, line {line}: {one!r} is no open opportunity; write id:owner, such as 0065:mira")
        opportunities.append({"id": name, "owner": owner})
    return {
        "id": row["account"],
        "name": row.get("name") or None,
        "domains": _several(row.get("domains", "")),
        "owners": _several(row.get("owners", "")),
        "customer": customer in _TRUE,
        "open_opportunities": opportunities,
    }


def _several(cell: str) -> list[str]:
    return [one.strip() for one in cell.replace("|", ";").replace(",", ";").split(";") if one.strip()]


@app.command("show")
def show(data: Data = None, as_json: AsJson = False) -> None:
    """Show the companies that teams know."""
    doors = doors_of(data)
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        answer = doors.get("desk", "/v1/accounts", after=after)
        rows += answer["accounts"]
        after = answer["next"]
    if as_json:
        say_json({"accounts": rows})
        return
    table = Table("account", "name", "domains", "team", "owners", "customer", "open", show_edge=False, pad_edge=False)
    for row in rows:
        opportunities = ", ".join(f"{o['opportunity_id']}:{o['owner']}" for o in row["open_opportunities"])
        table.add_row(
            row["id"],
            row["name"] or "",
            ", ".join(row["domains"]),
            row["team"],
            ", ".join(row["owners"]),
            "yes" if row["customer"] else "",
            opportunities,
        )
    out().print(table if rows else "none yet: leadloop accounts import FILE.csv")


@reps.command("retire")
def retire(
    rep: Annotated[str, typer.Argument(help="The rep's id.")],
    reason: Annotated[str | None, typer.Option(help="Why; it stands in what becomes of the leads.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A rep leaves: he is in the roster no more, and each of his open leads goes on by the rules, with its reason."""
    answer = doors_of(data).post("desk", f"/v1/reps/{rep}/retire", {"reason": reason})
    if as_json:
        say_json(answer)
    else:
        out().print(f"{rep} has left {answer['team']}; {answer['open_leads']} open leads go on by the rules", markup=False)


@reps.command("fairness")
def fairness(
    rep: Annotated[str, typer.Argument(help="The rep's id.")], data: Data = None, as_json: AsJson = False
) -> None:
    """Say by pool what a rep's share is, what he was assigned since when, and why; and whether he can take a lead now."""
    answer = doors_of(data).get("desk", f"/v1/reps/{quote(rep, safe='')}/fairness")
    if as_json:
        say_json(answer)
        return
    out().print(f"{rep} {answer['because']}; {answer['open_leads']} open leads", markup=False)
    for pool in answer["pools"]:
        counted = f"{pool['assigned']} of a share of {pool['share']:g} since {pool['since'] or 'ever'}"
        out().print(f"  {pool['pool']}: {counted}: {pool['because']}", markup=False)
