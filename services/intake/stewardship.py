"""What becomes of a lead's record: consent, suppression, merging, erasure; and what a prospect was seen doing."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.base import Event
from schemas.events.intake import (
    ConsentChanged,
    EngagementObserved,
    LeadErased,
    LeadsMerged,
    LeadsUnmerged,
    LeadSuppressed,
)
from schemas.ids import EventId, LeadId
from schemas.lifecycle import Effect, Life, State
from schemas.topics import PROFILES
from schemas.vocabulary import Reason
from services.intake.imports.queue import ImportQueue
from services.intake.memory import IntakeMemory
from services.intake.profiles import merged, same
from services.intake.reception import LONGEST_MERGE_CHAIN
from services.intake.requests import ConsentIn, EngagementIn
from services.intake.source import cleaned
from services.runtime.appending import Appender
from services.runtime.settings import Settings
from services.runtime.turns import OneAtATime


class NoSuchLead(LookupError):
    """Nothing was ever submitted for this lead, or it was erased."""


class NotNow(ValueError):
    """The lead's state does not allow it; the text says why and what would."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One engagement or consent in the log."""

    lead_id: LeadId
    event_id: EventId


class Stewardship:
    """Keeps the records of leads. One for the process; shares the turns of the reception."""

    def __init__(
        self, settings: Settings, appender: Appender, memory: IntakeMemory, turns: OneAtATime, imports: ImportQueue
    ) -> None:
        self._settings, self._appender, self._memory, self._turns = settings, appender, memory, turns
        self._imports = imports

    async def observe(
        self, engagements: Sequence[tuple[LeadId, EngagementIn]], *, key: str | None, traceparent: str | None
    ) -> tuple[list[Observed], list[str]]:
        """Append what prospects were seen doing, all acknowledged; gives them in order, and warnings.

        With a key the ids are derived from it, so that the same list again is the same engagements. Raises BrokerAway.
        """
        now = datetime.now(UTC)
        warnings: list[str] = []
        events: list[EngagementObserved] = []
        survivors = await self._memory.survivors([lead for lead, _ in engagements])
        for index, (lead, said) in enumerate(engagements):
            source, about = cleaned(said.source, self._settings.secret)
            warnings += [f"[{index}].{sentence}" for sentence in about]
            events.append(
                EngagementObserved(
                    lead_id=survivors.get(lead, lead),
                    kind=said.kind,
                    occurred_at=said.occurred_at or now,
                    source=source,
                    asset=said.asset,
                    quantity=said.quantity,
                )
            )
        ids = [self._id(key, str(index)) for index in range(len(events))]
        done = await self._appender.append_all(events, event_ids=ids, traceparent=traceparent)
        return [Observed(e.lead_id, a.event_id) for e, a in zip(events, done, strict=True)], warnings

    async def consent(self, lead: LeadId, said: ConsentIn, *, key: str | None, traceparent: str | None) -> Observed:
        """Append what a person allows or forbids. Raises BrokerAway."""
        survivors = await self._memory.survivors([lead])
        event = ConsentChanged(
            lead_id=survivors.get(lead, lead),
            purpose=said.purpose,
            granted=said.granted,
            occurred_at=said.occurred_at or datetime.now(UTC),
        )
        done = await self._appender.append(event, event_id=self._id(key, "consent"), traceparent=traceparent)
        return Observed(event.lead_id, done.event_id)

    async def suppress(self, lead: LeadId, reason: Reason, *, traceparent: str | None) -> None:
        """Nobody works this lead any more. Raises NoSuchLead, NotNow, BrokerAway."""
        async with self._turns.of(lead):
            life = await self._known(lead)
            if life.state is State.SUPPRESSED:
                return
            if life.state is State.MERGED:
                raise NotNow(f"lead {lead} was merged into {life.survivor}: suppress that one")
            await self._say(LeadSuppressed(lead_id=lead, reason=reason), lead, traceparent)

    async def merge(self, lead: LeadId, survivor: LeadId, *, traceparent: str | None) -> LeadId:
        """This lead turned out to be `survivor`; gives the lead that it is now. Raises as `suppress` does."""
        survivor = await self._end_of_chain(survivor)
        if survivor == lead:
            raise NotNow(f"lead {lead} cannot be merged into itself: name another survivor")
        first, second = sorted((lead, survivor))
        async with self._turns.of(first), self._turns.of(second):
            life, other = await self._known(lead), await self._known(survivor)
            if life.state is State.MERGED:
                if life.survivor == survivor:
                    return survivor
                raise NotNow(f"lead {lead} was merged into {life.survivor} before: unmerge it first")
            if other.state in (State.MERGED, State.SUPPRESSED):
                raise NotNow(f"lead {survivor} is {other.state.value}: a merged lead needs one that can be worked")
            await self._fill_profile(lead, survivor, traceparent)
            await self._say(LeadsMerged(lead_id=lead, survivor=survivor), lead, traceparent)
        return survivor

    async def unmerge(self, lead: LeadId, *, traceparent: str | None) -> None:
        """The lead was not the other one after all: it is new again. Raises NoSuchLead, NotNow, BrokerAway."""
        async with self._turns.of(lead):
            life = await self._known(lead)
            if life.state is not State.MERGED or life.survivor is None:
                raise NotNow(f"lead {lead} is not merged: there is nothing to take back")
            await self._say(LeadsUnmerged(lead_id=lead, survivor=life.survivor), lead, traceparent)

    async def erase(self, lead: LeadId, *, traceparent: str | None) -> None:
        """Forget the person: what imports have queued of him, LeadErased, then the profile's tombstone.

        Raises NoSuchLead, BrokerAway, TimeoutError (the same again finishes it).
        """
        await self._memory.read_to_end(lead)
        queued = await self._imports.forget({lead, *await self._memory.merged_into(lead)})
        async with self._turns.of(lead):
            try:
                life = await self._known(lead, erased_too=True)
            except NoSuchLead:
                if not queued:
                    raise
                return  # nobody has heard of him but the queue
            if life.state is not State.ERASED:
                await self._say(LeadErased(lead_id=lead), lead, traceparent)
            await self._appender.tombstone(PROFILES, lead)

    async def finish_erasures(self) -> int:
        """Delete the profiles of erased leads that an earlier process did not come to delete; gives their number."""
        leads = await self._memory.erased_with_profile()
        for lead in leads:
            async with self._turns.of(lead):
                await self._appender.tombstone(PROFILES, lead)
        return len(leads)

    async def _known(self, lead: LeadId, *, erased_too: bool = False) -> Life:
        await self._memory.read_to_end(lead)
        life = await self._memory.life(lead)
        if life.state is State.NONE or (life.state is State.ERASED and not erased_too):
            raise NoSuchLead(f"there is no lead {lead}")
        return life

    async def _end_of_chain(self, lead: LeadId) -> LeadId:
        for _ in range(LONGEST_MERGE_CHAIN):
            life = await self._known(lead)
            if life.state is not State.MERGED or life.survivor is None:
                return lead
            lead = life.survivor
        raise NotNow(f"the merges of lead {lead} lead in a circle: unmerge one of them")

    async def _fill_profile(self, gone: LeadId, survivor: LeadId, traceparent: str | None) -> None:
        theirs, ours = await self._memory.profile(gone), await self._memory.profile(survivor)
        if theirs is None:
            return
        filled = theirs.model_copy(update={"lead_id": survivor}) if ours is None else merged(theirs, ours)
        if not same(ours, filled):
            await self._memory.wait_for(await self._appender.append(filled, traceparent=traceparent))

    async def _say(self, event: Event, lead: LeadId, traceparent: str | None) -> None:
        """Append and read back. Raises NotNow if it was void where it came to stand."""
        done = await self._appender.append(event, traceparent=traceparent)
        await self._memory.wait_for(done)
        if self._memory.effect_of(done) is Effect.VOID:
            raise NotNow(f"lead {lead} changed meanwhile: look at it again")

    def _id(self, key: str | None, part: str) -> EventId | None:
        if key is None:
            return None
        return EventId("key-" + hmac.digest(self._settings.secret, f"{part} {key}".encode(), "sha256").hex()[:40])
