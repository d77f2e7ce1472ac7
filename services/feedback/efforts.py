"""Did both sides do what they promised, week by week: marketing the number and quality, sales the response and the attempts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from schemas.agreement import Goals
from services.feedback import tables
from services.feedback.clocks import BREACHED, CORRECTED, KEPT
from services.feedback.reports import Window, ratio
from services.feedback.sla_report import quantile

_DAYS_A_MONTH = 365.25 / 12
_MS = 1000


@dataclass
class _Week:
    received: int = 0
    qualified: int = 0
    accepted: int = 0
    clocks: Counter[str] = field(default_factory=Counter)
    worked: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Lead qualified in the week -> attempts at it by channel, until today."""
    turned_down: int = 0
    with_reason: int = 0


def efforts(
    connection: sa.Connection, window: Window, zone: ZoneInfo, goals: Goals | None, now: datetime
) -> dict[str, Any]:
    """Weeks begin on Monday in `zone`. A lead counts in the week in which it was qualified, a clock in which it was decided.

    What was taken back does not count as broken. `ok`: the promise was kept; None where nothing was promised or happened.
    """
    weeks: dict[date, _Week] = defaultdict(_Week)
    _count_leads(connection, window, zone, weeks)
    _count_clocks(connection, window, zone, weeks)
    _count_refusals(connection, window, zone, weeks)
    return {
        "zone": zone.key,
        "goals": None if goals is None else goals.model_dump(mode="json"),
        "weeks": [_shown(monday, weeks[monday], goals, zone, now) for monday in _all_weeks(weeks)],
    }


def _all_weeks(weeks: dict[date, _Week]) -> Iterable[date]:
    """Also those in which nothing happened: that is a finding, too."""
    if not weeks:
        return
    monday, last = min(weeks), max(weeks)
    while monday <= last:
        yield monday
        monday += timedelta(days=7)


def _monday(ms: int, zone: ZoneInfo) -> date:
    day = datetime.fromtimestamp(ms / _MS, UTC).astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def _count_leads(connection: sa.Connection, window: Window, zone: ZoneInfo, weeks: dict[date, _Week]) -> None:
    leads, tried = tables.LEADS.c, tables.ATTEMPTS.c
    of_lead: dict[str, _Week] = {}
    for row in connection.execute(
        sa.select(leads.lead_id, leads.submitted_ms, leads.mql_ms, leads.sal_ms).where(
            leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign)
        )
    ):
        weeks[_monday(row.submitted_ms, zone)].received += 1
        if row.mql_ms is not None:
            week = weeks[_monday(row.mql_ms, zone)]
            week.qualified += 1
            week.accepted += row.sal_ms is not None
            if row.sal_ms is not None:  # attempts are owed at what was accepted
                week.worked[row.lead_id]
                of_lead[row.lead_id] = week
    for row in connection.execute(
        sa.select(tried.lead_id, tried.channel, sa.func.count().label("n"))
        .where(tried.undone.is_(sa.false()))
        .group_by(tried.lead_id, tried.channel)
    ):
        if row.lead_id in of_lead:
            of_lead[row.lead_id].worked[row.lead_id][row.channel] += row.n


def _count_clocks(connection: sa.Connection, window: Window, zone: ZoneInfo, weeks: dict[date, _Week]) -> None:
    clock = tables.CLOCKS.c
    for row in connection.execute(
        sa.select(clock.ended_ms, clock.state).where(
            clock.state.in_([*KEPT, BREACHED]),
            clock.grace.is_(sa.false()),
            *window.holds(clock.ended_ms, clock.campaign),
        )
    ):
        weeks[_monday(row.ended_ms, zone)].clocks[row.state] += 1


def _count_refusals(connection: sa.Connection, window: Window, zone: ZoneInfo, weeks: dict[date, _Week]) -> None:
    refused = tables.REJECTIONS.c
    for row in connection.execute(
        sa.select(refused.at_ms, refused.reason).where(
            refused.undone.is_(sa.false()),
            refused.kind.in_(["rejected", "recycled", "lost"]),
            *window.holds(refused.at_ms, refused.campaign),
        )
    ):
        week = weeks[_monday(row.at_ms, zone)]
        week.turned_down += 1
        week.with_reason += row.reason != "not said"


def _shown(monday: date, week: _Week, goals: Goals | None, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    kept = sum(week.clocks[state] for state in KEPT)
    decided = kept + week.clocks[BREACHED]
    attempts = sorted(float(channels.total()) for channels in week.worked.values())
    channels = Counter(len(channels) for channels in week.worked.values())
    enough = _enough(week, goals)
    is_over = datetime.combine(monday + timedelta(days=7), datetime.min.time(), zone) <= now
    return {
        "week": f"{monday.isocalendar().year}-W{monday.isocalendar().week:02}",
        "from": monday.isoformat(),
        "over": is_over,
        "marketing": {
            "received": week.received,
            "qualified": _against(week.qualified, _qualified_a_week(goals), is_over),
            "accepted": week.accepted,
            "acceptance_rate": _against(ratio(week.accepted, week.qualified), _goal(goals, "acceptance_rate"), True),
        },
        "sales": {
            "clocks": {"kept": kept, "breached": week.clocks[BREACHED], "corrected": week.clocks[CORRECTED]},
            "response_in_time": _against(ratio(kept, decided), _goal(goals, "response_in_time"), True),
            "accepted_leads": len(week.worked),
            "median_attempts": quantile(attempts, 0.5),
            "by_channels": {str(n): channels[n] for n in sorted(channels)},
            "tried_as_agreed": {"leads": enough, "of": len(week.worked), "share": ratio(enough, len(week.worked))},
            "turned_down": week.turned_down,
            "turned_down_with_reason": week.with_reason,
            "with_reason": _against(ratio(week.with_reason, week.turned_down), _reasons(goals), True),
        },
    }


def _enough(week: _Week, goals: Goals | None) -> int:
    """Accepted leads at which at least the agreed number of attempts was made, counting only agreed channels."""
    if goals is None or goals.sales.attempts is None:
        return len(week.worked)
    agreed = {str(channel) for channel in goals.sales.channels}
    return sum(
        sum(n for channel, n in channels.items() if not agreed or channel in agreed) >= goals.sales.attempts
        for channels in week.worked.values()
    )


def _qualified_a_week(goals: Goals | None) -> float | None:
    monthly = goals.marketing.qualified_per_month if goals is not None else None
    return None if monthly is None else round(monthly * 7 / _DAYS_A_MONTH, 1)


def _goal(goals: Goals | None, name: str) -> float | None:
    if goals is None:
        return None
    value = goals.marketing.acceptance_rate if name == "acceptance_rate" else goals.sales.response_in_time
    return None if value is None else float(value)


def _reasons(goals: Goals | None) -> float | None:
    return 1.0 if goals is not None and goals.sales.reason_for_every_rejection else None


def _against(value: float | None, goal: float | None, decided: bool) -> dict[str, Any]:
    return {"value": value, "goal": goal, "ok": value >= goal if value is not None and goal is not None and decided else None}
