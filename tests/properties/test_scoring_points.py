"""Points that fade, count again and are capped: exact sums in any order, thresholds crossed to the millisecond."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.agreement import Agreement, Condition, Facts, Seen, evaluate
from schemas.agreement.compiling import compiled
from schemas.agreement.fading import WHOLE, counted_and_left, rounded, share_left
from schemas.agreement.qualifying import explain
from schemas.agreement.terms import VerdictKind
from schemas.events.scoring import LeadScored
from services.scoring.processor import SCORING
from tests.builders import MONDAY, OneLead, agreement, engaged, submitted

KINDS = ("pricing_viewed", "webinar_attended", "mail_clicked")
HOUR = 3_600_000
NOW_MS = round(MONDAY.timestamp() * 1000)

lengths = st.sampled_from(["1h", "7h", "1d", "30d", "333s", "90d"])
numbers = st.decimals(-50, 50, places=3).filter(bool)


@st.composite
def scorings(draw: st.DrawFn) -> dict[str, Any]:
    """Scoring sections of any mixture of rules."""
    groups = [
        {"id": f"g{i}", "part": "engagement", "at_most": draw(st.integers(-5, 40)), "because": "capped"}
        for i in range(draw(st.integers(0, 2)))
    ]
    group = st.sampled_from([None, *(g["id"] for g in groups)])
    rules: list[dict[str, Any]] = []
    for i in range(draw(st.integers(1, 5))):
        rule: dict[str, Any] = {
            "id": f"c{i}",
            "points": draw(numbers),
            "each": draw(st.sampled_from(KINDS)),
            "half_life": draw(st.none() | lengths),
            "each_further": draw(st.sampled_from(["0.5", "0.333", "1"]).map(Decimal)),
            "times_at_most": draw(st.integers(1, 8)),
            "within": draw(st.none() | lengths),
            "group": draw(group),
            "because": "did it",
        }
        rules.append(rule)
    for i in range(draw(st.integers(0, 2))):
        condition = {"engagement": draw(st.sampled_from(KINDS)), "at_least": draw(st.integers(1, 3)), "within": "20h"}
        rules.append(
            {"id": f"p{i}", "points": draw(numbers), "when": condition, "group": draw(group), "because": "was seen"}
        )
    fit = [{"id": "size", "points": 7, "when": {"attribute": "employees", "at_least": 50}, "because": "large"}]
    grades = {"letters": {"A": 5}, "numbers": {"1": 30, "2": 10}}
    return {"fit": fit, "engagement": rules, "groups": groups, "grades": grades}


@st.composite
def sightings(draw: st.DrawFn) -> dict[str, tuple[Seen, ...]]:
    """What a prospect was seen doing in the 40 hours before."""
    out = {}
    for kind in KINDS:
        ages = draw(st.lists(st.integers(0, 40 * HOUR), max_size=6))
        quantities = draw(st.lists(st.integers(1, 4), min_size=len(ages), max_size=len(ages)))
        out[kind] = tuple(Seen(NOW_MS - a, i, q) for i, (a, q) in enumerate(zip(sorted(ages), quantities, strict=True)))
    return out


def rules(scoring: dict[str, Any], at_least: Decimal = Decimal(12)) -> Agreement:
    return agreement(
        scoring=scoring,
        definition=[
            {"id": "score", "verdict": "qualified", "when": {"score": {"at_least": at_least}}, "because": "enough"},
            {"id": "rest", "verdict": "nurtured", "because": "not yet"},
        ],
        stages=[{"id": "warm", "when": {"points_of_engagement": {"at_least": 5, "at_most": 20}}}, {"id": "other"}],
    )


@settings(max_examples=400, deadline=None)
@given(scorings(), sightings(), st.integers(0, 200 * HOUR))
def test_contributions_sum_exactly_to_the_score_at_any_instant(
    scoring: dict[str, Any], seen: dict[str, tuple[Seen, ...]], later: int
) -> None:
    facts = Facts(now=MONDAY + timedelta(milliseconds=later), attributes={"employees": 60}, engagements=seen)
    score = rules(scoring).score(facts)
    assert sum(c.points for c in score.contributions) == score.score == score.fit + score.engagement
    for part, points in (("fit", score.fit), ("engagement", score.engagement)):
        assert sum(c.points for c in score.contributions if c.part == part) == points
    for c in score.contributions:
        assert type(c).model_validate_json(c.model_dump_json()) == c


@settings(max_examples=400, deadline=None)
@given(scorings(), sightings(), st.integers(0, 100 * HOUR))
def test_the_score_is_what_its_definition_says(
    scoring: dict[str, Any], seen: dict[str, tuple[Seen, ...]], later: int
) -> None:
    terms = rules(scoring)
    now_ms = NOW_MS + later
    facts = Facts(now=MONDAY + timedelta(milliseconds=later), engagements=seen)
    assert abs(terms.score(facts).engagement - slowly(terms, seen, now_ms)) <= Decimal("0.000001") * 20


def slowly(terms: Agreement, seen: dict[str, tuple[Seen, ...]], now_ms: int) -> Decimal:
    """Straight from what the words mean, with fifty digits."""
    with localcontext() as context:
        context.prec = 50
        by_group: dict[str | None, Decimal] = {}
        for _, rule in terms.scoring_rules[1:]:
            points = Decimal(0)
            if hasattr(rule, "each"):
                times = [s.at_ms for s in seen[rule.each] for _ in range(s.quantity)]
                if rule.within is not None:
                    times = [at for at in times if at > now_ms - rule.within / timedelta(milliseconds=1)]
                for i, at in enumerate(sorted(times, reverse=True)[: rule.times_at_most]):
                    fading = Decimal(0)
                    if rule.half_life is not None:
                        fading = Decimal(now_ms - at) / Decimal(rule.half_life // timedelta(milliseconds=1))
                    points += rule.points * rule.each_further**i * Decimal(2) ** -fading
            elif evaluate(rule.when, Facts(now=datetime.fromtimestamp(now_ms / 1000, UTC), engagements=seen)).holds:
                points = rule.points
            by_group[rule.group] = by_group.get(rule.group, Decimal(0)) + points
        caps = {g.id: g.at_most for g in terms.terms.scoring.groups}
        empty = {g: Decimal(0) for g in caps}
        return sum((min(p, caps[g]) if g else p for g, p in (empty | by_group).items()), Decimal(0))


def told(terms: Agreement, facts: Facts, at_ms: int) -> tuple[Any, ...]:
    standing = terms.standing(replace(facts, now=datetime.fromtimestamp(at_ms / 1000, UTC)))
    counted = [c.number for c in standing.reckoned.counted]
    return standing.rule.id, standing.stage, standing.grade, standing.reckoned.held, counted


@settings(max_examples=300, deadline=None)
@given(scorings(), sightings(), st.data())
def test_nothing_but_fading_happens_before_the_instant_that_is_told_ahead(
    scoring: dict[str, Any], seen: dict[str, tuple[Seen, ...]], data: st.DataObject
) -> None:
    terms = rules(scoring)
    facts = Facts(now=MONDAY, attributes={"employees": 60}, engagements=seen)
    standing = terms.standing(facts)
    then = terms.changes_at(standing)
    now = told(terms, facts, NOW_MS)
    end = NOW_MS + 400 * HOUR * 24 if then is None else round(then.timestamp() * 1000)
    assert end > NOW_MS
    probes = [end - 1, *data.draw(st.lists(st.integers(NOW_MS, end - 1), max_size=25))]
    assert all(told(terms, facts, at) == now for at in probes)


@settings(max_examples=300, deadline=None)
@given(
    st.decimals(1, 60, places=2),
    lengths,
    st.lists(st.integers(0, 40 * HOUR), min_size=1, max_size=5),
    st.decimals("0.5", 60, places=2),
)
def test_a_threshold_is_crossed_at_the_very_millisecond(
    points: Decimal, half_life: str, ages: list[int], at_least: Decimal
) -> None:
    rule = {"id": "c", "points": points, "each": KINDS[0], "half_life": half_life, "because": "did it"}
    terms = rules({"engagement": [rule]}, at_least)
    terms = Agreement(1, terms.terms.model_copy(update={"stages": ()}))
    facts = Facts(now=MONDAY, engagements={KINDS[0]: tuple(Seen(NOW_MS - a, 0, 1) for a in sorted(ages))})
    standing = terms.standing(facts)
    assume(standing.rule.id == "score")
    then = terms.changes_at(standing)
    assert then is not None
    at = round(then.timestamp() * 1000)
    assert told(terms, facts, at - 1) == ("score", *told(terms, facts, NOW_MS)[1:])
    assert told(terms, facts, at)[0] == "rest"


@settings(max_examples=60, deadline=None)
@given(scorings(), st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 900)), max_size=15), st.data())
def test_late_and_disordered_engagements_end_in_the_same_score(
    scoring: dict[str, Any], seen: list[tuple[str, int]], data: st.DataObject
) -> None:
    leads = []
    for order in (sorted(seen, key=lambda s: s[1]), data.draw(st.permutations(seen))):
        lead = OneLead(SCORING, rules(scoring))
        lead.now = MONDAY + timedelta(hours=900)
        lead.hears(submitted(attributes={"employees": 60}))
        for kind, hours in order:
            lead.hears(engaged(kind, MONDAY + timedelta(hours=hours)))
        leads.append(lead)
    one, two = leads
    assert (one.state.scored, one.state.due_ms) == (two.state.scored, two.state.due_ms)


def test_a_nurtured_lead_is_qualified_by_a_timer_when_what_spoke_against_it_has_faded() -> None:
    """-16 points are -4 after two days, and -4.000000 already 16 ms before."""
    scoring = {
        "fit": [{"id": "size", "points": 20, "when": {"attribute": "employees", "at_least": 50}, "because": "large"}],
        "engagement": [{"id": "bad", "points": -16, "each": KINDS[2], "half_life": "1d", "because": "complained"}],
    }
    lead = OneLead(SCORING, rules(scoring, Decimal(16)))
    lead.hears(engaged(KINDS[2], MONDAY))
    lead.hears(submitted(attributes={"employees": 60}))
    assert lead.life.state == "nurtured"
    assert lead.wait(timedelta(days=2) - timedelta(milliseconds=16)) == []
    said = lead.wait(timedelta(milliseconds=16))
    assert [type(e).__name__ for e in said] == ["LeadScored", "LeadQualified"]
    assert isinstance(said[0], LeadScored)
    assert said[0].score == 16


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**11), st.integers(1, 10**11), st.integers(-(10**11), 10**11))
def test_fading_is_a_power_of_two_to_eleven_digits_and_only_falls(age: int, half_life: int, points: int) -> None:
    with localcontext() as context:
        context.prec = 40
        true = Decimal(2) ** (-Decimal(age) / Decimal(half_life))
    share = share_left(age, half_life)
    assert abs(Decimal(share) / WHOLE - true) < true * Decimal("1e-11") + Decimal(2) / WHOLE
    assert share_left(age + 1, half_life) <= share
    assert share_left(half_life * 3, half_life) == WHOLE >> 3
    assert rounded(points * WHOLE) == points
    assert rounded(-points * share) == -rounded(points * share)
    seen = [(1000 - age, 0, 1)]
    assert counted_and_left(seen, (points,), -(1 << 62), 1000, half_life) == (1, rounded(points * share))


CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
values = st.one_of(
    st.booleans(), st.integers(-5, 60), st.sampled_from(["50", "7.50", "demo", "Demo tools", "1E+99", 10**50])
)
simple = st.one_of(
    st.builds(lambda n: {"attribute": "a", "at_least": n}, st.integers(0, 60)),
    st.builds(lambda n: {"attribute": "a", "at_most": n}, st.decimals(0, 60, places=1)),
    st.builds(lambda v: {"attribute": "a", "equals": v}, st.sampled_from([True, 50, Decimal("7.5"), "demo"])),
    st.builds(lambda v: {"attribute": "a", "in": v}, st.lists(st.sampled_from([1, 50, "demo", "x"]), min_size=1)),
    st.sampled_from(
        [
            {"attribute": "a", "contains": "DEMO"},
            {"attribute": "a", "starts_with": "demo", "contains": "tools"},
            {"attribute": "a", "present": True},
            {"attribute": "a", "present": False},
            {"attribute": "country", "equals": "DE"},
            {"engagement": "pricing_viewed", "at_least": 2, "within": "5h"},
            {"engagement": "mail_clicked"},
            {"touched_by": ["spring"]},
            {"source": "channel", "in": ["ads"]},
            {"country": {"in": ["DE"]}},
            {"existing_customer": True},
            {"score": {"at_least": 3, "at_most": 9}},
            {"fit": {"at_least": 3}},
            {"points_of_engagement": {"at_most": 3}},
            {"grade": {"in": ["A1"]}},
            "always",
        ]
    ),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=500, deadline=None)
@given(conditions, st.none() | values, sightings(), st.booleans(), st.integers(0, 12))
def test_a_compiled_condition_says_what_the_condition_says(
    condition: Any, value: Any, seen: dict[str, tuple[Seen, ...]], known: bool, points: int
) -> None:
    facts = Facts(
        now=MONDAY,
        attributes={} if value is None else {"a": value},
        country="DE" if known else None,
        source={"channel": "ads"} if known else {},
        campaigns=("spring",) if known else (),
        engagements=seen,
        customer=known,
        score=Decimal(points),
        fit=Decimal(points),
        engagement=Decimal(points),
        grade="A1" if known else None,
    )
    asked = CONDITION.validate_python(condition)
    assert compiled(asked)(facts, NOW_MS) == evaluate(asked, facts).holds


@settings(max_examples=60, deadline=None)
@given(scorings(), sightings(), st.sampled_from([{}, {"employees": 5}, {"employees": 80}]), st.integers(5, 60))
def test_what_is_said_to_qualify_a_lead_does_and_nothing_less(
    scoring: dict[str, Any], seen: dict[str, tuple[Seen, ...]], attributes: dict[str, Any], at_least: int
) -> None:
    terms = rules(scoring, Decimal(at_least))
    facts = Facts(now=MONDAY, attributes=attributes, engagements=seen)
    explained = explain(terms, facts, MONDAY)
    assert (explained.verdict is VerdictKind.QUALIFIED) <= (explained.to_qualify == ())
    for way in explained.to_qualify:
        changed = facts
        for change in way.changes:
            if "engagement" in change:
                more = (Seen(NOW_MS, 1 << 62, change["times"]), *changed.engagements.get(change["engagement"], ()))
                changed = replace(changed, engagements={**changed.engagements, change["engagement"]: more})
            else:
                changed = replace(changed, attributes={**changed.attributes, change["attribute"]: change["value"]})
        after = explain(terms, changed, MONDAY)
        assert (after.verdict, after.score, after.rule) == (VerdictKind.QUALIFIED, way.score, way.rule)
