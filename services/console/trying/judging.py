"""What an agreement would have made of the leads: the rehearsal of `leadloop backtest`, over logs made of the export."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.agreement import Agreement
from schemas.agreement.conditions import AttributeIs, parts_of
from schemas.base import Event
from schemas.events.intake import EngagementObserved, LeadSubmitted
from schemas.ids import CampaignId, EventId, LeadId, SubmissionId, digest
from schemas.lifecycle import State
from schemas.personal import looks_personal
from schemas.topics import LEADS
from schemas.vocabulary import Slug, Source
from schemas.wire import Envelope, Record, encode, new_trace
from services.console.backtest.tally import Tally
from services.console.backtest.trial import Trial
from services.console.backtest.whatif import Rehearsal
from services.console.trying.leads import Did, Lead, Submission
from services.runtime.main import find
from services.runtime.replay import AgreementsInMemory

_AT_ONCE = 2_000
"""So many leads are in memory at a time, twice: as read and as judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the agreement says of a lead: qualified if it ever was, else the last verdict."""

    verdict: str
    rule: str
    grade: str
    pool: str
    """Where it would have been routed; empty unless qualified."""


@dataclass
class _Verdicts(Tally):
    """A backtest's count that keeps what is said of each lead."""

    judged: dict[str, Judged] = field(default_factory=dict)

    def count(self, lead_id: str, trial: Trial) -> None:
        """One lead at the end of its log."""
        if trial.memory.life.state is State.NONE:
            return
        if trial.now is not None:
            side, pool = trial.now.side, trial.now.pool
        else:
            side, pool = trial.proposed, ""
        self.judged[lead_id] = Judged(side.verdict, side.rule, side.grade, pool)


def judge(leads: Sequence[Lead], agreement: Agreement, as_of: datetime, did: Did) -> list[Judged | None]:
    """What the agreement says of each lead up to `as_of`, in their order; None if it could not be judged.

    Leads of one submission that say the same to every rule are judged once: time alone changes no score without engagements.
    """
    asked = _asked(agreement)
    unlike: dict[Hashable, int] = {}
    places = [unlike.setdefault(_told_to_rules(number, lead, asked), number) for number, lead in enumerate(leads)]
    judged: dict[int, Judged | None] = {}
    chosen, told = sorted(set(places)), 0
    for first in range(0, len(chosen), _AT_ONCE):
        batch = chosen[first : first + _AT_ONCE]
        judged.update(zip(batch, judge_each([leads[place] for place in batch], agreement, as_of), strict=True))
        done = len(leads) * (first + len(batch)) // len(chosen)
        did(done - told)
        told = done
    return [judged[place] for place in places]


def judge_each(leads: Sequence[Lead], agreement: Agreement, as_of: datetime) -> list[Judged | None]:
    """What `judge` says, of every lead by a log of its own; all of them are in memory."""
    (scoring,) = find("scoring").processors
    tally = _Verdicts()
    rehearsal = Rehearsal(scoring, AgreementsInMemory.only(agreement), since=None, tally=tally)
    ids = [LeadId(f"{number:08x}-0000-5000-8000-000000000000") for number in range(len(leads))]
    for lead_id, lead in zip(ids, leads, strict=True):
        for offset, (at, event) in enumerate(_log(lead_id, lead, agreement, as_of)):
            rehearsal.take(_record(lead_id, offset, at, event))
    rehearsal.end(as_of)
    return [tally.judged.get(str(lead_id)) for lead_id in ids]


def _told_to_rules(number: int, lead: Lead, asked: frozenset[str]) -> Hashable:
    """Equal for leads that no rule can tell apart; of a lead with a history, its number."""
    if lead.engagements or len(lead.submissions) != 1:
        return number
    row = lead.submissions[0]
    return row.source, row.campaign, row.country, tuple((n, v) for n, v in row.attributes.items() if n in asked)


def _asked(agreement: Agreement) -> frozenset[str]:
    """The attributes that scoring, definition, stages and routing ask for."""
    rules = (*(rule for _, rule in agreement.scoring_rules), *agreement.definition, *agreement.terms.stages, *agreement.routing)
    conditions = [when for rule in rules if (when := getattr(rule, "when", None)) is not None]
    return frozenset(str(part.attribute) for when in conditions for part in parts_of(when) if isinstance(part, AttributeIs))


def _log(lead_id: LeadId, lead: Lead, agreement: Agreement, as_of: datetime) -> list[tuple[datetime, Event]]:
    """What would have happened to the lead's log: rows without a time came last."""
    happened = [*_submitted(lead_id, lead, agreement, as_of)]
    happened += [
        (at, EngagementObserved(lead_id=lead_id, kind=Slug(kind), occurred_at=at)) for at, kind in lead.engagements if at <= as_of
    ]
    return sorted(happened, key=lambda one: one[0])


def _submitted(lead_id: LeadId, lead: Lead, agreement: Agreement, as_of: datetime) -> Iterator[tuple[datetime, Event]]:
    for row in lead.submissions:
        at = row.at or as_of
        told = repr((row.source, row.campaign, row.country, sorted(row.attributes.items(), key=lambda item: item[0])))
        yield (
            at,
            LeadSubmitted.model_validate(
                {
                    "lead_id": lead_id,
                    "submission_id": SubmissionId(f"{row.line & 0xFFFFFFFF:08x}-0000-4000-8000-000000000000"),
                    "content": digest(told.encode()),
                    "repeat_window": agreement.terms.intake.repeat_window,
                    "submitted_at": at,
                    "source": _source(row),
                    "country": row.country,
                    "attributes": row.attributes,
                }
            ),
        )


def _source(row: Submission) -> Source:
    """What of a row's source no rule could mistake for a person."""
    campaign = None
    if row.campaign:
        try:
            campaign = CampaignId.parse(row.campaign[:120])
        except ValueError:
            campaign = None
    channel = row.source[:120] if row.source and not looks_personal(row.source) else None
    return Source(channel=channel, campaign=campaign)


def _record(lead_id: LeadId, offset: int, at: datetime, event: Event) -> Record:
    event_id = EventId(f"try.{lead_id}.{offset}")
    envelope = Envelope(
        event_id=event_id, type=event.type_name(), source="try", time=at, subject=str(lead_id), correlation_id=event_id,
        traceparent=new_trace(event_id), writer="try",
    )  # fmt: skip
    return Record(LEADS.name, 0, offset, at, str(lead_id).encode(), encode(event), tuple(envelope.headers()))
