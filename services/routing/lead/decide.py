"""Routing by lead: compares the state of a lead with what was said for it, and says what is owed.

What leaves the lead's log (a request to a team, a release) is said on reading one's own event back in effect, never on
writing it. The rules are those of `docs/lifecycle.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from schemas.agreement import Agreement, PoolMode, sentence
from schemas.agreement.known import facts, learn
from schemas.agreement.whereabouts import COMPANY, COMPANY_DOMAIN
from schemas.base import Event
from schemas.events.desk import Action, ActionUndone, Outcome, ReassignmentOrdered
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import (
    ActionRefused,
    AfterBreach,
    Ask,
    AssignmentReleased,
    AssignmentRequested,
    AssignmentWithdrawn,
    Directed,
    FromPool,
    LeadAssigned,
    LeadQueued,
    LeadRouted,
    QueueReason,
    Retake,
)
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadScored
from schemas.events.sla import ClockBreached, ClockCorrected, Reassign
from schemas.ids import LeadId, PoolId, RepId, RequestId, RuleId, TeamId, request_id
from schemas.lifecycle import ACTIONS, Effect, Life, State
from schemas.vocabulary import ByManager, ByRep, Slug
from services.routing.lead import escalating, offering
from services.routing.lead.state import LeadRouting, Told
from services.routing.newest import newest_agreement
from services.runtime.protocol import Context, Decision

LISTENS = frozenset[type[Event]]((LeadSubmitted, LeadScored, ClockBreached, ClockCorrected, TimerDue))
"""Besides everything that changes a lead's life."""

BY_ORDER = RuleId("order")
"""The rule that is named when a manager's order chose the rep."""

KEPT = RuleId("same-rep")
"""The rule that is named when the lead goes back to the rep who had it before it rested."""
_KEPT_BECAUSE = "{} had it before it rested, and the agreement gives it back to him"

_WAITING_BEGINS = frozenset({State.NEW, State.NURTURED, State.DISQUALIFIED})


def decide(state: LeadRouting, event: Event, context: Context) -> Decision[LeadRouting]:
    """What routing says about one record of a lead's log."""
    life = context.life
    known = learn(state.known, event, context.before, context.effect)
    moves, moved = escalating.moved(escalating.planned(state.moves, event, context), event, context)
    state = LeadRouting(
        state.routed,
        state.told,
        _arrived(state, context),
        known,
        offering.remembered(state.had, context),
        offering.offered(state.offered, event, context),
        _overflowed(state, event, context),
        moves,
        escalating.to_team(state.to_team, event, context),
    )
    told, releases = _releases(state.told, context)
    events: list[Event] = [*_refusals(event, context), *_withdrawals(event, context), *releases]
    expired = offering.expired(state.offered, event, context)
    if expired is not None and state.offered is not None:
        events.append(expired)
        state = replace(state, offered=replace(state.offered, by_ms=None))
    elif moved is not None:
        events.append(moved)
    routed = state.routed
    if life.state is State.UNROUTED and routed < life.epoch:
        routed = life.epoch
        events.append(_routed(state, event, context))
    asked = _asked(state, told, context)
    if asked is not None:
        events.append(asked)
        told = (
            *(t for t in told if t.request != asked.request_id),
            Told(asked.request_id, asked.team_id, asked.number),
        )
    return Decision(replace(state, routed=routed, told=_worth_keeping(told, life)), tuple(events))


# ------------------------------------------------------------------ refusals and withdrawals


def _refusals(event: Event, context: Context) -> list[Event]:
    """The answer to an action or a claim that lost the race in the log, and the release of what a lost claim took."""
    if context.effect is not Effect.VOID:
        return []
    if type(event) in ACTIONS:
        return [
            _refused(context, context.event_id, type(event).__name__, _rep_of(event), _why_void(event, context.life))
        ]
    if not isinstance(event, LeadAssigned):
        return []
    out: list[Event] = []
    if event.claimed_by is not None:
        why = "the lead did not wait any more when the claim arrived"
        out.append(_refused(context, event.claimed_by, "LeadClaimed", event.rep_id, why))
    if context.life.offer != event.request_id:
        out.append(
            AssignmentReleased(
                team_id=event.team_id,
                lead_id=event.lead_id,
                request_id=event.request_id,
                number=event.number,
            )
        )
    return out


def _refused(context: Context, action_id: str, action: str, rep_id: RepId | None, why: str) -> ActionRefused:
    return ActionRefused.model_validate(
        {
            "lead_id": context.key,
            "action_id": action_id,
            "action": Slug(action),
            "rep_id": rep_id,
            "because": sentence(why),
        }
    )


def _rep_of(event: Event) -> RepId | None:
    by = event.by if isinstance(event, Action | Outcome) else None
    if isinstance(by, ByRep):
        return by.rep_id
    return by.manager_id if isinstance(by, ByManager) else None


def _why_void(event: Event, life: Life) -> str:
    if isinstance(event, ActionUndone):
        return "that action is not the newest one that can be undone"
    if isinstance(event, ReassignmentOrdered) and life.offer == event.assignment_id:
        return f"{event.to} holds the lead already, or has rejected it in this cycle"
    if isinstance(event, Action | Outcome) and life.offer is not None and life.offer == event.assignment_id:
        return f"the lead is {life.state} and that cannot be done with it now"
    return f"the assignment had ended: the lead is {life.lead_status or 'unknown'}"


def _withdrawals(event: Event, context: Context) -> list[Event]:
    """A breach whose clock says so takes the lead from the rep, unless he acts before that is in the log."""
    life = context.life
    if not isinstance(event, ClockBreached) or not isinstance(event.on_breach, Reassign):
        return []
    if not life.held or life.offer != event.assignment_id:
        return []
    return [
        AssignmentWithdrawn(
            lead_id=LeadId(context.key),
            assignment_id=event.assignment_id,
            cause=AfterBreach(since=event.since, clock=event.clock),
            because=sentence(f"{event.rep_id} did not work it in the time that {event.clock} allows"),
        )
    ]


# ------------------------------------------------------------------ what was asked of teams


def _releases(told: tuple[Told, ...], context: Context) -> tuple[tuple[Told, ...], list[Event]]:
    """Everything asked for that is no longer the lead's offer is released, queued or not."""
    out: list[Event] = []
    after: list[Told] = []
    for t in told:
        if not t.released and t.request != context.life.offer:
            out.append(
                AssignmentReleased(
                    team_id=t.team,
                    lead_id=LeadId(context.key),
                    request_id=t.request,
                    number=t.number,
                    ended=offering.ended(context) if t.request == context.before.offer else None,
                )
            )
            t = Told(t.request, t.team, t.number, released=True)
        after.append(t)
    return tuple(after), out


def _worth_keeping(told: tuple[Told, ...], life: Life) -> tuple[Told, ...]:
    """A released request is needed for its number alone, and only if an undo can restore it: so few are kept."""
    restorable = {before.offer for _, before in life.undoable} | {life.offer}
    return tuple(t for t in told if not t.released or t.request in restorable)


def _asked(state: LeadRouting, told: tuple[Told, ...], context: Context) -> AssignmentRequested | None:
    """The request for the offer in effect, if its team does not know of it, or has been told that it is over."""
    life = context.life
    if life.offer is None or life.team is None:
        return None
    before = next((t for t in told if t.request == life.offer), None)
    if before is not None and not before.released:
        return None
    ask: Ask
    if life.state is State.OPEN:
        ask = _open_ask(state, context)
    elif before is not None and life.rep is not None:
        ask = Retake(rep_id=life.rep)
    else:
        return None
    agreement = newest_agreement(context, life.agreement_version)
    return AssignmentRequested.model_validate(
        {
            "team_id": life.team,
            "lead_id": context.key,
            "request_id": life.offer,
            "number": 1 if before is None else before.number + 1,
            "ask": ask,
            "role": life.role,
            "grade": state.known.grade,
            "score": state.known.score,
            "arrived_at": _instant(state.arrived_ms) or context.now,
            **_matched(state, agreement, life),
            "agreement": agreement.name,
            "agreement_version": agreement.version,
        }
    )


def _matched(state: LeadRouting, agreement: Agreement, life: Life) -> dict[str, object]:
    """What a team needs to find the lead's owner, and whom it may not be given to for want of a skill."""
    told = state.known.attributes
    pool = agreement.pools.get(life.pool) if life.pool is not None else None
    asked = pool.skills_from if pool is not None and pool.mode is PoolMode.SKILL else ()
    return {
        "owner": offering.owner(state.had, life),
        "company_domain": told.get(COMPANY_DOMAIN),
        "company": told.get(COMPANY),
        "skills": tuple(str(told[name]) for name in asked if name in told),
    }


def _open_ask(state: LeadRouting, context: Context) -> FromPool | Directed:
    life = context.life
    if life.pool is not None:
        return _from_pool(life.pool, life.offer, state, context)
    if life.ordered_to is not None:
        return Directed(rep_id=life.ordered_to[0])
    if life.kept_for is not None:
        return Directed(rep_id=life.kept_for[0], kept=True)
    raise ValueError(f"the open request {life.offer} names neither a pool nor a rep")


def _from_pool(pool: PoolId, request: RequestId | None, state: LeadRouting, context: Context) -> FromPool:
    to_claim = escalating.to_claim(state.to_team, request, context)
    return FromPool(pool_id=pool, excluded=context.life.not_dealt_to, to_claim=to_claim)


# ------------------------------------------------------------------ choosing a pool


def _routed(state: LeadRouting, event: Event, context: Context) -> LeadRouted:
    """The answer to the lead's being unrouted: the rep whom a manager ordered, else the first rule that holds."""
    life, lead = context.life, LeadId(context.key)
    request = request_id(lead, life.epoch)
    agreement = newest_agreement(context, life.agreement_version)
    directed = _directed(life, agreement)
    if directed is not None:
        content = directed
    else:
        chosen = agreement.choose_pool(life.role, facts(state.known, context.now, context.key))
        pool, onward = _past_overflow(agreement, chosen.pool, state.overflowed)
        anew = f"; {event.because}" if isinstance(event, AssignmentWithdrawn) else ""
        content = {
            "team_id": TeamId(agreement.pools[pool].team),
            "ask": _from_pool(pool, request, state, context),
            "rule": chosen.rule,
            "because": sentence(f"{chosen.because}{onward}{anew}") if onward or anew else chosen.because,
            "passed_over": chosen.passed_over,
        }
    return LeadRouted.model_validate(
        {
            "lead_id": lead,
            "epoch": life.epoch,
            "request_id": request,
            "agreement": agreement.name,
            "agreement_version": agreement.version,
            **content,
        }
    )


def _directed(life: Life, agreement: Agreement) -> dict[str, object] | None:
    """The rep whom a manager ordered, or for whom the lead was kept while it rested; none if the rules are to choose."""
    for to, rule, why in ((life.ordered_to, BY_ORDER, "a manager gave it to {}"), (life.kept_for, KEPT, _KEPT_BECAUSE)):
        if to is not None and to[1] in agreement.teams:
            rep_id, team_id = to
            return {
                "team_id": team_id,
                "ask": Directed(rep_id=rep_id, kept=rule is KEPT),
                "rule": rule,
                "because": sentence(why.format(rep_id)),
            }
    return None


def _past_overflow(agreement: Agreement, pool: PoolId, overflowed: tuple[PoolId, ...]) -> tuple[PoolId, str]:
    """(the pool, or the one that its leads overflow into if this one has waited there, what to say of that)."""
    onward = ""
    seen = {pool}
    while pool in overflowed and (terms := agreement.pools[pool].overflow) is not None and terms.to not in seen:
        onward += f"; it waited too long in {pool}"
        pool = terms.to
        seen.add(pool)
    return pool, onward


def _overflowed(state: LeadRouting, event: Event, context: Context) -> tuple[PoolId, ...]:
    """The pools that the lead has waited in for as long as it may; a new cycle, role or life forgets them."""
    before, life = context.before, context.life
    known = state.overflowed if (before.life, before.cycle, before.role) == (life.life, life.cycle, life.role) else ()
    overflows = isinstance(event, LeadQueued) and event.reason is QueueReason.OVERFLOWED
    if overflows and context.effect is Effect.EFFECT and before.pool is not None and before.pool not in known:
        return (*known, before.pool)
    return known


def _arrived(state: LeadRouting, context: Context) -> int | None:
    """Since when the lead has waited: from its verdict, and for another role from its being handed over. Who rejects a
    lead or loses it to a breach does not send it to the end of the queue."""
    before, life = context.before, context.life
    if life.state is not State.UNROUTED or (before.state is State.UNROUTED and state.arrived_ms is not None):
        return state.arrived_ms
    if before.state in _WAITING_BEGINS or before.role != life.role or state.arrived_ms is None:
        return round(context.now.timestamp() * 1000)
    return state.arrived_ms


def _instant(ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms is not None else None
