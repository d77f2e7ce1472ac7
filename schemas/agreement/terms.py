"""The text of an agreement as typed data: what both departments signed, section by section."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.alert_terms import Alert, Channel, Escalation, Forecasting
from schemas.agreement.calendars import Calendar
from schemas.agreement.clock_terms import ActionWord, BreachAnswer, Clock, ClockStart, GivingUp, Lateness, Share
from schemas.agreement.conditions import Condition, Number, Part, Value
from schemas.agreement.durations import Length, PositiveLength
from schemas.agreement.facts import as_number
from schemas.agreement.message_terms import Manner, Template
from schemas.agreement.pools import Owners, Pool, RoutingRule
from schemas.agreement.promises import Content, Goals, Stage
from schemas.agreement.rest_terms import End, NextRep, Often, Recycling, Rest
from schemas.agreement.tools import Tools
from schemas.ids import AgreementName, CalendarId, FormId, PoolId, RecipientId, RuleId, TeamId
from schemas.personal import looks_personal
from schemas.vocabulary import AttributeName, Because, NonPersonalText, Reason, Slug


class AttributeType(StrEnum):
    INTEGER = "integer"
    DECIMAL = "decimal"
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "boolean"


_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Attribute(Part):
    """What a submission may say of a lead. `personal` ones stay in the profile and no rule may ask for them."""

    type: AttributeType
    title: Because = Because("")
    personal: bool = False
    minimum: Number | None = None
    maximum: Number | None = None
    choices: tuple[NonPersonalText, ...] = ()

    @model_validator(mode="after")
    def _choices_fit(self) -> Attribute:
        if (self.type is AttributeType.CHOICE) != bool(self.choices):
            raise PydanticCustomError("bad_choices", "choices are given exactly for the type choice")
        return self

    def read(self, value: object) -> bool | int | Decimal | str:
        """`value`, as a form or an API call says it, as this attribute's type. Raises ValueError with a sentence."""
        if self.type is AttributeType.BOOLEAN:
            truth = value if isinstance(value, bool) else _TRUTHS.get(str(value).strip().lower())
            if truth is None:
                raise ValueError("this is neither true nor false")
            return truth
        if self.type in (AttributeType.INTEGER, AttributeType.DECIMAL):
            return self._number(value)
        text = " ".join(str(value).split())
        if self.type is AttributeType.CHOICE:
            if text not in self.choices:
                raise ValueError(f"this is none of {', '.join(self.choices)}")
            return text
        if len(text) > 200 or (not self.personal and looks_personal(text)):
            raise ValueError("this is longer than 200 characters or looks like somebody's address or telephone number")
        return text

    def _number(self, value: object) -> int | Decimal:
        number = as_number(value.strip() if isinstance(value, str) else value)
        if number is None:
            raise ValueError("this is no number")
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"this is below {self.minimum}")
        if self.maximum is not None and number > self.maximum:
            raise ValueError(f"this is above {self.maximum}")
        if self.type is AttributeType.DECIMAL:
            return number
        if number != int(number):
            raise ValueError("this is no whole number")
        return int(number)


def _points(value: Any) -> Any:
    number = as_number(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
    if number is None or abs(number) > 100_000 or int(number.as_tuple().exponent) < -6:
        raise PydanticCustomError(
            "bad_number",
            "{value} is no number of points (at most 100000, six decimal places)",
            {"value": repr(value)[:80]},
        )
    return number


RulePoints = Annotated[Decimal, BeforeValidator(_points, json_schema_input_type=float)]


def _factor(value: Any) -> Any:
    number = _points(value)
    if not 0 < number <= 1:
        raise PydanticCustomError("bad_number", "{value} is not above 0 and at most 1", {"value": str(value)[:80]})
    return number


Factor = Annotated[Decimal, BeforeValidator(_factor, json_schema_input_type=float)]
"""Above 0 and at most 1."""


class ScoringRule(Part):
    """So many points, each time the score is reckoned and `when` holds. `group`: counts towards that group's cap."""

    id: RuleId
    points: RulePoints
    when: Condition | None = None
    group: RuleId | None = None
    because: Because


class CountedRule(Part):
    """So many points for each time the prospect was seen doing this, newest first.

    half_life: the points of each time are halved whenever so much time has passed since it happened; none: they do not
    fade. each_further: what each earlier time is worth in relation to the one after it (0.5: 20, 10, 5 …). within:
    older ones do not count at all. times_at_most: nor do more than so many.
    """

    id: RuleId
    points: RulePoints
    each: Slug
    half_life: PositiveLength | None = None
    each_further: Factor = Decimal(1)
    times_at_most: Annotated[int, Field(ge=1, le=100)] = 10
    within: PositiveLength | None = None
    when: Condition | None = None
    group: RuleId | None = None
    because: Because


def _rule_kind(value: Any) -> str:
    counted = "each" in value if isinstance(value, dict) else isinstance(value, CountedRule)
    return "<each>" if counted else "<rule>"


EngagementRule = Annotated[
    Annotated[ScoringRule, Tag("<rule>")] | Annotated[CountedRule, Tag("<each>")], Discriminator(_rule_kind)
]


class Group(Part):
    """Rules of one part that together give no more than `at_most` points."""

    id: RuleId
    part: Literal["fit", "engagement"]
    at_most: RulePoints
    because: Because


class Grades(Part):
    """From which points on a letter (fit) or number (engagement) is earned; below all of them it is D or 4."""

    letters: Mapping[Literal["A", "B", "C"], RulePoints] = {}
    numbers: Mapping[Literal["1", "2", "3"], RulePoints] = {}

    @field_validator("numbers", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return {str(k): v for k, v in value.items()} if isinstance(value, dict) else value


class Scoring(Part):
    fit: tuple[ScoringRule, ...] = ()
    engagement: tuple[EngagementRule, ...] = ()
    groups: tuple[Group, ...] = ()
    grades: Grades = Grades()


class VerdictKind(StrEnum):
    QUALIFIED = "qualified"
    NURTURED = "nurtured"
    DISQUALIFIED = "disqualified"


class DefinitionRule(Part):
    id: RuleId
    verdict: VerdictKind
    when: Condition | None = None
    because: Because


class Team(Part):
    """`calendar`: its working hours, and whose zone is the team's."""

    title: Because = Because("")
    calendar: CalendarId | None = None


class ReasonUse(StrEnum):
    REJECT = "reject"
    RECYCLE = "recycle"
    LOSE = "lose"
    HAND_OVER = "hand_over"
    REASSIGN = "reassign"
    SUPPRESS = "suppress"


class Recycle(Part):
    recycle: Rest


class Otherwise(StrEnum):
    """What else a reason can lead to. `stay`: the lead stays as it is (lost). `suppress`: nobody works it ever again."""

    REROUTE = "reroute"
    RETIRE = "retire"
    SUPPRESS = "suppress"
    STAY = "stay"


def _consequence(value: Any) -> str:
    return "<recycle>" if isinstance(value, dict | Recycle) else "<word>"


Consequence = Annotated[
    Annotated[Recycle, Tag("<recycle>")] | Annotated[Otherwise, Tag("<word>")], Discriminator(_consequence)
]


class ReasonAbout(StrEnum):
    """What a reason is about. `fit`: the lead was not worth it, which is learned from; the others say nothing of that."""

    FIT = "fit"
    TIMING = "timing"
    OTHER = "other"


class ReasonTerms(Part):
    """A reason that a person may give, for which actions, what it is about, and what follows from it."""

    id: Reason
    title: Because
    about: ReasonAbout | None = None
    for_: Annotated[tuple[ReasonUse, ...], Field(min_length=1)] = Field(alias="for")
    then: Consequence = Otherwise.STAY

    def allows(self, use: ReasonUse) -> bool:
        """Whether it may be given for this."""
        return use in self.for_


def _lead(value: Any) -> Any:
    number = _points(value)
    if not 0 <= number <= Decimal("0.5"):
        raise PydanticCustomError("bad_number", "{value} is not from 0 to 0.5", {"value": str(value)[:80]})
    return number


class Learning(Part):
    """What is learned from outcomes, and whether it counts.

    counts: `rules`: the learner only watches; `model`: from `at_least` outcomes on, and as soon as it has been shown to rank better
    than the rules (by `better_by` of ROC-AUC, and beyond chance), a lead is qualified if its probability of winning is at
    least `qualifies_from`, where the definition goes by points. leave_out: attributes that it must not look at. settles_after:
    an outcome is learned from once it has stood for so long; what is undone earlier has not been.
    """

    counts: Literal["rules", "model"] = "rules"
    qualifies_from: Factor | None = None
    at_least: Annotated[int, Field(ge=50, le=10_000_000)] = 200
    better_by: Annotated[Decimal, BeforeValidator(_lead, json_schema_input_type=float)] = Decimal(0)
    leave_out: tuple[Slug, ...] = ()
    settles_after: Length = timedelta(minutes=10)

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Learning:
        if self.counts == "model" and self.qualifies_from is None:
            raise PydanticCustomError(
                "missing_threshold",
                "a model that counts needs qualifies_from: the probability from which on a lead is qualified",
            )
        return self

    @property
    def model_counts(self) -> bool:
        return self.counts == "model"


class Form(Part):
    """A form: its thank-you page, what it says of every lead, and its fields that are attributes of another name."""

    title: Because = Because("")
    thanks: Annotated[str, Field(max_length=2000)] | None = None
    attributes: Mapping[AttributeName, Value] = {}
    fields: Mapping[str, AttributeName] = {}


class Intake(Part):
    """`repeat_window`: an equal submission within this time is the same submission."""

    repeat_window: Length = timedelta(hours=1)


class Terms(Part):
    """A whole agreement."""

    name: AgreementName
    title: Because = Because("")
    attributes: Mapping[AttributeName, Attribute] = {}
    engagements: tuple[Slug, ...] = ()
    intake: Intake = Intake()
    forms: Mapping[FormId, Form] = {}
    scoring: Scoring = Scoring()
    definition: tuple[DefinitionRule, ...]
    stages: tuple[Stage, ...] = ()
    teams: Mapping[TeamId, Team]
    pools: Mapping[PoolId, Pool]
    routing: tuple[RoutingRule, ...]
    owners: Owners = Owners()
    undo_within: PositiveLength | None = None
    """So long an action can be undone; none: as long as it is the newest."""
    calendars: Mapping[CalendarId, Calendar] = {}
    clocks: tuple[Clock, ...] = ()
    detected_late: Lateness = Lateness()
    giving_up: GivingUp | None = None
    reasons: tuple[ReasonTerms, ...]
    recycling: Recycling = Recycling()
    learning: Learning = Learning()
    channels: Mapping[RecipientId, Channel] = {}
    to_reps: Manner = Manner()
    """How a rep is told by an escalation."""
    templates: Annotated[Mapping[Slug, Template], Field(max_length=100)] = {}
    alerts: tuple[Alert, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    forecasts: Annotated[tuple[Forecasting, ...], Field(max_length=20)] = ()
    tools: Tools = Tools()
    content: tuple[Content, ...] = ()
    goals: Goals | None = None


__all__ = [
    "ActionWord",
    "Alert",
    "Attribute",
    "AttributeType",
    "BreachAnswer",
    "Channel",
    "Clock",
    "ClockStart",
    "Consequence",
    "CountedRule",
    "DefinitionRule",
    "End",
    "EngagementRule",
    "Escalation",
    "Factor",
    "Forecasting",
    "Form",
    "Grades",
    "Group",
    "Intake",
    "Learning",
    "NextRep",
    "Often",
    "Otherwise",
    "ReasonAbout",
    "ReasonTerms",
    "ReasonUse",
    "Recycle",
    "Recycling",
    "Rest",
    "RulePoints",
    "Scoring",
    "ScoringRule",
    "Share",
    "Team",
    "Terms",
    "VerdictKind",
]
