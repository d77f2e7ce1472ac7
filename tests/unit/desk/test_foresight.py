"""What an action would do, foreseen by the fold that every reader applies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.events import desk
from schemas.ids import EventId, RepId, RequestId, RoleId, TeamId
from schemas.lifecycle import Life, State
from schemas.vocabulary import ByRep
from services.desk.foresight import Offer, Place, Recorded, Refused, Scene, ToSay, Why, foresee
from services.desk.requests import ActionIn
from tests.builders import LEAD, agreement

OFFER = RequestId(f"{LEAD}.3")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROSTER = {
    RepId(rep): Place(RepId(rep), TeamId("sales"), RoleId("sdr"), frozenset({"inbound"})) for rep in ("anna", "ben")
}


def scene(state: State = State.ASSIGNED, *, ended: str | None = None, **life: Any) -> Scene:
    held = state in (State.ASSIGNED, State.ACCEPTED, State.WORKING)
    at = Life(
        state=state,
        life=1,
        cycle=1,
        start=0,
        epoch=4,
        offer=OFFER if held else None,
        rep=RepId("anna") if held else None,
        team=TeamId("sales") if held else None,
        last_offer=OFFER,
        **life,
    )
    offer = Offer(
        OFFER,
        LEAD,
        RepId("anna"),
        None if state is State.ASSIGNED else EventId("a1"),
        None if ended is None else EventId("e1"),
        ended,
        "anna rejected it (not mine)",
    )
    return Scene(LEAD, at, 9, offer, ROSTER, agreement(), NOW)


def said(kind: str, **more: Any) -> ActionIn:
    return ActionIn.model_validate({"type": kind, "assignment_id": OFFER, **more})


def refused(action: ActionIn, at: Scene) -> Refused:
    with pytest.raises(Refused) as caught:
        foresee(action, at, EventId("new"))
    return caught.value


def event(action: ActionIn, at: Scene) -> Any:
    answer = foresee(action, at, EventId("new"))
    assert isinstance(answer, ToSay), answer
    return answer.event


def test_the_holder_acts_unless_somebody_else_is_named() -> None:
    assert event(said("accept"), scene()).by == ByRep(rep_id=RepId("anna"))
    assert event(said("accept", by="ben"), scene()).by == ByRep(rep_id=RepId("ben"))
    assert refused(said("accept", by="zoe"), scene()).why is Why.UNKNOWN


def test_accepting_again_is_what_was_recorded() -> None:
    assert foresee(said("accept"), scene(State.WORKING), EventId("new")) == Recorded(EventId("a1"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("not_mine", desk.LeadRejected), ("no_budget", desk.LeadReturned), ("bad_data", desk.LeadReturned)],
)
def test_the_agreement_says_what_a_rejection_is(reason: str, kind: type[desk.Action]) -> None:
    assert type(event(said("reject", reason=reason), scene())) is kind


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("reject", ["no_budget", "not_mine", "bad_data"]),
        ("recycle", ["no_budget", "bad_data"]),
        ("lose", ["no_budget", "lost_interest"]),
    ],
)
def test_reasons_are_the_agreements(kind: str, allowed: list[str]) -> None:
    answer = refused(said(kind, reason="boredom"), scene(State.ACCEPTED))
    assert (answer.why, answer.field, answer.more) == (Why.INVALID, "reason", {"allowed": allowed})


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("win", State.ASSIGNED, "accept it first"),
        ("lose", State.ASSIGNED, "accept it first"),
        ("hand_over", State.ASSIGNED, "accept it first"),
        ("reject", State.WORKING, "recycle it or lose it"),
    ],
)
def test_what_the_table_of_lives_makes_void_is_told_beforehand(kind: str, state: State, words: str) -> None:
    more = {"reason": "not_mine"} if kind == "reject" else {"reason": "no_budget"} if kind == "lose" else {}
    answer = refused(said(kind, **more), scene(state))
    assert answer.why is Why.IMPOSSIBLE
    assert words in answer.because


def test_an_ended_assignment_takes_only_the_action_that_ended_it() -> None:
    gone = scene(State.UNROUTED, ended="rejected")
    assert foresee(said("reject", reason="not_mine"), gone, EventId("new")) == Recorded(EventId("e1"))
    answer = refused(said("accept"), gone)
    assert (answer.why, "anna rejected it" in answer.because) == (Why.ENDED, True)


def test_a_lead_that_never_had_the_assignment_does_not_know_it() -> None:
    assert (
        refused(
            said("accept", assignment_id="other.3"), Scene(LEAD, scene().life, 9, None, ROSTER, agreement(), NOW)
        ).why
        is Why.UNKNOWN
    )


def test_nothing_is_given_to_whoever_has_or_rejected_it() -> None:
    assert refused(said("reassign", to="anna"), scene()).why is Why.IMPOSSIBLE
    assert refused(said("reassign", to="ben"), scene(rejected_by=(RepId("ben"),))).why is Why.IMPOSSIBLE
    assert event(said("reassign", to="ben"), scene()).team_id == "sales"


def test_every_kind_of_action_says_what_it_needs() -> None:
    for kind, field in (("note", "text"), ("next_step", "due_at"), ("meeting", "outcome"), ("claim", "by")):
        assert refused(said(kind), scene()).field == field
    assert refused(ActionIn.model_validate({"type": "accept"}), scene()).field == "assignment_id"
