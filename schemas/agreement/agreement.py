"""An agreement in force: its terms with its version, and the questions that services ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import cached_property

from schemas.agreement.alert_terms import THE_REP
from schemas.agreement.answers import Chosen, Judged, Score, Standing
from schemas.agreement.calendars import Calendar
from schemas.agreement.clock_terms import Clock, Lateness
from schemas.agreement.compiling import Asked, compiled
from schemas.agreement.conditions import (
    Bounds,
    Condition,
    Engaged,
    EngagementPointsAre,
    ScoreIs,
    campaigns_of,
    evaluate,
    parts_of,
)
from schemas.agreement.crossing import next_crossing
from schemas.agreement.facts import Facts, Held, sentence
from schemas.agreement.fading import FADED_AFTER
from schemas.agreement.message_terms import Manner, Template
from schemas.agreement.pools import Owners, Pool, RoutingRule
from schemas.agreement.promises import Stage
from schemas.agreement.reckoning import MILLION, PartName, Plan, milliseconds, points, rules_of
from schemas.agreement.terms import (
    Alert,
    Attribute,
    Channel,
    CountedRule,
    DefinitionRule,
    Escalation,
    Forecasting,
    Form,
    ReasonTerms,
    Recycling,
    ScoringRule,
    Team,
    Terms,
)
from schemas.agreement.tools import Tools
from schemas.events.alerting import AlertKind
from schemas.ids import AgreementName, CalendarId, ClockName, FormId, PoolId, RecipientId, RoleId, TeamId
from schemas.lifecycle import FIRST_ROLE
from schemas.vocabulary import AttributeName, Because, PassedOver, Reason, Slug


@dataclass(frozen=True, eq=False)
class Agreement:
    """One version of the agreement. Immutable; equal ids of versions mean equal terms."""

    version: int
    terms: Terms
    since: datetime | None = None
    """From when on it is in force; None where that is nobody's business, as off line."""

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
    def owners(self) -> Owners:
        return self.terms.owners

    @property
    def definition(self) -> tuple[DefinitionRule, ...]:
        return self.terms.definition

    @property
    def clocks(self) -> tuple[Clock, ...]:
        return self.terms.clocks

    @property
    def detected_late(self) -> Lateness:
        return self.terms.detected_late

    @property
    def recycling(self) -> Recycling:
        return self.terms.recycling

    @property
    def channels(self) -> Mapping[RecipientId, Channel]:
        return self.terms.channels

    def manner_of(self, recipient: str) -> Manner:
        """How a recipient is told: as his channel says; a rep, and whom it does not know, as `to_reps` says."""
        return self.terms.channels.get(RecipientId(recipient)) or self.terms.to_reps

    def template_of(self, recipient: str) -> Template | None:
        """The words in which a recipient is told; None: the built-in ones."""
        name = self.manner_of(recipient).template
        return None if name is None else self.terms.templates.get(name)

    @property
    def templates(self) -> Mapping[Slug, Template]:
        return self.terms.templates

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.terms.alerts

    @property
    def escalations(self) -> tuple[Escalation, ...]:
        return self.terms.escalations

    @property
    def forecasts(self) -> tuple[Forecasting, ...]:
        return self.terms.forecasts

    @property
    def tools(self) -> Tools:
        return self.terms.tools

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

    def foretold_to(self, clock: str, team: str, probability: float) -> tuple[RecipientId, ...]:
        """Whom to tell that a clock will be breached with this probability, each once, in the agreement's order."""
        wanted = [f for f in self.terms.forecasts if f.concerns(clock, team) and probability >= f.at_least]
        return tuple(dict.fromkeys(to for forecast in wanted for to in forecast.to))

    @staticmethod
    def evaluate(condition: Condition | None, facts: Facts) -> Held:
        """Whether a condition holds, and why."""
        return evaluate(condition, facts)

    # ------------------------------------------------------------------ scoring

    @cached_property
    def plan(self) -> Plan:
        """The scoring rules, made ready once."""
        return Plan(self.terms.scoring)

    @cached_property
    def scoring_rules(self) -> tuple[tuple[PartName, ScoringRule | CountedRule], ...]:
        """Every scoring rule with its part, fit first."""
        return tuple(rules_of(self.terms.scoring))

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.terms.stages

    def standing(self, facts: Facts) -> Standing:
        """The score, the verdict and the stage at the instant of the facts, without their sentences."""
        now_ms, plan = milliseconds(facts), self.plan
        reckoned = plan.reckon(facts, now_ms)
        fit, engagement = reckoned.fit, reckoned.engagement
        grade = plan.grade(fit, engagement)
        whole = points(fit + engagement), points(fit), points(engagement)
        asked = Facts(
            facts.now,
            facts.attributes,
            facts.country,
            facts.source,
            facts.campaigns,
            facts.engagements,
            facts.customer,
            *whole,
            grade,
        )
        rule, stage = self._rule_of(asked, now_ms), self._stage_of(asked, now_ms)
        return Standing(asked, now_ms, reckoned, *whole, grade, rule, stage)

    def _rule_of(self, facts: Facts, now_ms: int) -> DefinitionRule:
        for rule, holds in self._verdicts:
            if holds(facts, now_ms):
                return rule
        raise ValueError("the definition has no last rule without a condition")

    def _stage_of(self, facts: Facts, now_ms: int) -> Slug | None:
        for stage, holds in self._stages:
            if holds(facts, now_ms):
                return stage
        return None

    def score_of(self, standing: Standing) -> Score:
        """The score with its contributions."""
        return Score(
            standing.score,
            standing.fit,
            standing.engagement,
            standing.grade,
            self.plan.contributions(standing.reckoned),
        )

    def digest(self, standing: Standing) -> str:
        """Short, and the same exactly if score, grade, stage and contributions are the same."""
        return self.plan.digest(standing.reckoned, standing.grade, standing.stage)

    def fired(self, facts: Facts) -> tuple[int, ...]:
        """Which scoring rules give points at the instant of the facts, by their place in `scoring_rules`."""
        reckoned = self.plan.reckon(facts, milliseconds(facts))
        return tuple(sorted((*reckoned.held, *(c.counting.place for c in reckoned.counted))))

    def score(self, facts: Facts) -> Score:
        """The score at the instant of the facts."""
        return self.score_of(self.standing(facts))

    def changes_at(self, standing: Standing) -> datetime | None:
        """When the passing of time alone will change it: a window ends, or fading points cross a threshold.

        In between, points that fade only make the number smaller.
        """
        ends = self._window_ends(standing)
        crossing = next_crossing(
            self.plan, self._steps_above(standing), standing.reckoned, standing.facts, standing.now_ms, ends
        )
        first = ends if crossing is None else crossing
        return None if first is None else datetime.fromtimestamp(first / 1000, UTC)

    def _window_ends(self, standing: Standing) -> int | None:
        ends = [end for _, end in (w.counted(standing.facts) for w in self.windows) if end is not None]
        for counted in standing.reckoned.counted:
            window = counted.counting.window
            if window is not None:
                ends.append(counted.counting.times(standing.facts, standing.now_ms)[-1][0] + window)
        return min(ends) if ends else None

    def _steps_above(self, standing: Standing) -> list[int]:
        """The thresholds as points of engagement, given this fit."""
        fit = standing.reckoned.fit
        return sorted({*self._engagement_steps, *(step - fit for step in self._score_steps)})

    @cached_property
    def _score_steps(self) -> frozenset[int]:
        return frozenset(s for c in self._judging() if isinstance(c, ScoreIs) for s in _steps_of(c.score))

    @cached_property
    def _engagement_steps(self) -> frozenset[int]:
        asked = (
            s for c in self._judging() if isinstance(c, EngagementPointsAre) for s in _steps_of(c.points_of_engagement)
        )
        return frozenset((*asked, *self.plan.grade_steps["engagement"]))

    def _judging(self) -> Iterator[Condition]:
        for rule in self.terms.definition:
            yield from parts_of(rule.when)
        for stage in self.terms.stages:
            yield from parts_of(stage.when)

    @cached_property
    def _verdicts(self) -> tuple[tuple[DefinitionRule, Asked], ...]:
        return tuple((rule, compiled(rule.when)) for rule in self.terms.definition)

    @cached_property
    def _stages(self) -> tuple[tuple[Slug, Asked], ...]:
        return tuple((stage.id, compiled(stage.when)) for stage in self.terms.stages)

    def judge(self, facts: Facts) -> Judged:
        """The verdict of the definition, with its sentence, for facts that know their score."""
        missed: dict[str, None] = {}
        for rule in self.terms.definition:
            if rule.when is None:
                because = f"{rule.because} ({'; '.join(missed)})" if missed else rule.because
                return Judged(rule.verdict, rule.id, sentence(because))
            held = rule.when.held(facts)
            if held.holds:
                return Judged(rule.verdict, rule.id, sentence(f"{rule.because} ({held.because})"))
            missed[held.because] = None
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
        for counting in self.plan.counting:
            most, before = out.get(counting.kind, (0, 0))
            back = counting.window
            if back is None and counting.half_life:
                back = FADED_AFTER * counting.half_life
            longest = None if back is None or before is None else max(before, back)
            out[counting.kind] = max(most, len(counting.weights)), longest
        return out

    @cached_property
    def named_campaigns(self) -> frozenset[str]:
        """The campaigns that rules ask for."""
        return campaigns_of(self._asked) | self.campaigns_asked_later

    @cached_property
    def campaigns_asked_later(self) -> frozenset[str]:
        """The campaigns that routing's rules and clocks ask for, who hear of them from scoring."""
        rules: tuple[RoutingRule | Clock, ...] = (*self.terms.routing, *self.terms.clocks)
        return campaigns_of(part for rule in rules for part in parts_of(rule.when))

    @cached_property
    def _asked(self) -> tuple[Condition, ...]:
        return tuple(self._conditions())

    def _conditions(self) -> Iterator[Condition]:
        for _, scoring in self.scoring_rules:
            yield from parts_of(scoring.when)
        yield from self._judging()

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
            held = _holds(rule, facts)
            if held.holds:
                because = rule.because if rule.always else f"{rule.because} ({held.because})"
                return Chosen(rule.pool, rule.id, sentence(because), tuple(passed))
            passed.append(PassedOver(rule=rule.id, because=sentence(held.because)))
        return None

    def _last_resort(self) -> Chosen:
        rule = next(r for r in reversed(self.terms.routing) if r.always)
        return Chosen(rule.pool, rule.id, rule.because, ())

    def recipients(self) -> tuple[RecipientId, ...]:
        """Every channel that some alert, or step of an escalation, goes to."""
        told = [to for alert in self.terms.alerts for to in alert.to]
        told += [to for forecast in self.terms.forecasts for to in forecast.to]
        told += [to for path in self.terms.escalations for step in path.steps for to in step.to if to != THE_REP]
        return tuple(dict.fromkeys(told))


def _holds(rule: RoutingRule, facts: Facts) -> Held:
    """Whether a routing rule holds: its condition, then its split."""
    held = evaluate(rule.when, facts)
    if not held.holds or rule.percent is None:
        return held
    taken = rule.takes(facts.lead)
    return Held(taken.holds, taken.because if rule.when is None else f"{held.because} and {taken.because}")


def _steps_of(bounds: Bounds) -> Iterator[int]:
    """From how many millionths on a test of points answers otherwise."""
    if bounds.at_least is not None:
        yield int((bounds.at_least * MILLION).to_integral_value(ROUND_CEILING))
    if bounds.at_most is not None:
        yield int((bounds.at_most * MILLION).to_integral_value(ROUND_FLOOR)) + 1


ALWAYS = Calendar(open="always")
"""Around the clock."""

__all__ = ["ALWAYS", "Agreement", "Chosen", "Judged", "RoleId", "Score", "Standing"]
