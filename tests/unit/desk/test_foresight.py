"""What an action would do, foreseen by the fold that every reader applies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace as replace_life

from schemas.events import desk
from schemas.events.routing import AssignmentWithdrawn, QueueReason
from schemas.ids import EventId, LeadId, RepId, RequestId, RoleId, TeamId
from schemas.lifecycle import Life, State
from schemas.vocabulary import ByRep
from services.desk.attempts import Attempt, attempts_after
from services.desk.cards import NEW_CARD, Line, card_after
from services.desk.foresight import Offer, Place, Recorded, Refused, Scene, ToSay, Why, foresee
from services.desk.inbox import brief
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


def offered(reason: QueueReason = QueueReason.TO_BE_CLAIMED, **life: Any) -> Scene:
    """A lead that an escalation took from anna and offers to her pool, which deals its leads as a rule."""
    at = scene()
    waits = {"state": State.OPEN, "rep": None, "pool": "inbound", "queued": reason, "late": (RepId("anna"),)}
    return replace(at, life=replace_life(at.life, **waits, **life))


def test_what_is_offered_to_the_team_is_claimed_in_a_pool_of_any_mode_and_by_who_was_late_too() -> None:
    for rep in ("ben", "anna"):
        claimed = event(said("claim", by=rep), offered())
        assert (claimed.rep_id, claimed.request_id) == (rep, OFFER)
    assert "only a lead that waits to be claimed" in refused(said("claim", by="ben"), offered(QueueReason.NOBODY_AVAILABLE)).because
    for had in ({"rejected_by": (RepId("anna"),)}, {"excluded": (RepId("anna"),)}):
        assert "does not get it again" in refused(said("claim", by="anna"), offered(**had)).because


def test_the_brief_of_a_reassigned_lead_says_why_it_changed_hands_however_much_else_there_is_to_say() -> None:
    life = replace_life(scene().life, cycle=2)
    withdrawn = AssignmentWithdrawn.model_validate(
        {
            "lead_id": LEAD, "assignment_id": OFFER, "because": "anna did not work it in 1h, so it goes to another rep (unworked)",
            "cause": {"kind": "escalated", "since": 7, "clock": "first", "escalation": "unworked", "step": 1},
        }
    )  # fmt: skip
    card = replace_life(
        NEW_CARD, source={"channel": "ads"}, attributes={"topic": "demo"}, submissions=2, verdict="wants a demo",
        engagements=(Line(0, "page viewed"),), story=tuple(Line(n, f"it was withdrawn (reason {n})") for n in range(3)),
    )  # fmt: skip
    after = card_after(card, withdrawn, "w", scene().life, life, 86_400_000)
    assert brief(life, after)[-1] == "1970-01-02: it was withdrawn (anna did not work it in 1h, so it goes to another rep (unworked))"


TRIED = tuple(Attempt(f"t{i}", channel, 1_000 * i) for i, channel in enumerate(("phone", "phone", "mail")))


def giving_up(attempts: tuple[Attempt, ...], **asked: Any) -> Scene:
    """A lead in work that was tried so often, under an agreement that asks for attempts."""
    asked = {"attempts": 3, "channels": 2, "reasons": ["no_budget"], **asked}
    return replace(scene(State.WORKING), agreement=agreement(giving_up=asked), attempts=attempts)


def test_a_lead_is_given_up_only_after_as_many_attempts_on_as_many_channels_as_were_agreed() -> None:
    assert isinstance(event(said("recycle", reason="no_budget"), giving_up(TRIED)), desk.LeadReturned)
    assert isinstance(event(said("recycle", reason="bad_data"), giving_up(())), desk.LeadReturned)
    too_few = refused(said("recycle", reason="no_budget"), giving_up(TRIED[1:]))
    assert (too_few.why, too_few.field) == (Why.IMPOSSIBLE, "reason")
    assert too_few.because == (
        "the agreement asks for 3 attempts on 2 channels before a lead is given up for no_budget, "
        "and there were 2 attempts on 2 channels (phone, mail)"
    )
    one_channel = giving_up((*TRIED[:2], TRIED[0]))
    assert "3 attempts on 1 channel (phone)" in refused(said("lose", reason="no_budget"), one_channel).because
    rejecting = replace(giving_up(()), life=scene().life)
    assert "there were 0 attempts on 0 channels" in refused(said("reject", reason="no_budget"), rejecting).because


def test_attempts_count_in_their_cycle_and_not_when_undone() -> None:
    before, after = Life(life=1, cycle=1), Life(life=1, cycle=1)
    core = {"lead_id": LEAD, "assignment_id": OFFER, "by": {"kind": "rep", "rep_id": "anna"}, "occurred_at": NOW}
    called = desk.ContactAttempted.model_validate({**core, "channel": "phone", "disposition": "busy"})
    reached = desk.LeadConnected.model_validate({**core, "channel": "mail"})
    attempts = attempts_after((), called, "a1", before, after)
    attempts = attempts_after(attempts, reached, "a2", before, after)
    assert [(a.action_id, a.channel) for a in attempts] == [("a1", "phone"), ("a2", "mail")]
    undone = desk.ActionUndone.model_validate({**core, "action_id": "a2"})
    assert [a.action_id for a in attempts_after(attempts, undone, "u", before, after)] == ["a1"]
    assert attempts_after(attempts, undone, "r", before, Life(life=1, cycle=2)) == ()


def test_the_same_attempt_told_twice_is_one() -> None:
    at = datetime.fromtimestamp(1, UTC)
    tried = replace(scene(State.WORKING), attempts=TRIED)
    assert foresee(said("attempt", channel="phone", at=at), tried, EventId("new")) == Recorded(EventId("t1"))
    assert isinstance(foresee(said("attempt", channel="mail", at=at), tried, EventId("new")), ToSay)
    assert isinstance(foresee(said("attempt", channel="phone"), tried, EventId("new")), ToSay)


def test_nothing_was_done_with_a_lead_before_it_was_there() -> None:
    young = replace(scene(), began_ms=round(NOW.timestamp() * 1000))
    early = refused(said("attempt", channel="phone", at=NOW - timedelta(hours=1)), young)
    assert (early.why, early.field) == (Why.INVALID, "at")
    assert "before the lead was there, which came at 2026-03-02T09:00:00+00:00" in early.because
    assert isinstance(foresee(said("accept", at=NOW - timedelta(seconds=20)), young, EventId("new")), ToSay)


def test_a_deal_may_have_been_won_before_its_lead_came() -> None:
    young = replace(scene(State.WORKING), began_ms=round(NOW.timestamp() * 1000))
    assert event(said("win", at=NOW - timedelta(days=30)), young).occurred_at == NOW - timedelta(days=30)


def test_an_assignment_of_a_strangers_lead_is_not_known() -> None:
    strangers = Offer(OFFER, LeadId("00000000-0000-5000-8000-000000000001"), RepId("ben"), None, None, None, None)
    at = replace(scene(), offer=strangers, life=replace_life(scene().life, offer=RequestId("another")))
    assert refused(said("attempt", channel="phone"), at).why is Why.UNKNOWN


@pytest.mark.parametrize(("within", "age_seconds", "can_be"), [("15m", 899, True), ("15m", 901, False), (None, 86_400 * 30, True)])
def test_an_action_can_be_undone_for_as_long_as_the_agreement_says(within: str | None, age_seconds: int, can_be: bool) -> None:
    before = scene(State.ASSIGNED).life
    at = scene(State.ACCEPTED, undoable=((EventId("a1"), before),))
    terms = agreement(undo_within=within) if within else agreement()
    newest_ms = int(NOW.timestamp() * 1000) - age_seconds * 1000
    at = replace(at, agreement=terms, newest_ms=newest_ms)
    if can_be:
        assert event(said("undo"), at).action_id == "a1"
        return
    why = refused(said("undo"), at)
    assert why.why is Why.IMPOSSIBLE
    assert why.because == "an action can be undone for 15m, and this one is older"
