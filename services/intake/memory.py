"""What intake remembers of its own log: each lead's life as far as submissions need it, profiles, and who sent what.

Only intake's own events are read. Whether a submission is in effect, void or a repeat depends on nothing else: a lead
gets into and out of `none`, `erased`, `merged` and `suppressed` by intake's events alone, and the recent contents are
kept through everything between (`tests/unit/intake` holds this against the whole fold).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa

from schemas.base import Event
from schemas.events.intake import LeadErased, LeadProfile, LeadsMerged, LeadSubmitted, LeadsUnmerged, LeadSuppressed
from schemas.ids import ContentDigest, EventId, LeadId, SubmissionId
from schemas.lifecycle import UNBORN, Effect, Life, State
from schemas.repetitions import IDS_KEPT_FOR
from schemas.topics import LEADS, PROFILES
from services.runtime.appending import Appended
from services.runtime.asking import AskedTogether
from services.runtime.bulk import select_by
from services.runtime.following import Choice
from services.runtime.lead_log import UNREAD, LeadMemory, decode_memory, encode_memory, read_lead
from services.runtime.projected_words import Announcement
from services.runtime.projecting import decoded, of_types, replace_rows, spellings
from services.runtime.projection import Incoming, ProjectionRunner

OWN: frozenset[type[Event]] = frozenset({LeadSubmitted, LeadSuppressed, LeadsMerged, LeadsUnmerged, LeadErased})
"""The events that decide what a submission does."""


_OWN_TYPES, _PROFILE_TYPES = spellings(OWN), spellings({LeadProfile})

METADATA = sa.MetaData()
LIVES = sa.Table(
    "intake_lives",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("survivor", sa.String(36), index=True),
    sa.Column("memory", sa.LargeBinary, nullable=False),
)
PEOPLE = sa.Table(
    "intake_profiles",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("profile", sa.Text, nullable=False),
)
SUBMISSIONS = sa.Table(
    "intake_submissions",
    METADATA,
    sa.Column("event_id", sa.String(200), primary_key=True),
    sa.Column("submission_id", sa.String(36), nullable=False, index=True),
    sa.Column("lead_id", sa.String(36), nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("window_ms", sa.BigInteger, nullable=False),
    sa.Column("effect", sa.String(8), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("life", sa.Integer, nullable=False),
    sa.Index("intake_submissions_content", "lead_id", "content"),
    sa.Index("intake_submissions_at", "at_ms"),
)

CATCH_UP_SECONDS = 5.0
_EFFECTS_KEPT = 20_000
_SWEEP_EVERY_MS = 3_600_000
_KEEP_MS = int(IDS_KEPT_FOR.total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Row:
    """One LeadSubmitted as the log has it."""

    event_id: EventId
    lead_id: LeadId
    content: ContentDigest
    effect: Effect


@dataclass(frozen=True, slots=True)
class Equal:
    """A submission in effect, with a key or without, that said the same."""

    submission_id: SubmissionId
    at_ms: int
    """When it came into the log, in ms since 1970."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known where a submission is about to be taken in, or was."""

    life: Life
    profile: LeadProfile | None
    under_this_key: tuple[Row, ...]
    """What was appended under the same submission id, in any lead's log."""
    equal: Equal | None
    """The newest submission in effect with the same content in this lead's present life: an erasure ends a life."""

    @property
    def survivor(self) -> LeadId | None:
        """Whom the lead was merged into."""
        return self.life.survivor if self.life.state is State.MERGED else None


class IntakeProjection:
    """Reads `leads` and `profiles` into the tables above."""

    name = "intake"
    version = 2
    topics = (LEADS, PROFILES)
    metadata = METADATA
    choices: ClassVar[Mapping[str, Choice]] = {LEADS.name: of_types(OWN), PROFILES.name: of_types({LeadProfile})}

    def __init__(self) -> None:
        self._swept_ms = 0
        self.effects: dict[tuple[int, int], Effect | None] = {}
        """(partition, offset) of intake's recent events in `leads` -> what they did. None: a repetition."""

    def apply(self, connection: sa.Connection, records: Sequence[Incoming]) -> Sequence[Announcement]:
        """One transaction. Gives nothing to announce; what cannot be decoded is feedback's to keep as a dead letter."""
        self._apply_profiles(connection, [r for r in records if r.topic is PROFILES])
        self._apply_lives(connection, [r for r in records if r.topic is LEADS and r.type in _OWN_TYPES])
        return ()

    def _apply_profiles(self, connection: sa.Connection, records: Sequence[Incoming]) -> None:
        newest: dict[str, str | None] = {}
        for r in records:
            if r.tombstone:
                newest[r.key] = None
            elif r.type in _PROFILE_TYPES and (event := decoded(r)) is not None:
                newest[r.key] = event.model_dump_json()
        replace_rows(
            connection,
            PEOPLE,
            newest,
            [{"lead_id": k, "profile": text} for k, text in newest.items() if text is not None],
        )

    def _apply_lives(self, connection: sa.Connection, records: Sequence[Incoming]) -> None:
        if not records:
            return
        memories = _memories(connection, {r.key for r in records})
        submissions: dict[str, dict[str, Any]] = {}
        for r in records:
            event = decoded(r)
            if event is None:
                continue
            memories[r.key], effect = read_lead(memories.get(r.key, UNREAD), r.record, r.envelope, event)
            self.effects[r.record.partition, r.record.offset] = effect
            if isinstance(event, LeadSubmitted) and effect is not None:
                submissions[r.envelope.event_id] = {
                    "event_id": r.envelope.event_id,
                    "submission_id": event.submission_id,
                    "lead_id": r.key,
                    "content": event.content,
                    "window_ms": int(event.repeat_window.total_seconds() * 1000),
                    "effect": effect.value,
                    "at_ms": memories[r.key].now_ms,
                    "life": memories[r.key].life.life,
                }
        replace_rows(
            connection,
            LIVES,
            memories,
            [
                {"lead_id": lead, "state": m.life.state.value, "survivor": m.life.survivor, "memory": encode_memory(m)}
                for lead, m in memories.items()
            ],
        )
        replace_rows(connection, SUBMISSIONS, submissions, list(submissions.values()))
        self._sweep(connection, max((m.now_ms for m in memories.values()), default=0))
        while len(self.effects) > _EFFECTS_KEPT:
            self.effects.pop(next(iter(self.effects)))

    def _sweep(self, connection: sa.Connection, now_ms: int) -> None:
        """Forget submissions whose ids nobody remembers and whose content does not count any more.

        What came with a key has no window of its own: its content counts for as long as its id is remembered.
        """
        if now_ms - self._swept_ms >= _SWEEP_EVERY_MS:
            s = SUBMISSIONS.c
            connection.execute(
                sa.delete(SUBMISSIONS).where(s.at_ms < now_ms - _KEEP_MS, s.at_ms + s.window_ms < now_ms)
            )
            self._swept_ms = now_ms


class IntakeMemory:
    """Asks the projection. Every answer is as of what it has read; raises Behind where it cannot be had."""

    def __init__(self, runner: ProjectionRunner) -> None:
        self._runner = runner
        self._questions: AskedTogether[_Question, Known] = AskedTogether(
            lambda questions: runner.read(lambda connection: _know_all(connection, questions), brief=True)
        )

    async def caught_up(self) -> None:
        """Until it has been at the log's end once: before, nobody can tell what repeats what. Raises Behind."""
        if not self._runner.ready:
            await self._runner.caught_up(timeout=CATCH_UP_SECONDS)

    async def know(self, lead: LeadId, submission: SubmissionId | None, content: ContentDigest) -> Known:
        """Everything that decides what a submission is, in one read. `submission`: None where no key names it."""
        return await self._questions.ask((lead, submission, content))

    async def life(self, lead: LeadId) -> Life:
        """The lead's life as far as intake's events tell it."""
        return await self._runner.read(lambda connection: _life(connection, lead))

    async def profile(self, lead: LeadId) -> LeadProfile | None:
        """The person behind the lead."""
        return await self._runner.read(lambda connection: _profile(connection, lead))

    async def survivors(self, leads: Iterable[LeadId]) -> dict[LeadId, LeadId]:
        """For each of the leads that was merged: the lead at the end of its chain of merges."""
        wanted = set(leads)
        return await self._runner.read(lambda connection: _survivors(connection, wanted))

    async def merged_into(self, lead: LeadId) -> set[LeadId]:
        """The leads that were merged into this one, directly or by way of others."""
        return await self._runner.read(lambda connection: _merged_into(connection, lead))

    async def erased_with_profile(self) -> list[LeadId]:
        """Leads that are erased and whose profile is still there."""
        query = (
            sa.select(LIVES.c.lead_id)
            .join(PEOPLE, PEOPLE.c.lead_id == LIVES.c.lead_id)
            .where(LIVES.c.state == State.ERASED.value)
        )
        return await self._runner.read(lambda connection: [LeadId(lead) for (lead,) in connection.execute(query)])

    def effect_of(self, appended: Appended) -> Effect | None:
        """What an own append to `leads` did; ask after `wait_for`."""
        projection = self._runner.projection
        assert isinstance(projection, IntakeProjection)
        return projection.effects.get((appended.partition, appended.offset))

    async def wait_for(self, appended: Appended) -> None:
        """Until the projection has read this. Raises TimeoutError."""
        await self._runner.wait_for(appended.topic, appended.partition, appended.offset)

    async def read_to_end(self, lead: LeadId) -> None:
        """Until the projection has read all of the lead's partition as it is now. Raises TimeoutError."""
        await self._runner.read_to_end(lead)


def _memories(connection: sa.Connection, leads: Collection[str]) -> dict[str, LeadMemory]:
    rows = select_by(connection, LIVES.c.lead_id, leads, LIVES.c.lead_id, LIVES.c.memory)
    return {lead: decode_memory(blob) for lead, blob in rows}


_LIFE_OF = sa.select(LIVES.c.memory).where(LIVES.c.lead_id == sa.bindparam("lead"))
_PROFILE_OF = sa.select(PEOPLE.c.profile).where(PEOPLE.c.lead_id == sa.bindparam("lead"))
_UNDER = sa.select(SUBMISSIONS.c.event_id, SUBMISSIONS.c.lead_id, SUBMISSIONS.c.content, SUBMISSIONS.c.effect).where(
    SUBMISSIONS.c.submission_id == sa.bindparam("submission")
)
_EQUAL = (
    sa.select(SUBMISSIONS.c.submission_id, SUBMISSIONS.c.at_ms)
    .where(
        SUBMISSIONS.c.lead_id == sa.bindparam("lead"),
        SUBMISSIONS.c.content == sa.bindparam("content"),
        SUBMISSIONS.c.effect == Effect.EFFECT.value,
        SUBMISSIONS.c.life == sa.bindparam("life"),
    )
    .order_by(SUBMISSIONS.c.at_ms.desc())
    .limit(1)
)


def _life(connection: sa.Connection, lead: str) -> Life:
    blob = connection.execute(_LIFE_OF, {"lead": lead}).scalar_one_or_none()
    return UNBORN if blob is None else decode_memory(blob).life


def _profile(connection: sa.Connection, lead: str) -> LeadProfile | None:
    text = connection.execute(_PROFILE_OF, {"lead": lead}).scalar_one_or_none()
    return None if text is None else LeadProfile.model_validate_json(text)


_Question = tuple[LeadId, SubmissionId | None, ContentDigest]


def _know_all(connection: sa.Connection, questions: Sequence[_Question]) -> list[Known | Exception]:
    """What `know` says to each; what cannot be decoded is told to who asked for it."""
    answers: list[Known | Exception] = []
    for question in questions:
        try:
            answers.append(know(connection, *question))
        except (msgspec.MsgspecError, ValueError) as error:
            answers.append(error)
    return answers


def know(connection: sa.Connection, lead: LeadId, submission: SubmissionId | None, content: ContentDigest) -> Known:
    """As of what the tables hold. Asks no more than the answer needs: most leads are new, most submissions keyless."""
    life = _life(connection, lead)
    rows = connection.execute(_UNDER, {"submission": submission}).all() if submission is not None else []
    return Known(
        life=life,
        profile=None if life.state is State.NONE else _profile(connection, lead),
        under_this_key=tuple(
            Row(EventId(e), LeadId(lead_id), ContentDigest(c), Effect(f)) for e, lead_id, c, f in rows
        ),
        equal=_equal(connection, lead, life, content),
    )


def _equal(connection: sa.Connection, lead: LeadId, life: Life, content: ContentDigest) -> Equal | None:
    """The rows are asked, not the life: it keeps no content of submissions with a key."""
    if life.state in (State.NONE, State.ERASED):
        return None
    row = connection.execute(_EQUAL, {"lead": lead, "content": content, "life": life.life}).one_or_none()
    return None if row is None else Equal(SubmissionId(row.submission_id), row.at_ms)


def _survivors(connection: sa.Connection, leads: set[LeadId]) -> dict[LeadId, LeadId]:
    ends: dict[LeadId, LeadId] = {}
    for lead in leads:
        end, passed = lead, set[LeadId]()
        while end not in passed:
            passed.add(end)
            life = _life(connection, end)
            if life.state is not State.MERGED or life.survivor is None:
                break
            end = life.survivor
        if end != lead:
            ends[lead] = end
    return ends


def _merged_into(connection: sa.Connection, lead: LeadId) -> set[LeadId]:
    found: set[LeadId] = set()
    looked_at = {lead}
    while looked_at:
        merged = sa.select(LIVES.c.lead_id).where(LIVES.c.survivor.in_(looked_at), LIVES.c.state == State.MERGED.value)
        looked_at = {LeadId(gone) for (gone,) in connection.execute(merged)} - found - {lead}
        found |= looked_at
    return found
