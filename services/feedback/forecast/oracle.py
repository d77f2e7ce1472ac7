"""The forecast of the ledger's clocks: learned from those that have ended, said of those that run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.ids import CalendarId
from services.feedback import tables
from services.feedback.clocks import BREACHED, CANCELLED, KEPT, RUNNING, shown
from services.feedback.forecast.pace import LEAST_CLOCKS, Ended, Forecast, Pace

LEARNS_FROM = 20_000
"""The newest clocks that have ended."""
_LEARNS_AGAIN_AFTER = timedelta(minutes=5)


class Oracle:
    """Keeps what was learned for a few minutes. Used by one reader thread at a time or several: learning twice does no harm."""

    def __init__(self) -> None:
        self._learned: tuple[datetime, int, Pace] | None = None

    def forecast(
        self, connection: sa.Connection, agreement: Agreement | None, now: datetime, within: timedelta, limit: int
    ) -> dict[str, Any]:
        """Running clocks whose deadline is near, the likeliest breach first; what is to be expected of each rep and team."""
        pace = self._pace(connection, agreement, now)
        if pace is None:
            return {
                "because": f"too few clocks have ended to learn from: {LEAST_CLOCKS} at least",
                "base_rate": None, "learned_from": 0, "expected_breaches": None, "by_rep": [], "by_team": [], "clocks": [],
            }  # fmt: skip
        told = self._near(connection, pace, agreement, now, within)
        return {
            "because": f"learned from {pace.clocks:,} clocks, of which {pace.breached:.0%} were breached",
            "base_rate": round(pace.breached, 4),
            "learned_from": pace.clocks,
            "expected_breaches": round(sum(f.probability for _, f, _ in told), 2),
            "by_rep": _expected(told, "rep_id", "rep"),
            "by_team": _expected(told, "team_id", "team_id"),
            "clocks": [_said(row, f, load, now) for row, f, load in told[:limit]],
        }

    def near(
        self, connection: sa.Connection, agreement: Agreement | None, now: datetime, within: timedelta
    ) -> list[tuple[Any, Forecast, int]]:
        """Running clocks whose deadline is near, each with its forecast and its rep's open load, the likeliest breach first; none
        while there is too little to learn from."""
        pace = self._pace(connection, agreement, now)
        return [] if pace is None else self._near(connection, pace, agreement, now, within)

    @staticmethod
    def _near(
        connection: sa.Connection, pace: Pace, agreement: Agreement | None, now: datetime, within: timedelta
    ) -> list[tuple[Any, Forecast, int]]:
        running = connection.execute(sa.select(tables.CLOCKS).where(tables.CLOCKS.c.state == RUNNING)).all()
        load = Counter(row.rep_id for row in running)
        until_ms, now_ms = (now + within).timestamp() * 1000, now.timestamp() * 1000
        told: list[tuple[Any, Forecast, int]] = []
        for row in running:
            if now_ms <= row.deadline_ms <= until_ms:
                forecast = pace.forecast(row.clock, row.rep_id, load[row.rep_id] - 1, _used(row, now_ms, agreement))
                told.append((row, forecast, load[row.rep_id]))
        return sorted(told, key=lambda one: (-one[1].probability, one[0].deadline_ms, one[0].clock_id))

    def _pace(self, connection: sa.Connection, agreement: Agreement | None, now: datetime) -> Pace | None:
        version = agreement.version if agreement is not None else 0
        if self._learned is None or self._learned[1] != version or now - self._learned[0] > _LEARNS_AGAIN_AFTER:
            pace = Pace.learn(_ended(connection, agreement))
            self._learned = (now, version, pace) if pace is not None else None  # of a few clocks it is quickly done again
            return pace
        return self._learned[2]


def _ended(connection: sa.Connection, agreement: Agreement | None) -> list[Ended]:
    clock = tables.CLOCKS.c
    rows = connection.execute(
        sa.select(tables.CLOCKS)
        .where(clock.state.in_([*KEPT, BREACHED, CANCELLED]), clock.grace.is_(sa.false()), clock.ended_ms.is_not(None))
        .order_by(clock.started_ms.desc())
        .limit(LEARNS_FROM)
    ).all()
    loads = _loads(rows)
    return [
        Ended(
            row.clock,
            row.rep_id,
            loads[row.clock_id],
            1.0 if row.state == BREACHED else _used(row, row.ended_ms, agreement),
            row.state in KEPT,
        )
        for row in rows
    ]


def _loads(rows: Sequence[Any]) -> dict[str, int]:
    """By clock: how many others of its rep ran when it started."""
    under_way: dict[str, list[int]] = defaultdict(list)
    loads: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row.started_ms):
        ends = under_way[row.rep_id]
        while ends and ends[0] <= row.started_ms:
            heappop(ends)
        loads[row.clock_id] = len(ends)
        heappush(ends, row.ended_ms)
    return loads


def _used(row: Any, at_ms: float, agreement: Agreement | None) -> float:
    """The share of the clock's open time that is gone; by the wall clock where its calendar is not in the agreement any more."""
    calendar = agreement.terms.calendars.get(CalendarId(row.calendar)) if agreement is not None else None
    start, at, deadline = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (row.started_ms, at_ms, row.deadline_ms))
    whole = calendar.open_time_between(start, deadline) if calendar is not None else timedelta()
    if calendar is None or whole <= timedelta():
        return min(1.0, max(0.0, (at - start) / max(deadline - start, timedelta(milliseconds=1))))
    return min(1.0, calendar.open_time_between(start, max(start, at)) / whole)


def _expected(told: Sequence[tuple[Any, Forecast, int]], column: str, name: str) -> list[dict[str, Any]]:
    sums: dict[str, list[float]] = defaultdict(list)
    for row, forecast, _ in told:
        sums[getattr(row, column)].append(forecast.probability)
    ordered = sorted(sums.items(), key=lambda item: (-sum(item[1]), item[0]))
    return [{name: who, "due": len(p), "expected_breaches": round(sum(p), 2)} for who, p in ordered]


def _said(row: Any, forecast: Forecast, load: int, now: datetime) -> dict[str, Any]:
    return {
        **shown(row, now),
        "probability": round(forecast.probability, 4),
        "because": in_words(row.rep_id, forecast, load),
    }


def in_words(rep: str, forecast: Forecast, load: int) -> str:
    """What a forecast comes from. load: how many clocks run for the rep."""
    return f"{rep} {_faster(forecast.rep_factor)} and has {load} open; {_heavier(forecast.load_factor)}"


def _faster(factor: float) -> str:
    if factor >= 1.1:
        return f"is {factor:.1f} times as fast as all"
    return f"takes {1 / factor:.1f} times as long as all" if factor <= 0.9 else "is as fast as all"


def _heavier(factor: float) -> str:
    return f"with so many, answers take {1 / factor:.1f} times as long" if factor <= 0.9 else "so many slow nobody down"
