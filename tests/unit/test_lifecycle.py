"""The fold of a lead's life: total, as the table says, and as the page shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import diagram
from schemas.events import desk, feedback, intake, routing
from schemas.ids import EventId, LeadId, RepId, RequestId, SubmissionId, TeamId, digest, from_plain, to_plain
from schemas.lifecycle import UNBORN, UNDO_DEPTH, Effect, Life, State, fold, owed
from schemas.vocabulary import BySystem, LeadStatus, LifecycleStage, Reason, Slug

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEAD = LeadId("00000000-0000-0000-0000-000000000001")
DESK = BySystem(system=Slug("desk"))


def submitted(content: str = "one", window: timedelta = timedelta(hours=1)) -> intake.LeadSubmitted:
    return intake.LeadSubmitted(
        lead_id=LEAD,
        submission_id=SubmissionId(LEAD),
        content=digest(content.encode()),
        submitted_at=NOW,
        repeat_window=window,
    )


def after(
    life: Life, event: object, position: int = 50, now: datetime = NOW, event_id: str = "e"
) -> tuple[Life, Effect]:
    return fold(life, event, position=position, now=now, event_id=EventId(event_id))


def test_the_page_of_the_life_of_a_lead_is_current() -> None:
    written = diagram.PAGE.read_text(encoding="utf-8")
    assert diagram.page(written) == written, "run `make schemas`: docs/lifecycle.md does not show what the fold does"


def test_the_page_shows_every_event_that_the_fold_listens_to() -> None:
    assert diagram.undrawn() == []


def test_a_page_that_lost_its_places_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        diagram.page("# The life of a lead")


def test_what_is_void_or_a_repeat_changes_nothing() -> None:
    for t in diagram.transitions():
        if t.effect is not Effect.EFFECT:
            life = diagram.life_in(t.before)
            assert after(life, t.example.event)[0] == life, t.example.name


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(diagram.examples())), st.integers(0, 2)), max_size=25))
def test_the_fold_is_total_and_its_states_survive_being_written_down(said: list[tuple[diagram.Example, int]]) -> None:
    life = UNBORN
    for position, (example, named) in enumerate(said):
        event = example.event
        if hasattr(event, "epoch") and named:
            event = event.model_copy(update={"epoch": life.epoch})
        if isinstance(event, desk.ActionUndone) and named and life.undoable:
            event = event.model_copy(update={"action_id": life.undoable[-1][0]})
        life, _ = after(life, event, position, event_id=f"e{position}")
        assert life.held is (life.rep is not None)
        assert (life.offer is not None) is (life.held or life.state is State.OPEN)
        written = msgspec.json.encode(life, enc_hook=to_plain)
        assert msgspec.json.decode(written, type=Life, dec_hook=from_plain) == life


def test_equal_content_within_the_window_is_a_repeat() -> None:
    life, _ = after(UNBORN, submitted(), 1)
    assert after(life, submitted(), 2, NOW + timedelta(minutes=59)) == (life, Effect.REPEAT)


def test_equal_content_after_the_window_is_a_submission() -> None:
    life, _ = after(UNBORN, submitted(), 1)
    again, effect = after(life, submitted(), 2, NOW + timedelta(minutes=60))
    assert (again.submitted, effect) == (2, Effect.EFFECT)


def test_with_no_window_nothing_is_a_repeat() -> None:
    life, _ = after(UNBORN, submitted(window=timedelta()), 1)
    assert after(life, submitted(window=timedelta()), 2)[1] is Effect.EFFECT


def test_after_an_erasure_a_submission_starts_a_new_life_without_memory() -> None:
    life = msgspec.structs.replace(diagram.life_in(State.ASSIGNED), agreement_version=4)
    erased, _ = after(life, intake.LeadErased(lead_id=LEAD), 20)
    assert erased == Life(state=State.ERASED, life=1, epoch=20, agreement_version=4)
    again, _ = after(erased, submitted(), 21)
    assert (again.state, again.life, again.cycle, again.start, again.rejected_by) == (State.NEW, 2, 1, 21, ())


def _rejected(life: Life, position: int) -> Life:
    event = desk.LeadRejected(
        lead_id=LEAD, assignment_id=RequestId("offer"), by=DESK, occurred_at=NOW, reason=Reason("not_mine")
    )
    rejected, effect = after(life, event, position, event_id="rejection")
    assert effect is Effect.EFFECT
    return rejected


def test_an_undone_rejection_gives_the_rep_his_lead_back_as_it_was() -> None:
    held = diagram.life_in(State.ASSIGNED)
    rejected = _rejected(held, 20)
    assert rejected.rejected_by == (RepId("someone"), RepId("ana"))
    undo = desk.ActionUndone(
        lead_id=LEAD, assignment_id=RequestId("offer"), by=DESK, occurred_at=NOW, action_id=EventId("rejection")
    )
    undone, effect = after(rejected, undo, 21)
    assert effect is Effect.EFFECT
    assert (undone.state, undone.rep, undone.rejected_by, undone.epoch, undone.last_action) == (
        State.ASSIGNED,
        RepId("ana"),
        (RepId("someone"),),
        21,
        21,
    )


def test_a_withdrawal_after_a_breach_is_void_once_the_rep_has_acted() -> None:
    held = diagram.life_in(State.ASSIGNED)
    attempt = desk.ContactAttempted(
        lead_id=LEAD,
        assignment_id=RequestId("offer"),
        by=DESK,
        occurred_at=NOW,
        channel=Slug("phone"),
        disposition=Slug("none"),
    )
    worked, _ = after(held, attempt, 8)
    cause = routing.AfterBreach(since=7, clock="first")
    withdrawn = routing.AssignmentWithdrawn(
        lead_id=LEAD,
        assignment_id=RequestId("offer"),
        cause=cause,
        because="late",
    )
    assert after(worked, withdrawn, 9) == (worked, Effect.VOID)
    unrouted, effect = after(held, withdrawn, 9)
    assert (unrouted.state, unrouted.excluded, effect) == (State.UNROUTED, (RepId("ana"),), Effect.EFFECT)


def test_an_order_to_a_rep_who_rejected_the_lead_is_void() -> None:
    held = diagram.life_in(State.ASSIGNED)
    order = desk.ReassignmentOrdered(
        lead_id=LEAD,
        assignment_id=RequestId("offer"),
        by=DESK,
        occurred_at=NOW,
        to=RepId("someone"),
        team_id=TeamId("sales"),
        reason=Reason("workload"),
    )
    assert after(held, order)[1] is Effect.VOID


def test_only_so_many_actions_can_be_undone() -> None:
    life = diagram.life_in(State.WORKING)
    note = desk.NoteAdded(lead_id=LEAD, assignment_id=RequestId("offer"), by=DESK, occurred_at=NOW)
    for n in range(UNDO_DEPTH + 5):
        life, _ = after(life, note, 20 + n, event_id=f"note {n}")
    assert len(life.undoable) == UNDO_DEPTH
    assert all(before.undoable == () and before.contents == () for _, before in life.undoable)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.UNROUTED, LeadStatus.WAITING),
        (State.OPEN, LeadStatus.WAITING),
        (State.RETURNED, LeadStatus.RECYCLED),
        (State.WON, LeadStatus.WON),
    ],
)
def test_inner_states_show_as_the_published_status(state: State, status: LeadStatus) -> None:
    assert diagram.life_in(state).lead_status is status


def test_a_lead_nobody_knows_has_no_status() -> None:
    assert UNBORN.lead_status is None


def test_what_is_owed_to_a_lead_is_said() -> None:
    assert owed(diagram.life_in(State.NEW)) == "a verdict from scoring"
    assert owed(diagram.life_in(State.OPEN)) == "a rep or a queue entry from routing"
    assert owed(diagram.life_in(State.ASSIGNED)) is None


def test_a_win_makes_a_customer_and_undo_takes_it_back() -> None:
    held = diagram.life_in(State.WORKING)
    won, _ = after(held, desk.LeadWon(lead_id=LEAD, by=DESK, occurred_at=NOW), 20, event_id="win")
    assert (won.stage, won.ended) == (LifecycleStage.CUSTOMER, 20)
    undo = desk.ActionUndone(
        lead_id=LEAD, assignment_id=RequestId("offer"), by=DESK, occurred_at=NOW, action_id=EventId("win")
    )
    assert after(won, undo, 21)[0].stage is LifecycleStage.LEAD


# ------------------------------------------------------------------ contests


def rejected() -> Life:
    """A lead that ana has turned down; what she did can still be undone."""
    held = Life(
        state=State.ACCEPTED, life=1, cycle=1, start=1, epoch=3, offer=RequestId("r"), rep=RepId("ana"), team=TeamId("s"), last_action=4
    )
    return after(held, desk.LeadReturned(**by_ana(), reason=Reason("no_fit")), position=10, event_id="rejection")[0]


def by_ana() -> dict[str, object]:
    return {"lead_id": LEAD, "assignment_id": "r", "by": DESK, "occurred_at": NOW}


def contest(position: int = 10, action: str = "rejection", cycle: int = 1) -> feedback.RejectionContested:
    return feedback.RejectionContested.model_validate(
        {
            "lead_id": LEAD, "action_id": action, "position": position, "cycle": cycle, "returned": True, "rep_id": "ana",
            "reason": "no_fit", "contested_by": "mira",
        }
    )  # fmt: skip


def decided(verdict: desk.ContestVerdict, contest_id: str = "contest") -> desk.ContestDecided:
    return desk.ContestDecided.model_validate(
        {"lead_id": LEAD, "contest_id": contest_id, "verdict": verdict, "by": DESK, "occurred_at": NOW}
    )


def test_an_undone_rejection_takes_its_contest_with_it_and_an_open_contest_outlives_other_undos() -> None:
    contested, _ = after(rejected(), contest(), event_id="contest")
    assert contested.contest is not None
    undone, effect = after(contested, desk.ActionUndone(**by_ana(), action_id=EventId("rejection")))
    assert (effect, undone.state, undone.contest) == (Effect.EFFECT, State.ACCEPTED, None)
    lost, _ = after(contested, desk.LeadLost(lead_id=LEAD, by=DESK, occurred_at=NOW), event_id="lost")
    assert after(lost, desk.ActionUndone(**by_ana(), action_id=EventId("lost")))[0].contest == contested.contest


def test_a_contest_that_was_decided_does_not_come_back_by_an_undo() -> None:
    contested, _ = after(rejected(), contest(), event_id="contest")
    lost, _ = after(contested, desk.LeadLost(lead_id=LEAD, by=DESK, occurred_at=NOW), event_id="lost")
    closed, _ = after(lost, decided(desk.ContestVerdict.UPHELD))
    again, _ = after(closed, desk.ActionUndone(**by_ana(), action_id=EventId("lost")))
    assert again.contest is None
    assert after(again, contest())[1] is Effect.VOID


def test_a_contest_is_void_for_another_cycle_place_or_rejection_and_is_decided_once() -> None:
    life = rejected()
    for other in (contest(position=9), contest(cycle=2)):
        assert after(life, other)[1] is Effect.VOID
    contested, _ = after(life, contest(), event_id="contest")
    assert after(contested, contest())[1] is Effect.REPEAT
    assert after(contested, contest(action="another"))[1] is Effect.VOID
    assert after(contested, decided(desk.ContestVerdict.OVERTURNED, "another"))[1] is Effect.VOID
    back, effect = after(contested, decided(desk.ContestVerdict.OVERTURNED))
    assert (effect, back.state, back.cycle, back.excluded) == (Effect.EFFECT, State.UNROUTED, 1, (RepId("ana"),))
    assert after(back, decided(desk.ContestVerdict.OVERTURNED))[1] is Effect.VOID
