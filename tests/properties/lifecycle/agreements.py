"""The two agreements of the checker: version 2 removes the pools p1 and pc of team s and makes p2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from schemas.agreement import Agreement, load

TEXT = """
name: checked
title: What the checker's leads live under
attributes:
  topic: {{type: choice, choices: [demo, student, other]}}
engagements: [page_viewed]
scoring:
  fit: [{{id: demo, points: 40, when: {{attribute: topic, equals: demo}}, because: wants a demo}}]
  engagement: []
  grades: {{letters: {{A: 40, B: 25, C: 10}}, numbers: {{1: 40, 2: 20, 3: 5}}}}
definition:
  - {{id: demo, verdict: qualified, when: {{attribute: topic, equals: demo}}, because: wants a demo}}
  - {{id: student, verdict: disqualified, when: {{attribute: topic, equals: student}}, because: is a student}}
  - {{id: rest, verdict: nurtured, because: not ready}}
teams:
  s: {{title: S}}
  a: {{title: A}}
pools:
{pools}
  pa: {{team: a, role: ae}}
routing:
  - {{id: closers, role: ae, pool: pa, because: handed over}}
  - {{id: everyone, pool: {pool}, because: all others}}
calendars:
  always: {{open: always}}
clocks:
  - {{id: accept, starts_on: assigned, met_by: [accepted, rejected, returned], within: 4h, calendar: always,
     on_breach: {answer}}}
  - {{id: respond, starts_on: accepted, met_by: [connected, meeting, rejected, returned, handed_over, won, lost],
     within: 8h, calendar: always, on_breach: {answer}}}
reasons:
  - {{id: reroute, title: Not mine, for: [reject, hand_over, reassign], then: reroute}}
  - {{id: later, title: Later, for: [recycle, lose], then: {{recycle: {{after: 10d, stream: later{later}}}}}}}
  - {{id: elsewhere, title: Elsewhere, for: [lose], then: {{recycle: {{after: 10d, stream: later, next_rep: another}}}}}}
  - {{id: never, title: Never, for: [lose], then: stay}}
  - {{id: spam, title: Spam, for: [suppress], then: stay}}
{recycling}
channels: {{}}
alerts: []
{paths}
"""

RECYCLING = "recycling: {cycles_at_most: 3, otherwise: {after: 10d, stream: nurture}}"
GIVES_UP = """giving_up: {attempts: 1, reasons: [later], by_itself_after: 6h}
recycling:
  cycles_at_most: 3
  otherwise: {after: 10d, stream: nurture, next_rep: another}
  lost: {after: 9d, stream: nurture, next_rep: same}
  unworked: {taken_away: 1, reason: elsewhere}
  spread: 2h
  finally: suppress"""
"""Where leads come back by themselves, to somebody else or to the same rep, and are suppressed in the end."""

ONE = "  p1: {team: s}\n  pc: {team: s, mode: claim}"
TWO = "  p2: {team: s}"
TIMED = """  p1: {team: s, accept_within: 1h, overflow: {after: 6h, to: px}}
  pc: {team: s, mode: claim, claim_within: 2h, accept_within: 1h, overflow: {after: 6h, to: px}}
  px: {team: s, mode: fewest_open}"""
TIMED_TWO = "  p2: {team: s, accept_within: 1h}"
"""Where offers stand for a time, leads overflow, and claims end in dealing."""
PATHS = """escalations:
  - {id: late, steps: [{on: breached, after: 1h, do: offer_to_team}, {on: breached, after: 3h, do: reassign}]}
  - {id: quick, clocks: [respond], steps: [{on: breached, after: 2h, do: reassign}]}"""
"""Where a breach takes nothing away, and the steps that follow it do."""


@cache
def agreement(version: int, flavour: str) -> Agreement:
    """Version 1 or 2. flavour: `push` deals leads out, `claim` lets reps take them; `offers` and `grabs` do the same, but
    everything has its time; `paths` deals leads out, and escalations take them away; `gives up` deals, and leads come back by
    themselves."""
    timed, escalated, gives_up = flavour in ("offers", "grabs"), flavour == "paths", flavour == "gives up"
    pools, pool = (TIMED if timed else ONE, "pc" if flavour in ("claim", "grabs") else "p1")
    if version == 2:
        pools, pool = (TIMED_TWO if timed else TWO, "p2")
    answer, paths = ("alert", PATHS) if escalated else ("reassign", "")
    recycling, later = (GIVES_UP, ", next_rep: same") if gives_up else (RECYCLING, "")
    return load(TEXT.format(pools=pools, pool=pool, answer=answer, paths=paths, recycling=recycling, later=later), version)


@dataclass
class OneLogsAgreements:
    """What one log knows: each log learns of version 2 at its own time."""

    flavour: str
    now_in_force: int = 1

    def in_force(self, at: datetime) -> Agreement:
        return agreement(self.now_in_force, self.flavour)

    def version(self, number: int) -> Agreement | None:
        return agreement(number, self.flavour) if number in (1, 2) else None

    def model_at(self, at: object) -> None:
        return None

    def next_after(self, at: datetime) -> datetime | None:
        return None
