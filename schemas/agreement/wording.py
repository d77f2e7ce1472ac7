"""Conditions and rules of an agreement in words, for people who compare two versions or read the one in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from schemas.agreement.conditions import (
    All,
    Always,
    AnyOf,
    AttributeIs,
    Bounds,
    Condition,
    CountryIs,
    CustomerIs,
    Engaged,
    EngagementPointsAre,
    FitIs,
    GradeIs,
    Not,
    ScoreIs,
    SourceIs,
    TouchedBy,
)
from schemas.agreement.durations import say_duration
from schemas.agreement.facts import say
from schemas.agreement.listing import all_of, any_of, times
from schemas.agreement.rest_wording import rest_in_words
from schemas.agreement.terms import Clock, ClockStart, CountedRule, Otherwise, ReasonTerms, ScoringRule
from schemas.agreement.whereabouts import LanguageIs, NamedAccountIs, StageIs, TerritoryIs


def in_words(condition: Condition | None) -> str:
    """What a condition asks for, so that it can follow on `when`."""
    match condition:
        case None | Always():
            return "always"
        case All():
            return " and ".join(_inner(part) for part in condition.all)
        case AnyOf():
            return " or ".join(_inner(part) for part in condition.any)
        case Not():
            return f"not ({in_words(condition.not_)})"
        case AttributeIs():
            return " and ".join(_tests(condition))
        case Engaged():
            within = "" if condition.within is None else f" within {say_duration(condition.within)}"
            return f"{condition.engagement} was seen at least {times(condition.at_least)}{within}"
        case TouchedBy():
            return f"the campaign {any_of(condition.touched_by)} has touched the lead"
        case ScoreIs():
            return f"the score is {_bounds(condition.score)}"
        case FitIs():
            return f"the fit is {_bounds(condition.fit)}"
        case EngagementPointsAre():
            return f"the engagement's points are {_bounds(condition.points_of_engagement)}"
        case GradeIs():
            return f"the grade is {any_of(condition.grade.in_)}"
        case SourceIs():
            wanted = condition.in_ if condition.in_ is not None else (condition.equals,)
            return f"the source's {condition.source} is {any_of(wanted)}"
        case CountryIs():
            return f"the country is {any_of(condition.country.in_)}"
        case CustomerIs():
            return f"the person is {'' if condition.existing_customer else 'not known as '}a customer already"
        case TerritoryIs():
            return f"the lead is in {condition.territory.in_words()}"
        case LanguageIs():
            return f"the language is {any_of(condition.language)}"
        case NamedAccountIs():
            return f"the company is {any_of(condition.named_account[:12])}" + _and_more(condition.named_account, 12)
        case StageIs():
            return f"the buying stage is {any_of(condition.stage)}"


def _and_more(values: Sequence[object], shown: int) -> str:
    return f" or one of {len(values) - shown} more" if len(values) > shown else ""


def _inner(condition: Condition) -> str:
    return f"({in_words(condition)})" if isinstance(condition, All | AnyOf) else in_words(condition)


def _bounds(bounds: Bounds) -> str:
    return between(bounds.at_least, bounds.at_most)


def between(low: Decimal | None, high: Decimal | None) -> str:
    """`at least 5`, `at most 9`, `5 to 9`."""
    if low is None:
        return f"at most {say(high)}"
    return f"at least {say(low)}" if high is None else f"{say(low)} to {say(high)}"


def _tests(condition: AttributeIs) -> Iterator[str]:
    name = condition.attribute
    if condition.present is not None:
        yield f"{name} is {'' if condition.present else 'not '}known"
    if condition.equals is not None:
        yield f"{name} is {say(condition.equals)}"
    if condition.in_ is not None:
        yield f"{name} is {any_of(condition.in_)}"
    if condition.at_least is not None or condition.at_most is not None:
        yield f"{name} is {between(condition.at_least, condition.at_most)}"
    if condition.contains is not None:
        yield f"{name} contains {say(condition.contains)}"
    if condition.starts_with is not None:
        yield f"{name} starts with {say(condition.starts_with)}"


def scoring_in_words(rule: ScoringRule | CountedRule) -> str:
    """What a scoring rule gives for what."""
    group = f", within the group {rule.group}" if rule.group is not None else ""
    if isinstance(rule, ScoringRule):
        when = "" if rule.when is None else f" when {in_words(rule.when)}"
        return f"{say(rule.points)} points{when}{group}"
    asked = "" if rule.when is None else f", when {in_words(rule.when)}"
    fades = "" if rule.half_life is None else f", halved every {say_duration(rule.half_life)}"
    further = "" if rule.each_further == 1 else f", each earlier one worth {say(rule.each_further)} of the one after it"
    within = "" if rule.within is None else f" within {say_duration(rule.within)}"
    most = f", at most {times(rule.times_at_most)}"
    return f"{say(rule.points)} points each time that {rule.each} was seen{within}{fades}{further}{most}{asked}{group}"


_STARTS = {
    ClockStart.ASSIGNED: "being assigned",
    ClockStart.ACCEPTED: "being accepted",
    ClockStart.NEXT_STEP: "the time of the next step",
    ClockStart.LAST_ACTION: "the last action",
}


def clock_in_words(clock: Clock) -> str:
    """What a clock promises."""
    does = "the lead goes to the next rep" if clock.on_breach.value == "reassign" else "somebody is told"
    warns = "" if not clock.warn_at else f"; it warns at {all_of([f'{share:.0%}' for share in clock.warn_at])}"
    start = _STARTS.get(clock.starts_on) or f"entering the stage {any_of([s.value for s in clock.stages])}"
    whose = "" if clock.calendar_of is None else f" (the {clock.calendar_of}'s own hours where there are some)"
    return (
        f"{_for_whom(clock)}within {say_duration(clock.within)} of the calendar {clock.calendar}{whose} after "
        f"{start}: {any_of([word.value for word in clock.met_by])}{_by(clock.channels)}{_then(clock)}; else {does}"
        f"{warns}{_paused(clock)}"
    )


def _for_whom(clock: Clock) -> str:
    team = f"for {any_of(clock.teams)} " if clock.teams else ""
    return f"{team}when {in_words(clock.when)}, " if clock.when is not None else team


def _by(channels: Sequence[str]) -> str:
    return f" by {any_of(channels)}" if channels else ""


def _then(clock: Clock) -> str:
    return "".join(f", then another attempt within {say_duration(s.within)}{_by(s.channels)}" for s in clock.then)


def _paused(clock: Clock) -> str:
    """What pauses it, and until when."""
    words = []
    for wait in clock.pauses:
        longest = "" if wait.at_most is None else f", at most {say_duration(wait.at_most)}"
        if wait.on == "attempted":
            words.append(f"after an attempt that was {any_of(wait.dispositions)} until the prospect writes{longest}")
        else:
            words.append(f"until the {wait.on.replace('_', ' ')} that was set{longest}")
    return f"; it pauses {all_of(words)}" if words else ""


def reason_in_words(reason: ReasonTerms) -> str:
    """What follows from a reason, and for what it may be given."""
    uses = any_of([use.value.replace("_", " ") for use in reason.for_])
    if isinstance(reason.then, Otherwise):
        follows = {
            Otherwise.REROUTE: "goes to the next rep",
            Otherwise.RETIRE: "is retired",
            Otherwise.SUPPRESS: "is suppressed",
            Otherwise.STAY: "stays as it is",
        }[reason.then]
    else:
        follows = rest_in_words(reason.then.recycle)
    return f"to {uses}: the lead {follows}"
