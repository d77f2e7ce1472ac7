"""Whatever happens, every clock has a well-formed history, and no assignment is left unwatched after a breach."""

from __future__ import annotations

from hypothesis import given, settings

from schemas.base import Event
from schemas.events import sla
from schemas.events.runtime import TimerDue
from services.sla.processor import SLA
from services.sla.state import Hand
from tests.builders import TERMS, OneLead, agreement
from tests.properties.lead_histories import histories, take

ENDS = (sla.ClockMet, sla.ClockBreached, sla.ClockCancelled)


def check_history(events: list[Event]) -> None:
    """started, warnings in order and each once, then exactly one end; after a breach at most one correction."""
    started, *rest = events
    assert isinstance(started, sla.ClockStarted)
    assert started.started_at < started.deadline_at
    shares = [e.share for e in rest if isinstance(e, sla.ClockWarned)]
    assert shares == sorted(set(shares))
    assert set(shares) <= {s for s, _ in started.warn_at}
    ends = [i for i, e in enumerate(rest) if isinstance(e, ENDS)]
    assert len(ends) <= 1
    if ends:
        after = rest[ends[0] + 1 :]
        assert all(isinstance(e, sla.ClockCorrected) for e in after)
        assert len(after) <= 1
        assert not after or isinstance(rest[ends[0]], sla.ClockBreached)
    for event in rest:
        assert (event.clock_id, event.assignment_id, event.rep_id) == (
            started.clock_id,
            started.assignment_id,
            started.rep_id,
        )  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(histories)
def test_every_clock_has_a_well_formed_history_and_runs_only_while_somebody_has_the_lead(history: list[str]) -> None:
    lead = OneLead(SLA)
    clocks: dict[str, list[Event]] = {}
    for step in history:
        for event in take(lead, step):
            assert isinstance(event, sla.ClockEvent)
            clocks.setdefault(event.clock_id, []).append(event)
            if isinstance(event, sla.ClockBreached):
                assert isinstance(lead.log[event.since][0], TimerDue) or event.since < lead.position
        running = [c for c in lead.state.clocks if c.hand is Hand.RUNNING]
        assert not running or (lead.life.held and lead.state.assignment == lead.life.offer)
        assert len({c.name for c in running}) == len(running)
    for events in clocks.values():
        check_history(events)
    open_ids = {i for i, events in clocks.items() if not any(isinstance(e, ENDS) for e in events)}
    assert open_ids == {
        f"{lead.state.assignment}.{c.name}.{c.start}" for c in lead.state.clocks if c.hand is Hand.RUNNING
    }


@settings(max_examples=200, deadline=None)
@given(histories)
def test_while_somebody_has_the_lead_its_first_response_runs_or_was_given_or_is_being_withdrawn(
    history: list[str],
) -> None:
    lead = OneLead(SLA, agreement(clocks=[TERMS["clocks"][0]]))
    breached_since = -1
    for step in history:
        for event in take(lead, step):
            breached_since = event.since if isinstance(event, sla.ClockBreached) else breached_since
        if not lead.life.held:
            continue
        clock = next((c for c in lead.state.clocks if c.name == "first-response"), None)
        if clock is None:
            assert any(getattr(e, "claimed_by", None) for e, _ in lead.log), "only a claim starts no first response"
        elif clock.hand is Hand.BREACHED and clock.met_by is None:
            assert lead.life.last_action <= breached_since, (
                "an action made the withdrawal void, and nothing watches the lead"
            )
        else:
            assert clock.hand is Hand.RUNNING or clock.met_by is not None
