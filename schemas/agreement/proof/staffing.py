"""Pools with nobody at some hour of the week, and people whom the roster puts into two teams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.agreement.agreement import ALWAYS
from schemas.agreement.calendars import WEEKDAYS, Calendar, OpenSpan
from schemas.agreement.facts import listed
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case
from schemas.agreement.proof.routes import routed_to
from schemas.agreement.roster import Member

WEEK = timedelta(days=7)
Spans = tuple[tuple[datetime, datetime], ...]


def weeks(at: datetime) -> tuple[datetime, ...]:
    """Mondays in each quarter of the year: zones change to summer time and back on different days."""
    monday = (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(monday + n * 13 * WEEK for n in range(4))


def unstaffed(case: Case) -> Iterator[Finding]:
    """One finding for each pool that has nobody at some hour of an ordinary week."""
    if case.roster is None:
        return
    for pool in case.agreement.pools:
        members = at_work(case, str(pool))
        if not members:
            yield _empty(case, str(pool))
            continue
        for week in weeks(case.at):
            gaps = without(week, [present(case, member, week) for member in members])
            if gaps:
                yield _gap(case, str(pool), members, week, gaps)
                break


def at_work(case: Case, pool: str) -> list[Member]:
    """Who can ever take a lead of the pool: whoever may hold none cannot."""
    reps = () if case.roster is None else case.roster.reps
    return [rep for rep in reps if pool in rep.pools and rep.open_leads_cap != 0]


def present(case: Case, member: Member, week: datetime) -> Spans:
    """When somebody is at work in a week without holidays: the hours of his calendar without his breaks."""
    calendar = case.agreement.calendar(member.calendar)
    hours = ordinary_hours(calendar, week)
    for one in member.breaks:
        days = tuple((WEEKDAYS[day], (OpenSpan(start=one.start, end=one.end),)) for day in one.days)
        hours = _minus(hours, _hours(str(member.zone or calendar.zone), days, week))
    return hours


def _minus(hours: Spans, breaks: Spans) -> Spans:
    """What is left of hours without the breaks among them."""
    out: list[tuple[datetime, datetime]] = []
    for start, end in hours:
        for pause, back in breaks:
            if start < back and pause < end:
                out += [(start, pause)] if start < pause else []
                start = max(start, back)
        out += [(start, end)] if start < end else []
    return tuple(out)


def ordinary_hours(calendar: Calendar, week: datetime) -> Spans:
    """When a calendar is open in a week without holidays."""
    return _hours(calendar.zone, tuple(sorted(calendar.open.items())) if isinstance(calendar.open, dict) else (), week)


@lru_cache(maxsize=1024)
def _hours(zone: str, opened: tuple[tuple[str, Sequence[object]], ...], week: datetime) -> Spans:
    calendar = Calendar.model_validate({"zone": zone, "open": dict(opened)}) if opened else ALWAYS
    return tuple(calendar.open_between(week, week + WEEK))


def without(week: datetime, present: Sequence[Spans]) -> Spans:
    """The stretches of a week in which nobody is present."""
    out, until = [], week
    for start, end in sorted(span for spans in present for span in spans):
        if start > until:
            out.append((until, start))
        until = max(until, end)
    return tuple(out) if until >= week + WEEK else _joined(week, (*out, (until, week + WEEK)))


def _joined(week: datetime, gaps: Spans) -> Spans:
    """The gap at the week's end goes on at its beginning."""
    if len(gaps) < 2 or gaps[0][0] != week:
        return gaps
    return (*gaps[1:-1], (gaps[-1][0], gaps[0][1] + WEEK))


def _empty(case: Case, pool: str) -> Finding:
    lead = routed_to(case, pool)
    message = f"nobody can take the leads of the pool {pool}, so they wait for ever."
    return case.say("warning", "empty_pool", ("pools", pool), message, "Put a rep into it.", lead or "")


def _gap(case: Case, pool: str, members: Sequence[Member], week: datetime, gaps: Spans) -> Finding:
    zone = next((z for m in members if (z := case.agreement.calendar(m.calendar).zone) != "UTC"), "UTC")
    said = listed([_span(start, end, ZoneInfo(zone)) for start, end in gaps])
    in_week = "" if week == weeks(case.at)[0] else f" in the week of {week:%Y-%m-%d}"
    start = gaps[0][0]
    lead = routed_to(case, pool)
    whole = gaps == ((week, week + WEEK),)
    return case.say(
        "warning" if whole else "info",
        "pool_unstaffed",
        ("pools", pool),
        f"nobody of the pool {pool} is at work {said} ({zone}){in_week}: leads wait until somebody comes.",
        "Give somebody other hours, or leave it, if leads may wait then.",
        "" if lead is None else lead.text(start, dated=True),
    )


def two_teams(case: Case, in_roster: Sequence[Finding]) -> Iterator[Finding]:
    """What is wrong with the roster; whoever is in two teams with a lead that would come to him."""
    for finding in in_roster:
        if finding.code == "two_teams" and case.roster is not None:
            place = int(finding.path.split("[")[1].split("]")[0])
            leads = (routed_to(case, str(pool)) for pool in case.roster.reps[place].pools)
            lead = next((each for each in leads if each is not None), None)
            finding = replace(finding, example="" if lead is None else lead.text(case.at))
        yield finding


def _span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    one, other = start.astimezone(zone), end.astimezone(zone)
    return f"{_day(one)} {one:%H:%M} to {_day(other)} {other:%H:%M}"


def _day(at: datetime) -> str:
    return WEEKDAYS[at.weekday()].capitalize()


