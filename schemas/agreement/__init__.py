"""The agreement that both departments approve: its document, what its conditions and calendars mean, its check."""

from schemas.agreement.agreement import ALWAYS, Agreement, Chosen, Judged, Score
from schemas.agreement.calendars import Calendar
from schemas.agreement.checking import check, load
from schemas.agreement.conditions import Condition, evaluate
from schemas.agreement.durations import parse_duration, say_duration
from schemas.agreement.facts import Facts, Held, Seen, sentence
from schemas.agreement.findings import AgreementRefused, Finding
from schemas.agreement.roster import Member, Roster, check_roster, load_roster
from schemas.agreement.terms import (
    ActionWord,
    Alert,
    Attribute,
    AttributeType,
    BreachAnswer,
    Channel,
    Clock,
    ClockStart,
    Form,
    Otherwise,
    Pool,
    PoolMode,
    ReasonTerms,
    ReasonUse,
    Recycle,
    Rest,
    RoutingRule,
    Terms,
    VerdictKind,
)

__all__ = [
    "ALWAYS",
    "ActionWord",
    "Agreement",
    "AgreementRefused",
    "Alert",
    "Attribute",
    "AttributeType",
    "BreachAnswer",
    "Calendar",
    "Channel",
    "Chosen",
    "Clock",
    "ClockStart",
    "Condition",
    "Facts",
    "Finding",
    "Form",
    "Held",
    "Judged",
    "Member",
    "Otherwise",
    "Pool",
    "PoolMode",
    "ReasonTerms",
    "ReasonUse",
    "Recycle",
    "Rest",
    "Roster",
    "RoutingRule",
    "Score",
    "Seen",
    "Terms",
    "VerdictKind",
    "check",
    "check_roster",
    "evaluate",
    "load",
    "load_roster",
    "parse_duration",
    "say_duration",
    "sentence",
]
