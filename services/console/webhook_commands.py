"""`leadloop webhooks`: how the tools of reps fare, what each was told, and delivering it once more."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from schemas.agreement.durations import parse_duration
from services.console.doors import Doors
from services.console.options import AsJson, Data, doors_of, folder_of
from services.console.ports import HOST
from services.console.terminal import Refused, out, say_json

app = typer.Typer(
    no_args_is_help=True,
    help="Tools that are told of leads (webhooks, CRMs, notices to reps): how they fare, and what they were told.",
)

Name = Annotated[str, typer.Argument(help="A name of the agreement's section tools, or an id that `list` shows.")]
Since = Annotated[
    str | None, typer.Option(help="From this time on: 2026-03-02, 2026-03-02T09:00+01:00, or a length such as 3h.")
]
Until = Annotated[str | None, typer.Option(help="Before this time; now if it is left out.")]


@app.command("list")
def show_list(data: Data = None, as_json: AsJson = False) -> None:
    """List every tool: whether deliveries succeed, since when they fail and why, when the next attempt is."""
    rows = alerting(data).get("alerting", "/v1/webhooks")
    if as_json:
        say_json(rows)
        return
    if not rows:
        out().print("the agreement in force names no tools: they stand in its section tools")
        return
    table = Table(show_edge=False, pad_edge=False)
    for column in ("name", "tool", "state", "owed", "sent", "failed", "last sent", "next attempt", "why"):
        table.add_column(column, overflow="fold")
    colours = {"well": "green", "failing": "yellow", "disabled": "red"}
    for row in rows:
        counts = [str(row[state]) for state in ("owed", "sent", "failed")]
        times = [str(row[name] or "")[:19] for name in ("last_sent_at", "next_attempt_at")]
        colour = colours[row["state"]]
        table.add_row(
            row["name"], row["tool"], f"[{colour}]{row['state']}[/]", *counts, *times, row["because"] or ""
        )
    out().print(table)


@app.command("show")
def show(
    name: Name,
    message: Annotated[str | None, typer.Argument(help="The id of one message, to see it whole.")] = None,
    state: Annotated[Literal["owed", "sent", "failed"] | None, typer.Option(help="Only messages in this state.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest first.")] = 50,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one tool with its newest messages, or one message whole. Nothing personal is shown: it is kept nowhere here."""
    doors = alerting(data)
    if message is not None:
        found = doors.get("alerting", f"/v1/webhooks/{name}/messages/{message}")
        say_json(found) if as_json else out().print(json.dumps(found, indent=2, ensure_ascii=False), markup=False)
        return
    asked = {"state": state, "since": _instant(since), "until": _instant(until), "limit": str(limit)}
    found = doors.get("alerting", f"/v1/webhooks/{name}", **{k: v for k, v in asked.items() if v is not None})
    if as_json:
        say_json(found)
        return
    out().print(f"{found['id']}: {found['state']}" + (f", {found['because']}" if found["because"] else ""), markup=False)
    table = Table(show_edge=False, pad_edge=False)
    for column in ("message", "type", "lead", "released", "state", "attempts", "why", "next attempt"):
        table.add_column(column, overflow="fold")
    for row in found["messages"]:
        table.add_row(
            row["id"],
            row["type"],
            row["lead_id"],
            row["released_at"][:19],
            row["state"],
            str(row["attempts"]),
            row["because"] or "",
            (row["next_attempt_at"] or "")[:19],
        )
    out().print(table)


@app.command("replay")
def replay(
    name: Name,
    messages: Annotated[list[str] | None, typer.Argument(help="Ids of messages, as `show` lists them.")] = None,
    since: Since = None,
    until: Until = None,
    failed: Annotated[bool, typer.Option("--failed", help="Of the period only what was given up.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Deliver messages once more, or all of a period, with the ids that they had: a receiver can tell what it has already."""
    if bool(messages) == (since is not None):
        raise typer.BadParameter("name the messages, or a period with --since (and --until)", param_hint="messages")
    body: dict[str, Any] = (
        {"messages": list(dict.fromkeys(messages))} if messages else {"since": _instant(since), "until": _instant(until)}
    )
    if failed:
        body["states"] = ["failed"]
    doors, replayed, owed = alerting(data), [], 0
    while True:
        done = doors.post("alerting", f"/v1/webhooks/{name}/replay", body)
        replayed += done["replayed"]
        owed += done["owed_already"]
        if done["more_from"] is None:
            break
        body["since"] = done["more_from"]
    if as_json:
        say_json({"replayed": replayed, "owed_already": owed})
        return
    out().print(
        f"{len(replayed)} message{'' if len(replayed) == 1 else 's'} will be delivered once more"
        + (f"; {owed} were owed already" if owed else "")
    )


@app.command("enable")
def enable(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Take deliveries to a disabled tool up again. What was given up meanwhile: leadloop webhooks replay NAME --since … --failed."""
    row = alerting(data).post("alerting", f"/v1/webhooks/{name}/enable", {})
    say_json(row) if as_json else out().print(f"{row['id']} is delivered to again")


def alerting(data: Path | None) -> Doors:
    """The doors with alerting's, wherever it listens. Raises Refused."""
    doors = doors_of(data)
    url = os.environ.get("LEADLOOP_ALERTING_URL", "").rstrip("/") if data is None else ""
    if not url:
        try:
            port = json.loads((folder_of(data) / "run" / "alerting.port").read_text())["port"]
        except (OSError, ValueError, KeyError):
            raise Refused(
                "it is not known where the alerting service listens: start the installation, or set LEADLOOP_ALERTING_URL"
            ) from None
        url = f"http://{HOST}:{port}"
    return replace(doors, alerting=url)


def _instant(said: str | None) -> str | None:
    """A time as the doors take it. Raises BadParameter."""
    if said is None:
        return None
    with suppress(ValueError):
        return (datetime.now(UTC) - parse_duration(said)).isoformat()
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise typer.BadParameter(
            f"{said!r} is no time: write 2026-03-02, 2026-03-02T09:00+01:00 or a length such as 3h", param_hint="since"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
