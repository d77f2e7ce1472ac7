"""The proof of an agreement beside brute force: random small agreements, and every lead of a small world asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas.agreement import Agreement, Facts, Finding, Seen, evaluate
from schemas.agreement.checking import examine
from schemas.agreement.facts import say
from schemas.agreement.proof import prove
from schemas.agreement.reckoning import milliseconds, points
from services.console.lead_file import LeadFile, known_at

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = 3_600_000
AGES = (12 * HOUR, 36 * HOUR, 90 * HOUR)
"""Within one day, within two, and before."""


def lasting(hours: int) -> dict[str, str]:
    return {"within": f"{hours}h"} if hours else {}


# ------------------------------------------------------------------ a small world

LEADS_AT_MOST = 800
TEXTS = [None, *("".join(letters) for n in range(5) for letters in product("abx", repeat=n))]
WORLD: dict[str, list[Any]] = {
    "n": [None, *range(7)],
    "d": [None, "0", "0.5", "1", "1.25", "1.5", "2", "2.5", "3"],
    "c": [None, "red", "green", "blue"],
    "t": TEXTS,
    "f": [None, True, False],
    "country": [None, "DE", "AT", "US", "FR"],
    "channel": [None, "web", "fair", "-"],
    "campaign": [(), ("one",), ("two",), ("one", "two")],
    "customer": [False, True],
    "region": [None, "North", "north", "South"],
    "postcode": [None, "10115", "10200", "1", "80333", "99999", "ABC"],
    "language": [None, "de", "de-at", "en", "fr"],
    "company_domain": [None, "example.com", "eu.example.com", "example.net"],
    "split": [f"00000000-0000-5000-8000-{n:012x}" for n in range(12)],
    "e": [ages for n in range(4) for ages in product(AGES, repeat=n) if list(ages) == sorted(ages)],
    "k": [ages for n in range(3) for ages in product(AGES, repeat=n) if list(ages) == sorted(ages)],
}
ATTRIBUTES = {
    "n": {"type": "integer", "minimum": 0, "maximum": 6},
    "d": {"type": "decimal", "minimum": 0, "maximum": 3},
    "c": {"type": "choice", "choices": ["red", "green", "blue"]},
    "t": {"type": "text"},
    "f": {"type": "boolean"},
    "region": {"type": "text"},
    "postcode": {"type": "text"},
    "language": {"type": "text"},
    "company_domain": {"type": "text"},
}


def leads(asked: tuple[str, ...]) -> Iterator[Facts]:
    """Every lead of the world that differs in what is asked."""
    now_ms = round(AT.timestamp() * 1000)
    for values in product(*(WORLD[name] for name in asked)):
        said = dict(zip(asked, values, strict=True))
        yield Facts(
            now=AT,
            attributes={n: v for n, v in said.items() if n in ATTRIBUTES and v is not None},
            country=said.get("country"),
            source={"channel": v} if (v := said.get("channel")) else {},
            campaigns=said.get("campaign", ()),
            engagements={k: tuple(Seen(now_ms - age, 0, 1) for age in said[k]) for k in ("e", "k") if said.get(k)},
            customer=said.get("customer", False),
            lead=said.get("split"),
        )


def number_tests(draw: st.DrawFn, values: list[Any]) -> dict[str, Any]:
    key = draw(st.sampled_from(["at_least", "at_most", "equals", "in", "present"]))
    if key == "present":
        return {"present": draw(st.booleans())}
    if key == "in":
        return {"in": draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))}
    return {key: draw(st.sampled_from(values))}


@st.composite
def leaf(draw: st.DrawFn, asked: tuple[str, ...], points_too: bool) -> dict[str, Any]:
    telling = [name for name in asked if name != "split"]
    if not telling and not points_too:
        return {"always": True}
    name = draw(st.sampled_from([*telling, *(["points"] * 2 if points_too else [])]))
    match name:
        case "n":
            return {"attribute": "n", **number_tests(draw, [-1, 0, 1, 2, 3, 5, 6, 7])}
        case "d":
            return {"attribute": "d", **number_tests(draw, [0, 1, 1.5, 2, 3])}
        case "c":
            return {"attribute": "c", "in": draw(st.lists(st.sampled_from(["red", "green", "blue"]), min_size=1, max_size=2))}
        case "t":
            key = draw(st.sampled_from(["equals", "contains", "starts_with", "present"]))
            texts = st.sampled_from(["a", "b", "ab", "ba"])
            return {"attribute": "t", key: draw(st.booleans() if key == "present" else texts)}
        case "f":
            return {"attribute": "f", "equals": draw(st.booleans())}
        case "country":
            return {"country": {"in": draw(st.lists(st.sampled_from(["DE", "AT", "US"]), min_size=1, max_size=2))}}
        case "channel":
            return {"source": "channel", "equals": draw(st.sampled_from(["web", "fair"]))}
        case "campaign":
            return {"touched_by": draw(st.sampled_from([["one"], ["two"], ["one", "two"]]))}
        case "customer":
            return {"existing_customer": draw(st.booleans())}
        case "region":
            return {"territory": {"regions": draw(st.sampled_from([["north"], ["South"], ["North", "South"]]))}}
        case "postcode":
            return {"territory": {"postcodes": draw(st.sampled_from([["10"], ["100-101"], ["1"], ["80-99"], ["10115"]]))}}
        case "language":
            return {"language": draw(st.sampled_from([["de"], ["en"], ["de-at"], ["de", "en"]]))}
        case "company_domain":
            return {"named_account": draw(st.sampled_from([["example.com"], ["eu.example.com"], ["example.net"]]))}
        case "e" | "k":
            times, within = draw(st.integers(1, 3 if name == "e" else 2)), draw(st.sampled_from([0, 24, 48]))
            return {"engagement": name, "at_least": times, **lasting(within)}
    return draw(of_points())


@st.composite
def of_points(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 4)) == 0:
        grade = st.sampled_from([f"{letter}{number}" for letter in "ABCD" for number in "1234"])
        return {"grade": {"in": draw(st.lists(grade, min_size=1, max_size=3))}}
    key = draw(st.sampled_from(["score", "score", "fit", "points_of_engagement"]))
    number = st.sampled_from([-12, -10, -5, 0, 1, 4.5, 5, 10, 15, 20, 30])
    return {key: {draw(st.sampled_from(["at_least", "at_most"])): draw(number)}}


def conditions(asked: tuple[str, ...], points_too: bool) -> st.SearchStrategy[dict[str, Any]]:
    def more(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        several = st.lists(inner, min_size=2, max_size=3)
        return st.one_of(
            several.map(lambda parts: {"all": parts}),
            several.map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        )

    return st.recursive(leaf(asked, points_too), more, max_leaves=4)


@dataclass(frozen=True)
class Small:
    asked: tuple[str, ...]
    data: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.data)

    @property
    def agreement(self) -> Agreement:
        terms = examine(self.text)[0]
        assert terms is not None
        return Agreement(1, terms)


@st.composite
def small_agreements(draw: st.DrawFn, fading: bool = False) -> Small:
    wanted = draw(st.lists(st.sampled_from(sorted(WORLD)), min_size=1, max_size=4, unique=True))
    asked: tuple[str, ...] = ("e",) if fading else ()
    for name in wanted:
        if name not in asked and prod(len(WORLD[n]) for n in (*asked, name)) <= LEADS_AT_MOST:
            asked = (*asked, name)
    plain, judged = conditions(asked, False), conditions(asked, True)
    number = st.sampled_from([-10, -5, 0.5, 5, 10, 15])
    because = {"because": "so"}
    rules = {
        part: [
            {"id": f"{part}-{i}", "points": draw(number), **({"when": draw(plain)} if draw(st.integers(0, 5)) else {}), **because}
            for i in range(draw(st.integers(0, 3)))
        ]
        for part in ("fit", "engagement")
    }
    for kind in set(asked) & {"e", "k"} if fading or draw(st.booleans()) else ():
        each = {"id": f"each-{kind}", "points": draw(number), "each": kind, "times_at_most": draw(st.integers(1, 3)), **because}
        each |= {"each_further": draw(st.sampled_from([0.5, 1]))} | lasting(draw(st.sampled_from([0, 24, 48])))
        each |= {"half_life": draw(st.sampled_from(["12h", "24h", "36h"]))} if fading else {}
        each |= {"when": draw(plain)} if draw(st.integers(0, 3)) == 0 else {}
        rules["engagement"].append(each)
    groups = []
    if draw(st.booleans()):
        groups = [{"id": "together", "part": "engagement", "at_most": draw(st.sampled_from([0, 5, 12, 20])), **because}]
        for rule in rules["engagement"]:
            rule |= {"group": "together"} if draw(st.booleans()) else {}
    verdicts = st.sampled_from(["qualified", "nurtured", "disqualified"])
    definition = [{"id": f"rule-{i}", "verdict": draw(verdicts), "when": draw(judged), **because} for i in range(draw(st.integers(1, 4)))]
    definition += [{"id": "rest", "verdict": "nurtured", **because}] if draw(st.booleans()) else []
    routed = tuple(name for name in asked if name not in ("e", "k"))
    pools = st.sampled_from(["one", "two"])
    routing = [
        {"id": f"to-{i}", "pool": draw(pools), "when": draw(conditions(routed, True)), **because}
        | ({"percent": draw(st.sampled_from([40, 50, 60]))} if "split" in asked and draw(st.booleans()) else {})
        for i in range(draw(st.integers(0, 3)) if routed else 0)
    ]
    return Small(
        asked,
        {
            "name": "small",
            "attributes": ATTRIBUTES,
            "engagements": ["e", "k"],
            "scoring": {**rules, "groups": groups, "grades": {"letters": {"A": 15, "B": 5}, "numbers": {"1": 20, "2": 4.5}}},
            "definition": definition,
            "teams": {"sales": {}},
            "pools": {"one": {"team": "sales"}, "two": {"team": "sales"}},
            "routing": [*routing, {"id": "last", "pool": "one", **because}],
            "reasons": [{"id": "no", "title": "No", "for": ["reject", "recycle"], "then": "retire"}],
        },
    )


# ------------------------------------------------------------------ brute force


def scored(agreement: Agreement, facts: Facts) -> Facts:
    reckoned = agreement.plan.reckon(facts, milliseconds(facts))
    fit, engagement = reckoned.fit, reckoned.engagement
    grade = agreement.plan.grade(fit, engagement)
    return replace(facts, score=points(fit + engagement), fit=points(fit), engagement=points(engagement), grade=grade)


class Tried:
    """What the leads of the world show."""

    def __init__(self, small: Small) -> None:
        agreement = small.agreement
        self.first: set[str] = set()
        self.holds: set[str] = set()
        self.overlaps: set[str] = set()
        self.uncovered = False
        self.numbers: dict[str, set[Any]] = {"score": set(), "fit": set(), "points_of_engagement": set()}
        self.most_of_groups: list[int] = [-(10**9)] * len(agreement.plan.caps)
        for facts in leads(small.asked):
            known = scored(agreement, facts)
            self.numbers["score"].add(known.score)
            self.numbers["fit"].add(known.fit)
            self.numbers["points_of_engagement"].add(known.engagement)
            totals = agreement.plan.reckon(facts, milliseconds(facts)).totals
            self.most_of_groups = [max(both) for both in zip(self.most_of_groups, totals, strict=True)]
            self.holds |= {str(r.id) for _, r in agreement.scoring_rules if evaluate(r.when, known).holds}
            self._list([(r.id, r.verdict.value, r.when, True) for r in agreement.definition], known)
            routing = [(r.id, str(r.pool), r.when, r.takes(facts.lead).holds) for r in agreement.routing]
            self._list(routing, known)

    def _list(self, rules: list[Any], facts: Facts) -> None:
        holding = [(str(name), outcome) for name, outcome, when, taken in rules if taken and evaluate(when, facts).holds]
        if not holding:
            self.uncovered = True
            return
        self.first.add(holding[0][0])
        with_when = {str(name) for name, _, when, _ in rules if when is not None}
        for i, (name, outcome) in enumerate(holding):
            if name in with_when and any(o != outcome and n in with_when for n, o in holding[:i]):
                self.overlaps.add(name)


def thresholds(condition: Any, path: str) -> Iterator[tuple[str, str, str, Any]]:
    """Every threshold of points in a condition: where, of what, which bound, how much."""
    for key in ("all", "any"):
        for i, part in enumerate(condition.get(key, ())):
            yield from thresholds(part, f"{path}.{key}[{i}]")
    if "not" in condition:
        yield from thresholds(condition["not"], f"{path}.not")
    for of in ("score", "fit", "points_of_engagement"):
        for bound, number in condition.get(of, {}).items():
            yield f"{path}.{of}.{bound}", of, bound, number


def expected(small: Small, tried: Tried) -> set[tuple[str, str]]:
    """The findings, by what brute force knows: what never happens, and what always does."""
    out: set[tuple[str, str]] = set()
    for section in ("definition", "routing"):
        for i, rule in enumerate(small.data[section]):
            if "when" in rule:
                out |= {("never", f"{section}[{i}]")} if rule["id"] not in tried.first else set()
                out |= {("overlap", f"{section}[{i}]")} if rule["id"] in tried.overlaps else set()
                for path, of, bound, number in thresholds(rule["when"], f"{section}[{i}].when"):
                    met = [n >= number if bound == "at_least" else n <= number for n in tried.numbers[of]]
                    out |= {("out_of_reach", path)} if not any(met) else {("always_reached", path)} if all(met) else set()
    for part in ("fit", "engagement"):
        out |= {
            ("never", f"scoring.{part}[{i}].when")
            for i, rule in enumerate(small.data["scoring"][part])
            if rule["id"] not in tried.holds
        }
    for key, of in (("letters", "fit"), ("numbers", "points_of_engagement")):
        for name, number in small.data["scoring"]["grades"][key].items():
            earned = [n >= number for n in tried.numbers[of]]
            path = f"scoring.grades.{key}.{name}"
            out |= {("grade_out_of_reach", path)} if not any(earned) else {("grade_always_reached", path)} if all(earned) else set()
    for i, group in enumerate(small.data["scoring"]["groups"]):
        if tried.most_of_groups[i] <= group["at_most"] * 1_000_000:
            out.add(("cap_without_effect", f"scoring.groups[{i}].at_most"))
    return out | ({("uncovered", f"definition[{len(small.data['definition']) - 1}]")} if tried.uncovered else set())


_SAME = {"never_reached": "never", "never_holds": "never"}
_NOT_OF_LEADS = frozenset(
    {
        "group_without_rules",
        "missing_last_rule",
        "nobody_qualifies",
        "pool_without_leads",
        "reason_not_given",
        "track_asleep",
    }
)


def said(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    out = set()
    for f in findings:
        path = f.path.removesuffix(".when") if f.path.startswith(("definition", "routing")) and f.code in _SAME else f.path
        out.add((_SAME.get(f.code, f.code), path))
    return {(code, path) for code, path in out if code not in _NOT_OF_LEADS}


ABSENT = frozenset(
    {"never", "out_of_reach", "always_reached", "grade_out_of_reach", "grade_always_reached", "cap_without_effect"}
)
"""Findings that say of no lead, or of all."""
pytestmark = pytest.mark.timeout(400)  # a failure is made small first, which takes longer than a test does
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(small_agreements())
def test_the_proof_says_what_asking_every_lead_says_neither_more_nor_less(small: Small) -> None:
    proof = prove(small.text, AT)
    assert proof.complete
    assert said(proof.findings) == expected(small, Tried(small))
    for finding in proof.findings:
        event(finding.code)


@SLOW
@given(small_agreements(fading=True))
def test_where_points_fade_no_lead_that_was_tried_contradicts_the_proof(small: Small) -> None:
    """Leads of three ages are not all leads: what is found beyond them is shown by its own example, below."""
    found, known = said(prove(small.text, AT).findings), expected(small, Tried(small))
    assert {f for f in found if f[0] in ABSENT} <= known
    assert {f for f in known if f[0] not in ABSENT} <= found
    assert "undecided" not in {code for code, _ in found}


@SLOW
@given(st.one_of(small_agreements(), small_agreements(fading=True)))
def test_the_lead_of_each_finding_shows_it_when_it_is_scored_from_its_file(small: Small) -> None:
    agreement = small.agreement
    for finding in prove(small.text, AT).findings:
        if finding.code not in SHOWS:
            continue
        file = LeadFile.model_validate(json.loads(finding.example))
        facts = replace(scored(agreement, known_at(file, agreement, file.at or AT)), lead=file.lead_id)
        assert SHOWS[finding.code](agreement, finding, facts), finding


# ------------------------------------------------------------------ what each example shows


def rule_at(agreement: Agreement, path: str) -> tuple[str, Any, list[Any]]:
    """The section, the rule, and the rules that are asked with it."""
    section = path.split("[")[0]
    place = int(path.split("[")[1].split("]")[0])
    if section.startswith("scoring"):
        rules: list[Any] = list(getattr(agreement.terms.scoring, section.split(".")[1]))
    else:
        rules = list(getattr(agreement, section))
    return section, rules[place], rules


def holds(rule: Any, facts: Facts) -> bool:
    taken = getattr(rule, "percent", None) is None or rule.takes(facts.lead).holds
    return taken and evaluate(rule.when, facts).holds


def is_met_but_not_first(agreement: Agreement, finding: Finding, facts: Facts) -> bool:
    _, rule, rules = rule_at(agreement, finding.path)
    return holds(rule, facts) and next(r for r in rules if holds(r, facts)) is not rule


def is_not_met(agreement: Agreement, finding: Finding, facts: Facts) -> bool:
    return not evaluate(rule_at(agreement, finding.path)[1].when, facts).holds


def is_met_by_two(agreement: Agreement, finding: Finding, facts: Facts) -> bool:
    _, rule, rules = rule_at(agreement, finding.path)
    earlier = rules[: rules.index(rule)]
    outcome = "verdict" if hasattr(rule, "verdict") else "pool"
    return holds(rule, facts) and any(
        holds(r, facts) and getattr(r, outcome) != getattr(rule, outcome) for r in earlier
    )


def is_met_by_none(agreement: Agreement, finding: Finding, facts: Facts) -> bool:
    return not any(evaluate(rule.when, facts).holds for rule in agreement.definition)


def is_on_one_side(agreement: Agreement, finding: Finding, facts: Facts) -> bool:
    """The lead that comes nearest does not pass the threshold, and its number is the one that is told."""
    of, bound = finding.path.split(".")[-2:]
    number = {"score": facts.score, "fit": facts.fit, "points_of_engagement": facts.engagement}[of]
    low_end = (bound == "at_least") == (finding.code == "always_reached")
    return f"at {'least' if low_end else 'most'} {say(number)}" in finding.message


SHOWS = {
    "never_reached": is_met_but_not_first,
    "never_holds": is_not_met,
    "overlap": is_met_by_two,
    "uncovered": is_met_by_none,
    "out_of_reach": is_on_one_side,
    "always_reached": is_on_one_side,
}
