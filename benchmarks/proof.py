"""An agreement of 300 rules, proven over all possible leads: as many rules for points, verdicts and pools, or all of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from time import process_time
from typing import Any

from benchmarks.figures import Figure
from schemas.agreement.proof import prove

RULES = 300
TARGET_SECONDS = 10
_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_COUNTRIES = ("DE", "AT", "CH", "FR", "IT", "ES", "NL", "BE", "DK", "SE", "US", "CA", "MX", "BR", "JP", "AU")
_INDUSTRIES = tuple(f"industry-{i}" for i in range(12))
_KINDS = tuple(f"seen_{i}" for i in range(8))
_BECAUSE = {"because": "so it was agreed"}


def condition(number: int, *, points: bool, engagements: bool) -> dict[str, Any]:
    """The condition of a rule: each asks for something else, by turns of something simple and of several things."""
    simple = [
        {"attribute": "employees", "at_least": 3 + 7 * number % 500},
        {"attribute": "budget", "at_least": 100 * (number % 90), "at_most": 100 * (number % 90) + 5000},
        {"attribute": "industry", "in": [_INDUSTRIES[number % 12], _INDUSTRIES[(number + 5) % 12]]},
        {"country": {"in": [_COUNTRIES[number % 16], _COUNTRIES[(number + 3) % 16]]}},
        {"attribute": "tool", "contains": f"tool-{number % 20}"},
        {"source": "channel", "equals": f"channel-{number % 6}"},
        {"not": {"attribute": "industry", "equals": _INDUSTRIES[number % 12]}},
    ]
    if engagements:
        simple.append({"engagement": _KINDS[number % 8], "at_least": 1 + number % 4, "within": f"{10 * (1 + number % 5)}d"})
    if points:
        simple.append({"score": {"at_least": 20 + number % 60}})
        simple.append({"grade": {"in": ["A1", "B1", "A2"]}})
    first, second = simple[number % len(simple)], simple[(3 * number + 1) % len(simple)]
    return first if number % 3 == 0 else {"all": [first, second]} if number % 3 == 1 else {"all": [first, {"any": [second, simple[2]]}]}


def scoring(rules: int) -> dict[str, Any]:
    """So many rules for points, a third of them fading."""
    fit = [{"id": f"fit-{i}", "points": 5 + i % 4, "when": condition(i, points=False, engagements=False), **_BECAUSE} for i in range(rules // 3)]
    done: list[dict[str, Any]] = []
    for i in range(rules - len(fit)):
        rule: dict[str, Any] = {"id": f"done-{i}", **_BECAUSE}
        if i % 2:
            rule |= {"points": 4, "each": _KINDS[i % 8], "half_life": f"{7 * (1 + i % 3)}d", "times_at_most": 4, "within": "90d", "each_further": 0.5}
        else:
            rule |= {"points": 3 - i % 5, "when": condition(i, points=False, engagements=True)}
        done.append(rule | ({"group": "web"} if i % 3 == 0 else {}))
    groups = [{"id": "web", "part": "engagement", "at_most": 40, **_BECAUSE}]
    grades = {"letters": {"A": 40, "B": 20, "C": 10}, "numbers": {"1": 40, "2": 20, "3": 5}}
    return {"fit": fit, "engagement": done, "groups": groups, "grades": grades}


def agreement(points: int, verdicts: int, pools: int) -> str:
    """An agreement of so many rules of each kind."""
    words = ("qualified", "nurtured", "disqualified")
    definition = [
        {"id": f"verdict-{i}", "verdict": words[i % 3], "when": condition(i, points=True, engagements=True), **_BECAUSE}
        for i in range(verdicts)
    ]
    routing = [
        {"id": f"route-{i}", "pool": f"pool-{i % 5}", "when": condition(i, points=False, engagements=False), **_BECAUSE}
        for i in range(pools)
    ]
    return json.dumps({
        "name": "large",
        "attributes": {
            "employees": {"type": "integer", "minimum": 0},
            "budget": {"type": "decimal", "minimum": 0},
            "industry": {"type": "choice", "choices": list(_INDUSTRIES)},
            "tool": {"type": "text"},
        },
        "engagements": list(_KINDS),
        "scoring": scoring(points),
        "definition": [*definition, {"id": "rest", "verdict": "nurtured", **_BECAUSE}],
        "teams": {"sales": {}},
        "pools": {f"pool-{i}": {"team": "sales"} for i in range(5)},
        "routing": [*routing, {"id": "everyone", "pool": "pool-0", **_BECAUSE}],
        "reasons": [{"id": "no", "title": "No", "for": ["reject", "recycle"], "then": "retire"}],
    })  # fmt: skip


async def measure() -> list[Figure]:
    """CPU seconds of whole proofs."""
    third = RULES // 3
    return [
        Figure(f"{RULES} rules: a third each for points, verdicts and pools", _seconds(third, third, third), "s", f"under {TARGET_SECONDS}"),
        Figure(f"{RULES} rules for pools, 30 for points", _seconds(30, 3, RULES), "s", f"under {TARGET_SECONDS}"),
        Figure(f"{RULES} rules for verdicts, 30 for points", _seconds(30, RULES, 3), "s", f"under {TARGET_SECONDS}"),
    ]


def _seconds(points: int, verdicts: int, pools: int) -> float:
    text = agreement(points, verdicts, pools)
    begin = process_time()
    proof = prove(text, _AT)
    if not proof.complete:
        raise ValueError(f"the agreement is not proven: {proof.findings[:3]}")
    return process_time() - begin
