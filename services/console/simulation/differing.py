"""Where two courses of routing differ: the recorded one and the simulated one, by lead, by rep, and in waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.ids import LeadId
from services.console.simulation.decisions import Assigned, Decision, Waits, document, rep_of
from services.console.simulation.recorded import Step

LISTED = 100
_IN_FLIGHT_MS = 1_000


def step_of(decision: Decision) -> Step:
    """A simulated decision as a recorded one is kept."""
    told = document(decision)
    kind = "assignment" if isinstance(decision, Assigned) else "wait" if isinstance(decision, Waits) else "withdrawal"
    at_ms = round(decision.at.timestamp() * 1000)
    return Step(kind, at_ms, rep_of(decision), told["pool"], told.get("rule"), told["because"])


@dataclass(frozen=True)
class _Course:
    """What was decided of one lead, on one side."""

    steps: Sequence[Step]

    @property
    def reps(self) -> list[str]:
        return [str(s.rep) for s in self.steps if s.type == "assignment"]

    @property
    def went(self) -> list[tuple[str, str | None, str | None]]:
        """What counts as the same: to whom it went from which pool, what was withdrawn, whether it waited."""
        return [(s.type, s.rep, s.pool) for s in self.steps]

    @property
    def waits_ms(self) -> list[int]:
        """How long it waited each time, as far as that has ended."""
        out, since = [], None
        for step in self.steps:
            if step.type == "wait":
                since = step.at_ms if since is None else since
            elif since is not None:
                out.append(step.at_ms - since)
                since = None
        return out

    @property
    def still_waits(self) -> bool:
        return bool(self.steps) and self.steps[-1].type == "wait"

    def said(self) -> list[dict[str, Any]]:
        return [{"type": s.type, "rep": s.rep, "pool": s.pool, "rule": s.rule, "because": s.because} for s in self.steps]


def differences(
    then: Mapping[LeadId, Sequence[Step]],
    here: Mapping[LeadId, Sequence[Step]],
    *,
    since_ms: int = 0,
    until_ms: int | None = None,
    listed: int = LISTED,
) -> dict[str, Any]:
    """The two courses side by side, of what was decided from `since_ms` on. Leads of which nothing was decided on
    either side are not counted, nor those of which something was decided in the last second before `until_ms`: one side
    may not have got there yet."""
    kinds: Counter[str] = Counter()
    changed: list[dict[str, Any]] = []
    in_flight = 0
    sides: dict[str, list[_Course]] = {"then": [], "here": []}
    for lead in sorted({*then, *here}):
        before, after = _since(then.get(lead, ()), since_ms), _since(here.get(lead, ()), since_ms)
        if not before.steps and not after.steps:
            continue
        if until_ms is not None and any(s.at_ms > until_ms - _IN_FLIGHT_MS for s in (*before.steps, *after.steps)):
            in_flight += 1
            continue
        sides["then"].append(before)
        sides["here"].append(after)
        kind = _kind(before, after)
        kinds[kind] += 1
        if kind != "same" and len(changed) < listed:
            changed.append({"lead_id": lead, "kind": kind, "then": before.said(), "here": after.said()})
    different = sum(kinds.values()) - kinds["same"]
    return {
        "leads": sum(kinds.values()),
        "same": kinds["same"],
        "different": different,
        "in_flight": in_flight,
        "kinds": {kind: number for kind, number in sorted(kinds.items()) if kind != "same"},
        "reps": _side_by_side(sides, lambda course: course.reps),
        "pools": _side_by_side(sides, lambda c: [str(s.pool) for s in c.steps if s.type == "assignment" and s.pool is not None]),
        "waiting": {side: _waiting(courses) for side, courses in sides.items()},
        "changed": changed,
        "not_listed": different - len(changed),
    }


def _since(steps: Sequence[Step], since_ms: int) -> _Course:
    return _Course([s for s in steps if s.at_ms >= since_ms])


def _kind(then: _Course, here: _Course) -> str:
    if then.went == here.went:
        return "same"
    if not then.steps or not here.steps:
        return "routed_on_one_side"
    if [s.pool for s in then.steps][:1] != [s.pool for s in here.steps][:1]:
        return "other_pool"
    return "other_rep" if then.reps != here.reps else "waits_otherwise"


def _side_by_side(sides: Mapping[str, Iterable[_Course]], names: Any) -> list[dict[str, Any]]:
    counted = {side: Counter(name for course in courses for name in names(course)) for side, courses in sides.items()}
    every = sorted({*counted["then"], *counted["here"]})
    return [{"id": name, "then": counted["then"][name], "here": counted["here"][name]} for name in every]


def _waiting(courses: Sequence[_Course]) -> dict[str, Any]:
    waits = [wait for course in courses for wait in course.waits_ms]
    return {
        "leads": sum(any(s.type == "wait" for s in c.steps) for c in courses),
        "still": sum(c.still_waits for c in courses),
        "mean_seconds": round(sum(waits) / len(waits) / 1000, 1) if waits else 0.0,
        "longest_seconds": round(max(waits, default=0) / 1000, 1),
    }


def headline(report: Mapping[str, Any]) -> str:
    """The report in a sentence."""
    if not report["different"]:
        return f"all {report['leads']:,} leads go the same way"
    kinds = ", ".join(f"{number:,} {_WORDS.get(kind, kind)}" for kind, number in report["kinds"].items())
    return f"{report['different']:,} of {report['leads']:,} leads go another way: {kinds}"


_WORDS = {
    "other_pool": "to another pool",
    "other_rep": "to another rep",
    "waits_otherwise": "wait where they did not, or the other way round",
    "routed_on_one_side": "are routed on one side only",
}
