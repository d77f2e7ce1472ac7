"""One lead's row of the ledger: how an event in its log changes it, and when that is a change of status to tell."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, cast

from schemas.base import Event
from schemas.events.desk import ActionUndone
from schemas.events.feedback import LeadStatusChanged
from schemas.events.intake import LeadSubmitted
from schemas.events.scoring import LeadScored
from schemas.ids import EventId, LeadId
from schemas.lifecycle import Effect, Life, State, owed
from schemas.vocabulary import Grade, LeadStatus, LifecycleStage
from services.feedback.sentences import because, reason
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory, encode_memory

_REACHED = {
    LifecycleStage.MQL: "mql_ms",
    LifecycleStage.SAL: "sal_ms",
    LifecycleStage.SQL: "sql_ms",
    LifecycleStage.CUSTOMER: "customer_ms",
}


@dataclass(slots=True)
class LeadRow:
    """The row while a batch is worked; the columns of `tables.LEADS` but the memory, which is decoded here."""

    lead_id: str
    partition: int
    memory: LeadMemory = UNREAD
    status: str | None = None
    stage: str = LifecycleStage.LEAD
    cycle: int = 0
    cycle_ms: int = 0
    grade: str | None = None
    score: str | None = None
    owner: str | None = None
    team_id: str | None = None
    assignment_id: str | None = None
    position: int = -1
    at_ms: int = 0
    status_ms: int = 0
    owed: str | None = None
    owed_since_ms: int | None = None
    submissions: int = 0
    submitted_ms: int | None = None
    campaign: str | None = None
    channel: str | None = None
    mql_ms: int | None = None
    sal_ms: int | None = None
    sql_ms: int | None = None
    customer_ms: int | None = None

    @classmethod
    def stored(cls, row: Any) -> LeadRow:
        """The row as it is in the database: `COLUMNS` in their order."""
        lead = cls(*row)
        lead.memory = decode_memory(row.memory)
        return lead

    def values(self) -> dict[str, Any]:
        """The row as it is stored."""
        values = dict(zip(COLUMNS, _values(self), strict=True))
        values["memory"] = encode_memory(self.memory)
        return values

    # -------------------------------------------------------------- following the log

    def follow(self, memory: LeadMemory, event: Event, effect: Effect, event_id: EventId) -> LeadStatusChanged | None:
        """Take in an event that is no repetition; the change of status to tell, if it is one."""
        told = self._shown()
        before, life, now_ms = self.memory.life, memory.life, memory.now_ms
        self.memory, self.position, self.at_ms = memory, memory.position, now_ms
        if isinstance(event, LeadScored):
            self.grade, self.score = event.grade, f"{event.score:f}"
        if life is not before:
            self._follow_life(before, life, now_ms, undone=isinstance(event, ActionUndone))
        if isinstance(event, LeadSubmitted) and effect is Effect.EFFECT:
            self._submitted(event, now_ms)
        if (
            self._shown() == told
            or self.status is None
            or (told[:-1] == self._shown()[:-1] and life.state is State.NEW)
        ):
            return None  # a grade alone is told with the verdict that follows it
        previous = told[0]
        if self.status != previous:
            self.status_ms = now_ms
        return self._change(event, event_id, previous)

    def _shown(self) -> tuple[str | None, ...]:
        return (self.status, self.stage, str(self.cycle), self.owner, self.grade)

    def _never_reached(self, stage: LifecycleStage) -> None:
        """What only the undone action had reached in this cycle; what an earlier cycle reached stays."""
        order = list(LifecycleStage)
        for beyond, column in _REACHED.items():
            reached = getattr(self, column)
            if order.index(beyond) > order.index(stage) and reached is not None and reached >= self.cycle_ms:
                setattr(self, column, None)

    def _follow_life(self, before: Life, life: Life, now_ms: int, *, undone: bool) -> None:
        if life.cycle != before.cycle or life.start != before.start:
            self.cycle_ms = now_ms
        status = life.lead_status
        self.status, self.stage, self.cycle = status.value if status is not None else None, life.stage.value, life.cycle
        self.owner, self.team_id = (
            (str(life.rep) if life.held and life.rep else None),
            (str(life.team) if life.team else None),
        )
        self.assignment_id = str(life.assignment_id) if life.assignment_id is not None else None
        owing = owed(life)
        if owing is None:
            self.owed, self.owed_since_ms = None, None
        elif owing != self.owed or life.epoch != before.epoch:
            self.owed, self.owed_since_ms = owing, now_ms
        if undone:
            self._never_reached(life.stage)
        column = _REACHED.get(life.stage)
        if column is not None and getattr(self, column) is None:
            setattr(self, column, now_ms)
        if life.state is State.ERASED:
            self.grade = self.score = None

    def _submitted(self, event: LeadSubmitted, now_ms: int) -> None:
        if self.memory.life.start == self.position and self.memory.life.cycle == 1:  # a first or new life
            self.submissions, self.submitted_ms = 0, now_ms
            self.mql_ms = self.sal_ms = self.sql_ms = self.customer_ms = None
            self.campaign = self.channel = None
        self.submissions += 1
        self.campaign = str(event.source.campaign) if event.source.campaign else self.campaign
        self.channel = str(event.source.channel) if event.source.channel else self.channel

    def _change(self, event: Event, event_id: EventId, previous: str | None) -> LeadStatusChanged:
        return LeadStatusChanged.model_construct(
            lead_id=LeadId(self.lead_id),
            lead_status=LeadStatus(self.status or ""),
            previous_status=LeadStatus(previous) if previous is not None else None,
            lifecycle_stage=LifecycleStage(self.stage),
            cycle=self.cycle,
            grade=cast("Grade | None", self.grade),
            score=Decimal(self.score) if self.score is not None else None,
            owner=self.memory.life.rep if self.memory.life.held else None,
            team_id=self.memory.life.team,
            reason=reason(event),
            because=because(event),
            changed_at=datetime.fromtimestamp(self.at_ms / 1000, UTC),
            changed_by=event_id,
            position=self.position,
        )


COLUMNS = tuple(f.name for f in fields(LeadRow))
_values = attrgetter(*COLUMNS)
