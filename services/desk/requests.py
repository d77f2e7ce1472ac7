"""What may be asked of the desk: strict models, so that a misspelt field is named and not silently lost."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from schemas.events.desk import MeetingOutcome
from schemas.ids import AssignmentId, EventId, LeadId, RepId, RoleId
from schemas.vocabulary import Actor, Money, Reason, Slug
from services.runtime.http import Request


class ActionKind(StrEnum):
    """What a rep or his manager does."""

    ACCEPT = "accept"
    REJECT = "reject"
    ATTEMPT = "attempt"
    CONNECT = "connect"
    MEETING = "meeting"
    MEETING_BOOKED = "meeting_booked"
    MEETING_HELD = "meeting_held"
    MEETING_NO_SHOW = "meeting_no_show"
    NOTE = "note"
    NEXT_STEP = "next_step"
    OPPORTUNITY = "opportunity"
    HAND_OVER = "hand_over"
    RECYCLE = "recycle"
    WIN = "win"
    LOSE = "lose"
    UNDO = "undo"
    REASSIGN = "reassign"
    CLAIM = "claim"


_ALSO_SPELT = {
    "open_opportunity": "opportunity",
    "opportunity_opened": "opportunity",
    "handover": "hand_over",
    "connected": "connect",
    "add_note": "note",
    "set_next_step": "next_step",
    "book_meeting": "meeting_booked",
    "no_show": "meeting_no_show",
    "won": "win",
    "lost": "lose",
}
"""Other words for an action, as tools spell them."""

_OUTCOMES_ALSO_SPELT = {
    "win": "won",
    "closed_won": "won",
    "lose": "lost",
    "closed_lost": "lost",
    "stage_change": "stage_changed",
    "owner_change": "owner_changed",
}


def _respelt(also: Mapping[str, str]) -> BeforeValidator:
    """`Open opportunity`, `open-opportunity` and `open_opportunity` are one word."""

    def respell(given: object) -> object:
        if not isinstance(given, str):
            return given
        word = given.strip().lower().replace("-", "_").replace(" ", "_")
        return also.get(word, word)

    return BeforeValidator(respell)


class ActionIn(Request):
    """One action. Which fields an action needs is told by the refusal that names the missing one."""

    type: Annotated[
        ActionKind,
        _respelt(_ALSO_SPELT),
        Field(description="also: " + ", ".join(f"{other} for {word}" for other, word in _ALSO_SPELT.items())),
    ]
    assignment_id: Annotated[AssignmentId | None, Field(description="of the inbox; not needed for claim and undo")] = (
        None
    )
    by: Annotated[RepId | Actor | None, Field(description="who did it; without it the rep who has the lead")] = None
    at: Annotated[AwareDatetime | None, Field(description="when it happened; without it now")] = None
    reason: Annotated[Reason | None, Field(description="one of the agreement's: for reject, recycle, lose")] = None
    channel: Annotated[Slug | None, Field(description="phone, mail, ...: for attempt and connect")] = None
    disposition: Annotated[Slug | None, Field(description="no_answer, voicemail, ...: for attempt")] = None
    amount: Annotated[Money | None, Field(description="for opportunity and win")] = None
    outcome: Annotated[MeetingOutcome | None, Field(description="for meeting")] = None
    meeting_at: Annotated[AwareDatetime | None, Field(description="when the meeting is or was")] = None
    text: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None,
        Field(
            description="for note (`note` is taken too); it is kept in the profile",
            validation_alias=AliasChoices("text", "note"),
        ),
    ] = None
    due_at: Annotated[AwareDatetime | None, Field(description="for next_step: when it is to be taken")] = None
    to: Annotated[RepId | None, Field(description="for reassign: to whom; without it back to the rules")] = None
    to_role: Annotated[RoleId | None, Field(description="for hand_over: such as ae")] = None
    action_id: Annotated[EventId | None, Field(description="for undo: which; without it the newest")] = None


class OutcomeKind(StrEnum):
    """What a CRM knows."""

    WON = "won"
    LOST = "lost"
    STAGE_CHANGED = "stage_changed"
    OWNER_CHANGED = "owner_changed"


class OutcomeIn(Request):
    """What happened to a lead outside. Says whose it is by lead_id, email or external_id."""

    lead_id: LeadId | None = None
    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    type: Annotated[
        OutcomeKind,
        _respelt(_OUTCOMES_ALSO_SPELT),
        Field(description="also: " + ", ".join(f"{other} for {word}" for other, word in _OUTCOMES_ALSO_SPELT.items())),
    ]
    at: AwareDatetime | None = None
    reason: Reason | None = None
    amount: Money | None = None
    stage: Annotated[
        Slug | None, Field(description="for stage_changed: the new stage, such as opportunity, won, lost")
    ] = None
    owner: Annotated[RepId | None, Field(description="for owner_changed: the rep")] = None
    system: Annotated[Slug, Field(description="who says so")] = Slug("crm")

    @model_validator(mode="after")
    def _complete(self) -> OutcomeIn:
        if self.lead_id is None and self.email is None and self.external_id is None:
            raise ValueError("an outcome needs a lead_id, an email or an external_id")
        if self.type is OutcomeKind.STAGE_CHANGED and self.stage is None:
            raise ValueError("stage_changed needs the new stage")
        if self.type is OutcomeKind.OWNER_CHANGED and self.owner is None:
            raise ValueError("owner_changed needs the new owner")
        return self


class AvailabilityIn(Request):
    """Whether a rep takes leads now; `until`: when it turns back by itself."""

    available: bool
    until: AwareDatetime | None = None


class MemberIn(Request):
    """One rep of the roster. What GET /v1/roster answers besides is taken and set aside: a roster read can be sent back."""

    id: RepId
    team: str
    role: RoleId = RoleId("sdr")
    pools: dict[str, int]
    open_leads_cap: int | None = None
    calendar: str | None = None
    caps: Annotated[
        list[dict[str, Any]] | None,
        Field(description="{at_most, per: open|hour|day|week|month, rolling?, grades?}: how many leads he may be given"),
    ] = None
    zone: Annotated[str | None, Field(description="where his days begin, such as Europe/Berlin")] = None
    breaks: Annotated[Any, Field(description='lunch and the like: {"mon-fri": "12:00-13:00"}')] = None
    leave: Annotated[list[dict[str, Any]] | None, Field(description="days off: {first, last}")] = None
    skills: Annotated[list[str] | None, Field(description="what pools of mode skill ask for")] = None
    available: Annotated[
        object, Field(exclude=True, description="set aside; PUT /v1/reps/{rep}/availability changes it")
    ] = None
    until: Annotated[object, Field(exclude=True, description="set aside, as `available`")] = None
    open_leads: Annotated[object, Field(exclude=True, description="set aside: how many leads the rep holds")] = None


class RosterIn(Request):
    """The whole roster: who is not in it leaves."""

    reps: list[MemberIn]


NoticeKind = Literal["assigned", "withdrawn", "ended", "refused", "clock_warned", "clock_breached", "claimable"]
