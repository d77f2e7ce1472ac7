"""Random histories through `leadloop route simulate`: what an outsider can check by the answers alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.agreement import Agreement, load
from services.console.simulation.decisions import document
from services.console.simulation.lines import History
from services.console.simulation.world import World
from tests.unit.routing.house import TEXT

AGREEMENT: Agreement = load(TEXT, 1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
REPS = ["ana", "bob", "cem", "dan"]

settings.register_profile("simulated", deadline=None, max_examples=25)
settings.load_profile("simulated")


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Anything may happen to anybody who was there."""
    lines: list[dict[str, Any]] = [{"type": "join", "rep": rep, "pool": "inbound", "open_leads_cap": draw(st.integers(1, 4))} for rep in REPS]
    leads = 0
    for _ in range(draw(st.integers(5, 60))):
        kind = draw(st.sampled_from(("lead", "lead", "close", "reject", "accept", "away", "back", "leave", "join", "weight")))
        lead = f"l{draw(st.integers(1, max(leads, 1)))}"
        rep = draw(st.sampled_from(REPS))
        if kind == "lead":
            leads += 1
            lines.append({"type": "lead", "lead": f"l{leads}", "attributes": {"employees": draw(st.sampled_from((1, 60)))}})
        elif kind in ("close", "reject", "accept"):
            if leads:
                lines.append({"type": kind, "lead": lead})
        elif kind == "weight":
            lines.append({"type": kind, "rep": rep, "weight": draw(st.integers(1, 9))})
        else:
            lines.append({"type": kind, "rep": rep})
    at, gaps = START, draw(st.lists(st.sampled_from((0, 0, 1, 3600)), min_size=len(lines), max_size=len(lines)))
    for line, gap in zip(lines, gaps, strict=True):
        at += timedelta(seconds=gap)
        line["at"] = at.isoformat()
    return lines


def answers(lines: list[dict[str, Any]], *, as_said: bool = True) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each line with what was answered to it."""
    history = History(AGREEMENT)
    world = World(AGREEMENT, start=START, as_said=as_said)
    out = []
    for line in lines:
        told: list[dict[str, Any]] = []
        for happening in history.read([json.dumps(line).encode()]):
            told += [document(decision, history.names.of) for decision in world.take(happening)]
        out.append((line, told))
    return out


def line_of(kind: str, **what: Any) -> dict[str, Any]:
    """A line of a history in which all happens in one millisecond."""
    return {"type": kind, "at": START.isoformat(), **what}


WITHDRAWN_AND_BACK_IN_ONE_MILLISECOND = [
    *(line_of("join", rep=rep, pool="inbound", open_leads_cap=1) for rep in REPS),
    *(line_of("lead", lead=f"l{n}", attributes={"employees": 1}) for n in range(1, 6)),
    line_of("leave", rep="ana"),
    line_of("lead", lead="l6", attributes={"employees": 1}),
    line_of("join", rep="ana"),
]
"""Who arrived in one millisecond stands in the order of asking: a lead withdrawn from a rep asks anew."""


@given(histories())
@example(WITHDRAWN_AND_BACK_IN_ONE_MILLISECOND)
def test_one_rep_a_lead_never_again_to_who_rejected_it_and_nobody_waits_for_nothing(lines: list[dict[str, Any]]) -> None:
    holder: dict[str, str] = {}
    rejected: dict[str, set[str]] = {}
    waiting: dict[str, tuple[str, str, int]] = {}
    there: dict[str, bool] = {}
    caps: dict[str, int] = {}
    arrived: dict[str, str] = {}
    asked: dict[str, int] = {}
    order = count()
    for line, told in answers(lines):
        match line["type"]:
            case "lead":
                arrived[line["lead"]], asked[line["lead"]] = line["at"], next(order)
            case "close":
                holder.pop(line["lead"], None)
                waiting.pop(line["lead"], None)
            case "reject" if line["lead"] in holder:
                rejected.setdefault(line["lead"], set()).add(holder.pop(line["lead"]))
                asked[line["lead"]] = next(order)
            case "join":
                there[line["rep"]] = there.get(line["rep"], True)
                caps[line["rep"]] = line.get("open_leads_cap", caps.get(line["rep"], 0))
            case "away" | "back" if line["rep"] in there:
                there[line["rep"]] = line["type"] == "back"
            case "leave":
                there.pop(line["rep"], None)
        for answer in told:
            lead, rep = answer["lead"], answer["rep"]
            if answer["type"] == "withdrawal":
                assert holder.pop(lead) == rep
                asked[lead] = next(order)
            elif answer["type"] == "wait":
                assert lead not in holder
                waiting[lead] = answer["grade"], arrived[lead], asked[lead]
            else:
                assert lead not in holder, "a lead with two reps"
                assert rep not in rejected.get(lead, ()), "again to who rejected it"
                assert there.get(rep), "to somebody who is not there"
                mine = waiting.pop(lead, (answer["grade"], arrived[lead], asked[lead]))
                before = [n for n, place in waiting.items() if place < mine and rep not in rejected.get(n, ())]
                assert not before, f"{lead} overtook {before}"
                holder[lead] = rep
        for rep, available in there.items():
            held = sum(owner == rep for owner in holder.values())
            could = [lead for lead in waiting if rep not in rejected.get(lead, ())]
            assert not (available and held < caps[rep] and could), f"{could} wait although {rep} could take them"


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.lists(st.booleans(), min_size=1, max_size=60))
def test_who_is_there_throughout_is_never_more_than_a_lead_from_his_share(weights: list[int], close: list[bool]) -> None:
    lines: list[dict[str, Any]] = [{"type": "join", "rep": f"r{n}", "pool": "inbound", "weight": w} for n, w in enumerate(weights)]
    for number, closes in enumerate(close):
        lines.append({"type": "lead", "lead": f"l{number}"})
        lines += [{"type": "close", "lead": f"l{number}"}] if closes else []
    assigned = dict.fromkeys(range(len(weights)), 0)
    total = 0
    for _, told in answers([{"at": START.isoformat(), **line} for line in lines]):
        for answer in told:
            total += 1
            assigned[int(answer["rep"][1:])] += 1
            for rep, weight in enumerate(weights):
                assert abs(assigned[rep] - Fraction(total * weight, sum(weights))) <= 1


@given(histories())
def test_events_handed_on_as_they_were_said_and_read_back_from_their_bytes_decide_the_same(lines: list[dict[str, Any]]) -> None:
    assert answers(lines) == answers(lines, as_said=False)
