"""What differs between two agreements, section by section, each difference a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from schemas.agreement.alert_terms import Step, StepDoes
from schemas.agreement.durations import say_duration
from schemas.agreement.facts import say
from schemas.agreement.listing import all_of, any_of
from schemas.agreement.message_terms import Template
from schemas.agreement.pools import RoutingRule
from schemas.agreement.rest_wording import (
    end_words,
    next_rep_words,
    rest_in_words,
    spread_words,
    unworked_words,
    waking_words,
)
from schemas.agreement.terms import (
    Clock,
    CountedRule,
    DefinitionRule,
    End,
    Escalation,
    Otherwise,
    ReasonTerms,
    Rest,
    ScoringRule,
    Terms,
)
from schemas.agreement.tools import Hears, Notices
from schemas.agreement.wording import (
    clock_in_words,
    in_words,
    reason_in_words,
    scoring_in_words,
)

T = TypeVar("T")
Tells = Iterator[str]


def section_changes(before: Terms, after: Terms) -> Tells:
    """A sentence for every difference; none for two agreements that say the same."""
    if before.name != after.name:
        yield f"the agreement is called {after.name} instead of {before.name}"
    if before.title != after.title:
        yield f"its title is “{after.title}” instead of “{before.title}”"
    yield from _attributes(before, after)
    yield from _words("engagement", before.engagements, after.engagements)
    yield from _intake(before, after)
    yield from _scoring(before, after)
    yield from _rules("definition", before.definition, after.definition, _definition, _definition_changed)
    yield from _each("stage", _by_id(before.stages), _by_id(after.stages), lambda s: f"when {in_words(s.when)}")
    yield from _order("buying stages", before.stages, after.stages)
    yield from _each("team", before.teams, after.teams, lambda t: t.title or "without a title")
    yield from _each("pool", before.pools, after.pools, lambda p: f"{p.mode.value}, role {p.role} of team {p.team}")
    yield from _rules("routing", before.routing, after.routing, _routing, _routing_changed)
    yield from _fields("the section owners", before.owners, after.owners)
    if before.undo_within != after.undo_within:
        yield f"an action can be undone for {_value(after.undo_within)} instead of {_value(before.undo_within)}"
    yield from _each("calendar", before.calendars, after.calendars, lambda c: "")
    yield from _changed("clock", _by_id(before.clocks), _by_id(after.clocks), clock_in_words, _clock)
    yield from _fields("the section detected_late", before.detected_late, after.detected_late)
    if before.giving_up is not None and after.giving_up is not None:
        yield from _fields("giving a lead up", before.giving_up, after.giving_up)
    elif before.giving_up != after.giving_up:
        yield f"giving a lead up takes {_value(after.giving_up)} instead of {_value(before.giving_up)}"
    yield from _changed("reason", _by_id(before.reasons), _by_id(after.reasons), reason_in_words, _reason)
    yield from _recycling(before, after)
    yield from _learning(before, after)
    yield from _each("channel", before.channels, after.channels, lambda c: "")
    yield from _fields("how reps are told", before.to_reps, after.to_reps)
    yield from _each("template", before.templates, after.templates, _template)
    yield from _alerts(before, after)
    yield from _each("escalation", _by_id(before.escalations), _by_id(after.escalations), _escalation)
    yield from _each("webhook", before.tools.webhooks, after.tools.webhooks, _hears)
    yield from _each("CRM", before.tools.crms, after.tools.crms, _hears)
    yield from _notices(before.tools.notices, after.tools.notices)
    yield from _each("content", _by_id(before.content), _by_id(after.content), lambda c: f"for {any_of(c.stages)}")
    yield from _goals(before, after)


def _by_id(rules: Sequence[Any]) -> dict[str, Any]:
    return {str(rule.id): rule for rule in rules}


def _each(what: str, before: Mapping[Any, T], after: Mapping[Any, T], words: Callable[[T], str]) -> Tells:
    """Sections whose entries are told whole when they change; each differing field is named if words do not show it."""

    def changed(name: str, one: T, other: T) -> Tells:
        if words(one) != words(other):
            yield f"the {what} {name} is now {words(other)}, not {words(one)}"
            return
        yield from _fields(f"the {what} {name}", one, other)

    yield from _changed(what, before, after, words, changed)


def _changed(
    what: str,
    before: Mapping[Any, T],
    after: Mapping[Any, T],
    words: Callable[[T], str],
    changed: Callable[[str, T, T], Tells],
) -> Tells:
    for name in before:
        if name not in after:
            yield f"the {what} {name} is gone" + _in_brackets(words(before[name]))
    for name, other in after.items():
        if name not in before:
            yield f"the {what} {name} is new" + _in_brackets(words(other))
        elif before[name] != other:
            yield from changed(str(name), before[name], other)


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""


def _fields(subject: str, one: Any, other: Any, skip: frozenset[str] = frozenset()) -> Tells:
    for field in type(other).model_fields:
        if field not in skip and (old := getattr(one, field)) != (new := getattr(other, field)):
            yield f"{subject} has {field.rstrip('_').replace('_', ' ')} {_value(new)} instead of {_value(old)}"


def _value(value: Any) -> str:
    if value is None or value == "" or value == () or value == {}:
        return "none"
    if hasattr(value, "total_seconds"):
        return say_duration(value)
    if hasattr(value, "value"):
        return str(value.value)
    if isinstance(value, list | tuple):
        return all_of([_value(v) for v in value])
    if hasattr(value, "model_dump"):
        return ", ".join(f"{k} {say(v)}" for k, v in value.model_dump(mode="json", exclude_none=True).items())
    return say(value)


def _words(what: str, before: Sequence[str], after: Sequence[str]) -> Tells:
    for word in before:
        if word not in after:
            yield f"the {what} {word} counts no longer"
    for word in after:
        if word not in before:
            yield f"the {what} {word} is new"


def _order(what: str, before: Sequence[Any], after: Sequence[Any]) -> Tells:
    """Where rules stand matters where the first that holds decides."""
    old, new = [r.id for r in before], [r.id for r in after]
    if [i for i in old if i in new] != [i for i in new if i in old]:
        yield f"the {what} are asked in another order: {', '.join(new)}"


# ------------------------------------------------------------------ sections with words of their own


def _attributes(before: Terms, after: Terms) -> Tells:
    def words(attribute: Any) -> str:
        return f"{attribute.type.value}{', personal' if attribute.personal else ''}"

    def changed(name: str, one: Any, other: Any) -> Tells:
        if one.type is not other.type:
            yield f"the attribute {name} is {other.type.value} instead of {one.type.value}"
        if one.personal is not other.personal:
            where = "stays in the profile" if other.personal else "may be asked for by rules"
            yield f"the attribute {name} now {where}"
        yield from (f"the choice {c} of {name} is gone" for c in one.choices if c not in other.choices)
        yield from (f"{name} may be {c}, too" for c in other.choices if c not in one.choices)
        yield from _fields(f"the attribute {name}", one, other, frozenset({"type", "personal", "choices"}))

    yield from _changed("attribute", before.attributes, after.attributes, words, changed)


def _intake(before: Terms, after: Terms) -> Tells:
    if before.intake.repeat_window != after.intake.repeat_window:
        yield (
            f"an equal submission is the same one within {say_duration(after.intake.repeat_window)} "
            f"instead of {say_duration(before.intake.repeat_window)}"
        )
    yield from _each("form", before.forms, after.forms, lambda f: f.title)


def _scoring(before: Terms, after: Terms) -> Tells:
    for part in ("fit", "engagement"):
        old, new = _by_id(getattr(before.scoring, part)), _by_id(getattr(after.scoring, part))
        yield from _changed(f"{part} rule", old, new, scoring_in_words, _points_changed)
    yield from _changed(
        "group", _by_id(before.scoring.groups), _by_id(after.scoring.groups), lambda g: f"at most {say(g.at_most)} points",
        lambda name, one, other: _fields(f"the group {name}", one, other),
    )  # fmt: skip
    for kind in ("letters", "numbers"):
        old, new = getattr(before.scoring.grades, kind), getattr(after.scoring.grades, kind)
        for grade in dict.fromkeys((*old, *new)):
            if old.get(grade) != new.get(grade):
                yield _grade(grade, old.get(grade), new.get(grade))


def _grade(grade: str, old: Any, new: Any) -> str:
    if new is None:
        return f"the grade {grade} is gone"
    return f"the grade {grade} takes {say(new)} points" + ("" if old is None else f" instead of {say(old)}")


def _points_changed(name: str, one: ScoringRule | CountedRule, other: ScoringRule | CountedRule) -> Tells:
    same_but_points = one.model_copy(update={"points": other.points, "because": other.because}) == other
    if type(one) is type(other) and same_but_points:
        if one.points != other.points:
            yield f"the rule {name} gives {say(other.points)} points instead of {say(one.points)}"
    else:
        yield f"the rule {name} gives {scoring_in_words(other)}, instead of {scoring_in_words(one)}"
    if one.because != other.because:
        yield f"the rule {name} says “{other.because}” instead of “{one.because}”"


def _rules(
    section: str,
    before: Sequence[Any],
    after: Sequence[Any],
    words: Callable[[Any], str],
    changed: Callable[[str, Any, Any], Tells],
) -> Tells:
    yield from _changed(f"rule of the {section}", _by_id(before), _by_id(after), words, changed)
    yield from _order(f"rules of the {section}", before, after)


def _definition(rule: DefinitionRule) -> str:
    return f"{rule.verdict.value} when {in_words(rule.when)}"


def _definition_changed(name: str, one: DefinitionRule, other: DefinitionRule) -> Tells:
    if one.verdict is not other.verdict:
        yield f"the rule {name} gives the verdict {other.verdict.value} instead of {one.verdict.value}"
    yield from _asks(name, one, other)


def _routing(rule: RoutingRule) -> str:
    role = "" if rule.role is None else f" of role {rule.role}"
    share = "" if rule.percent is None else f"{say(rule.percent)} per cent of "
    return f"{share}leads{role} go to the pool {rule.pool} when {in_words(rule.when)}"


def _routing_changed(name: str, one: RoutingRule, other: RoutingRule) -> Tells:
    if one.pool != other.pool:
        yield f"the rule {name} sends leads to the pool {other.pool} instead of {one.pool}"
    if one.role != other.role:
        yield f"the rule {name} is for the role {other.role or 'of any lead'} instead of {one.role or 'any'}"
    if one.percent != other.percent:
        whole = "all"
        new, old = (whole if r.percent is None else f"{say(r.percent)} per cent" for r in (other, one))
        yield f"the rule {name} takes {new} of its leads instead of {old}"
    yield from _asks(name, one, other)


def _asks(name: str, one: DefinitionRule | RoutingRule, other: DefinitionRule | RoutingRule) -> Tells:
    if one.when != other.when:
        yield f"the rule {name} holds when {in_words(other.when)}, instead of when {in_words(one.when)}"
    if one.because != other.because:
        yield f"the rule {name} says “{other.because}” instead of “{one.because}”"


def _clock(name: str, one: Clock, other: Clock) -> Tells:
    if one.within != other.within:
        yield f"the clock {name} allows {say_duration(other.within)} instead of {say_duration(one.within)}"
    if one.starts_on is not other.starts_on:
        yield f"the clock {name} starts on {other.starts_on.value} instead of {one.starts_on.value}"
    if one.calendar != other.calendar:
        yield f"the clock {name} runs by the calendar {other.calendar} instead of {one.calendar}"
    if one.on_breach is not other.on_breach:
        does = "gives the lead to the next rep" if other.on_breach.value == "reassign" else "only alerts"
        yield f"the clock {name} {does} when it is breached"
    yield from (f"the clock {name} is no longer met by {w.value}" for w in one.met_by if w not in other.met_by)
    yield from (f"the clock {name} is also met by {w.value}" for w in other.met_by if w not in one.met_by)
    if one.warn_at != other.warn_at:
        yield f"the clock {name} warns at {all_of([f'{share:.0%}' for share in other.warn_at])} of its time"
    if one.title != other.title:
        yield f"the clock {name} is called “{other.title}”"
    told = ("id", "title", "within", "starts_on", "calendar", "on_breach", "met_by", "warn_at")
    yield from _fields(f"the clock {name}", one, other, frozenset(told))


def _reason(name: str, one: ReasonTerms, other: ReasonTerms) -> Tells:
    if isinstance(one.then, Otherwise) or isinstance(other.then, Otherwise):
        if one.then != other.then:
            yield f"the reason {name} now serves {reason_in_words(other)}"
    else:
        yield from _rest(f"the reason {name}", one.then.recycle, other.then.recycle)
    yield from (f"the reason {name} may no longer be given to {u.value}" for u in one.for_ if u not in other.for_)
    yield from (f"the reason {name} may be given to {u.value}, too" for u in other.for_ if u not in one.for_)
    if one.title != other.title:
        yield f"the reason {name} is called “{other.title}”"
    if one.about is not other.about:
        yield f"the reason {name} is {'about ' + other.about.value if other.about else 'said to be about nothing in particular'}"


def _rest(subject: str, one: Rest, other: Rest) -> Tells:
    if one.after != other.after:
        yield f"{subject} now waits {say_duration(other.after)} instead of {say_duration(one.after)}"
    if one.stream != other.stream:
        yield f"{subject} puts leads into the stream {other.stream} instead of {one.stream}"
    old, new = list(waking_words(one)), list(waking_words(other))
    yield from (f"{subject} is no longer ended early by {w}" for w in old if w not in new)
    yield from (f"{subject} is ended early by {w}, too" for w in new if w not in old)
    if one.next_rep is not other.next_rep:
        yield f"{subject} {next_rep_words(other)}"
    if (one.at_most, one.finally_) != (other.at_most, other.finally_):
        yield f"{subject} {end_words(other)}"


_ENDED = {End.RETIRE: "retired", End.SUPPRESS: "suppressed"}


def _recycling(before: Terms, after: Terms) -> Tells:
    one, other = before.recycling, after.recycling
    if one.cycles_at_most != other.cycles_at_most:
        yield f"a lead is {_ENDED[other.finally_]} after {other.cycles_at_most} cycles instead of {one.cycles_at_most}"
    if one.otherwise != other.otherwise:
        yield f"a lead that comes back for another reason {rest_in_words(other.otherwise)}"
    if one.lost != other.lost:
        yield "a deal lost for another reason or none " + ("stays lost" if other.lost is None else rest_in_words(other.lost))
    if (one.spread, one.calendar) != (other.spread, other.calendar):
        yield f"leads that wake on one date {spread_words(other)}"
    if one.unworked != other.unworked:
        yield unworked_words(other)
    if one.finally_ is not other.finally_:
        yield f"a lead that has had all its cycles is {_ENDED[other.finally_]}"


def _learning(before: Terms, after: Terms) -> Tells:
    one, other = before.learning, after.learning
    if one.counts != other.counts:
        yield f"where the definition goes by points, the {other.counts} now decide{'s' if other.model_counts else ''}"
    if one.qualifies_from != other.qualifies_from and other.qualifies_from is not None:
        yield f"the model qualifies a lead from a probability of {say(other.qualifies_from)} on"
    if one.at_least != other.at_least:
        yield f"the model counts from {other.at_least} outcomes on, not from {one.at_least}"
    if one.better_by != other.better_by:
        yield f"the model must be better than the rules by {say(other.better_by)} of ROC-AUC, not by {say(one.better_by)}"
    yield from _words("attribute left out of what is learned", one.leave_out, other.leave_out)
    if one.settles_after != other.settles_after:
        yield f"an outcome is learned from after {say_duration(other.settles_after)} instead of {say_duration(one.settles_after)}"


def _alerts(before: Terms, after: Terms) -> Tells:
    yield from _tells(before.alerts, after.alerts, lambda alert: alert.on.value)
    yield from _tells(
        before.forecasts, after.forecasts, lambda f: f"a breach within {say_duration(f.within)} with a probability of {f.at_least:.0%}"
    )


def _tells(before: Sequence[Any], after: Sequence[Any], on: Callable[[Any], str]) -> Tells:
    def told(alert: Any) -> str:
        only = f" of {all_of([*alert.clocks, *alert.teams])}" if alert.clocks or alert.teams else ""
        return f"{all_of(alert.to)} on {on(alert)}{only}"

    old, new = [told(a) for a in before], [told(a) for a in after]
    yield from (f"alerts no longer go to {alert}" for alert in old if alert not in new)
    yield from (f"alerts now go to {alert}" for alert in new if alert not in old)


def _escalation(path: Escalation) -> str:
    steps = [
        f"{say_duration(step.after)} after {step.on}{'' if step.share is None else f' at {step.share:g}'}"
        f"{'' if step.calendar is None else f' in the hours of {step.calendar}'}: {_step(step)}"
        for step in path.steps
    ]
    only = [*path.clocks, *path.teams]
    return "; ".join(steps) + (f" (of {all_of(only)})" if only else "")


_DOES = {
    StepDoes.OFFER_TO_TEAM: "the lead is offered to the team",
    StepDoes.REASSIGN: "the lead goes to another rep",
}


def _step(step: Step) -> str:
    """Who is told, and what becomes of the lead."""
    told = all_of(step.to) if step.to else ""
    return told if step.do is None else f"{_DOES[step.do]}{f', told to {told}' if told else ''}"


def _hears(tool: Hears) -> str:
    """What a department signs when it lets a tool hear: of what, and with how much of the person."""
    of = f" of {all_of(tool.teams)}" if tool.teams else ""
    person = f", with the person's {all_of([f.value for f in tool.personal])}" if tool.personal else ", nothing personal"
    return f"hears of {all_of([e.value for e in tool.events])}{of}{person}"


def _template(template: Template) -> str:
    """What of the person leaves the house in a message is what the departments sign; the words are in the file."""
    return f"a message with the person's {all_of([f.value for f in template.personal])}" if template.personal else "a message with nothing personal"


def _notices(before: Notices | None, after: Notices | None) -> Tells:
    if before is None or after is None:
        if before is not after:
            yield "reps get notices of their leads now" if after is not None else "reps get no notices any more"
        return
    yield from _fields("the notices to reps", before, after)


def _goals(before: Terms, after: Terms) -> Tells:
    if before.goals is None or after.goals is None:
        if before.goals != after.goals:
            yield "there are goals now" if after.goals is not None else "there are no goals any more"
        return
    for part in ("revenue", "marketing", "sales"):
        yield from _fields(f"the goal of {part}", getattr(before.goals, part), getattr(after.goals, part))
