"""Table and picture of a lead's life in `docs/lifecycle.md`, made from the fold itself: `python -m schemas.diagram`.

For every state and every event an example is folded; what comes out is drawn. So the picture cannot say what the code
does not do. `--check` says whether the committed page is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from schemas.base import Event
from schemas.events import desk, feedback, intake, recycling, routing, scoring
from schemas.ids import AgreementName, EventId, LeadId, PoolId, RepId, RequestId, RoleId, SubmissionId, TeamId, digest
from schemas.lifecycle import HELD, LIFE_EVENTS, Contest, Effect, Life, State, fold
from schemas.vocabulary import ByRep

PAGE = Path(__file__).parent.parent / "docs" / "lifecycle.md"
_LEAD = LeadId("00000000-0000-0000-0000-000000000001")
_OFFER = RequestId("offer")
_ACTION = EventId("action")
_CONTEST = EventId("contest")
_ENDED = 4
_NOW = datetime(2026, 1, 5, tzinfo=UTC)
_HERE = 10
_UNDONE_TO = State.ACCEPTED
_SAME = "unchanged"


class Example(NamedTuple):
    """One event as it may be said."""

    event: Event
    when: str = ""
    """What distinguishes it from another example of the same event."""

    @property
    def name(self) -> str:
        return type(self.event).__name__ + (f" ({self.when})" if self.when else "")


class Transition(NamedTuple):
    """What an example does in one state."""

    example: Example
    before: State
    after: State
    effect: Effect


def life_in(state: State) -> Life:
    """A lead in that state with everything that an event could name."""
    if state is State.NONE:
        return Life()
    life = Life(
        state=state, life=1, cycle=1, start=1, epoch=5, submitted=1, rejected_by=(RepId("someone"),), last_offer=_OFFER,
        ended=_ENDED,
    )  # fmt: skip
    if state in HELD or state is State.OPEN:
        life = replace(life, offer=_OFFER, team=TeamId("sales"), pool=PoolId("inbound"))
    if state in HELD:
        life = replace(life, rep=RepId("ana"), last_action=5)
    if state not in (State.ERASED, State.MERGED, State.SUPPRESSED):
        before = Life(
            state=_UNDONE_TO, life=1, cycle=1, start=1, epoch=4, offer=_OFFER, rep=RepId("ana"), last_action=4
        )
        life = replace(life, undoable=((_ACTION, before),))
    return life


def examples() -> Iterator[Example]:
    """Every event that the fold listens to, in every form that makes a difference."""
    lead: dict[str, Any] = {"lead_id": _LEAD}
    said: dict[str, Any] = {**lead, "because": "example", "agreement": AgreementName("example"), "agreement_version": 1}
    yield Example(
        intake.LeadSubmitted(**lead, submission_id=SubmissionId(_LEAD), content=digest(b"example"), submitted_at=_NOW)
    )
    for verdict in (scoring.LeadQualified, scoring.LeadNurtured, scoring.LeadDisqualified):
        yield Example(verdict(**said, judged_at=5, rule="example", score=Decimal(1), grade="D4"))
    yield from _by_routing(lead, said)
    yield from _by_reps(lead)
    yield Example(recycling.LeadRecycled(**said, epoch=5, reason="example", stream="later", wakes_at=None))
    yield Example(recycling.LeadReactivated(**said, epoch=5, cycle=2, woken_by=recycling.SubmittedAgain()))
    for suppressed in (False, True):
        yield Example(
            recycling.LeadRetired(**said, epoch=5, reason="example", suppressed=suppressed),
            "suppressed" if suppressed else "",
        )
    for given_up, offer in (("unreachable", _OFFER), ("unworked", None)):
        yield Example(
            recycling.LeadGivenUp(**said, cycle=1, given_up_as=given_up, since=5, assignment_id=offer, reason="example"),
            given_up,
        )
    for returned in (False, True):
        yield Example(
            feedback.RejectionContested(
                **lead, action_id=EventId("rejection"), position=_ENDED, cycle=1, returned=returned, rep_id=RepId("someone"),
                reason="example", contested_by="marketing",
            ),
            "the lead came back by it" if returned else "the lead went on to the next rep",
        )  # fmt: skip
    for decided in desk.ContestVerdict:
        yield Example(
            desk.ContestDecided(
                **lead, contest_id=_CONTEST, verdict=decided, by=ByRep(rep_id=RepId("boss")), occurred_at=_NOW
            ),
            decided.value,
        )
    yield Example(intake.LeadSuppressed(**lead, reason="example"))
    yield Example(intake.LeadsMerged(**lead, survivor=_LEAD))
    yield Example(intake.LeadsUnmerged(**lead, survivor=_LEAD))
    yield Example(intake.LeadErased(**lead))


def _by_routing(lead: dict[str, Any], said: dict[str, Any]) -> Iterator[Example]:
    team = TeamId("sales")
    yield Example(
        routing.LeadRouted(
            **said, epoch=5, request_id=_OFFER, team_id=team, ask=routing.FromPool(pool_id="inbound"), rule="example"
        )
    )
    for claim in (None, _ACTION):
        yield Example(
            routing.LeadAssigned(
                **said, request_id=_OFFER, team_id=team, pool_id="inbound", rep_id="ana", number=1, claimed_by=claim
            ),
            "a claim" if claim else "",
        )
    for reason, when in (
        (routing.QueueReason.NOBODY_AVAILABLE, ""),
        (routing.QueueReason.POOL_GONE, "pool or rep gone"),
        (routing.QueueReason.OVERFLOWED, "on to another pool"),
    ):
        yield Example(
            routing.LeadQueued(**said, request_id=_OFFER, team_id=team, pool_id="inbound", reason=reason), when
        )
    breach = routing.AfterBreach(since=5, clock="first-response")
    late = routing.NotAccepted(since=5, accept_by=_NOW)
    for cause, when in (
        (breach, "after a breach"),
        (late, "not accepted in time"),
        (routing.Escalated(since=5, clock="first-response", escalation="unworked", step=3), "given to another by an escalation"),
        (routing.OfferedToTeam(since=5, clock="first-response", escalation="unworked", step=3), "offered to the team"),
        (routing.RepGone(rep_id="ana"), "the rep left"),
    ):
        yield Example(routing.AssignmentWithdrawn(**lead, assignment_id=_OFFER, cause=cause, because="example"), when)


def _by_reps(lead: dict[str, Any]) -> Iterator[Example]:
    does: dict[str, Any] = {**lead, "assignment_id": _OFFER, "by": ByRep(rep_id=RepId("ana")), "occurred_at": _NOW}
    yield Example(desk.LeadAccepted(**does))
    yield Example(desk.ContactAttempted(**does, channel="phone", disposition="no answer"))
    yield Example(desk.LeadConnected(**does, channel="phone"))
    yield Example(desk.MeetingRecorded(**does, outcome=desk.MeetingOutcome.BOOKED))
    yield Example(desk.OpportunityOpened(**does))
    yield Example(desk.NoteAdded(**does))
    yield Example(desk.NextStepSet(**does, due_at=_NOW))
    yield Example(desk.LeadRejected(**does, reason="example"))
    yield Example(desk.LeadReturned(**does, reason="example"))
    yield Example(desk.LeadHandedOver(**does, to_role=RoleId("ae")))
    for outcome in (desk.LeadWon, desk.LeadLost):
        yield Example(outcome(**does))
        yield Example(outcome(**{**does, "assignment_id": None}), "known to a CRM")
    yield Example(desk.ReassignmentOrdered(**does, reason="example"))
    yield Example(desk.ActionUndone(**does, action_id=_ACTION))


def transitions() -> list[Transition]:
    """What every example does in every state."""
    out = []
    for example in examples():
        for state in State:
            life = life_in(state)
            if isinstance(example.event, desk.ContestDecided) and state is not State.NONE:
                life = replace(life, contest=Contest(_CONTEST, EventId("rejection"), 1, ended=_ENDED))
            after, effect = fold(life, example.event, position=_HERE, now=_NOW, event_id=EventId("this"))
            out.append(Transition(example, state, after.state, effect))
    return out


def table() -> str:
    """One row per event: where it is in effect, what the lead becomes."""
    rows = ["| event | in effect if the lead is | the lead becomes |", "|---|---|---|"]
    by_example: dict[str, list[Transition]] = {}
    for t in transitions():
        by_example.setdefault(t.example.name, []).append(t)
    for name, ts in by_example.items():
        groups: dict[str, list[str]] = {}
        for t in ts:
            if t.effect is Effect.EFFECT:
                groups.setdefault(_becomes(t), []).append(t.before.value)
        for becomes, states in groups.items():
            rows.append(f"| {name} | {_listed(states)} | {becomes} |")
        repeated = [t.before.value for t in ts if t.effect is Effect.REPEAT]
        if repeated:
            rows.append(f"| {name} | {_listed(repeated)} | {_SAME}: it repeats what is so |")
    return "\n".join(rows)


def _becomes(t: Transition) -> str:
    if isinstance(t.example.event, desk.ActionUndone):
        return "what it was before the action"
    return _SAME if t.after is t.before else t.after.value


def _listed(states: list[str]) -> str:
    most = [s.value for s in State if s is not State.NONE]
    missing = [s for s in most if s not in states]
    if len(missing) <= 4 and len(states) > 6:
        return f"anything but {', '.join(missing)}" if missing else "anything"
    return ", ".join(states)


def diagram() -> str:
    """The picture as Mermaid: an arrow for every event that leads from one state into another. What a CRM knows,
    erasure, suppression and merging lead from nearly everywhere; they are in the table alone, as is undo."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for t in transitions():
        if t.effect is Effect.EFFECT and t.after is not t.before and _is_drawn(t):
            start = "[*]" if t.before is State.NONE else t.before.value
            arrows.setdefault((start, t.after.value), []).append(t.example.name)
    lines = ["stateDiagram-v2"]
    for (start, end), names in arrows.items():
        lines.append(f"    {start} --> {end}: {'<br/>'.join(names)}")
    return "\n".join(lines)


_FROM_EVERYWHERE = (
    intake.LeadErased,
    intake.LeadSuppressed,
    intake.LeadsMerged,
    intake.LeadsUnmerged,
    desk.ActionUndone,
)


def _is_drawn(t: Transition) -> bool:
    if isinstance(t.example.event, _FROM_EVERYWHERE) or t.before is State.ERASED:
        return False
    return getattr(t.example.event, "assignment_id", _OFFER) is not None


def undrawn() -> list[str]:
    """Events that the fold listens to and no example shows; there must be none."""
    shown = {type(e.event) for e in examples()}
    return sorted(e.__name__ for e in LIFE_EVENTS - shown)


def page(text: str) -> str:
    """The page with its generated pieces made anew. Raises ValueError if the page has lost their places."""
    text = _filled(text, "diagram", f"```mermaid\n{diagram()}\n```")
    return _filled(text, "table", table())


def _filled(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: made by python -m schemas.diagram -->", f"<!-- end of the {name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"docs/lifecycle.md must hold the lines {begin} and {end}")
    head, rest = text.split(begin, 1)
    return f"{head}{begin}\n{content}\n{end}{rest.split(end, 1)[1]}"


def main() -> int:
    """Write the page anew, or with `--check` only say whether it is current (exit 1 if not)."""
    written = PAGE.read_text(encoding="utf-8")
    wanted = page(written)
    if "--check" in sys.argv:
        return 0 if written == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
