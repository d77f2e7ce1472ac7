"""Recording what people did: read to the log's end, foresee, append. One action of a lead after the other."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from schemas.base import Event
from schemas.events.desk import LeadLost, LeadWon, OpportunityOpened, ProfileNote, ReassignmentOrdered, RepActed
from schemas.ids import EventId, LeadId, RepId
from schemas.lifecycle import Effect, Life, State, fold
from schemas.topics import PROFILES, TEAMS
from schemas.vocabulary import ByRep, BySystem
from services.desk import inbox
from services.desk.foresight import BY_ORDER, Place, Recorded, Refused, Scene, Why, foresee
from services.desk.requests import ActionIn, ActionKind, OutcomeIn, OutcomeKind
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender, fresh_id
from services.runtime.asking import AskedTogether
from services.runtime.projection import ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.turns import OneAtATime

T = TypeVar("T")

SEEN_EVERY = timedelta(minutes=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_STAGES_OF_OPPORTUNITY = frozenset({"opportunity", "sql", "proposal", "negotiation"})
_STAGES_WON = frozenset({"won", "closed_won", "closed-won", "customer"})
_STAGES_LOST = frozenset({"lost", "closed_lost", "closed-lost"})


class KeyUsedForAnotherBody(ValueError):
    """The Idempotency-Key came with another body before."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was recorded. `duplicate`: it had been before."""

    action_id: EventId
    lead_id: LeadId
    kind: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Unsayable:
    """A CRM's word that changes nothing here, and why."""

    lead_id: LeadId
    because: str


class Doing:
    """Records actions and outcomes. One for the process."""

    def __init__(
        self, settings: Settings, appender: Appender, agreements: AgreementReader, runner: ProjectionRunner
    ) -> None:
        self._settings, self._appender, self._agreements, self._runner = settings, appender, agreements, runner
        self._turns = OneAtATime()
        self._scenes: AskedTogether[tuple[LeadId, ActionIn], Scene] = AskedTogether(
            lambda asked: runner.read(lambda connection: self._all_scenes(connection, asked), brief=True)
        )
        self._seen: dict[RepId, datetime] = {}

    async def act(self, lead: LeadId, said: ActionIn, *, key: str | None, body: bytes, traceparent: str | None) -> Done:
        """Record one action. Raises Refused, KeyUsedForAnotherBody, BrokerAway, TimeoutError."""
        async with self._turns.of(lead):
            await self._runner.read_to_end(lead)
            event_id, before = await self._under_key(key, f"{lead} ".encode() + body)
            if before is not None:
                return Done(before, lead, said.type.value, duplicate=True)
            scene = await self._scenes.ask((lead, said))
            answer = foresee(said, scene, event_id)
            if isinstance(answer, Recorded):
                return Done(answer.action_id, lead, said.type.value, duplicate=True)
            if answer.note is not None:
                note = ProfileNote(lead_id=lead, note_id=event_id, text=answer.note, written_at=scene.now)
                await self._appender.append(note, traceparent=traceparent)
            done = await self._appender.append(answer.event, event_id=event_id, traceparent=traceparent)
            if done.topic is TEAMS:  # a claim: it is not in the lead's log, up to whose end the next action reads
                await self._runner.wait_for(done.topic, done.partition, done.offset)
            by = getattr(answer.event, "by", None)
            await self._seen_at_work(by.rep_id if isinstance(by, ByRep) else None, scene.roster)
            return Done(done.event_id, lead, said.type.value)

    async def would(self, lead: LeadId, said: ActionIn, *, key: str) -> str | None:
        """Whether an action could be recorded now: None, or what was recorded under this key before, by its kind. Raises as `act` does."""
        await self._runner.read_to_end(lead)
        before = await self._runner.read(lambda c: inbox.answered_under(c, self._prefix(key)))
        if before is None:
            foresee(said, await self._scenes.ask((lead, said)), fresh_id())
        return before

    async def _seen_at_work(self, rep: RepId | None, roster: Mapping[RepId, Place]) -> None:
        """Tell the team that a rep acted, where a pool stops giving to who does nothing; once a minute is enough."""
        now = datetime.now(UTC)
        place = roster.get(rep) if rep is not None else None
        pools = self._agreements.in_force(now).pools.values()
        if place is None or all(pool.idle_after is None for pool in pools):
            return
        if now - self._seen.get(place.rep_id, _LONG_AGO) >= SEEN_EVERY:
            self._seen[place.rep_id] = now
            await self._appender.append(RepActed(team_id=place.team_id, rep_id=place.rep_id))

    async def outcome(
        self, said: OutcomeIn, *, key: str | None, body: bytes, traceparent: str | None
    ) -> Done | Unsayable:
        """Record what a CRM knows; never refused because an assignment ended. Raises as `act` does."""
        await self._runner.read_to_end(said.lead_id)
        lead = await self._runner.read(lambda connection: _named(connection, said))
        async with self._turns.of(lead):
            await self._runner.read_to_end(lead)
            event_id, before = await self._under_key(key, body)
            if before is not None:
                return Done(before, lead, said.type.value, duplicate=True)
            memory = await self._runner.read(lambda connection: inbox.memory_of(connection, lead))
            roster = await self._runner.read(inbox.roster)
            event = self._outcome(said, lead, memory.life, {rep: place.team_id for rep, place in roster.items()})
            if isinstance(event, Unsayable):
                return event
            now = datetime.now(UTC)
            _, effect = fold(memory.life, event, position=memory.position + 1, now=now, event_id=event_id)
            if effect is Effect.VOID:
                return Unsayable(lead, f"the lead is {memory.life.lead_status}")
            done = await self._appender.append(event, event_id=event_id, traceparent=traceparent)
            if memory.life.held and not isinstance(event, ReassignmentOrdered):
                # he works in the CRM and not here: what it says of his lead is what he did
                await self._seen_at_work(memory.life.rep, roster)
            return Done(done.event_id, lead, said.type.value, duplicate=effect is Effect.REPEAT)

    async def bury_notes(self) -> int:
        """Write the tombstones of erased notes; gives their number. Raises BrokerAway."""
        notes = await self._runner.read(inbox.erased_notes)
        for key, lead in notes:
            await self._appender.tombstone(PROFILES, key, partition_key=lead)
        return len(notes)

    async def _under_key(self, key: str | None, body: bytes) -> tuple[EventId, EventId | None]:
        """The id for this request, and the id under which it was recorded before. Raises KeyUsedForAnotherBody.

        The id is made of the key and of the body, so that the log itself remembers both.
        """
        if key is None:
            return fresh_id(), None
        prefix = self._prefix(key)
        event_id = EventId(prefix + hashlib.sha256(self._settings.secret + body).hexdigest()[:16])
        known = await self._runner.read(lambda connection: inbox.actions_under(connection, prefix))
        if any(action != event_id for action, _ in known):
            raise KeyUsedForAnotherBody
        return event_id, event_id if known else None

    def _prefix(self, key: str) -> str:
        return "key-" + hmac.digest(self._settings.secret, b"action" + key.encode(), "sha256").hex()[:40] + "."

    def _all_scenes(
        self, connection: sa.Connection, asked: Sequence[tuple[LeadId, ActionIn]]
    ) -> list[Scene | Exception]:
        """The scene of each action; what refuses one is told to who asked for it."""
        roster, now = inbox.roster(connection), datetime.now(UTC)
        scenes: list[Scene | Exception] = []
        for lead, said in asked:
            try:
                scenes.append(self._scene(connection, lead, said, roster, now))
            except Refused as refusal:
                scenes.append(refusal)
        return scenes

    def _scene(
        self, connection: sa.Connection, lead: LeadId, said: ActionIn, roster: Mapping[RepId, Place], now: datetime
    ) -> Scene:
        memory = inbox.memory_of(connection, lead)
        if memory.life.state in (State.NONE, State.ERASED):
            raise Refused(Why.UNKNOWN, f"there is no lead {lead}")
        card = inbox.card_of(connection, lead)
        undoable = memory.life.undoable if said.type is ActionKind.UNDO else ()
        return Scene(
            lead_id=lead,
            life=memory.life,
            position=memory.position,
            roster=roster,
            agreement=self._agreements.in_force(now),
            offer=inbox.offer_of(connection, said.assignment_id or memory.life.offer or memory.life.last_offer),
            now=now,
            newest_ms=inbox.recorded_at_ms(connection, undoable[-1][0]) if undoable else None,
            attempts=card.attempts,
            began_ms=card.began_ms,
        )

    def _outcome(self, said: OutcomeIn, lead: LeadId, life: Life, teams: dict[RepId, object]) -> Event | Unsayable:
        at, by = said.at or datetime.now(UTC), BySystem(system=said.system)
        stage = (said.stage or "").lower().replace(" ", "_")
        if said.reason is not None and self._agreements.in_force(datetime.now(UTC)).reason(said.reason) is None:
            known = ", ".join(map(str, self._agreements.in_force(datetime.now(UTC)).reasons))
            raise Refused(Why.INVALID, f"the agreement has no reason {said.reason!s}; it has {known}", "reason")
        if said.type is OutcomeKind.WON or stage in _STAGES_WON:
            return LeadWon(lead_id=lead, by=by, occurred_at=at, amount=said.amount)
        if said.type is OutcomeKind.LOST or stage in _STAGES_LOST:
            return LeadLost(lead_id=lead, by=by, occurred_at=at, reason=said.reason)
        if said.type is OutcomeKind.OWNER_CHANGED:
            assert said.owner is not None
            if said.owner not in teams:
                raise Refused(Why.UNKNOWN, f"the roster has no rep {said.owner}", "owner")
            if life.held and life.rep == said.owner:
                return Unsayable(lead, f"{said.owner} has this lead already")
            if life.offer is None:
                return Unsayable(lead, f"nobody has this lead: it is {life.lead_status}")
            return ReassignmentOrdered.model_validate(
                {
                    "lead_id": lead,
                    "assignment_id": life.offer,
                    "by": by,
                    "occurred_at": at,
                    "to": said.owner,
                    "team_id": teams[said.owner],
                    "reason": said.reason or BY_ORDER,
                }
            )
        if stage in _STAGES_OF_OPPORTUNITY and life.held and life.offer is not None:
            return OpportunityOpened(lead_id=lead, assignment_id=life.offer, by=by, occurred_at=at, amount=said.amount)
        return Unsayable(lead, f"the stage {said.stage} changes nothing here while the lead is {life.lead_status}")


def _named(connection: sa.Connection, said: OutcomeIn) -> LeadId:
    found = (
        {said.lead_id}
        if said.lead_id is not None
        else inbox.leads_of(connection, email=said.email, external_id=said.external_id)
    )
    ends = {_survivor(connection, lead) for lead in found if lead is not None}
    if not ends:
        raise Refused(Why.UNKNOWN, "there is no lead of that email or external_id")
    if len(ends) > 1:
        raise Refused(Why.INVALID, f"that names {len(ends)} leads: say which by lead_id", "external_id")
    lead = ends.pop()
    if inbox.memory_of(connection, lead).life.state in (State.NONE, State.ERASED):
        raise Refused(Why.UNKNOWN, f"there is no lead {lead}")
    return lead


def _survivor(connection: sa.Connection, lead: LeadId) -> LeadId:
    passed: set[LeadId] = set()
    while lead not in passed:
        passed.add(lead)
        life = inbox.memory_of(connection, lead).life
        if life.state is not State.MERGED or life.survivor is None:
            break
        lead = life.survivor
    return lead
