"""What the desk shows: a rep's inbox, what he was told, what he may claim, and who holds what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from schemas.ids import AccountId, AssignmentId, EventId, LeadId, RepId, RoleId, TeamId
from schemas.lifecycle import HELD, Life, State
from schemas.vocabulary import as_number
from services.desk.foresight import Offer, Place
from services.desk.rows import (
    ACCOUNTS,
    ACTIONS,
    ASSIGNMENTS,
    CARD,
    CLOCKS,
    EXTERNAL,
    LEADS_TABLE,
    NEW_CARD,
    NOTES,
    NOTICES,
    PEOPLE,
    REPS,
    Card,
)
from services.desk.telling import POOL
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory
from services.runtime.positions import Vector
from services.runtime.projecting import some_at_a_time

NOTICES_SHOWN = 50
_BRIEF_LINES = 8


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as it was written: by which record, and what it says."""

    partition: int
    offset: int
    kind: str
    body: dict[str, Any]


def roster(connection: sa.Connection) -> dict[RepId, Place]:
    """Everybody in the roster."""
    return {
        RepId(r.rep_id): Place(RepId(r.rep_id), TeamId(r.team_id), RoleId(r.role), frozenset(json.loads(r.pools)))
        for r in connection.execute(sa.select(REPS.c.rep_id, REPS.c.team_id, REPS.c.role, REPS.c.pools))
    }


def reps(connection: sa.Connection) -> list[dict[str, Any]]:
    """The roster with availability and leads held, for people and tools."""
    counting = (
        sa.select(LEADS_TABLE.c.rep_id, sa.func.count())
        .where(LEADS_TABLE.c.rep_id.is_not(None))
        .group_by(LEADS_TABLE.c.rep_id)
    )
    held: dict[str, int] = {rep: number for rep, number in connection.execute(counting)}  # noqa: C416 - a Row is no tuple to mypy
    return [
        {
            "id": r.rep_id,
            "team": r.team_id,
            "role": r.role,
            "pools": json.loads(r.pools),
            "open_leads_cap": r.open_leads_cap,
            "calendar": r.calendar,
            "available": r.available,
            "until": r.until,
            "open_leads": held.get(r.rep_id, 0),
            **json.loads(r.terms),
        }
        for r in connection.execute(sa.select(REPS).order_by(REPS.c.team_id, REPS.c.role, REPS.c.rep_id))
    ]


def accounts(connection: sa.Connection, after: str, limit: int) -> dict[AccountId, dict[TeamId, dict[str, Any]]]:
    """Companies by id, in order, from the one after `after` on: what each team was told."""
    ids = (
        sa.select(ACCOUNTS.c.account_id).where(ACCOUNTS.c.account_id > after).distinct().order_by(ACCOUNTS.c.account_id)
    )
    named = [AccountId(i) for i in connection.execute(ids.limit(limit)).scalars()]
    found = accounts_named(connection, named)
    return {i: found[i] for i in named}


def accounts_named(
    connection: sa.Connection, named: Sequence[AccountId] | None
) -> dict[AccountId, dict[TeamId, dict[str, Any]]]:
    """These companies, or all: what each team was told."""
    out: dict[AccountId, dict[TeamId, dict[str, Any]]] = {}
    for some in [None] if named is None else some_at_a_time(list(named)):
        query = sa.select(ACCOUNTS)
        if some is not None:
            query = query.where(ACCOUNTS.c.account_id.in_(some))
        for row in connection.execute(query):
            out.setdefault(AccountId(row.account_id), {})[TeamId(row.team_id)] = json.loads(row.said)
    return out


def recorded_at_ms(connection: sa.Connection, action: EventId) -> int | None:
    """When an action was recorded."""
    at_ms: int | None = connection.execute(sa.select(ACTIONS.c.at_ms).where(ACTIONS.c.action_id == action)).scalar()
    return at_ms


def held_by(connection: sa.Connection, rep: RepId) -> int:
    """How many leads the rep holds."""
    counting = sa.select(sa.func.count()).select_from(LEADS_TABLE).where(LEADS_TABLE.c.rep_id == rep)
    return int(connection.execute(counting).scalar_one())


def memory_of(connection: sa.Connection, lead: str) -> LeadMemory:
    """The lead as its log was read."""
    blob = connection.execute(sa.select(LEADS_TABLE.c.memory).where(LEADS_TABLE.c.lead_id == lead)).scalar_one_or_none()
    return UNREAD if blob is None else decode_memory(blob)


def card_of(connection: sa.Connection, lead: str) -> Card:
    """What is known of the lead besides its life."""
    blob = connection.execute(sa.select(LEADS_TABLE.c.card).where(LEADS_TABLE.c.lead_id == lead)).scalar_one_or_none()
    return NEW_CARD if blob is None else CARD.decode(blob)


def offer_of(connection: sa.Connection, assignment: str | None) -> Offer | None:
    """An assignment that took effect at some time."""
    row = connection.execute(sa.select(ASSIGNMENTS).where(ASSIGNMENTS.c.assignment_id == assignment)).one_or_none()
    if row is None:
        return None
    return Offer(
        AssignmentId(row.assignment_id),
        LeadId(row.lead_id),
        RepId(row.rep_id),
        None if row.accepted_by is None else EventId(row.accepted_by),
        None if row.ended_by is None else EventId(row.ended_by),
        row.ended_as,
        row.ended_because,
    )


def actions_under(connection: sa.Connection, prefix: str) -> list[tuple[EventId, LeadId]]:
    """Actions whose id begins so: those of one Idempotency-Key, whatever their bodies."""
    query = sa.select(ACTIONS.c.action_id, ACTIONS.c.lead_id).where(
        ACTIONS.c.action_id >= prefix, ACTIONS.c.action_id < prefix + "~"
    )
    return [(EventId(action), LeadId(lead)) for action, lead in connection.execute(query)]


def answered_under(connection: sa.Connection, prefix: str) -> str | None:
    """The kind of the event that was recorded under one Idempotency-Key; none: none was."""
    a = ACTIONS.c
    found = connection.execute(sa.select(a.kind).where(a.action_id >= prefix, a.action_id < prefix + "~"))
    kind: str | None = found.scalars().first()
    return kind


def one_of(connection: sa.Connection, rep: str, assignment: str) -> dict[str, Any] | None:
    """One assignment in effect of a rep, as his inbox shows it."""
    query = sa.select(LEADS_TABLE).where(LEADS_TABLE.c.rep_id == rep, LEADS_TABLE.c.offer == assignment)
    return next(iter(_shown(connection, connection.execute(query).all())), None)


def leads_of(connection: sa.Connection, *, email: str | None, external_id: str | None) -> set[LeadId]:
    """The leads that a CRM's word names."""
    found: set[LeadId] = set()
    if email is not None:
        found |= {
            LeadId(lead)
            for (lead,) in connection.execute(
                sa.select(PEOPLE.c.lead_id).where(PEOPLE.c.email == email.strip().lower())
            )
        }
    if external_id is not None:
        system, _, rest = external_id.partition(":")
        e = EXTERNAL.c
        named = (
            sa.or_(e.external_id == external_id, sa.and_(e.system == system, e.external_id == rest))
            if rest
            else e.external_id == external_id
        )
        found |= {LeadId(lead) for (lead,) in connection.execute(sa.select(e.lead_id).where(named))}
    return found


def inbox(connection: sa.Connection, rep: str) -> list[dict[str, Any]]:
    """The assignments in effect of one rep, the most urgent first."""
    rows = connection.execute(sa.select(LEADS_TABLE).where(LEADS_TABLE.c.rep_id == rep)).all()
    shown = _shown(connection, rows)
    return sorted(
        shown, key=lambda row: (min((c["deadline_at"] for c in row["clocks"]), default="~"), row["held_since"] or "")
    )


def waiting(connection: sa.Connection, pools: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The unassigned queue in the order of arrival; with `pools` only what waits there to be claimed."""
    query = sa.select(LEADS_TABLE).where(LEADS_TABLE.c.state.in_([State.OPEN.value, State.UNROUTED.value]))
    if pools is not None:
        query = query.where(LEADS_TABLE.c.pool_id.in_(list(pools)), LEADS_TABLE.c.queued == "to_be_claimed")
    return sorted(_shown(connection, connection.execute(query).all()), key=lambda row: row["waiting_since"] or "")


def held(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every assignment in effect."""
    query = (
        sa.select(LEADS_TABLE).where(LEADS_TABLE.c.state.in_([s.value for s in HELD])).order_by(LEADS_TABLE.c.rep_id)
    )
    return _shown(connection, connection.execute(query).all())


def notices(connection: sa.Connection, rep: str, pools: Iterable[str], since: Vector | None = None) -> list[Told]:
    """What the rep was told after `since`, in the order of the log; without it the newest, newest first."""
    n = NOTICES.c
    query = sa.select(n.partition, n.offset, n.kind, n.body).where(
        n.rep_id.in_([rep, *(POOL + pool for pool in pools)])
    )
    if since is None:
        query = query.order_by(n.at_ms.desc()).limit(NOTICES_SHOWN)
    else:
        later = [sa.and_(n.partition == p, n.offset >= offset) for p, offset in enumerate(since.next)]
        query = query.where(sa.or_(*later)).order_by(n.at_ms, n.partition, n.offset)
    return [Told(p, o, kind, json.loads(body)) for p, o, kind, body in connection.execute(query)]


def erased_notes(connection: sa.Connection) -> list[tuple[str, str]]:
    """(key, lead) of the notes whose tombstones are to be written."""
    return [
        (key, lead)
        for key, lead in connection.execute(sa.select(NOTES.c.note_key, NOTES.c.lead_id).where(NOTES.c.erased))
    ]


# ------------------------------------------------------------------ how a lead is shown


def _shown(connection: sa.Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    leads = [row.lead_id for row in rows]
    clocks: dict[str, list[dict[str, Any]]] = {}
    people: dict[str, dict[str, Any]] = {}
    notes: dict[str, list[dict[str, Any]]] = {}
    for some in some_at_a_time(leads):
        for c in connection.execute(sa.select(CLOCKS).where(CLOCKS.c.lead_id.in_(some)).order_by(CLOCKS.c.deadline_at)):
            clocks.setdefault(c.assignment_id, []).append(
                {"clock": c.clock, "started_at": c.started_at, "deadline_at": c.deadline_at, "phase": c.phase}
            )
        for lead, profile in connection.execute(
            sa.select(PEOPLE.c.lead_id, PEOPLE.c.profile).where(PEOPLE.c.lead_id.in_(some))
        ):
            people[lead] = json.loads(profile)
        query = (
            sa.select(NOTES.c.lead_id, NOTES.c.text, NOTES.c.at_ms)
            .where(NOTES.c.lead_id.in_(some), ~NOTES.c.erased)
            .order_by(NOTES.c.at_ms)
        )
        for lead, text, at_ms in connection.execute(query):
            notes.setdefault(lead, []).append({"at": instant(at_ms), "text": text})
    return [
        _row(
            decode_memory(row.memory).life,
            row,
            CARD.decode(row.card),
            clocks,
            people.get(row.lead_id, {}),
            notes.get(row.lead_id, []),
        )
        for row in rows
    ]


_CONTACT = ("email", "phone", "name", "company", "country", "message", "attributes", "external_ids")


def _row(
    life: Life,
    row: Any,
    card: Card,
    clocks: dict[str, list[dict[str, Any]]],
    person: dict[str, Any],
    notes: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "lead_id": row.lead_id,
        "assignment_id": row.offer if life.held else None,
        "request_id": row.offer,
        "lead_status": life.lead_status,
        "lifecycle_stage": life.stage,
        "cycle": life.cycle,
        "role": life.role,
        "grade": card.grade,
        "score": _number(card.score),
        "reasons": [{**c, "points": _number(c["points"])} for c in card.contributions],
        "clocks": clocks.get(row.offer, []) if life.held else [],
        "contact": {field: person.get(field) for field in _CONTACT if person.get(field)},
        "brief": brief(life, card),
        "notes": notes,
        "rep": row.rep_id,
        "team": row.team_id,
        "pool": row.pool_id,
        "queued": row.queued,
        "because": card.assigned if life.held else card.queued or card.routed,
        "held_since": instant(card.held_ms) if life.held and card.held_ms else None,
        "waiting_since": instant(card.waiting_ms) if not life.held and card.waiting_ms else None,
        "next_step": card.next_step,
        "undoable": [action for action, _ in life.undoable][-1:],
    }


def brief(life: Life, card: Card) -> list[str]:
    """A few lines that a rep reads before he calls: where from, what they said and did, and what was before."""
    lines: list[str] = []
    origin = [
        f"{name} {card.source[key]}"
        for name, key in (
            ("channel", "channel"),
            ("campaign", "campaign"),
            ("source", "utm_source"),
            ("medium", "medium"),
            ("searched for", "term"),
        )
        if card.source.get(key)
    ]
    if card.form:
        origin.insert(0, f"form {card.form}")
    if origin:
        lines.append("Came by " + ", ".join(origin))
    if card.attributes:
        lines.append(
            "Said: " + ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in card.attributes.items())
        )
    if card.submissions > 1:
        lines.append(f"Has written {card.submissions} times")
    if card.engagements:
        lines.append(
            "Was seen: " + ", ".join(f"{line.text} ({instant(line.at_ms)[:10]})" for line in reversed(card.engagements))
        )
    if card.verdict:
        lines.append(f"Qualified because: {card.verdict}")
    if life.cycle > 1:
        lines.append(f"Is here for the {_ordinal(life.cycle)} time")
    told = [line for line in card.story if line.text.startswith(_BEFORE) or _ENDED in line.text]
    past = [f"{instant(line.at_ms)[:10]}: {line.text}" for line in told[-3:]]
    return [*lines[: _BRIEF_LINES - len(past)], *past]


_BEFORE = ("went back to marketing", "came back for cycle", "it was withdrawn")
_ENDED = "ed it ("


def _said(value: object) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def _ordinal(number: int) -> str:
    suffix = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _number(text: str | None) -> int | float | None:
    if text is None:
        return None
    return as_number(Decimal(text))


def instant(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
