"""Who can take a lead now, until when, and why not: presence, hours, idleness. Caps are counted in `caps`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import Agreement, Calendar
from schemas.agreement.working_hours import presence
from schemas.ids import CalendarId, RepId
from services.routing.team.caps import frees_at_ms, full_cap, say_cap
from services.routing.team.state import Rep, Terms


class Hours:
    """The calendars of an agreement at one instant, each asked once."""

    def __init__(self, agreement: Agreement, now: datetime) -> None:
        self.now = now
        self.now_ms = round(now.timestamp() * 1000)
        self.agreement = agreement
        self._somebody_idles = any(pool.idle_after is not None for pool in agreement.pools.values())
        self._known: dict[object, tuple[bool, int | None]] = {}

    def open(self, calendar: CalendarId | None) -> tuple[bool, int | None]:
        """Whether a rep with this calendar is at work, and when that changes (ms since 1970; none: never).

        A calendar that the agreement does not know is around the clock.
        """
        if calendar is None:
            return _ALL_DAY
        return self._asked(calendar, lambda: self.agreement.calendar(calendar))

    def own(self, terms: Terms, zone: str) -> tuple[bool, int | None]:
        """The same for a rep's own breaks and leave."""
        if not terms.breaks and not terms.leave:
            return _ALL_DAY
        return self._asked((zone, terms.breaks, terms.leave), lambda: presence(zone, terms.breaks, terms.leave))

    def zone(self, rep: Rep) -> str:
        """Where his days begin."""
        return rep.terms.zone or self.agreement.calendar(rep.calendar).zone

    def idle_at_ms(self, rep: Rep) -> int | None:
        """When he counts as idle: so long of his hours after he was given a lead that he has done nothing since."""
        if rep.unanswered_ms is None or not self._somebody_idles:
            return None
        pools = (self.agreement.pools.get(pool) for pool in rep.pools)
        after = min((p.idle_after for p in pools if p is not None and p.idle_after is not None), default=None)
        if after is None:
            return None
        since = datetime.fromtimestamp(rep.unanswered_ms / 1000, UTC)
        return _up_ms(self.agreement.calendar(rep.calendar).add_open_time(since, after))

    def _asked(self, key: object, calendar: Callable[[], Calendar]) -> tuple[bool, int | None]:
        if key not in self._known:
            known = calendar()
            change = known.next_change(self.now)
            self._known[key] = known.is_open(self.now), None if change is None else _up_ms(change)
        return self._known[key]


_ALL_DAY: tuple[bool, int | None] = (True, None)


def _up_ms(at: datetime) -> int:
    return -(-round(at.timestamp() * 1_000_000) // 1000)


def present(rep: Rep, now_ms: int) -> bool:
    """Whether he is available; an absence, or a presence, that was said to end by now has ended."""
    if rep.until_ms is not None and now_ms >= rep.until_ms:
        return not rep.available
    return rep.available


def full(rep: Rep) -> bool:
    """Whether he holds as many leads as he may."""
    return rep.cap is not None and rep.open >= rep.cap


def settled(rep: Rep, hours: Hours) -> Rep:
    """The rep with what is so of him now: whether he is able, and when time alone may change that."""
    if rep.left:
        return replace(rep, able=False, wake_ms=None) if rep.able or rep.wake_ms is not None else rep
    able, wake = _able(rep, hours)
    return rep if (able, wake) == (rep.able, rep.wake_ms) else replace(rep, able=able, wake_ms=wake)


def _able(rep: Rep, hours: Hours) -> tuple[bool, int | None]:
    now = hours.now_ms
    wakes: list[int] = []
    if rep.until_ms is not None and rep.until_ms > now:
        wakes.append(rep.until_ms)
    able = present(rep, now) and not full(rep)
    if rep.calendar is not None:
        open_, change = hours.open(rep.calendar)
        able = able and open_
        wakes += () if change is None else (change,)
    if rep.terms.breaks or rep.terms.leave:
        open_, change = hours.own(rep.terms, hours.zone(rep))
        able = able and open_
        wakes += () if change is None else (change,)
    if rep.terms.caps:
        cap = full_cap(rep, None, hours)
        able = able and cap is None
        wakes += frees_at_ms(rep, hours)
    if rep.unanswered_ms is not None:
        idle = hours.idle_at_ms(rep)
        able = able and (idle is None or now < idle)
        wakes += () if idle is None or idle <= now else (idle,)
    return able, min((w for w in wakes if w > now), default=None)


def able(rep: Rep, hours: Hours) -> bool:
    """Whether he can take a lead now, as far as it does not hang on the lead; reckoned afresh."""
    return not rep.left and _able(rep, hours)[0]


def fits(rep_id: RepId, rep: Rep, hours: Hours, excluded: tuple[RepId, ...], grade: str, skills: tuple[str, ...]) -> bool:
    """Whether he, who is able, can take this very lead."""
    if rep_id in excluded or (skills and not knows(rep, skills)):
        return False
    return not rep.terms.caps or full_cap(rep, grade, hours) is None


def knows(rep: Rep, skills: tuple[str, ...]) -> bool:
    """Whether he has every one of these skills."""
    own = {skill.casefold() for skill in rep.terms.skills}
    return all(skill.casefold() in own for skill in skills)


def why_not(
    rep_id: RepId, rep: Rep, hours: Hours, excluded: tuple[RepId, ...], grade: str = "", skills: tuple[str, ...] = ()
) -> str | None:
    """A sentence that says why he cannot take this lead, or none if he can."""
    if rep_id in excluded:
        return "has had this lead, and rejected it, did not take it up in time, or is not to get it again"
    if rep.left:
        return "is not in the team any more"
    if not present(rep, hours.now_ms):
        if rep.until_ms is None or rep.until_ms <= hours.now_ms:
            return "is away"
        return f"is away until {say_time(rep.until_ms)}"
    open_, change = hours.open(rep.calendar)
    if not open_:
        return f"is outside of the hours of the calendar {rep.calendar}" + _until(change)
    open_, change = hours.own(rep.terms, hours.zone(rep))
    if not open_:
        return "is on leave or has a break" + _until(change)
    idle = hours.idle_at_ms(rep)
    if idle is not None and idle <= hours.now_ms:
        return f"was given leads and has done nothing since {say_time(rep.unanswered_ms or idle)}"
    if full(rep):
        return f"holds {rep.open} leads and may hold {rep.cap}"
    if rep.terms.caps and (cap := full_cap(rep, grade, hours)) is not None:
        return say_cap(rep, cap)
    if skills and not knows(rep, skills):
        missing = [s for s in skills if not knows(rep, (s,))]
        return f"lacks the skill {' and '.join(missing)}"
    return None


def _until(change: int | None) -> str:
    return "" if change is None else f" until {say_time(change)}"


def say_time(ms: int) -> str:
    """An instant in a sentence."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


