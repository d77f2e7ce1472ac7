"""Escalation paths: each step once, in its time, to its audience; and none after the lead was worked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import Event
from schemas.events.alerting import AlertRecalled, AlertRequested
from schemas.events.desk import ContactAttempted, LeadAccepted, LeadRejected, NoteAdded
from schemas.events.feedback import BreachForeseen
from schemas.events.routing import AfterBreach, AssignmentWithdrawn, OfferedToTeam
from schemas.events.sla import AlertOnly, ClockCorrected, ClockMet, ClockPaused
from schemas.ids import ClockName, EventId, RepId, RuleId
from schemas.vocabulary import Because, ByRep, LogOffset, Reason, Slug
from services.alerting.processors import LEAD
from tests.unit.alerting import test_whom as whom
from tests.unit.alerting.world import T0, Log, agreement

_DEADLINE = T0 + timedelta(hours=4)
_PATH = """
escalations:
  - id: unworked
    clocks: [first-response]
    steps:
      - {on: warned, share: 0.5, to: [rep]}
      - {on: breached, to: [rep, managers]}
      - {on: breached, after: 30m, to: [managers]}
      - {on: breached, after: 10h, calendar: office, to: [managers]}
"""
_NO_ALERTS = {
    "  - {on: clock_warned, to: [managers]}\n": "",
    "  - {on: clock_breached, to: [managers]}\n": "",
}
_LAST = datetime.fromisoformat("2026-03-03T14:30:00+00:00")
"""Ten open hours of the Berlin office after Monday, 14:00 there: 3.5 h on Monday, 6.5 h on Tuesday from 09:00."""


def _log(*more: Event, alerts: str = "") -> Log:
    replaced = _NO_ALERTS if not alerts else {}
    it = agreement(**replaced, **{"# Apprise URLs": f"{_PATH}\n# Apprise URLs"})
    log = Log(LEAD, it)
    for event in (*whom._until_offered(), whom._assigned(), *more):
        assert log.append(event) == []
    return log


def _breach(log: Log) -> list[Any]:
    return log.append(whom._breached(on_breach=AlertOnly()), after=_DEADLINE - log.now)


def _by(event: type[Event], **said: Any) -> Event:
    return event.model_validate(
        {
            "lead_id": whom._LEAD,
            "assignment_id": whom._REQUEST,
            "by": ByRep(rep_id=RepId("mira")),
            "occurred_at": T0,
            **said,
        }
    )


def _clock(event: type[Event], **said: Any) -> Event:
    return event.model_validate({**whom._CLOCK, **said})


_NOTE = _by(NoteAdded)
_WORK = {
    "accepted": _by(LeadAccepted),
    "attempted": _by(ContactAttempted, channel=Slug("phone"), disposition=Slug("no_answer")),
    "rejected": _by(LeadRejected, reason=Reason("no_fit")),
    "withdrawn": AssignmentWithdrawn(
        lead_id=whom._LEAD,
        assignment_id=whom._REQUEST,
        cause=AfterBreach(since=LogOffset(99), clock=ClockName("first-response")),
        because=Because("mira did not work it"),
    ),
    "met": _clock(ClockMet, met_at=T0, met_by=EventId("e"), deadline_at=_DEADLINE),
    "corrected": _clock(ClockCorrected, corrected_by=EventId("e"), happened_at=T0, because=Because("in time")),
    "paused": _clock(ClockPaused, paused_at=T0, because=Because("a meeting is booked")),
}


def _told(said: list[Any]) -> list[tuple[str, str]]:
    return [(a.recipient, f"{a.happened_at:%d %H:%M}") for a in said if isinstance(a, AlertRequested)]


def test_each_step_comes_in_its_time_to_its_audience() -> None:
    log = _log()
    at_warning = log.append(whom._warned(), after=timedelta(hours=2))
    later = log.pass_time(whom._LEAD, timedelta(hours=2))
    at_breach = _breach(log)
    after = log.pass_time(whom._LEAD, timedelta(days=2))

    assert _told(at_warning) == [("rep.mira", "02 11:00")]
    assert later == []
    assert _told(at_breach) == [("rep.mira", "02 13:00"), ("managers", "02 13:00")]
    assert _told(after) == [("managers", "02 13:30"), ("managers", f"{_LAST:%d %H:%M}")]
    assert after[0].because.endswith("and 30m later mira has not worked it")
    assert (after[0].escalation, after[0].grade) == ("unworked", "A1")
    assert len({a.alert_id for a in (*at_warning, *at_breach, *after)}) == 5


def test_a_step_out_of_hours_waits_for_the_opening() -> None:
    log = Log(LEAD, agreement(**{"# Apprise URLs": _PATH.replace("after: 10h", "after: 4h") + "# Apprise URLs"}))
    for event in (*whom._until_offered(), whom._assigned()):
        log.append(event)
    _breach(log)

    last = log.pass_time(whom._LEAD, timedelta(days=2))[-1]

    assert f"{last.happened_at:%d %H:%M}" == "03 08:30"  # 3.5 h until 17:30, half an hour of Tuesday, in Berlin


@pytest.mark.parametrize("work", _WORK)
def test_the_path_stops_the_moment_the_lead_is_worked(work: str) -> None:
    log = _log()
    _breach(log)
    log.append(_WORK[work], after=timedelta(minutes=29))

    assert log.pass_time(whom._LEAD, timedelta(days=9)) == []


def test_a_note_is_no_work() -> None:
    log = _log()
    _breach(log)
    log.append(_NOTE, after=timedelta(minutes=29))

    assert len(log.pass_time(whom._LEAD, timedelta(days=9))) == 2


def test_who_is_told_by_alerts_too_is_told_of_the_breach_once() -> None:
    assert _told(_breach(_log(alerts="kept"))) == [("managers", "02 13:00"), ("rep.mira", "02 13:00")]


def test_a_path_that_the_agreement_in_force_does_not_have_any_more_ends() -> None:
    log = _log()
    _breach(log)
    log.agreement = agreement()

    assert log.pass_time(whom._LEAD, timedelta(days=9)) == []


def test_after_an_outage_the_steps_do_not_come_all_at_once() -> None:
    log = _log()
    late = log.append(whom._breached(on_breach=AlertOnly(), detected_late=True), after=timedelta(hours=9))

    assert [a.recipient for a in late] == ["rep.mira", "managers"]
    [step] = log.pass_time(whom._LEAD, timedelta(minutes=31))
    assert step.happened_at == T0 + timedelta(hours=9, minutes=30)


def test_what_was_remembered_before_there_were_escalations_can_be_read() -> None:
    import msgspec

    from services.alerting.by_lead import Told, due

    old = msgspec.json.decode(b'{"alerts":["alert.1"],"grade":"A1"}', type=Told)

    assert (old.pending, due(old)) == ((), None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.sampled_from(["warned", "breached", "note", "pass", *_WORK])),
        max_size=8,
    )
)
def test_worked_at_any_moment_no_step_comes_later_and_none_twice(history: list[tuple[int, str]]) -> None:
    log = _log()
    said: list[AlertRequested] = []
    worked = False
    for minutes, what in history:
        pause = timedelta(minutes=minutes)
        steps = log.pass_time(whom._LEAD, pause)
        if what == "warned":
            steps += [] if worked else log.append(whom._warned())
        elif what == "breached":
            steps += [] if worked else log.append(whom._breached(on_breach=AlertOnly()))
        elif what != "pass":
            log.append(_NOTE if what == "note" else _WORK[what])
        assert not (worked and steps)
        worked = worked or what in _WORK
        said += steps
    rest = log.pass_time(whom._LEAD, timedelta(days=30))
    said += rest

    assert not (worked and rest)
    assert len({a.alert_id for a in said}) == len(said)
    assert (LEAD.due(log.before.own) if log.before else None) is None




_TAKING = """
escalations:
  - id: unworked
    clocks: [first-response]
    steps:
      - {on: breached, after: 1h, do: offer_to_team, to: [managers]}
      - {on: breached, after: 2h, do: reassign, to: [rep]}
"""


def _offered(last_action_after: bool = False) -> Event:
    return AssignmentWithdrawn(
        lead_id=whom._LEAD,
        assignment_id=whom._REQUEST,
        cause=OfferedToTeam(
            since=LogOffset(0 if last_action_after else 99),
            clock=ClockName("first-response"), escalation=RuleId("unworked"), step=0,
        ),
        because=Because("mira did not work it, so it is offered to the team"),
    )  # fmt: skip


def _taking() -> Log:
    log = Log(LEAD, agreement(**_NO_ALERTS, **{"# Apprise URLs": f"{_TAKING}\n# Apprise URLs"}))
    for event in (*whom._until_offered(), whom._assigned()):
        log.append(event)
    _breach(log)
    return log


def test_a_step_that_takes_the_lead_away_is_told_when_that_has_happened() -> None:
    log = _taking()
    assert log.pass_time(whom._LEAD, timedelta(hours=3)) == [], "its time alone tells nobody"

    [told] = log.append(_offered())

    assert (told.recipient, told.because) == ("managers", "mira did not work it, so it is offered to the team")
    assert log.pass_time(whom._LEAD, timedelta(days=9)) == []


def test_a_withdrawal_that_lost_against_an_action_is_not_told() -> None:
    log = _taking()
    log.append(_NOTE)

    assert log.append(_offered(last_action_after=True)) == []


def test_a_breach_that_an_action_has_shown_begins_no_path() -> None:
    log = _log()
    log.append(_WORK["attempted"], after=_DEADLINE + timedelta(minutes=1) - log.now)
    log.append(whom._breached(on_breach=AlertOnly(), since=LogOffset(2)))

    assert log.pass_time(whom._LEAD, timedelta(days=9)) == []


def _recalls(said: list[Any]) -> list[tuple[str, str, str]]:
    return [(r.recipient, r.alert_id, r.because) for r in said if isinstance(r, AlertRecalled)]


def test_alerts_are_recalled_once_when_the_lead_is_worked() -> None:
    log = _log()
    breached = _breach(log)
    worked = log.append(_WORK["accepted"], after=timedelta(minutes=3))

    because = "the lead was accepted at 2026-03-02 13:03:00 UTC"
    assert _recalls(worked) == [(a.recipient, a.alert_id, because) for a in breached]
    assert _recalls(log.append(_WORK["attempted"])) == []


def test_that_a_clock_took_the_lead_away_settles_nothing() -> None:
    log = _log()
    _breach(log)

    assert _recalls(log.append(_WORK["withdrawn"])) == []


def test_a_breach_that_is_taken_back_recalls_its_alerts() -> None:
    log = _log()
    _breach(log)

    assert [because for _, _, because in _recalls(log.append(_WORK["corrected"]))] == ["the breach was taken back at 2026-03-02 13:00:00 UTC"] * 2


_FORECASTS = "\nforecasts:\n  - {at_least: 0.7, to: [managers], clocks: [first-response]}\n  - {at_least: 0.9, to: [rep.boss]}\n"


def _foreseeing() -> Log:
    boss = {'title: Sales managers}': 'title: Sales managers}\n  rep.boss: {url: "json://boss"}'}
    log = Log(LEAD, agreement(**_NO_ALERTS, **boss, **{"# Apprise URLs": f"{_FORECASTS}\n# Apprise URLs"}))
    for event in (*whom._until_offered(), whom._assigned()):
        log.append(event)
    return log


def _foreseen(probability: float) -> BreachForeseen:
    said = {name: value for name, value in whom._CLOCK.items() if name in BreachForeseen.model_fields}
    return BreachForeseen.model_validate({**said, "deadline_at": _DEADLINE, "probability": probability, "because": "mira is slow"})


def test_a_breach_that_is_likely_is_told_once_for_a_deadline_to_whom_wants_to_hear_of_it() -> None:
    log = _foreseeing()
    [alert] = log.append(_foreseen(0.75))

    assert (alert.recipient, alert.kind, alert.probability, alert.because) == ("managers", "breach_likely", 0.75, "mira is slow")
    assert log.append(_foreseen(0.8)) == []
    assert [a.recipient for a in log.append(_foreseen(0.95))] == ["rep.boss"]


def test_a_forecast_is_recalled_when_the_clock_runs_out_or_is_met() -> None:
    for event, because in ((whom._breached(on_breach=AlertOnly()), "the clock ran out"), (_WORK["met"], "the clock was met")):
        log = _foreseeing()
        log.append(_foreseen(0.75))
        [recall] = _recalls(log.append(event))
        assert recall[2].startswith(because)


def test_a_forecast_that_was_overtaken_tells_nobody() -> None:
    for settled in ("met", "withdrawn"):
        log = _foreseeing()
        log.append(_WORK[settled])
        assert log.append(_foreseen(0.99)) == []
