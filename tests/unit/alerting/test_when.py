"""By recipient: each alert at once, a storm as one digest, and a channel that gathers."""

from __future__ import annotations

from datetime import timedelta

from schemas.events.alerting import AlertKind, AlertReleased, AlertRequested
from schemas.ids import AlertId, ClockName, LeadId, RecipientId, RepId, TeamId
from schemas.vocabulary import Because
from services.alerting.by_recipient.pacing import LINES_PER_DIGEST, MESSAGES_PER_WINDOW, WINDOW
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


def test_a_storm_becomes_one_digest_at_the_end_of_the_window() -> None:
    log = Log(RECIPIENT)
    at_once = [log.append(alert(n)) for n in range(MESSAGES_PER_WINDOW)]
    held = [
        log.append(alert(n), after=timedelta(seconds=1)) for n in range(MESSAGES_PER_WINDOW, MESSAGES_PER_WINDOW + 30)
    ]

    assert all(len(said) == 1 for said in at_once)
    assert held == [[]] * 30
    assert log.pass_time("managers", WINDOW - timedelta(seconds=31)) == []
    [digest] = log.pass_time("managers", timedelta(seconds=2))
    assert _lines([digest]) == [[f"alert.{n}" for n in range(MESSAGES_PER_WINDOW, MESSAGES_PER_WINDOW + 30)]]
    assert digest.alert_id.startswith("digest.")


def test_after_the_storm_alerts_go_out_at_once_again() -> None:
    log = Log(RECIPIENT)
    for n in range(MESSAGES_PER_WINDOW + 1):
        log.append(alert(n))
    log.pass_time("managers", WINDOW * 3)

    assert _lines(log.append(alert(99))) == [["alert.99"]]


def test_no_alert_overtakes_those_that_are_held_back() -> None:
    log = Log(RECIPIENT)
    for n in range(MESSAGES_PER_WINDOW + 1):
        log.append(alert(n), after=WINDOW / 20)

    assert log.append(alert(100), after=WINDOW / 4) == []
    assert _lines(log.pass_time("managers", WINDOW)) == [[f"alert.{MESSAGES_PER_WINDOW}", "alert.100"]]


def test_a_storm_that_outgrows_a_record_is_told_in_several_digests_and_nothing_is_lost() -> None:
    log = Log(RECIPIENT)
    many = MESSAGES_PER_WINDOW + LINES_PER_DIGEST + 7
    said = [released for n in range(many) for released in log.append(alert(n))]
    said += log.pass_time("managers", WINDOW * 3)

    assert [len(released.lines) for released in said[MESSAGES_PER_WINDOW:]] == [LINES_PER_DIGEST, 7]
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
