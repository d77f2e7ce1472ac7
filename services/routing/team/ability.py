"""Who can take a lead now, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.agreement import Agreement
from schemas.ids import CalendarId, RepId
from services.routing.team.state import Rep

_INSTANT = timedelta(microseconds=1)


class Hours:
    """The calendars of an agreement at one instant, each asked once."""

    def __init__(self, agreement: Agreement, now: datetime) -> None:
        self.now = now
        self.now_ms = round(now.timestamp() * 1000)
        self._agreement = agreement
        self._open: dict[CalendarId, bool] = {}
        self._opening: dict[CalendarId, int | None] = {}

    def open(self, calendar: CalendarId | None) -> bool:
        """Whether a rep with this calendar is at work. One that the agreement does not know is around the clock."""
        if calendar is None:
            return True
        if calendar not in self._open:
            self._open[calendar] = self._agreement.calendar(calendar).is_open(self.now)
        return self._open[calendar]

    def opens_ms(self, calendar: CalendarId) -> int | None:
        """When a calendar that is closed now opens, in ms since 1970, rounded up; none: never within a century."""
        if calendar not in self._opening:
            self._opening[calendar] = self._find_opening(calendar)
        return self._opening[calendar]

    def _find_opening(self, calendar: CalendarId) -> int | None:
        try:
            opening = self._agreement.calendar(calendar).add_open_time(self.now, _INSTANT) - _INSTANT
        except ValueError:
            return None
        return -(-round(opening.timestamp() * 1_000_000) // 1000)


def present(rep: Rep, now_ms: int) -> bool:
    """Whether he is available; an absence, or a presence, that was said to end by now has ended."""
    if rep.until_ms is not None and now_ms >= rep.until_ms:
        return not rep.available
    return rep.available


def full(rep: Rep) -> bool:
    """Whether he holds as many leads as he may."""
    return rep.cap is not None and rep.open >= rep.cap


def able(rep: Rep, hours: Hours) -> bool:
    """Whether he can take a lead now."""
    return not rep.left and not full(rep) and at_work(rep, hours)


def at_work(rep: Rep, hours: Hours) -> bool:
    """Whether he is available and his calendar open."""
    return present(rep, hours.now_ms) and hours.open(rep.calendar)


def able_again_ms(rep: Rep, hours: Hours) -> int | None:
    """When he who cannot take a lead now may be able to, as far as time alone decides; none: it does not."""
    if rep.left:
        return None
    if not present(rep, hours.now_ms):
        return rep.until_ms if rep.until_ms is not None and rep.until_ms > hours.now_ms else None
    if rep.calendar is not None and not hours.open(rep.calendar):
        return hours.opens_ms(rep.calendar)
    return None


def why_not(rep_id: RepId, rep: Rep, hours: Hours, excluded: tuple[RepId, ...]) -> str | None:
    """A sentence that says why he cannot take this lead, or none if he can."""
    if rep_id in excluded:
        return "has had this lead in this cycle and rejected it or did not work it in time"
    if not present(rep, hours.now_ms):
        if rep.until_ms is None or rep.until_ms <= hours.now_ms:
            return "is away"
        return f"is away until {_say(rep.until_ms)}"
    if not hours.open(rep.calendar):
        return f"is outside of the hours of the calendar {rep.calendar}"
    if full(rep):
        return f"holds {rep.open} leads and may hold {rep.cap}"
    return None


def _say(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
