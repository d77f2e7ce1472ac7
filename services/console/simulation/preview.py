"""Where one lead would go, and why: the same code as for a history of one lead. Nothing happens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.agreement import Agreement, Facts, Roster
from schemas.events.desk import RepJoined
from schemas.ids import LeadId
from schemas.vocabulary import Slug, Source
from services.console.lead_file import LeadFile, known_at
from services.console.simulation.decisions import Assigned, document
from services.console.simulation.happenings import LeadComes, Scored, TeamTold
from services.console.simulation.naming import Names
from services.console.simulation.world import World


def preview(agreement: Agreement, lead: LeadFile, roster: Roster | None, at: datetime) -> dict[str, Any]:
    """The verdict, the pool with its rule, and who of the roster would get the lead at `at`. Raises Refused."""
    known = known_at(lead, agreement, at)
    standing = agreement.standing(known)
    judged = agreement.judge(standing.facts)
    names = Names()
    world = World(agreement, start=at)
    for member in roster.reps if roster is not None else ():
        list(world.take(TeamTold(at, "the roster", RepJoined(**member.said()))))
    named = str(lead.lead_id) if lead.lead_id is not None else "lead"
    lead_id = names.lead(named)
    *_, decision = world.take(_coming(lead_id, at, known, standing))
    told = document(decision, names.of)
    qualified = judged.verdict == "qualified"
    return {
        "lead": named,
        "at": told["at"],
        "verdict": judged.verdict.value,
        "verdict_rule": judged.rule,
        "verdict_because": judged.because,
        "routed": qualified,
        "score": str(standing.score),
        "grade": standing.grade,
        "stage": standing.stage,
        "team": told["team"],
        "pool": told["pool"],
        "rule": told["rule"],
        "because": told["rule_because"],
        "passed_over": told["passed_over"],
        "outcome": told["type"],
        "rep": told["rep"],
        "rep_because": told["because"],
        "chosen_by": told["chosen_by"] if isinstance(decision, Assigned) else None,
        "candidates": told["candidates"],
        "agreement": agreement.name,
        "remarks": list(_remarks(agreement, lead, roster, qualified)),
    }


def _coming(lead: LeadId, at: datetime, known: Facts, standing: Any) -> LeadComes:
    stage = Slug(standing.stage) if standing.stage is not None else None
    scored = Scored(standing.score, standing.fit, standing.engagement, standing.grade, stage)
    attributes: dict[Any, Any] = dict(known.attributes)
    return LeadComes(at, "the lead", lead, attributes, known.country, Source.model_validate(known.source), scored)


def _remarks(agreement: Agreement, lead: LeadFile, roster: Roster | None, qualified: bool) -> list[str]:
    remarks = []
    if not qualified:
        remarks.append("as it stands the lead is not qualified and would not be routed; this is where it would go once it is")
    if roster is None:
        remarks.append("no roster was named, so nobody is in any pool: name one with --roster")
    if lead.lead_id is None and any(rule.percent is not None for rule in agreement.routing):
        remarks.append("splits by percentage go by lead_id, which the file does not name")
    if roster is not None:
        remarks.append("everybody is taken to be available, within his hours, and to hold no leads")
    return remarks
