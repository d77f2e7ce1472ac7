"""An agreement in force: its terms with its version, and the questions that services ask of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import cast

from schemas.agreement.calendars import Calendar
from schemas.agreement.conditions import Condition, Engaged, TouchedBy, evaluate, parts_of
from schemas.agreement.facts import Facts, Held, sentence
from schemas.agreement.terms import (
    Alert,
    Attribute,
    Channel,
    Clock,
    DefinitionRule,
    Form,
    Pool,
    ReasonTerms,
    Recycling,
    RoutingRule,
    ScoringRule,
    Team,
    Terms,
    VerdictKind,
)
from schemas.events.alerting import AlertKind
from schemas.ids import AgreementName, CalendarId, ClockName, FormId, PoolId, RecipientId, RoleId, RuleId, TeamId
from schemas.lifecycle import FIRST_ROLE
from schemas.vocabulary import AttributeName, Because, Contribution, Grade, PassedOver, Reason, Slug


@dataclass(frozen=True, slots=True)
class Score:
    """What the rules give, with the entries that add up to it."""

    score: Decimal
    fit: Decimal
    engagement: Decimal
    grade: Grade
    contributions: tuple[Contribution, ...]
    digest: str
    """The same exactly if everything else here is the same."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The first rule of the definition that holds."""

    verdict: VerdictKind
    rule: RuleId
    because: Because


@dataclass(frozen=True, slots=True)
class Chosen:
    """The first routing rule that holds, and why each earlier one did not."""

    pool: PoolId
    rule: RuleId
    because: Because
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, eq=False)
class Agreement:
    """One version of the agreement. Immutable; equal ids of versions mean equal terms."""

    version: int
    terms: Terms

    @property
    def name(self) -> AgreementName:
        return self.terms.name

    @property
    def title(self) -> Because:
        return self.terms.title

    @property
    def attributes(self) -> Mapping[AttributeName, Attribute]:
        return self.terms.attributes

    @property
    def forms(self) -> Mapping[FormId, Form]:
        return self.terms.forms

    @property
    def teams(self) -> Mapping[TeamId, Team]:
        return self.terms.teams

    @property
    def pools(self) -> Mapping[PoolId, Pool]:
        return self.terms.pools

    @property
    def routing(self) -> tuple[RoutingRule, ...]:
        return self.terms.routing

    @property
    def definition(self) -> tuple[DefinitionRule, ...]:
        return self.terms.definition

    @property
    def clocks(self) -> tuple[Clock, ...]:
        return self.terms.clocks

    @property
    def recycling(self) -> Recycling:
        return self.terms.recycling

    @property
    def channels(self) -> Mapping[RecipientId, Channel]:
        return self.terms.channels

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.terms.alerts

    @cached_property
    def reasons(self) -> Mapping[Reason, ReasonTerms]:
        """The reasons by id, in the agreement's order."""
        return {r.id: r for r in self.terms.reasons}

    @cached_property
    def engagements(self) -> frozenset[Slug]:
        """The kinds of engagement that it knows."""
        return frozenset(self.terms.engagements)

    def reason(self, reason: str | None) -> ReasonTerms | None:
        """What it says of a reason; None if it does not know it."""
        return self.reasons.get(Reason(reason)) if reason is not None else None

    def clock(self, name: str) -> Clock | None:
        """The clock of that name, if there is one."""
        return self._clocks.get(ClockName(name))

    @cached_property
    def _clocks(self) -> Mapping[ClockName, Clock]:
        return {c.id: c for c in self.terms.clocks}

    def calendar(self, calendar: str | None) -> Calendar:
        """The calendar of that name; around the clock if None or unknown (a newer roster may name a newer one)."""
        found = self.terms.calendars.get(CalendarId(calendar)) if calendar is not None else None
        return found if found is not None else ALWAYS

    def alerts_on(self, kind: AlertKind, clock: str | None = None, team: str | None = None) -> tuple[RecipientId, ...]:
        """Whom to tell, each once, in the agreement's order."""
        out: dict[RecipientId, None] = {}
        for alert in self.terms.alerts:
            if (
                alert.on is kind
                and (not alert.clocks or clock in alert.clocks)
                and (not alert.teams or team in alert.teams)
            ):
                out.update(dict.fromkeys(alert.to))
        return tuple(out)

    @staticmethod
    def evaluate(condition: Condition | None, facts: Facts) -> Held:
        """Whether a condition holds, and why."""
        return evaluate(condition, facts)

    # ------------------------------------------------------------------ scoring

    def fired(self, facts: Facts) -> tuple[int, ...]:
        """Which scoring rules hold, by their place in `scoring_rules`."""
        return tuple(
            i for i, (_, rule) in enumerate(self.scoring_rules) if rule.when is None or rule.when.held(facts).holds
        )

    @cached_property
    def scoring_rules(self) -> tuple[tuple[str, ScoringRule], ...]:
        """Every scoring rule with its part, fit first."""
        scoring = self.terms.scoring
        return (*(("fit", r) for r in scoring.fit), *(("engagement", r) for r in scoring.engagement))

    def score(self, fired: tuple[int, ...]) -> Score:
        """The score that these rules add up to."""
        known = self._scores.get(fired)
        if known is None:
            if len(self._scores) >= 4096:
                self._scores.clear()
            known = self._scores[fired] = self._add_up(fired)
        return known

    @cached_property
    def _scores(self) -> dict[tuple[int, ...], Score]:
        return {}

    def _add_up(self, fired: tuple[int, ...]) -> Score:
        rules = [self.scoring_rules[i] for i in fired]
        fit = sum((r.points for part, r in rules if part == "fit"), Decimal(0))
        engagement = sum((r.points for part, r in rules if part == "engagement"), Decimal(0))
        contributions = tuple(
            Contribution.model_validate({"part": part, "rule": r.id, "points": r.points, "because": r.because})
            for part, r in rules
        )
        grade = self.grade(fit, engagement)
        said = "\n".join([grade, *(f"{c.part} {c.rule} {c.points.normalize():f} {c.because}" for c in contributions)])
        digest = hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
        return Score(fit + engagement, fit, engagement, grade, contributions, digest)

    def grade(self, fit: Decimal, engagement: Decimal) -> Grade:
        """The letter that the fit earns with the number that the engagement earns."""
        grades = self.terms.scoring.grades
        letter = next((g for g in ("A", "B", "C") if (at := grades.letters.get(g)) is not None and fit >= at), "D")
        number = next(
            (g for g in ("1", "2", "3") if (at := grades.numbers.get(g)) is not None and engagement >= at), "4"
        )
        return cast(Grade, letter + number)

    def judge(self, facts: Facts) -> Judged:
        """The verdict of the definition. Its last rule always holds."""
        missed: list[str] = []
        for rule in self.terms.definition:
            if rule.when is None:
                because = f"{rule.because} ({'; '.join(missed)})" if missed else rule.because
                return Judged(rule.verdict, rule.id, sentence(because))
            held = rule.when.held(facts)
            if held.holds:
                return Judged(rule.verdict, rule.id, sentence(f"{rule.because} ({held.because})"))
            missed.append(held.because)
        raise ValueError("the definition has no last rule without a condition")

    @cached_property
    def windows(self) -> tuple[Engaged, ...]:
        """Every condition of scoring and definition that the passing of time can end."""
        return tuple(c for c in self._asked if isinstance(c, Engaged) and c.within is not None)

    @cached_property
    def counted(self) -> Mapping[str, tuple[int, int | None]]:
        """By kind of engagement: how many of the newest rules can count, and how far back in ms (None: for ever)."""
        out: dict[str, tuple[int, int | None]] = {}
        for c in self._asked:
            if isinstance(c, Engaged):
                back = None if c.within is None else int(c.within.total_seconds() * 1000)
                most, before = out.get(c.engagement, (0, 0))
                out[c.engagement] = max(most, c.at_least), None if back is None or before is None else max(before, back)
        return out

    @cached_property
    def named_campaigns(self) -> frozenset[str]:
        """The campaigns that rules ask for."""
        return frozenset(name for c in self._asked if isinstance(c, TouchedBy) for name in c.touched_by)

    @cached_property
    def _asked(self) -> tuple[Condition, ...]:
        return tuple(self._conditions())

    def _conditions(self) -> Iterator[Condition]:
        for _, scoring in self.scoring_rules:
            yield from parts_of(scoring.when)
        for definition in self.terms.definition:
            yield from parts_of(definition.when)

    # ------------------------------------------------------------------ routing

    def rules_for(self, role: str) -> tuple[RoutingRule, ...]:
        """The routing rules that are asked for a lead of that role, in order."""
        return tuple(r for r in self.terms.routing if r.role is None or r.role == role)

    def choose_pool(self, role: str, facts: Facts) -> Chosen:
        """The pool for a lead of that role; a role that no rule serves is served as the first role."""
        return (
            self._choose(self.rules_for(role), facts)
            or self._choose(self.rules_for(FIRST_ROLE), facts)
            or self._last_resort()
        )

    def _choose(self, rules: tuple[RoutingRule, ...], facts: Facts) -> Chosen | None:
        passed: list[PassedOver] = []
        for rule in rules:
            held = evaluate(rule.when, facts)
            if held.holds:
                because = rule.because if rule.when is None else f"{rule.because} ({held.because})"
                return Chosen(rule.pool, rule.id, sentence(because), tuple(passed))
            passed.append(PassedOver(rule=rule.id, because=sentence(held.because)))
        return None

    def _last_resort(self) -> Chosen:
        rule = next(r for r in reversed(self.terms.routing) if r.when is None)
        return Chosen(rule.pool, rule.id, rule.because, ())

    def recipients(self) -> tuple[RecipientId, ...]:
        """Every channel that some alert goes to."""
        return tuple(dict.fromkeys(to for alert in self.terms.alerts for to in alert.to))


ALWAYS = Calendar(open="always")
"""Around the clock."""

__all__ = ["ALWAYS", "Agreement", "Chosen", "Judged", "RoleId", "Score"]
