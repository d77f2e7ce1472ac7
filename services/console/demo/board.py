"""The loop as one sees it in the terminal while the demo plays: counts by status, leads moving, reasons, the reps."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.console.demo.change import Change
from services.console.demo.day import Day
from services.console.demo.letterbox import Letterbox
from services.console.demo.watch import Watch

STATUSES = {
    "new": "white",
    "nurtured": "cyan",
    "disqualified": "bright_black",
    "waiting": "yellow",
    "assigned": "bright_yellow",
    "accepted": "bright_blue",
    "working": "blue",
    "won": "green",
    "lost": "red",
    "recycled": "magenta",
    "retired": "bright_black",
    "suppressed": "bright_black",
}
_STORY_LINES = 12
_AGREEMENT_LINES = 5
_LATE_LINES = 4
_BAR_CELLS = 30


def board(day: Day, change: Change, letterbox: Letterbox, watch: Watch) -> RenderableType:
    """The whole picture as it is now."""
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=2)
    grid.add_column(ratio=3)
    grid.add_row(
        Panel(_statuses(day), title="leads by status"), Panel(_story(day), title="the loop, as marketing sees it")
    )
    late = Panel(_lines(watch.told, _LATE_LINES), title="late leads, and who is told")
    return Group(_headline(day, letterbox), grid, late, Panel(_agreement(change), title=f"the agreement: {change.stand()}"))


def line(day: Day, letterbox: Letterbox) -> str:
    """The same in one plain line."""
    counts = day.seen.by_status()
    shown = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    told = f"{_clock(day)}  {day.seen.submissions} in: {shown or 'nobody yet'}"
    return f"{told}; {day.seen.actions} actions, {len(letterbox.letters)} messages to the managers"


def _clock(day: Day) -> str:
    seconds = int(time.monotonic() - day.began)
    return f"{seconds // 60:02}:{seconds % 60:02}"


def _headline(day: Day, letterbox: Letterbox) -> Text:
    seen = day.seen
    return Text(
        f" {_clock(day)}   {seen.submissions} submissions   {seen.engagements} engagements   {seen.actions} actions   "
        f"{len(seen.came_back)} came back   {len(letterbox.letters)} alerts",
        style="bold",
    )


def _statuses(day: Day) -> RenderableType:
    counts = day.seen.by_status()
    most = max(counts.values(), default=1)
    table = Table.grid(padding=(0, 1))
    for status, colour in STATUSES.items():
        number = counts[status]
        table.add_row(
            status, Text(str(number), justify="right"), Text("█" * round(_BAR_CELLS * number / most), style=colour)
        )
    if day.seen.reasons:
        table.add_row("")
        table.add_row(Text("turned down", style="dim"))
        for reason, number in day.seen.reasons.most_common(4):
            table.add_row(Text(reason.replace("_", " "), style="dim"), Text(str(number), justify="right"), "")
    return table


def _agreement(change: Change) -> Text:
    return _lines(change.told, _AGREEMENT_LINES, style="green" if change.in_force else "")


def _lines(told: Sequence[str], number: int, style: str = "") -> Text:
    """The newest, in a place of a size that stays."""
    lines = list(told[-number:])
    lines += [""] * (number - len(lines))
    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis", style=style)


def _story(day: Day) -> Text:
    lines = list(day.seen.story)[-_STORY_LINES:]
    return Text(
        "\n".join(f"{int(at) // 60:02}:{int(at) % 60:02} {said}" for at, said in lines),
        no_wrap=True,
        overflow="ellipsis",
    )
