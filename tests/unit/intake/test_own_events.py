"""Intake reads only its own events of a lead's log, and still knows what every submission does there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import Event
from schemas.events import desk, intake, recycling, routing, scoring
from schemas.ids import EventId, digest
from schemas.lifecycle import UNBORN, Effect, State, fold
from schemas.vocabulary import BySystem
from services.intake.memory import OWN
from tests.builders import LEAD, submitted

OTHER = "11111111-1111-4111-8111-111111111111"
START = datetime(2026, 3, 2, tzinfo=UTC)
VERDICT = {"rule": "r", "because": "b", "score": "1", "grade": "A1", "agreement": "tests", "agreement_version": 1}
RECYCLING = {"because": "b", "agreement": "tests", "agreement_version": 1}


def _event(kind: str, position: int, offer: str, newest: str) -> Event:
    """An event of this kind, as apt as the state makes it."""
    lead: dict[str, Any] = {"lead_id": LEAD}
    act = {**lead, "assignment_id": offer, "by": BySystem(system="x"), "occurred_at": START}  # type: ignore[arg-type]
    routed = {
        **lead,
        "request_id": offer,
        "team_id": "sales",
        "because": "b",
        "agreement": "tests",
        "agreement_version": 1,
    }
    match kind:
        case "submitted":
            return submitted(content=digest(str(position % 2).encode()))
        case "keyed":
            return submitted(content=digest(b"keyed"), repeat_window=timedelta(0))
        case "erased":
            return intake.LeadErased.model_validate(lead)
        case "merged":
            return intake.LeadsMerged.model_validate({**lead, "survivor": OTHER})
        case "unmerged":
            return intake.LeadsUnmerged.model_validate({**lead, "survivor": OTHER})
        case "suppressed":
            return intake.LeadSuppressed.model_validate({**lead, "reason": "r"})
        case "qualified":
            return scoring.LeadQualified.model_validate({**lead, **VERDICT, "judged_at": position})
        case "nurtured":
            return scoring.LeadNurtured.model_validate({**lead, **VERDICT, "judged_at": position})
        case "assigned":
            return routing.LeadAssigned.model_validate({**routed, "pool_id": "p", "rep_id": "anna", "number": 1})
        case "returned":
            return desk.LeadReturned.model_validate({**act, "reason": "r"})
        case "won":
            return desk.LeadWon.model_validate({**act, "assignment_id": None})
        case "lost":
            return desk.LeadLost.model_validate({**act, "assignment_id": None})
        case "undone":
            return desk.ActionUndone.model_validate({**act, "action_id": newest})
        case "reactivated":
            return recycling.LeadReactivated.model_validate(
                {**lead, **RECYCLING, "epoch": position - 1, "cycle": 2, "woken_by": {"kind": "submission"}}
            )
    raise AssertionError(kind)


KINDS = (
    "submitted",
    "keyed",
    "erased",
    "merged",
    "unmerged",
    "suppressed",
    "qualified",
    "nurtured",
    "assigned",
    "returned",
    "won",
    "lost",
    "undone",
    "reactivated",
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 40)), max_size=40))
def test_a_submission_does_the_same_whether_all_or_only_intakes_events_are_read(history: list[tuple[str, int]]) -> None:
    whole, own, now = UNBORN, UNBORN, START
    done: list[tuple[Effect, Effect]] = []
    for position, (kind, minutes) in enumerate(history):
        now += timedelta(minutes=minutes)
        if kind == "assigned" and whole.state is State.UNROUTED:
            offer = f"{LEAD}.{whole.epoch}"
            opened = routing.LeadRouted.model_validate(
                {
                    "lead_id": LEAD,
                    "epoch": whole.epoch,
                    "request_id": offer,
                    "team_id": "sales",
                    "ask": {"kind": "pool", "pool_id": "p"},
                    "rule": "r",
                    "because": "b",
                    "agreement": "tests",
                    "agreement_version": 1,
                }
            )
            whole, _ = fold(whole, opened, position=position * 2, now=now, event_id=EventId(f"r{position}"))
        newest = whole.undoable[-1][0] if whole.undoable else "none"
        event = _event(kind, position * 2 + 1, whole.offer or "none", newest)
        whole, effect = fold(whole, event, position=position * 2 + 1, now=now, event_id=EventId(f"e{position}"))
        if type(event) in OWN:
            own, seen = fold(own, event, position=position * 2 + 1, now=now, event_id=EventId(f"e{position}"))
            done.append((effect, seen))
        for state in (State.NONE, State.ERASED, State.MERGED, State.SUPPRESSED):
            assert (whole.state is state) == (own.state is state)
        assert (whole.survivor if whole.state is State.MERGED else None) == (
            own.survivor if own.state is State.MERGED else None
        )
        assert whole.contents == own.contents
    assert all(whole_effect is own_effect for whole_effect, own_effect in done)
