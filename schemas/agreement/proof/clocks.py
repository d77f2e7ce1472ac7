"""Clocks that no calendar can meet: whose deadline never comes, or that run only while nobody is at work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from schemas.agreement.durations import say_duration
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case
from schemas.agreement.proof.routes import routed_to
from schemas.agreement.proof.staffing import Spans, at_work, ordinary_hours, present, weeks
from schemas.agreement.terms import Clock, ClockStart

_TOO_LATE = timedelta(days=366)


def unmeetable(case: Case) -> Iterator[Finding]:
    """One finding for each such clock, or clock and pool."""
    for place, clock in enumerate(case.agreement.clocks):
        calendar = case.agreement.calendar(clock.calendar)
        started = f"assigned at {case.at:%Y-%m-%d %H:%M} UTC"
        try:
            due = calendar.add_open_time(case.at, max(clock.step(n).within for n in range(len(clock.then) + 1)))
        except ValueError:
            yield case.say(
                "error",
                "clock_never_due",
                ("clocks", place, "within"),
                f"the calendar {clock.calendar} is not open for {say_duration(clock.within)} within a century, so the clock "
                f"{clock.id} never ends.",
                "Open the calendar for longer, or give the clock less time.",
                f"{started}, it is never due",
            )
            continue
        if due - case.at > _TOO_LATE:
            yield case.say(
                "warning",
                "clock_too_long",
                ("clocks", place, "within"),
                f"the calendar {clock.calendar} is open so little that {say_duration(clock.within)} of the clock {clock.id} "
                "last longer than a year.",
                "Open the calendar for longer, or give the clock less time.",
                f"{started}, it is due at {due:%Y-%m-%d %H:%M} UTC",
            )
        yield from _while_nobody_works(case, place, clock)


def _while_nobody_works(case: Case, place: int, clock: Clock) -> Iterator[Finding]:
    """With a roster: pools of which nobody is at work while the clock runs; one by their own hours runs while they are."""
    calendar = case.agreement.calendar(clock.calendar)
    if case.roster is None or clock.starts_on is not ClockStart.ASSIGNED or clock.calendar_of is not None:
        return
    for pool in case.agreement.pools:
        members = at_work(case, str(pool))
        together = any(
            _meet(ordinary_hours(calendar, week), present(case, member, week))
            for week in weeks(case.at)
            for member in members
        )
        if members and not together:
            yield case.say(
                "warning",
                "clock_unmeetable",
                ("clocks", place, "calendar"),
                f"the clock {clock.id} runs only while nobody of the pool {pool} is at work.",
                "Name the calendar by which they work, or give them other hours.",
                routed_to(case, str(pool)) or "",
            )


def _meet(one: Spans, other: Spans) -> bool:
    return any(start < end_2 and start_2 < end for start, end in one for start_2, end_2 in other)
