"""Did sales answer in time: clocks kept and broken, and how long the first response took, by whom and when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from services.feedback import tables
from services.feedback.audience import wilson
from services.feedback.clocks import BREACHED, CANCELLED, CORRECTED, KEPT, MET, PAUSED, RUNNING
from services.feedback.reports import Window

UNKNOWN = "(none)"
_HOUR_MS = 3_600_000
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
GROUPS = ("clock", "team", "rep", "source", "grade", "hour")


def sla(connection: sa.Connection, window: Window, zone: ZoneInfo, agreed_share: float | None) -> dict[str, Any]:
    """Clocks that were started in the window, and first responses to assignments of the window.

    Graces after an outage are left out: they are no promise of the agreement. zone: of the hours of the week.
    """
    counted, answered = _clocks(connection, window), _responses(connection, window)
    keys: dict[str, Callable[[Any], str | None]] = {
        "clock": lambda row: row.clock,
        "team": lambda row: row.team_id,
        "rep": lambda row: row.rep_id,
        "source": lambda row: row.channel,
        "grade": lambda row: row.grade,
        "hour": lambda row: _hour_of_week(row.hour, zone),
    }
    return {
        "agreed_share": agreed_share,
        "zone": zone.key,
        "clocks": _kept(counted),
        "first_response": _took(answered),
        "by": {name: _grouped(name, key, counted, answered) for name, key in keys.items()},
    }


def _clocks(connection: sa.Connection, window: Window) -> Sequence[Any]:
    clock = tables.CLOCKS.c
    groups = (clock.clock, clock.team_id, clock.rep_id, clock.channel, clock.grade, clock.state)
    hour = (clock.started_ms // _HOUR_MS).label("hour")
    late = sa.func.sum(sa.cast(clock.late, sa.Integer)).label("late")
    return connection.execute(
        sa.select(*groups, hour, sa.func.count().label("n"), late)
        .where(clock.grace.is_(sa.false()), *window.holds(clock.started_ms, clock.campaign))
        .group_by(*groups, hour)
    ).all()


def _responses(connection: sa.Connection, window: Window) -> Sequence[Any]:
    held, leads = tables.ASSIGNMENTS.c, tables.LEADS.c
    hour = (sa.func.min(held.from_ms) // _HOUR_MS).label("hour")
    return connection.execute(
        # an assignment that came back by an undo is in the table anew, and is the same offer to the same rep
        sa.select(
            held.team_id, held.rep_id, leads.channel, leads.grade, hour,
            (sa.func.min(held.answered_ms) - sa.func.min(held.from_ms)).label("took_ms"),
        )
        .select_from(tables.ASSIGNMENTS.join(tables.LEADS, held.lead_id == leads.lead_id))
        .where(*window.holds(held.from_ms, leads.campaign))
        .group_by(held.lead_id, held.assignment_id, held.team_id, held.rep_id, leads.channel, leads.grade)
    ).all()  # fmt: skip


def _hour_of_week(hour: int, zone: ZoneInfo) -> str:
    """`Mon 09`: of an hour since 1970, on the zone's wall clock."""
    local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.hour:02}"


def _grouped(
    name: str, key: Callable[[Any], str | None], counted: Iterable[Any], answered: Iterable[Any]
) -> list[dict[str, Any]]:
    clocks: dict[str, list[Any]] = defaultdict(list)
    responses: dict[str, list[Any]] = defaultdict(list)
    for row in counted:
        clocks[key(row) or UNKNOWN].append(row)
    if name != "clock":
        for row in answered:
            responses[key(row) or UNKNOWN].append(row)
    groups = clocks.keys() | responses.keys()
    order = (lambda g: (_DAYS.index(g[:3]), g)) if name == "hour" else (lambda g: (0, g))
    return [
        {name: group, "clocks": _kept(clocks[group]), **({} if name == "clock" else {"first_response": _took(responses[group])})}
        for group in sorted(groups, key=order)
    ]


def _kept(rows: Iterable[Any]) -> dict[str, Any]:
    """met_share: of those that are decided; its 95 % interval by Wilson."""
    states: Counter[str] = Counter()
    late = 0
    for row in rows:
        states[row.state] += row.n
        late += int(row.late or 0)
    kept = sum(states[state] for state in KEPT)
    decided = kept + states[BREACHED]
    low, high = wilson(kept, decided) if decided else (None, None)
    return {
        **{state: states[state] for state in (MET, BREACHED, CORRECTED, RUNNING, PAUSED, CANCELLED)},
        "detected_late": late,
        "met_share": round(kept / decided, 4) if decided else None,
        "met_share_interval": [round(low, 4), round(high, 4)] if low is not None and high is not None else None,
    }


def _took(rows: Iterable[Any]) -> dict[str, Any]:
    """Minutes by the wall clock from the assignment to the rep's first action on it."""
    took = [row.took_ms for row in rows]
    minutes = sorted(ms / 60_000 for ms in took if ms is not None)
    return {
        "assignments": len(took),
        "answered": len(minutes),
        **{f"{name}_minutes": quantile(minutes, share) for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99))},
    }


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of them does not exceed (nearest rank); None of nothing."""
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 3) if ordered else None
