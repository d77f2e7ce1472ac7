"""Receiving: a submission becomes an event exactly once, and is confirmed only after its append was read back.

Who says 202 must know three things: that the record is in Kafka with acks=all, that it is in effect (its lead may have
been merged a moment ago), and which submission it is (an equal one may have been faster). All three are in the log, so
it is read up to the own append before anything is answered.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from schemas import ids
from schemas.events.intake import LeadSubmitted
from schemas.ids import ContentDigest, EventId, FormId, LeadId, SubmissionId
from schemas.lifecycle import Effect, State
from schemas.vocabulary import AttributeName, AttributeValue, Source
from services.intake.attributes import sorted_out
from services.intake.identity import Contact, lead_of
from services.intake.memory import IntakeMemory, Known
from services.intake.profiles import PersonalAttributes, merged, profile_of, same
from services.intake.requests import LeadIn
from services.intake.source import cleaned
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appended, Appender, fresh_id
from services.runtime.settings import Settings
from services.runtime.turns import OneAtATime

LONGEST_MERGE_CHAIN = 16
FOR_EVER_DIFFERENT = timedelta(0)
"""The window of a submission with an Idempotency-Key: what it repeats, the key alone says."""


class KeyUsedForAnotherBody(ValueError):
    """The Idempotency-Key came with another body before."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told: the submission is in the log."""

    lead_id: LeadId
    submission_id: SubmissionId
    duplicate: bool
    warnings: tuple[str, ...] = ()
    began: bool = False
    """Whether a lead's life began with it, so that a verdict is owed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission that was understood, before anything is known of its lead."""

    lead_id: LeadId
    contact: Contact
    said: LeadIn
    event_id: EventId
    submission_id: SubmissionId
    content: ContentDigest
    keyed: bool
    window: timedelta
    source: Source
    attributes: dict[AttributeName, AttributeValue]
    personal: PersonalAttributes
    form: FormId | None
    received_at: datetime
    warnings: tuple[str, ...]
    traceparent: str | None

    def event_for(self, lead: LeadId) -> LeadSubmitted:
        """The event in `lead`'s log (the survivor's, if the lead of the contact was merged)."""
        return LeadSubmitted(
            lead_id=lead,
            submission_id=self.submission_id,
            content=self.content,
            repeat_window=self.window,
            submitted_at=self.said.submitted_at or self.received_at,
            source=self.source,
            country=self.said.country,
            attributes=self.attributes,
            consent=dict(self.said.consent),
            form=self.form,
        )

    def event_id_for(self, lead: LeadId, known: Known) -> EventId:
        """The same submission in another lead's log, or once more after it was void there, is another event."""
        there = self.event_id if lead == self.lead_id else f"{self.event_id}.for.{lead}"
        void = sum(row.lead_id == lead and row.effect is Effect.VOID for row in known.under_this_key)
        return EventId(f"{there}.again.{void}" if void else there)

    def receipt(
        self,
        lead: LeadId,
        *,
        submission: SubmissionId | None = None,
        duplicate: bool = False,
        warning: str | None = None,
    ) -> Receipt:
        return Receipt(
            lead, submission or self.submission_id, duplicate, self.warnings + ((warning,) if warning else ())
        )


SUPPRESSED = "this lead is suppressed: the submission is recorded and nobody will work it"


class Reception:
    """Takes submissions in. One for the process."""

    def __init__(
        self, settings: Settings, appender: Appender, agreements: AgreementReader, memory: IntakeMemory
    ) -> None:
        self._settings, self._appender, self._agreements, self._memory = settings, appender, agreements, memory
        self.turns = OneAtATime()

    async def submit(
        self,
        said: LeadIn,
        contact: Contact,
        *,
        key: str | None = None,
        form: FormId | None = None,
        traceparent: str | None = None,
    ) -> Receipt:
        """Take one submission in and answer when it is in the log, in effect and read back.

        Raises KeyUsedForAnotherBody, BrokerAway (nothing is confirmed), TimeoutError (the same).
        """
        await self._memory.caught_up()
        draft = self._draft(said, contact, key, form, traceparent)
        if not draft.keyed:
            return await self._take_in(draft)
        async with self.turns.of(f"key {draft.event_id}"):
            return await self._take_in(draft)

    def _draft(
        self, said: LeadIn, contact: Contact, key: str | None, form: FormId | None, traceparent: str | None
    ) -> Draft:
        now = datetime.now(UTC)
        namespace, secret = self._settings.lead_namespace, self._settings.secret
        event_id = (
            fresh_id()
            if key is None
            else EventId("key-" + hmac.digest(secret, b"key" + key.encode(), "sha256").hex()[:40])
        )
        source, about_source = cleaned(said.source, secret)
        agreement = self._agreements.in_force(now)
        sorted_attributes = sorted_out(agreement, said.attributes, said.country, contact.email, said.company)
        return Draft(
            lead_id=lead_of(namespace, contact),
            contact=contact,
            said=said,
            event_id=event_id,
            submission_id=SubmissionId(str(uuid.uuid5(namespace, f"submission {event_id}"))),
            content=content_digest(secret, said, contact, form),
            keyed=key is not None,
            window=FOR_EVER_DIFFERENT if key is not None else agreement.terms.intake.repeat_window,
            source=source,
            attributes=sorted_attributes.spoken,
            personal=sorted_attributes.personal,
            form=form,
            received_at=now,
            warnings=about_source + sorted_attributes.warnings,
            traceparent=traceparent,
        )

    async def _take_in(self, draft: Draft) -> Receipt:
        lead = draft.lead_id
        for _ in range(LONGEST_MERGE_CHAIN):
            async with self.turns.of(lead):
                known = await self._memory.know(lead, draft.submission_id if draft.keyed else None, draft.content)
                receipt = _repeated(draft, lead, known)
                if receipt is None and known.survivor is None:
                    event_id = draft.event_id_for(lead, known)
                    if await self._append(draft, lead, event_id, known) is Effect.EFFECT:
                        return replace(draft.receipt(lead), began=known.life.state in (State.NONE, State.ERASED))
                    known = await self._memory.know(lead, draft.submission_id, draft.content)
                    receipt = _read_back(draft, lead, event_id, known)
            if receipt is not None:
                return receipt
            lead = known.survivor or lead
        raise TimeoutError(
            f"Submission {draft.submission_id} finds no lead to belong to: the merges lead in a circle; unmerge one."
        )

    async def _append(self, draft: Draft, lead: LeadId, event_id: EventId, known: Known) -> Effect | None:
        """Profile first, for the event speaks of it; then the event; then read both back. Gives what the event did."""
        written: list[Appended] = []
        if known.life.state is not State.SUPPRESSED:
            here = None if known.life.state in (State.NONE, State.ERASED) else known.profile
            profile = merged(here, profile_of(lead, draft.contact, draft.said, draft.personal, draft.received_at))
            if here is not None and lead != draft.lead_id:  # a survivor keeps its own address
                profile = profile.model_copy(
                    update={"email": here.email or profile.email, "phone": here.phone or profile.phone}
                )
            if not same(here, profile):
                written.append(await self._appender.append(profile, traceparent=draft.traceparent))
        event = draft.event_for(lead)
        written.append(await self._appender.append(event, event_id=event_id, traceparent=draft.traceparent))
        for at in written:
            await self._memory.wait_for(at)
        return self._memory.effect_of(written[-1])


def content_digest(secret: bytes, said: LeadIn, contact: Contact, form: FormId | None) -> ContentDigest:
    """What makes two submissions equal. Keyed with the secret: a plain digest of an address can be guessed."""
    content = said.model_dump(mode="json", exclude_unset=True) | {
        "email": contact.email,
        "phone": contact.phone,
        "form": form,
    }
    return ids.digest(hmac.digest(secret, orjson.dumps(content, option=orjson.OPT_SORT_KEYS), "sha256"))


def _repeated(draft: Draft, lead: LeadId, known: Known) -> Receipt | None:
    """The receipt of an earlier submission that this one only repeats, if there is one."""
    if draft.keyed:
        if any(row.content != draft.content for row in known.under_this_key):
            raise KeyUsedForAnotherBody
        for row in known.under_this_key:
            if row.effect is not Effect.VOID:
                return draft.receipt(row.lead_id, duplicate=True)
            if row.lead_id == lead and known.life.state is State.SUPPRESSED:
                return draft.receipt(lead, duplicate=True, warning=SUPPRESSED)
        return None
    since_ms = int((draft.received_at - draft.window).timestamp() * 1000)
    if draft.window and known.equal is not None and known.equal.at_ms > since_ms:
        return draft.receipt(lead, submission=known.equal.submission_id, duplicate=True)
    return None


def _read_back(draft: Draft, lead: LeadId, event_id: EventId, known: Known) -> Receipt | None:
    """What our own append did in the log. None: void, for the lead was merged meanwhile."""
    own = next((row for row in known.under_this_key if row.event_id == event_id), None)
    if own is None:
        raise TimeoutError("The submission was appended and is not read back yet: send the same again in a moment.")
    match own.effect:
        case Effect.EFFECT:
            return draft.receipt(lead)
        case Effect.REPEAT:
            earlier = None if known.equal is None else known.equal.submission_id
            return draft.receipt(lead, submission=earlier, duplicate=True)
        case Effect.VOID:
            return draft.receipt(lead, warning=SUPPRESSED) if known.life.state is State.SUPPRESSED else None
