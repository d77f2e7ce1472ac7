"""By recipient: the next channel after a failure, hours and who is on duty, and digests whose counts add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.agreement import Agreement
from schemas.agreement.alert_terms import Rota
from schemas.events.alerting import AlertFailed, AlertReleased, AlertRequested, AlertSent, RecipientMuted
from schemas.ids import AlertId, RecipientId
from schemas.vocabulary import Because
from services.alerting.by_recipient.pacing import BREATH, GATHERED_AGAIN, WINDOW
from services.alerting.by_recipient.state import UNDER_WAY
from services.alerting.patience import PEOPLE
from services.alerting.processors import RECIPIENT
from services.alerting.sender import patience_with
from tests.unit.alerting.test_when import alert
from tests.unit.alerting.world import T0, Log, agreement

_MANAGERS = 'managers: {url: "${LEADLOOP_MANAGERS_URL}", title: Sales managers'
_PHONES = '\n  phones: {url: "${PHONES}"}'
_DUTY = "\n  duty: {duty: {people: [clara, dario], since: 2026-03-02T09:00, zone: Europe/Berlin}}"
_EVENING = timedelta(hours=8, minutes=30)
"""From T0 on: 18:30 in Berlin, the office has closed."""


def _agreed(terms: str) -> Agreement:
    return agreement(**{_MANAGERS + "}": f"{_MANAGERS}, {terms}}}{_PHONES}{_DUTY}"})


def _in_a_circle(it: Agreement) -> Agreement:
    """What the check refuses."""
    phones = it.channels[RecipientId("phones")].model_copy(update={"next": RecipientId("managers")})
    channels = {**it.channels, RecipientId("phones"): phones}
    return Agreement(it.version, it.terms.model_copy(update={"channels": channels}))


def _failed(released: AlertReleased) -> AlertFailed:
    return AlertFailed(
        recipient=released.recipient,
        alert_id=released.alert_id,
        attempts=20,
        failed_at=T0,
        because=Because("no answer"),
    )


def test_what_cannot_be_delivered_goes_to_the_next_channel_once() -> None:
    log = Log(RECIPIENT, _agreed("next: phones"))
    [released] = log.append(alert(1))
    [handed] = log.append(_failed(released))

    assert isinstance(handed, AlertRequested)
    assert (handed.recipient, handed.via, handed.because) == ("phones", ("managers",), alert(1).because)
    assert handed.alert_id != released.alert_id
    assert log.append(_failed(released)) == []
    assert list(log.parts.of(UNDER_WAY)) == []


def test_between_two_channels_that_both_fail_it_comes_to_an_end() -> None:
    managers, phones = (Log(RECIPIENT, _agreed("next: phones")) for _ in range(2))
    phones.agreement = _in_a_circle(phones.agreement)
    [released] = managers.append(alert(1))
    [handed] = managers.append(_failed(released))
    assert phones.append(handed) == []
    [again] = phones.pass_time("phones", GATHERED_AGAIN)

    assert (again.recipient, again.lines[0].via) == ("phones", ("managers",))
    assert phones.append(_failed(again)) == []


def test_a_digest_that_cannot_be_delivered_is_one_message_on_the_next_channel() -> None:
    managers, phones = (Log(RECIPIENT, _agreed("next: phones, gather: 5m")) for _ in range(2))
    for n in range(500):
        assert managers.append(alert(n)) == []
    [digest] = managers.pass_time("managers", WINDOW)
    handed = managers.append(_failed(digest))
    assert [said for one in handed for said in phones.append(one)] == []
    said = phones.pass_time("phones", WINDOW)

    assert [len(released.lines) for released in said] == [500]


def test_what_was_delivered_is_not_kept() -> None:
    log = Log(RECIPIENT, _agreed("next: phones"))
    [released] = log.append(alert(1))
    log.append(AlertSent(recipient=released.recipient, alert_id=released.alert_id, attempts=1, sent_at=T0))

    assert list(log.parts.of(UNDER_WAY)) == []
    assert log.append(_failed(released)) == []


def test_out_of_hours_it_waits_for_the_opening_and_is_one_message() -> None:
    log = Log(RECIPIENT, _agreed("hours: office"))
    assert len(log.append(alert(1))) == 1
    assert log.append(alert(2), after=_EVENING) == []
    assert log.append(alert(3), after=timedelta(hours=3)) == []
    [digest] = log.pass_time("managers", timedelta(days=1))

    assert [line.alert_id for line in digest.lines] == ["alert.2", "alert.3"]
    assert log.before is not None
    assert log.before.own.released[-1] == round(datetime(2026, 3, 3, 8, tzinfo=UTC).timestamp() * 1000)


def test_out_of_hours_it_goes_to_who_is_on_duty() -> None:
    log = Log(RECIPIENT, _agreed("hours: office, out_of_hours: duty"))
    [released] = log.append(alert(1))
    [handed] = log.append(alert(2), after=_EVENING)

    assert isinstance(released, AlertReleased)
    assert (handed.recipient, handed.via) == ("duty", ("managers",))


def test_a_digest_that_falls_due_after_closing_waits_too() -> None:
    log = Log(RECIPIENT, _agreed("hours: office, gather: 10m"))
    log.append(alert(1), after=timedelta(hours=7, minutes=25))  # 17:25 in Berlin
    assert log.pass_time("managers", timedelta(hours=1)) == []

    [digest] = log.pass_time("managers", timedelta(days=1))
    assert len(digest.lines) == 1


def test_shifts_change_by_the_wall_clock_also_over_a_change_to_summer_time() -> None:
    rota = Rota.model_validate(
        {"people": ["clara", "dario"], "since": "2026-03-23T09:00", "zone": "Europe/Berlin", "every": timedelta(days=7)}
    )
    change = datetime(2026, 3, 30, 7, tzinfo=UTC)  # 09:00 in summer time, a week later

    assert rota.on_duty(change - timedelta(seconds=1)) == "clara"
    assert rota.on_duty(change) == "dario"
    assert rota.on_duty(change + timedelta(days=7)) == "clara"
    assert rota.on_duty(datetime(2026, 3, 23, 7, 59, tzinfo=UTC)) == "dario"


@pytest.mark.parametrize("wrong", [{"zone": "Europe/Atlantis"}, {"since": "2026-03-23T09:00+01:00"}, {"people": []}])
def test_a_rota_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rota.model_validate({"people": ["clara"], "since": "2026-03-23T09:00", **wrong})


def test_a_channel_is_tried_as_long_as_it_says_and_else_longer_than_an_hours_outage() -> None:
    it = _agreed("tries_for: 1m")
    released = AlertReleased(recipient=RecipientId("managers"), alert_id=AlertId("alert.1"), lines=())
    other = released.model_copy(update={"recipient": RecipientId("phones")})

    assert sum(patience_with((), lambda: it, released).delays) == 31  # 1, 2, 4, 8, 16 s; 32 s more would be too long
    assert patience_with((), lambda: it, other) == PEOPLE
    assert sum(PEOPLE.delays) > 3600 * 1.1


def _mute(log: Log, span: timedelta) -> list[Any]:
    until = log.now + span
    return log.append(RecipientMuted(recipient=RecipientId("managers"), muted_at=log.now, until=until))


def test_what_comes_to_a_muted_channel_is_one_message_at_the_end() -> None:
    log = Log(RECIPIENT, _agreed("gather: 0s"))
    assert _mute(log, timedelta(hours=2)) == []
    for n in range(500):
        assert log.append(alert(n), after=timedelta(seconds=1)) == []
    assert log.pass_time("managers", timedelta(hours=1, minutes=51)) == []
    [digest] = log.pass_time("managers", timedelta(minutes=1))

    assert len(digest.lines) == 500
    assert len(log.append(alert(500), after=WINDOW)) == 1


def test_an_end_that_has_passed_ends_the_silence() -> None:
    log = Log(RECIPIENT, _agreed("gather: 0s"))
    _mute(log, timedelta(hours=2))
    log.append(alert(1))
    _mute(log, timedelta())
    [released] = log.pass_time("managers", timedelta(seconds=1))

    assert released.alert_id == "alert.1"
    assert len(log.append(alert(2), after=BREATH)) == 1


def test_a_digest_that_was_due_waits_for_the_end_of_the_silence() -> None:
    log = Log(RECIPIENT, _agreed("gather: 5m"))
    log.append(alert(1))
    _mute(log, timedelta(hours=1))

    assert log.pass_time("managers", timedelta(minutes=59)) == []
    assert len(log.pass_time("managers", timedelta(minutes=2))) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.sampled_from(["", "gather: 2m", "hours: office"]))
def test_whatever_comes_is_released_once_and_digests_add_up(pauses: list[int], terms: str) -> None:
    log = Log(RECIPIENT, _agreed(terms or "gather: 0s"))
    said: list[AlertReleased] = []
    for number, pause in enumerate(pauses):
        said += log.pass_time("managers", timedelta(seconds=pause))
        said += log.append(alert(number))
    said += log.pass_time("managers", timedelta(days=5))

    assert [line.alert_id for released in said for line in released.lines] == [f"alert.{n}" for n in range(len(pauses))]
    assert len({released.alert_id for released in said}) == len(said)
