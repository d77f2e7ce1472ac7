"""`leadloop clock`: when a clock of an agreement file is due, off line, by the arithmetic that the service uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from schemas.agreement import Agreement, AgreementRefused, Clock, Member, Roster, load_roster, say_duration
from schemas.agreement.calendars import Of
from schemas.agreement.clock_terms import FollowUp
from schemas.agreement.clocking import Planned, plan, promise_in_words
from schemas.agreement.explaining import suggestion
from schemas.agreement.open_time import NeverOpen, Pause
from schemas.agreement.working_hours import ClockHours, RepHours, Whose, hours_of, prospect_zone
from services.console.first_agreement import choose, read_text, roster_beside
from services.console.options import AsJson
from services.console.score_commands import instant
from services.console.terminal import Refused, out, say_json

_ROSTER = "Who works by which hours (YAML); without it, x-roster.yaml beside the agreement x.yaml."
_PAUSE = "A time that does not count, such as 2026-03-02T10:00:00Z/2026-03-03T09:00:00Z; may be repeated."


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(clock)


def clock(
    agreement: Annotated[Path, typer.Option(help="The agreement (YAML).")],
    clock: Annotated[str, typer.Option(help="The clock of the agreement, such as first-response.")],
    start: Annotated[str, typer.Option(help="When it starts, with its time zone: 2026-03-02T09:00:00+01:00.")],
    rep: Annotated[str | None, typer.Option(help="The rep for whom it runs; needed only where his or his team's hours count.")] = None,
    pause: Annotated[list[str] | None, typer.Option(help=_PAUSE)] = None,
    roster: Annotated[Path | None, typer.Option(help=_ROSTER)] = None,
    follow_up: Annotated[int, typer.Option(min=0, help="Of a cadence: which further attempt, from 1 on.")] = 0,
    country: Annotated[str | None, typer.Option(help="The prospect's country, such as DE, where his zone counts.")] = None,
    at: Annotated[str | None, typer.Option(help="From when on the open minutes left are counted; now otherwise, or a later start.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say when a clock is due and when it warns, and why, without an installation.

    Open minutes left are those of the clock's hours from now (or --at) to its deadline, without pauses.
    """
    rules = choose(agreement).agreement
    terms = _clock(rules, clock, agreement)
    begins = instant(start)
    pauses = [_pause(text) for text in pause or ()]
    member = _member(rep, rules, terms, roster or roster_beside(agreement)) if rep is not None else None
    hours = hours_of(rules, terms, _whose(member, country))
    open_time = hours.open_time
    step = _step(terms, follow_up)
    try:
        planned = plan(open_time, begins, step.within, terms.warn_at, pauses)
    except NeverOpen:
        within = say_duration(step.within)
        raise Refused(f"{hours.words} does not open for {within} within a century: give it more hours") from None
    since = max(instant(at) if at is not None else datetime.now(UTC), begins)
    left = open_time.unpaused(since, planned.deadline, pauses)
    promise = promise_in_words(terms, hours, step, follow_up)
    because = _because(promise, hours, begins, planned, pauses)
    if as_json:
        say_json(
            {
                "deadline": iso(planned.deadline),
                "warn_at": [iso(at) for _, at in planned.warn_at],
                "open_minutes_left": _minutes(left),
                "because": because,
            }
        )
        return
    for line in _told(hours, planned, left, since, because):
        out().print(line, markup=False)


def _clock(rules: Agreement, name: str, file: Path) -> Clock:
    found = rules.clock(name)
    if found is None:
        known = [str(c.id) for c in rules.clocks]
        meant = suggestion(name, known)
        has = f"did you mean {meant}?" if meant else f"it has {', '.join(known) or 'none'}"
        raise Refused(f"{file} has no clock {name!r}; {has}")
    return found


def _step(terms: Clock, follow_up: int) -> FollowUp:
    if follow_up > len(terms.then):
        has = f"{len(terms.then)} after the first" if terms.then else "only its first"
        raise Refused(f"the clock {terms.id} asks for no attempt number {follow_up}: it has {has}")
    return terms.step(follow_up)


def _member(rep: str, rules: Agreement, terms: Clock, file: Path | None) -> Member | None:
    """The rep in the roster; None where there is no roster and the clock runs alike for everybody. Raises Refused."""
    if file is None and terms.calendar_of is None and rules.calendar(terms.calendar).zone_of in (None, Of.PROSPECT):
        return None
    if file is None:
        raise Refused(f"the clock {terms.id} goes by the hours of {rep!r}: name the roster that has them with --roster")
    try:
        roster: Roster = load_roster(read_text(file), rules)
    except AgreementRefused as refused:
        raise Refused(f"{file} is refused: {refused.findings[0]}") from refused
    member = roster.member(rep)
    if member is None:
        known = [str(m.id) for m in roster.reps]
        meant = suggestion(rep, known)
        raise Refused(f"{file} has no rep {rep!r}; " + (f"did you mean {meant}?" if meant else f"it has {', '.join(known[:20])}"))
    if terms.teams and member.team not in terms.teams:
        raise Refused(f"the clock {terms.id} is for {', '.join(terms.teams)}, and {rep} is in {member.team}")
    return member


def _whose(member: Member | None, country: str | None) -> Whose:
    return Whose(
        None if member is None else rep_hours(member),
        None if member is None else str(member.team),
        prospect_zone({}, country.upper() if country is not None else None),
    )


def rep_hours(member: Member) -> RepHours:
    """When a member of a roster works."""
    return RepHours(
        member.calendar,
        member.zone,
        tuple((b.days, b.start, b.end) for b in member.breaks),
        tuple((x.first, x.last) for x in member.leave),
    )


def _pause(text: str) -> Pause:
    begins, slash, ends = text.partition("/")
    if not slash:
        raise Refused(f"{text!r} is no pause: write FROM/TO, such as 2026-03-02T10:00:00Z/2026-03-02T12:00:00Z")
    pause = instant(begins.strip()), instant(ends.strip())
    if pause[1] <= pause[0]:
        raise Refused(f"the pause {text!r} ends before it begins: write the earlier instant first")
    return pause


def iso(at: datetime) -> str:
    """An instant as the doors write it."""
    return at.isoformat().replace("+00:00", "Z")


def _minutes(length: timedelta) -> int | float:
    minutes = round(length / timedelta(minutes=1), 3)
    return int(minutes) if minutes == int(minutes) else minutes


def _because(promise: str, hours: ClockHours, begins: datetime, planned: Planned, pauses: Sequence[Pause]) -> str:
    """Why it is due then, in one sentence."""
    zone, open_time = ZoneInfo(hours.calendar.zone), hours.open_time
    counted = open_time.between(begins, planned.deadline) - open_time.unpaused(begins, planned.deadline, pauses)
    paused = f"; pauses take {_minutes(counted)} open minutes off" if pauses else ""
    opens = next((o for o, _ in open_time.intervals(begins, planned.deadline)), begins)
    waits = f", which opens {_local(opens, zone)}" if opens > begins else ""
    return (
        f"{promise}: it starts {_local(begins, zone)}{waits}, "
        f"and that time is over {_local(planned.deadline, zone)}{paused}"
    )


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")


def _told(hours: ClockHours, planned: Planned, left: timedelta, since: datetime, because: str) -> list[str]:
    zone = ZoneInfo(hours.calendar.zone)
    lines = [f"due {_local(planned.deadline, zone)} ({iso(planned.deadline)})"]
    lines += [f"warns at {share:.0%}: {_local(at, zone)} ({iso(at)})" for share, at in planned.warn_at]
    over = " (it is over)" if since >= planned.deadline else ""
    lines.append(f"open minutes left from {_local(since, zone)}: {_minutes(left)}{over}")
    lines.append(f"because {because}")
    return lines
