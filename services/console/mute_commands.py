"""`leadloop mute`, `unmute` and `mutes`: silence for a channel, and who has it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from schemas.agreement.durations import parse_duration
from services.console.options import AsJson, Data
from services.console.terminal import out, say_json
from services.console.webhook_commands import alerting


def add_to(main: typer.Typer) -> None:
    """Register `leadloop mute`, `unmute` and `mutes`."""
    main.command()(mute)
    main.command()(unmute)
    main.command()(mutes)


def mute(
    channel: Annotated[str, typer.Argument(help="A channel of the agreement, or rep.ID for the alerts of a rep.")],
    length: Annotated[str, typer.Option("--for", help="For how long, such as 2h; 0s ends the silence.")] = "1h",
    by: Annotated[str | None, typer.Option(help="Who wants it, shown to all.")] = None,
    because: Annotated[str, typer.Option(help="Why, shown to all.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Mute a channel for a time. Nothing is lost: what comes meanwhile is one message at the end."""
    try:
        until = datetime.now(UTC) + parse_duration(length)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: write 30m, 2h or 1d", param_hint="--for") from None
    body = {"until": until.isoformat(), "by": by, "because": because}
    _tell_mute(channel, alerting(data).post("alerting", f"/v1/channels/{quote(channel, safe='')}/mute", body), as_json=as_json)


def unmute(
    channel: Annotated[str, typer.Argument(help="A channel of the agreement, or rep.ID for the alerts of a rep.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Hear a channel again: what was held back comes at once, as one message."""
    _tell_mute(channel, alerting(data).delete("alerting", f"/v1/channels/{quote(channel, safe='')}/mute"), as_json=as_json)


def mutes(data: Data = None, as_json: AsJson = False) -> None:
    """Who is muted now: by whom, until when, why, and how many alerts wait."""
    rows = alerting(data).get("alerting", "/v1/mutes")
    if as_json:
        say_json(rows)
        return
    table = Table("channel", "until", "by", "because", "alerts that wait", show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(row["channel"], row["muted_until"][:19], row["by"] or "", row["because"], str(row["held"]))
    out().print(table if rows else Text("nobody is muted"))


def _tell_mute(channel: str, done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(done)
        return
    end = done["muted_until"]
    out().print(f"{channel} is muted until {end}" if end else f"{channel} is not muted any more", markup=False)
