"""Whatever happens, every clock has a well-formed history, and no assignment is left unwatched after a breach."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import Event
from schemas.events import sla
from schemas.events.runtime import TimerDue
from services.sla.processor import SLA
from services.sla.state import GOING, Hand
from tests.builders import TERMS, OneLead, agreement
from tests.properties.lead_histories import histories, steps, take

ENDS = (sla.ClockMet, sla.ClockBreached, sla.ClockCancelled)
WAITS = [
    {"on": "next_step"},
    {"on": "meeting"},
    {"on": "attempted", "dispositions": ["awaiting_reply"], "at_most": "2d"},
]
_REACHED = ["accepted", "attempted", "connected"]
EVERY_KIND = [
    *TERMS["clocks"],
    {
        "id": "cadence",
        "starts_on": "accepted",
        "met_by": ["attempted", "connected"],
        "within": "4h",
        "then": [{"within": "8h", "channels": ["mail"]}, {"within": "8h"}],
        "pauses": WAITS,
        "calendar": "office",
        "warn_at": [0.5],
        "on_breach": "reassign",
    },
    {"id": "next", "starts_on": "next_step", "met_by": _REACHED, "within": "2h", "calendar": "office"},
    {"id": "stage", "starts_on": "stage", "stages": ["sql"], "met_by": ["won"], "within": "9h", "calendar": "always"},
    {
        "id": "silence",
        "starts_on": "last_action",
        "met_by": [*_REACHED, "noted"],
        "within": "9h",
        "calendar": "always",
        "pauses": WAITS,
    },
    {"id": "best", "when": {"grade": {"in": ["A1"]}}, "met_by": _REACHED, "within": "3h", "calendar": "office"},
]
CALENDARS = [
    {"always": {"open": "always"}, "office": {"zone": "Europe/Berlin", "open": {"mon-fri": hours}}}
    for hours in (["09:00-12:00", "13:00-17:00"], ["08:00-20:00"])
]


_BUSY = ["call me tomorrow", "called me yesterday", "waited for", "opportunity", "attempted", "attempted long ago", "noted", "wait 5h", "undone"]
busy = st.lists(st.one_of(steps, *[st.sampled_from(_BUSY)] * 3), min_size=8, max_size=30).map(
    lambda more: ["submitted 0", "onward", "onward", "onward", "accepted", *more]
)
"""Histories of leads that are in hand most of the time."""


def check_history(events: list[Event]) -> None:
    """started, warnings in order and each once, then exactly one end; after a breach at most one correction.

    Between them it pauses and goes on, one after the other, and is planned anew only while it runs.
    """
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
    going, deadline = True, started.deadline_at
    for event in rest:
        assert isinstance(event, sla.ClockEvent)
        assert (event.clock_id, event.assignment_id, event.rep_id) == (
            started.clock_id,
            started.assignment_id,
            started.rep_id,
        )
        if isinstance(event, sla.ClockPaused):
            assert going
            going = False
        elif isinstance(event, sla.ClockResumed):
            assert not going
            going, deadline = True, event.deadline_at
        elif isinstance(event, sla.ClockReplanned):
            assert going
            deadline = event.deadline_at
        elif isinstance(event, sla.ClockWarned | sla.ClockBreached):
            assert going
            assert event.deadline_at == deadline


@settings(max_examples=150, deadline=None)
@given(histories | busy, st.sampled_from([TERMS["clocks"], EVERY_KIND, EVERY_KIND]), st.integers(0, 45))
def test_every_clock_has_a_well_formed_history_and_runs_only_while_somebody_has_the_lead(
    history: list[str], kinds: list[dict[str, Any]], changed_at: int
) -> None:
    lead = OneLead(SLA, agreement(1, clocks=kinds, calendars=CALENDARS[0]))
    clocks: dict[str, list[Event]] = {}
    for number, step in enumerate(history):
        said = take(lead, step)
        if number == changed_at:
            lead.agreement = agreement(2, lead.now, clocks=kinds, calendars=CALENDARS[1])
            said += lead.reads(lead.timer(lead.now, 2))
        for event in said:
            assert isinstance(event, sla.ClockEvent)
            clocks.setdefault(event.clock_id, []).append(event)
            if isinstance(event, sla.ClockBreached):
                assert isinstance(lead.log[event.since][0], TimerDue) or event.since < lead.position
        going = [c for c in lead.state.clocks if c.hand in GOING]
        assert not going or (lead.life.held and lead.state.assignment == lead.life.offer)
        assert len({c.name for c in going}) == len(going)
        due = SLA.due(lead.state)
        assert (due is None) == (not going)
    for events in clocks.values():
        check_history(events)
    open_ids = {i for i, events in clocks.items() if not any(isinstance(e, ENDS) for e in events)}
    assert open_ids == {
        f"{lead.state.assignment}.{c.name}.{c.start}" for c in lead.state.clocks if c.hand in GOING
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
