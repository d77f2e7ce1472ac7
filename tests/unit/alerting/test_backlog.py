"""What the sender owes, derived from the log alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.base import Event
from schemas.events.alerting import (
    AlertFailed,
    AlertReleased,
    AlertSent,
    DeliveryAttempted,
    DeliveryReplayed,
    News,
    NewsKind,
    NewsReleased,
    RecipientDisabled,
    ToolKind,
)
from schemas.ids import AlertId, EventId, LeadId, RecipientId
from schemas.vocabulary import Because, LeadStatus, LifecycleStage
from schemas.wire import Envelope, new_trace
from services.alerting.backlog import REPEATED_WITHIN, Backlog, Line, Owed, begin_at
from services.alerting.patience import PEOPLE, TOOLS, Patience

_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_LATER_MS = round(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1000)
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


def _read(*events: Event | None, start: int = 0, patience: Patience = PEOPLE) -> Backlog:
    backlog = Backlog(start, lambda _: patience)
    for offset, event in enumerate(events, start):
        backlog.read(offset, event, _ENVELOPE)
    return backlog


def _first(backlog: Backlog, recipient: str = "managers") -> str | None:
    line = backlog.lines.get(RecipientId(recipient))
    owed = None if line is None else line.begin(_LATER_MS)
    return None if owed is None else owed.alert_id


def test_what_is_released_is_owed_until_it_is_sent_or_given_up() -> None:
    assert _first(_read(_released(1), _released(2))) == "a1"
    assert _first(_read(_released(1), _released(2), _sent(1))) == "a2"
    assert _first(_read(_released(1), _released(2), _sent(1), _failed(2))) is None


def test_each_recipient_is_owed_his_own() -> None:
    backlog = _read(_released(1, "managers"), _released(2, "chat"), _released(3, "managers"))

    assert list(backlog.lines) == ["managers", "chat"]
    assert _first(backlog, "chat") == "a2"


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


# ------------------------------------------------------------------ tools

_NOW_MS = round(_AT.timestamp() * 1000)
_LEADS = [LeadId(f"4f5e2ad2-6b0f-5c0e-9d53-{n:012x}") for n in range(5)]


def _news(number: int, lead: int = 0) -> NewsReleased:
    news = News(
        kind=NewsKind.ASSIGNED,
        happened_at=_AT,
        event_id=EventId(f"e{number}"),
        lead_id=_LEADS[lead],
        cycle=1,
        lead_status=LeadStatus.ASSIGNED,
        lifecycle_stage=LifecycleStage.MQL,
    )
    return NewsReleased(
        recipient=RecipientId("managers"), tool=ToolKind.WEBHOOK, alert_id=AlertId(f"a{number}"), news=news
    )


def _replayed(number: int, replay: int, lead: int = 0) -> DeliveryReplayed:
    first = _news(number, lead)
    return DeliveryReplayed(
        recipient=first.recipient, tool=first.tool, alert_id=first.alert_id, news=first.news, replay=replay
    )


def _attempted(number: int, attempt: int, *, at: float = 0, after: float = 5, hold: float | None = None) -> Event:
    begun = _AT + timedelta(seconds=at)
    return DeliveryAttempted(
        recipient=RecipientId("managers"),
        alert_id=AlertId(f"a{number}"),
        replay=0,
        attempt=attempt,
        attempted_at=begun,
        status=500,
        because=Because("it answered 500"),
        next_at=begun + timedelta(seconds=after),
        held_until=None if hold is None else begun + timedelta(seconds=hold),
    )


def _due(backlog: Backlog, seconds: float) -> list[str]:
    """What is begun at once at this time."""
    line, found = backlog.lines[RecipientId("managers")], []
    while (owed := line.begin(_NOW_MS + round(seconds * 1000))) is not None:
        found.append(owed)
    for owed in found:
        line.end(owed)
    return [str(owed.alert_id) for owed in found]


def test_messages_of_different_leads_go_side_by_side_and_those_of_one_lead_in_order() -> None:
    backlog = _read(_news(1, lead=0), _news(2, lead=0), _news(3, lead=1), patience=TOOLS)

    assert _due(backlog, 0) == ["a1", "a3"]
    backlog.read(3, _sent(1), _ENVELOPE)
    assert _due(backlog, 0) == ["a2", "a3"]


def test_a_message_that_is_not_taken_waits_alone_and_the_later_ones_of_its_lead_behind_it() -> None:
    backlog = _read(_news(1, lead=0), _news(2, lead=0), _news(3, lead=1), _attempted(1, 1, after=5), patience=TOOLS)

    assert _due(backlog, 1) == ["a3"]
    assert _due(backlog, 5) == ["a3", "a1"]


def test_a_restart_knows_how_often_a_message_was_tried_and_when_it_is_due() -> None:
    log = [_news(1), _attempted(1, 1, after=5), _attempted(1, 2, at=5, after=300)]
    backlog = _read(*log, patience=TOOLS)
    begin = begin_at(backlog.committable, 0)
    again = _read(*log[begin:], start=begin, patience=TOOLS)

    assert _due(again, 304) == []
    assert _due(again, 305) == ["a1"]
    assert next(iter(again.lines[RecipientId("managers")])).attempts == 2


def test_a_receiver_that_takes_nothing_is_asked_by_one_message_at_a_time() -> None:
    fails = [_attempted(n, 1, at=n, after=5) for n in range(3)]
    backlog = _read(*[_news(n, lead=n) for n in range(5)], *fails, patience=TOOLS)
    line = backlog.lines[RecipientId("managers")]

    assert _due(backlog, 2 + 4) == []  # held for five seconds, a tenth more or less
    assert line.begin(_NOW_MS + 8_000) is not None
    assert line.begin(_NOW_MS + 8_000) is None
    line.succeeded()
    assert line.begin(_NOW_MS + 8_000) is not None


def test_retry_after_holds_up_every_message_to_this_receiver() -> None:
    backlog = _read(_news(1, lead=0), _news(2, lead=1), _attempted(1, 1, after=60, hold=60), patience=TOOLS)

    assert _due(backlog, 59) == []
    assert _due(backlog, 60) == ["a2", "a1"]


def test_a_receiver_is_dead_after_three_days_without_a_success_and_not_before() -> None:
    backlog = _read(_news(1), _attempted(1, 1, at=0), _attempted(1, 2, at=1000), patience=TOOLS)
    line = backlog.lines[RecipientId("managers")]

    assert not line.dead(_NOW_MS + 3 * 86_400_000 - 1)
    assert line.dead(_NOW_MS + 3 * 86_400_000)
    line.succeeded()
    assert not line.dead(_NOW_MS + 9 * 86_400_000)


def test_what_is_disabled_is_begun_whatever_its_time_so_that_it_is_told_to_be_given_up() -> None:
    gone = RecipientDisabled(recipient=RecipientId("managers"), disabled_at=_AT, because=Because("gone"))
    backlog = _read(_news(1), _attempted(1, 1, after=300), gone, patience=TOOLS)

    assert _due(backlog, 0) == ["a1"]


def test_a_replay_is_owed_anew_and_its_answer_is_not_taken_for_the_first_ones() -> None:
    log: list[Event] = [_news(1), _sent(1), _replayed(1, 1)]
    assert _due(_read(*log, patience=TOOLS), 0) == ["a1"]
    assert _due(_read(*log, _sent(1), patience=TOOLS), 0) == ["a1"]  # the first one's answer, said again
    assert not _read(*log, _sent(1).model_copy(update={"replay": 1}), patience=TOOLS).lines[RecipientId("managers")]
    assert not _read(*log, _sent(1).model_copy(update={"replay": 1}), _replayed(1, 1)).lines[RecipientId("managers")]


def test_a_line_costs_no_more_the_longer_it_is() -> None:
    """A hundred thousand messages for a receiver that is away: beginning one looks at the first alone."""
    line = Line(RecipientId("managers"), TOOLS)
    for number in range(100_000):
        news = _news(0).news.model_copy(update={"lead_id": LeadId(f"4f5e2ad2-6b0f-5c0e-9d53-{number:012x}")})
        line.add(Owed(number, _news(0).model_copy(update={"news": news}), _ENVELOPE))
    owed = line.begin(0)
    assert owed is not None
    line.end(owed)
    assert len(line._heads) <= 100_001


# ------------------------------------------------------------------ patience


def test_ten_attempts_are_spread_over_three_days() -> None:
    assert sum(TOOLS.delays) == pytest.approx(timedelta(days=3, hours=3).total_seconds(), rel=0.01)
    assert [TOOLS.gives_up_after(n) for n in (9, 10)] == [False, True]


def test_the_jitter_is_the_ids_own_within_a_tenth_and_spreads() -> None:
    waits = [TOOLS.after(2, f"msg_{n}") for n in range(1000)]

    assert waits == [TOOLS.after(2, f"msg_{n}") for n in range(1000)]
    assert 270 <= min(waits) < 275
    assert 325 < max(waits) <= 330
    assert abs(sum(waits) / 1000 - 300) < 2
