"""The journeys of the ledger's leads: what touched them, and what they were won for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from schemas.vocabulary import LeadStatus, LifecycleStage, Money
from services.feedback import tables
from services.feedback.attribution.answering import answer
from services.feedback.attribution.crediting import Model, attribute
from services.feedback.attribution.journeys import NAMELESS, Dimension, Journey, Touch, Win
from services.feedback.reports import Window
from services.runtime.lead_log import decode_memory

_BEFORE = (("mql_ms", LifecycleStage.MQL), ("sql_ms", LifecycleStage.SQL))


@dataclass
class _Person:
    """One lead with all that were merged into it."""

    touches: list[tuple[int, Touch]] = field(default_factory=list)
    wins: list[Win] = field(default_factory=list)
    reached: dict[LifecycleStage, int] = field(default_factory=dict)


def attribution(connection: sa.Connection, window: Window, model: Model, by: Dimension | None) -> dict[str, Any]:
    """Who is credited with what was won in the window, computed from the touches as they are known now.

    So merges and late data change it. Leads that were not won and were first submitted in the window count for the model
    that learns from them too.
    """
    found = journeys(connection, window)
    return answer([attribute(found, model, one) for one in ([by] if by is not None else Dimension)])


def journeys(connection: sa.Connection, window: Window) -> list[Journey]:
    """Those that were won in the window, and the open ones that began in it. The touch before a stage has that stage."""
    survivor = survivors(connection)
    people: dict[str, _Person] = defaultdict(_Person)
    _take_wins(connection, window, survivor, people)
    leads, touches = tables.LEADS.c, tables.TOUCHES.c
    for row in connection.execute(
        sa.select(leads.lead_id, leads.mql_ms, leads.sql_ms).where(
            leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign)
        )
    ):
        people[survivor.get(row.lead_id, row.lead_id)].reached |= _reached(row)
    for row in connection.execute(sa.select(tables.TOUCHES).order_by(touches.at_ms, touches.event_id)):
        name = survivor.get(row.lead_id, row.lead_id)
        if name in people:
            touch = Touch(
                at=_instant(row.at_ms),
                campaign=row.campaign or NAMELESS,
                channel=row.channel or NAMELESS,
                collateral=row.collateral or NAMELESS,
            )
            people[name].touches.append((row.at_ms, touch))
    return [
        Journey.of(name, _staged(person), win) for name, person in people.items() for win in person.wins or (None,)
    ]


def _take_wins(
    connection: sa.Connection, window: Window, survivor: dict[str, str], people: dict[str, _Person]
) -> None:
    wins, leads = tables.WINS.c, tables.LEADS.c
    rows = connection.execute(
        sa.select(wins.lead_id, wins.at_ms, wins.amount, wins.currency, leads.mql_ms, leads.sql_ms)
        .select_from(tables.WINS.join(tables.LEADS, wins.lead_id == leads.lead_id))
        .where(wins.undone.is_(sa.false()), *window.holds(wins.at_ms, wins.campaign))
        .order_by(wins.at_ms, wins.event_id)
    )
    for row in rows:
        person = people[survivor.get(row.lead_id, row.lead_id)]
        person.wins.append(Win(_instant(row.at_ms), _money(row)))
        person.reached |= _reached(row)


def _money(row: Any) -> Money:
    """A win whose amount nobody said counts as a win of nothing."""
    return Money(amount=Decimal(row.amount or 0), currency=row.currency or "XXX")


def _reached(row: Any) -> dict[LifecycleStage, int]:
    return {stage: at for column, stage in _BEFORE if (at := getattr(row, column)) is not None}


def _staged(person: _Person) -> list[Touch]:
    """The last touch before each stage is the one that brought it."""
    stages: dict[int, str] = {}
    for stage, reached_ms in person.reached.items():
        before = [i for i, (at_ms, _) in enumerate(person.touches) if at_ms <= reached_ms]
        if before:
            stages[before[-1]] = stage.value
    return [
        Touch(t.at, t.campaign, t.channel, t.collateral, stages.get(i)) for i, (_, t) in enumerate(person.touches)
    ]


def survivors(connection: sa.Connection) -> dict[str, str]:
    """By merged lead: the one at the end of its chain of merges."""
    leads = tables.LEADS.c
    into = {
        row.lead_id: str(decode_memory(row.memory).life.survivor)
        for row in connection.execute(
            sa.select(leads.lead_id, leads.memory).where(leads.status == LeadStatus.MERGED.value)
        )
    }
    ends: dict[str, str] = {}
    for lead in into:
        end, passed = lead, set[str]()
        while end in into and end not in passed:
            passed.add(end)
            end = into[end]
        ends[lead] = end
    return ends


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
