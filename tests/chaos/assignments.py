"""Who has which lead: at most one rep at any position, and the team's log in step with the leads'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from schemas.lifecycle import Effect, State
from tests.chaos.evidence import Evidence, Raw
from tests.chaos.findings import Findings
from tests.chaos.histories import Story

POINT = "assignments"

ENDS = frozenset(
    {
        "AssignmentWithdrawn", "LeadRejected", "LeadReturned", "LeadHandedOver", "LeadWon", "LeadLost",
        "ReassignmentOrdered", "LeadErased", "LeadsMerged", "LeadSuppressed",
    }
)  # fmt: skip
BEGINS_A_CYCLE = frozenset({"LeadReactivated", "LeadsUnmerged"})


def check(evidence: Evidence, lives: Mapping[str, Story], findings: Findings) -> None:
    """No lead has two assignments in effect at any position, and nobody gets again what he rejected in the cycle.

    What begins and what ends an assignment is read off the events themselves, not off the fold's state.
    """
    for key, story in lives.items():
        held: str | None = None
        rejected: set[str] = set()
        rep = ""
        for raw in story.log:
            if story.effects.get(raw.event_id) is not Effect.EFFECT:
                continue
            if raw.name == "LeadAssigned":
                findings.expect(
                    POINT, held is None, f"lead {key}: {raw.place} assigns it to {raw.content['rep_id']} while {rep} has it"
                )
                held, rep = raw.content["request_id"], raw.content["rep_id"]
                findings.expect(POINT, rep not in rejected, f"lead {key}: {raw.place} gives it back to {rep}, who rejected it")
            elif raw.name == "ActionUndone":
                held = story.at(raw.record.offset).assignment_id
            elif raw.name in ENDS:
                if raw.name == "LeadRejected":
                    rejected.add(rep)
                held = None
            elif raw.name in BEGINS_A_CYCLE:
                rejected.clear()
        findings.expect(
            POINT, held == story.life.assignment_id, f"lead {key}: held is {held}, the fold says {story.life.assignment_id}"
        )


def in_effect(story: Story) -> Iterator[str]:
    """The assignments that were ever in effect."""
    for raw in story.log:
        if raw.name == "LeadAssigned" and story.effects[raw.event_id] is Effect.EFFECT:
            yield raw.content["request_id"]


def check_teams(lives: Mapping[str, Story], teams: Mapping[str, list[Raw]], findings: Findings) -> None:
    """A request in effect was asked of the team once and, as soon as it is over, released once: no place is lost or ghostly."""
    asked: Counter[tuple[str, str]] = Counter()
    released: Counter[tuple[str, str]] = Counter()
    for log in teams.values():
        for raw in log:
            if raw.name == "AssignmentRequested":
                asked[raw.content["lead_id"], raw.content["request_id"]] += 1
            elif raw.name == "AssignmentReleased":
                released[raw.content["lead_id"], raw.content["request_id"]] += 1
    routed: Counter[tuple[str, str]] = Counter()
    for key, story in lives.items():
        for raw in story.log:
            if raw.name == "LeadRouted" and story.effects[raw.event_id] is Effect.EFFECT:
                routed[key, raw.content["request_id"]] += 1
    for place, times in routed.items():
        lead, request = place
        life = lives[lead].life
        current = life.offer == request and (life.held or life.state is State.OPEN)
        findings.expect(
            "places", asked[place] == times, f"lead {lead}: request {request} was asked of the team {asked[place]} times"
        )
        findings.expect(
            "places",
            released[place] == (asked[place] - 1 if current else asked[place]),
            f"lead {lead}: request {request} is {'current' if current else 'over'}, was asked {asked[place]} times "
            f"and released {released[place]} times",
        )
    for lead, request in asked.keys() - routed.keys():
        findings.expect("places", False, f"lead {lead}: request {request} was asked of the team and never opened")
    findings.counts["requests"] = len(routed)
