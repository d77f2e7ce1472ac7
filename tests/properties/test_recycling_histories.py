"""Whatever happens, a lead is answered once each time that it comes back, and never sleeps through a submission."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings

from schemas.events.recycling import LeadReactivated, LeadRecycled, LeadRetired
from schemas.lifecycle import State
from services.recycling.processor import RECYCLING
from tests.builders import OneLead
from tests.properties.lead_histories import histories, take

# What only recycling says must not come from anybody else here.
OURS = {"recycled", "reactivated"}


@settings(max_examples=200, deadline=None)
@given(histories)
def test_a_lead_is_answered_once_for_each_epoch_and_wakes_when_it_must(history: list[str]) -> None:
    lead = OneLead(RECYCLING)
    said: Counter[tuple[str, int]] = Counter()
    for step in history:
        if step in OURS:
            continue
        for event in take(lead, step):
            assert isinstance(event, LeadRecycled | LeadRetired | LeadReactivated)
            said["woken" if isinstance(event, LeadReactivated) else "answered", event.epoch] += 1
            if isinstance(event, LeadReactivated):
                assert event.cycle in (lead.life.cycle, lead.life.cycle + 1)  # on its way, or already read back
    lead.arrive()
    assert not said or max(said.values()) == 1
    assert lead.life.state is not State.RETURNED
    if lead.life.state in (State.RECYCLED, State.RETIRED, State.LOST):
        assert lead.life.submitted <= lead.life.ended, "it sleeps though it was submitted again"
    if lead.life.state is State.RECYCLED:
        assert RECYCLING.due(lead.state) is not None
        lead.wait(timedelta(days=100))
        assert lead.life.state is State.NEW
