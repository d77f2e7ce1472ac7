"""By recipient: each alert at once, a storm as one digest, and a channel that gathers."""

from __future__ import annotations

from datetime import timedelta

from schemas.events.alerting import AlertKind, AlertRecalled, AlertReleased, AlertRequested, AlertWithdrawn
from schemas.ids import AlertId, ClockName, LeadId, RecipientId, RepId, TeamId
from schemas.vocabulary import Because
from services.alerting.by_recipient.pacing import ALERTS_PER_WINDOW, BREATH, LINES_PER_DIGEST, WINDOW
from services.alerting.processors import RECIPIENT
from tests.unit.alerting.world import T0, Log, agreement

_GATHER = {'url: "${LEADLOOP_MANAGERS_URL}"': 'url: "${LEADLOOP_MANAGERS_URL}", gather: 2m'}


def alert(number: int) -> AlertRequested:
    return AlertRequested(
        recipient=RecipientId("managers"),
        alert_id=AlertId(f"alert.{number}"),
        kind=AlertKind.CLOCK_WARNED,
        lead_id=LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"),
        team_id=TeamId("sales"),
        rep_id=RepId("mira"),
        assignment_id=None,
        clock=ClockName("first-response"),
        deadline_at=T0,
        happened_at=T0,
        because=Because("half of the clock has passed"),
    )


def _lines(said: list[AlertReleased]) -> list[list[str]]:
    return [[line.alert_id for line in released.lines] for released in said]


def test_an_alert_is_released_at_once_under_its_own_id() -> None:
    [released] = Log(RECIPIENT).append(alert(1))

    assert released.alert_id == "alert.1"
    assert released.recipient == "managers"
    assert released.lines[0].because == "half of the clock has passed"


def test_a_storm_is_one_message_in_five_minutes_after_the_first_alert_of_it() -> None:
    log = Log(RECIPIENT)
    first = log.append(alert(0))
    held = [log.append(alert(n), after=timedelta(milliseconds=5)) for n in range(1, 500)]

    assert _lines(first) == [["alert.0"]]
    assert held == [[]] * 499
    assert log.pass_time("managers", WINDOW - timedelta(seconds=5)) == []
    [digest] = log.pass_time("managers", timedelta(seconds=5))
    assert _lines([digest]) == [[f"alert.{n}" for n in range(1, 500)]]
    assert digest.alert_id.startswith("digest.")


def test_a_storm_that_goes_on_is_a_message_each_five_minutes() -> None:
    log = Log(RECIPIENT)
    said: list[AlertReleased] = []
    for n in range(900):
        said += log.pass_time("managers", timedelta(seconds=1))
        said += log.append(alert(n))
    said += log.pass_time("managers", WINDOW)

    assert len(said) <= ALERTS_PER_WINDOW
    assert [i for lines in _lines(said) for i in lines] == [f"alert.{n}" for n in range(900)]


def test_two_that_come_in_one_breath_are_told_in_a_moment() -> None:
    log = Log(RECIPIENT)
    log.append(alert(1))

    assert log.append(alert(2), after=BREATH / 2) == []
    assert _lines(log.pass_time("managers", BREATH)) == [["alert.2"]]


def test_alerts_that_trickle_are_told_one_by_one_until_there_are_too_many_for_a_window() -> None:
    log = Log(RECIPIENT)
    said = [log.append(alert(n), after=BREATH * 2) for n in range(ALERTS_PER_WINDOW + 2)]

    assert [len(one) for one in said] == [1] * ALERTS_PER_WINDOW + [0, 0]
    assert _lines(log.pass_time("managers", WINDOW)) == [[f"alert.{ALERTS_PER_WINDOW}", f"alert.{ALERTS_PER_WINDOW + 1}"]]


def test_after_the_storm_alerts_go_out_at_once_again() -> None:
    log = Log(RECIPIENT)
    for n in range(ALERTS_PER_WINDOW + 1):
        log.append(alert(n))
    log.pass_time("managers", WINDOW * 3)

    assert _lines(log.append(alert(99))) == [["alert.99"]]


def test_no_alert_overtakes_those_that_are_held_back() -> None:
    log = Log(RECIPIENT)
    for n in range(ALERTS_PER_WINDOW + 1):
        log.append(alert(n))

    assert log.append(alert(100), after=WINDOW / 4) == []
    assert _lines(log.pass_time("managers", WINDOW)) == [[*(f"alert.{n}" for n in range(1, ALERTS_PER_WINDOW + 1)), "alert.100"]]


def test_a_storm_that_outgrows_a_record_is_told_in_several_digests_and_nothing_is_lost() -> None:
    log = Log(RECIPIENT)
    many = 1 + LINES_PER_DIGEST + 7
    said = [released for n in range(many) for released in log.append(alert(n))]
    said += log.pass_time("managers", WINDOW * 3)

    assert [len(released.lines) for released in said] == [1, LINES_PER_DIGEST, 7]
    assert [i for lines in _lines(said) for i in lines] == [f"alert.{n}" for n in range(many)]
    assert len({released.alert_id for released in said}) == len(said)


def test_a_channel_that_gathers_is_told_once_after_that_time() -> None:
    log = Log(RECIPIENT, agreement(**_GATHER))

    assert log.append(alert(1)) == []
    assert log.append(alert(2), after=timedelta(seconds=30)) == []
    assert _lines(log.pass_time("managers", timedelta(minutes=2))) == [["alert.1", "alert.2"]]


def test_a_timer_that_comes_again_releases_nothing_more() -> None:
    log = Log(RECIPIENT, agreement(**_GATHER))
    log.append(alert(1))
    due = RECIPIENT.due(log.before.own)
    assert due == T0 + timedelta(minutes=2)
    [released] = log.pass_time("managers", timedelta(minutes=3))

    assert released.alert_id == "alert.1"
    assert log.pass_time("managers", WINDOW * 2) == []


_LIMITED = {'url: "${LEADLOOP_MANAGERS_URL}"': 'url: "${LEADLOOP_MANAGERS_URL}", at_most: {per_hour: 2, per_day: 4}'}


def test_what_is_over_the_limits_waits_and_comes_as_one_message() -> None:
    log = Log(RECIPIENT, agreement(**_LIMITED))
    minute = timedelta(minutes=1)
    at_once = [log.append(alert(n), after=minute) for n in range(6)]

    assert [len(said) for said in at_once] == [1, 1, 0, 0, 0, 0]
    assert log.pass_time("managers", timedelta(minutes=54)) == []
    assert _lines(log.pass_time("managers", 2 * minute)) == [["alert.2", "alert.3", "alert.4", "alert.5"]]
    assert _lines(log.append(alert(6), after=2 * minute)) == [["alert.6"]]
    assert log.append(alert(7), after=timedelta(hours=2)) == []  # four in a day
    assert log.pass_time("managers", timedelta(hours=20)) == []
    assert _lines(log.pass_time("managers", timedelta(hours=2))) == [["alert.7"]]


def test_the_limits_hold_for_a_rep_by_what_the_agreement_says_of_reps() -> None:
    log = Log(RECIPIENT, agreement(**{"alerts:\n": "to_reps: {at_most: {per_hour: 1}}\n\nalerts:\n"}))
    to_rep = [alert(n).model_copy(update={"recipient": RecipientId("rep.mira")}) for n in range(2)]

    assert [len(log.append(one, after=BREATH)) for one in to_rep] == [1, 0]
    assert _lines(log.pass_time("rep.mira", timedelta(hours=1))) == [["alert.1"]]


def _recall(number: int, recipient: str = "managers", alert_id: str | None = None) -> AlertRecalled:
    return AlertRecalled(
        recipient=RecipientId(recipient),
        alert_id=AlertId(alert_id or f"alert.{number}"),
        lead_id=alert(number).lead_id,
        because=Because("the lead was accepted at 2026-03-02 09:01:00 UTC"),
    )


def test_an_alert_that_is_held_is_withdrawn_when_it_is_recalled_and_says_why() -> None:
    log = Log(RECIPIENT, agreement(**_GATHER))
    log.append(alert(1))
    log.append(alert(2))
    [withdrawn] = log.append(_recall(1))

    assert isinstance(withdrawn, AlertWithdrawn)
    assert withdrawn.because == (
        "the lead was accepted at 2026-03-02 09:01:00 UTC; until then it was held back: gathered with others into one message"
    )
    assert _lines(log.pass_time("managers", timedelta(minutes=2))) == [["alert.2"]]


def test_a_digest_of_which_everything_was_recalled_does_not_come() -> None:
    log = Log(RECIPIENT, agreement(**_GATHER))
    log.append(alert(1))
    log.append(_recall(1))

    assert log.before is not None
    assert RECIPIENT.due(log.before.own) is None
    assert log.append(_recall(1)) == []
    assert log.pass_time("managers", WINDOW) == []


def test_what_was_released_cannot_be_recalled() -> None:
    log = Log(RECIPIENT)
    log.append(alert(1))

    assert log.append(_recall(1)) == []


def test_a_recall_follows_an_alert_that_was_handed_on_and_comes_to_an_end() -> None:
    circle = {
        'url: "${LEADLOOP_MANAGERS_URL}", title: Sales managers}': 'url: "${LEADLOOP_MANAGERS_URL}", next: other}\n'
        '  other: {url: "json://other", hours: never, out_of_hours: managers}',
        "calendars:\n": "calendars:\n  never: {open: {mon: 23:58-23:59}}\n",
    }
    terms = agreement(**circle)
    [onward] = Log(RECIPIENT, terms).append(_recall(1))
    assert isinstance(onward, AlertRecalled)
    assert (onward.recipient, onward.via) == ("other", ("managers",))
    assert Log(RECIPIENT, terms).append(onward) == []


def _likely(minutes: int) -> AlertRequested:
    return alert(1).model_copy(update={"kind": AlertKind.BREACH_LIKELY, "deadline_at": T0 + timedelta(minutes=minutes), "probability": 0.8})


def test_a_likely_breach_comes_in_a_digest_while_there_is_time_to_act() -> None:
    for minutes, waits in ((60, WINDOW), (4, timedelta(minutes=2))):
        log = Log(RECIPIENT)
        assert log.append(_likely(minutes)) == []
        assert log.before is not None
        assert RECIPIENT.due(log.before.own) == T0 + waits
