"""What the sender owes, derived from the log alone."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertReleased, AlertSent
from schemas.ids import AlertId, EventId, RecipientId
from schemas.vocabulary import Because
from schemas.wire import Envelope, new_trace
from services.alerting.pending import REPEATED_WITHIN, Pending, begin_at

_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_ENVELOPE = Envelope(EventId("e"), "t", "/s", _AT, "managers", "c", new_trace("e"), "w")


def _released(number: int, recipient: str = "managers") -> AlertReleased:
    return AlertReleased(recipient=RecipientId(recipient), alert_id=AlertId(f"a{number}"), lines=())


def _sent(number: int) -> AlertSent:
    return AlertSent(recipient=RecipientId("managers"), alert_id=AlertId(f"a{number}"), attempts=1, sent_at=_AT)


def _failed(number: int) -> AlertFailed:
    return AlertFailed(
        recipient=RecipientId("managers"),
        alert_id=AlertId(f"a{number}"),
        attempts=1,
        failed_at=_AT,
        because=Because("no"),
    )


def _read(*events: Event | None, start: int = 0) -> Pending:
    pending = Pending(start)
    for offset, event in enumerate(events, start):
        pending.read(offset, event, _ENVELOPE)
    return pending


def _first(pending: Pending, recipient: str = "managers") -> str | None:
    owed = pending.first(RecipientId(recipient))
    return None if owed is None else owed.released.alert_id


def test_what_is_released_is_owed_until_it_is_sent_or_given_up() -> None:
    assert _first(_read(_released(1), _released(2))) == "a1"
    assert _first(_read(_released(1), _released(2), _sent(1))) == "a2"
    assert _first(_read(_released(1), _released(2), _sent(1), _failed(2))) is None


def test_each_recipient_is_owed_his_own() -> None:
    pending = _read(_released(1, "managers"), _released(2, "chat"), _released(3, "managers"))

    assert list(pending.recipients()) == ["managers", "chat"]
    assert _first(pending, "chat") == "a2"


def test_a_release_that_a_stale_owner_repeats_is_owed_once_and_not_again_after_it_was_sent() -> None:
    assert _first(_read(_released(1), _released(1), _sent(1))) is None
    assert _first(_read(_released(1), _sent(1), _released(1))) is None


def test_the_next_owner_begins_at_the_oldest_that_is_still_owed() -> None:
    assert _read(start=7).committable == 7
    assert _read(None, _released(1), None, _released(2)).committable == 1
    assert _read(None, _released(1), None, _released(2), _sent(1)).committable == 3
    assert _read(None, _released(1), _sent(1), None).committable == 4


_STEPS = st.lists(st.tuples(st.sampled_from(["released", "sent", "failed", "other"]), st.integers(0, 4)), max_size=30)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy with other tests
@given(_STEPS, st.data())
def test_a_next_owner_who_begins_at_the_committed_position_owes_the_very_same(
    steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    makes = {"released": _released, "sent": _sent, "failed": _failed}
    released: set[int] = set()
    events: list[Event | None] = []
    for what, number in steps:
        released |= {number} if what == "released" else set()
        events.append(makes[what](number) if number in released and what in makes else None)
    cut = data.draw(st.integers(0, len(events)))
    begin = begin_at(_read(*events[:cut]).committable, 0)

    whole = _read(*events)
    next_owner = _read(*events[begin:], start=begin)

    assert [_first(next_owner), next_owner.committable] == [_first(whole), whole.committable]


def test_a_release_repeated_after_the_committed_position_is_not_delivered_again() -> None:
    log = [_released(1), _sent(1), _released(1)]
    committed = _read(*log[:2]).committable
    assert committed == 2

    assert _first(_read(*log[committed:], start=committed)) == "a1"  # without the look back
    begin = begin_at(committed, 0)
    assert _first(_read(*log[begin:], start=begin)) is None


def test_the_look_back_ends_at_the_logs_beginning_and_has_a_measure() -> None:
    assert begin_at(10, 3) == 3
    assert begin_at(REPEATED_WITHIN + 10, 0) == 10
